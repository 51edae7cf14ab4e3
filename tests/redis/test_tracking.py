"""Tracked execution states in real servers: on every node of a cluster, each with its own slot."""

import asyncio

import pytest

from adapters.memory import MemoryDialogueStore
from adapters.redis.store import RedisStore
from domain.conversations import Conversation
from domain.executions import ExecutionState
from domain.identity import TenantId, tenant_id
from ports.stores import TenantScope
from ports.synchronisation import SynchronisedExecutions
from ports.write_behind import Synchroniser
from tests.redis.keyspace import faults
from tests.redis.opening import unused
from tests.valkey import Cluster, Node

TALKS = [f"talk {number}" for number in range(20)]
PATIENCE = 30


@pytest.mark.parametrize("where", ["three", "shared"])
@pytest.mark.parametrize("hinted", [True, False], ids=["hinted at", "swept up"])
def test_what_lies_on_any_node_is_written_and_comes_back(
    request: pytest.FixtureRequest, where: str, hinted: bool
) -> None:
    """By hints while their queue lasts, or else by a sweep over all nodes."""
    place: Cluster | Node = request.getfixturevalue(where)
    nodes = place.nodes if isinstance(place, Cluster) else [place]
    asyncio.run(_written_and_back([node.url for node in nodes], hinted))


async def _written_and_back(urls: list[str], hinted: bool) -> None:
    hot, durable = await RedisStore.open(urls[0]), MemoryDialogueStore()
    tenant = tenant_id(unused())
    scope = TenantScope(tenant, None, durable, hot, synchronised=True)

    def of(tenant: TenantId) -> SynchronisedExecutions:
        tracked = hot.repositories(tenant).tracked_executions
        return SynchronisedExecutions(tenant, tracked, durable.repositories(tenant))

    queue = hot.maintenance().unsynchronised
    before = set(faults(urls))  # of other tests, which name their keys as they like
    try:
        for talk in TALKS:
            await scope.conversations.create(Conversation.draft(user_id="ada", id=talk))
            await scope.executions.save(ExecutionState.draft(talk, slots={"talk": talk}))
        found: set[str] = set()
        async with asyncio.timeout(PATIENCE):
            while found < set(TALKS):  # hints come some moments later
                await asyncio.sleep(0)
                found |= {talk for whose, talk in await queue.take(100) if whose == tenant}
        if hinted:
            await queue.put((tenant, talk) for talk in TALKS)
        synchroniser = Synchroniser(queue, of)
        if hinted:
            async with synchroniser.running():
                pass
        else:
            await synchroniser.once()
        assert await hot.maintenance().erase_tenant(tenant) == len(TALKS)
        for talk in TALKS:
            assert (await scope.executions.require(talk)).slots == {"talk": talk}
        assert not set(faults(urls)) - before
    finally:
        await hot.maintenance().erase_tenant(tenant)
        await hot.close()
