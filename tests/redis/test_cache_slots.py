"""The cache while a slot of its moves from one node of a cluster to another."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import timedelta

import pytest

from adapters.redis.cache import RedisCacheEntries
from adapters.redis.keys import key
from domain.identity import TenantId
from tests.redis.opening import opened, unused
from tests.redis.slots import BEGUN, Move, slot
from tests.valkey import Cluster, cluster, show

_DEADLINE = 2.0
_LIVES = 60_000


@pytest.fixture
def three() -> Iterator[Cluster]:
    """Three primaries whose clock a test moves."""
    with cluster(BEGUN) as nodes:
        yield nodes


class _Moving(RedisCacheEntries):
    """The tag's slot begins to move as soon as some of its entries were dropped."""

    move: Move

    async def _drop_all(self, entries: Iterable[str]) -> int:
        dropped = await super()._drop_all(entries)
        self.move.begin()
        return dropped


def test_a_tag_is_invalidated_while_its_slot_moves(three: Cluster) -> None:
    """Nothing is left of it, nor of what was noted on the way."""

    async def scenario() -> None:
        tenant = TenantId(unused())
        async with opened(three.url, deadline=_DEADLINE) as client:
            entries = _Moving(tenant, client)
            entries.move = Move(three, slot(key(tenant, "tag", "cache-tag")))
            await entries.register(["tag"], "key", _LIVES)
            await entries.invalidate("tag")
            entries.move.back()
            assert [name async for names in client.scan("*") for name in names] == []

    asyncio.run(scenario())


def test_a_key_is_noted_under_a_tag_while_its_slot_moves(three: Cluster) -> None:
    """Though all that was noted before is forgotten at that, as on a node whose clock is ahead."""

    async def scenario() -> None:
        tenant = TenantId(unused())
        tag = key(tenant, "tag", "cache-tag")
        async with opened(three.url, deadline=_DEADLINE) as client:
            entries = RedisCacheEntries(tenant, client)
            await entries.register(["tag"], "old", 1)
            await client.execute("PEXPIRE", tag, _LIVES, key=tag, writes=True)
            assert three.clock is not None
            show(three.clock, BEGUN + timedelta(seconds=1))
            Move(three, slot(tag)).begin()
            await entries.register(["tag"], "key", _LIVES)
            noted = await client.execute("ZRANGE", tag, 0, -1, key=tag, writes=False)
            assert noted == [b"key"]

    asyncio.run(scenario())
