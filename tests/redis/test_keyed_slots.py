"""Sessions and execution states while their slot moves from one node of a cluster to another."""

import asyncio
from collections.abc import Iterator

import pytest

from adapters.redis.executions import RedisExecutionStore
from adapters.redis.keys import key
from adapters.redis.sessions import RedisSessionStore
from domain.executions import ExecutionState
from domain.identity import TenantId
from domain.sessions import bucket_of
from tests.redis.opening import opened, unused
from tests.redis.slots import BEGUN, Move, slot
from tests.valkey import Cluster, cluster

_DEADLINE = 2.0


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    """Three primaries that stay up; a test puts back what it moves."""
    with cluster(BEGUN) as nodes:
        yield nodes


@pytest.mark.parametrize("way", ["delete", "delete_for_user"])
def test_a_user_s_last_session_ends_while_its_slot_moves(three: Cluster, way: str) -> None:
    """The whole of it, though the list goes with it: what a script removed isn't here any more."""

    async def scenario() -> None:
        tenant = TenantId(unused())
        move = Move(three, slot(key(tenant, bucket_of("ada"), "sessions")))
        async with opened(three.url, deadline=_DEADLINE) as client:
            sessions = RedisSessionStore(tenant, client)
            token = (await sessions.create("ada")).token
            move.begin()
            try:
                if way == "delete":
                    assert await sessions.delete(token)
                else:
                    assert await sessions.delete_for_user("ada") == 1
                assert await sessions.get(token) is None
                assert await sessions.for_user("ada") == ()
            finally:
                move.back()

    asyncio.run(scenario())


def test_what_nobody_fenced_is_read_while_its_slot_moves(three: Cluster) -> None:
    """On either side: there is no token that would have to be in the same place."""

    async def scenario() -> None:
        tenant = TenantId(unused())
        name = key(tenant, "talk", "execution")
        move = Move(three, slot(name))
        async with opened(three.url, deadline=_DEADLINE) as client:
            states = RedisExecutionStore(tenant, client)
            saved = await states.save(ExecutionState.draft("talk", slots={"n": 1}))
            move.begin()
            try:
                assert await states.get("talk") == saved
                move.take(name)
                assert await states.get("talk") == saved
            finally:
                move.back()

    asyncio.run(scenario())
