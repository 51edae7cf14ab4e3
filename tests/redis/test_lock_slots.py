"""Locks while their slot moves from one node of a cluster to another."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from adapters.redis.keys import key
from adapters.redis.locks import RedisLocks
from domain.identity import TenantId
from ports.leases import PASSED_OVER
from tests.redis.opening import opened, unused
from tests.redis.slots import BEGUN, Move, slot
from tests.valkey import Cluster, cluster, show

_DEADLINE = 2.0
_TTL = 60_000
_NAME = "nightly"


@pytest.fixture
def three() -> Iterator[Cluster]:
    """Three primaries whose clock a test moves."""
    with cluster(BEGUN) as nodes:
        yield nodes


async def _held_with_a_dead_contender(three: Cluster, locks: RedisLocks) -> None:
    """`holder` has it; `dead` is in its line, but hasn't been heard of for too long."""
    assert (await locks._take(_NAME, "holder", _TTL, None)).fencing_token is not None
    await locks._take(_NAME, "dead", _TTL, 0)
    _show(three, BEGUN + PASSED_OVER - timedelta(milliseconds=100))
    # Who comes and goes: the line is kept longer than the turn of the one who is left in it.
    await locks._take(_NAME, "gone", _TTL, 0)
    await locks._give_back(_NAME, "gone")
    _show(three, BEGUN + PASSED_OVER + timedelta(seconds=1))


def _show(three: Cluster, now: datetime) -> None:
    assert three.clock is not None
    show(three.clock, now)


def test_a_lock_is_given_back_while_its_slot_moves(three: Cluster) -> None:
    """The whole of it, though the line of those who wait goes with it."""

    async def scenario() -> None:
        tenant = TenantId(unused())
        move = Move(three, slot(key(tenant, _NAME, "lock")))
        async with opened(three.url, deadline=_DEADLINE) as client:
            locks = RedisLocks(tenant, client)
            await _held_with_a_dead_contender(three, locks)
            move.begin()
            assert await locks._give_back(_NAME, "holder")
            move.take(key(tenant, _NAME, "lock-token"))  # all that is left
            move.end()
            assert (await locks._take(_NAME, "next", _TTL, None)).fencing_token is not None

    asyncio.run(scenario())


@pytest.mark.parametrize("place", [None, 0])
def test_a_line_is_joined_while_its_slot_moves(three: Cluster, place: int | None) -> None:
    """Though nobody else is left in it, and it goes before anybody comes."""

    async def scenario() -> None:
        tenant = TenantId(unused())
        move = Move(three, slot(key(tenant, _NAME, "lock")))
        async with opened(three.url, deadline=_DEADLINE) as client:
            locks = RedisLocks(tenant, client)
            await _held_with_a_dead_contender(three, locks)
            move.begin()
            look = await locks._take(_NAME, "next", _TTL, place)
            assert look.fencing_token is None
            assert bool(look.place) is (place is not None)
            assert look.left is not None

    asyncio.run(scenario())
