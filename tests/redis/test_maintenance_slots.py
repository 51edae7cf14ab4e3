"""Maintenance while a slot moves from one node of a cluster to another."""

import asyncio
from collections.abc import AsyncIterator

from adapters.redis.executions import RedisExecutionStore
from adapters.redis.keys import key
from adapters.redis.maintenance import RedisRuntimeMaintenance
from domain.executions import ExecutionState
from domain.identity import TenantId
from tests.redis.opening import opened, unused
from tests.redis.slots import BEGUN, Move, slot
from tests.redis.test_locks import CountingClient
from tests.valkey import cluster


class _Moving(CountingClient):
    """As the first reading goes on, a key leaves a node before its names are read, for one whose
    names were read before.
    """

    move: Move
    name: str

    async def scan(self, pattern: str) -> AsyncIterator[list[str]]:
        self.asked["scan"] += 1
        moves = self.asked["scan"] == 1
        async for names in self._client.scan(pattern):
            yield [name for name in names if not moves or name != self.name]
        if moves:
            self.move.begin()
            self.move.take(self.name)
            self.move.end()


def test_what_moves_is_erased_with_its_tenant() -> None:
    """Though it was wherever the names were not being read."""

    async def scenario() -> None:
        tenant = TenantId(unused())
        name = key(tenant, "talk", "execution")
        async with opened(three.url) as client:
            states = RedisExecutionStore(tenant, client)
            for id in ("talk", "another"):
                await states.save(ExecutionState.draft(id))
            moving = _Moving(client)
            moving.move, moving.name = Move(three, slot(name)), name
            assert await RedisRuntimeMaintenance(moving).erase_tenant(tenant) == 2
            assert await states.get("talk") is None

    with cluster(BEGUN) as three:
        asyncio.run(scenario())
