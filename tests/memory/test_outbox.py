"""The outbox in memory: what isn't kept."""

import asyncio

from adapters.memory import MemoryAuthoringStore
from domain.flows import Flow
from domain.identity import TenantId
from ports.stores import TenantScope


def test_without_subscribers_nothing_piles_up() -> None:
    """A process that never dispatches doesn't grow by it; who subscribes gets what follows."""

    async def happen() -> list[int]:
        store = MemoryAuthoringStore()
        scope = TenantScope(TenantId("acme"), store)
        outbox = store.sibling().maintenance().outbox
        waiting = []
        flow = await scope.flows.create(Flow.draft(name="a"))
        async with scope.authoring() as unit:
            await unit.flows.patch(flow.id, category="x")
            waiting.append((await outbox.backlog()).undistributed)
            await outbox.subscribe("ears")
        waiting.append((await outbox.backlog()).undistributed)
        await outbox.unsubscribe("ears")
        await scope.flows.delete(flow.id)
        waiting.append((await outbox.backlog()).undistributed)
        return waiting

    assert asyncio.run(happen()) == [0, 1, 1]


def test_what_was_dropped_is_sealed_all_the_same() -> None:
    """By whoever dispatches, though there is no news."""

    async def happen() -> int:
        store = MemoryAuthoringStore()
        scope = TenantScope(TenantId("acme"), store)
        await scope.flows.create(Flow.draft(name="a"))
        await store.maintenance().dispatcher(()).once()
        return (await scope.audit.head()).sequence

    assert asyncio.run(happen()) == 1
