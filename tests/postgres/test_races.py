"""Races whose other side is held still between two of its steps."""

import asyncio

import pytest

from adapters.postgres import maintenance
from domain.definitions import FlowDefinition
from domain.flows import Flow
from tests.postgres.opening import bare, new_tenant, store, waiting_for_a_lock


def test_a_default_that_comes_up_amid_set_default_is_replaced_too(url: str) -> None:
    """Whoever was the default no longer is: its writer's key clashes, which nobody is told."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url) as opened, bare(url, tenant) as rival, bare(url, tenant) as beside:
            flows = opened.repositories(tenant).flows
            ours, theirs = await flows.create_many(
                Flow.draft(name=name, definition=FlowDefinition.external({}))
                for name in ("ours", "theirs")
            )
            for flow in (ours, theirs):
                await flows.publish(flow.id)
            async with rival.transaction():
                await rival.execute("UPDATE flows SET is_default = true WHERE id = $1", theirs.id)
                setting = asyncio.create_task(flows.set_default(ours.id))
                await waiting_for_a_lock(beside)
            assert (await setting).is_default
            assert not (await flows.require(theirs.id)).is_default

    asyncio.run(scenario())


def test_erasing_goes_on_when_another_deletes_the_same_batch(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is gone already isn't the end: what lies behind it is erased, too."""
    monkeypatch.setattr(maintenance, "BATCH", 1)

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url) as opened, bare(url, tenant) as rival, bare(url, tenant) as beside:
            flows = opened.repositories(tenant).flows
            await flows.create_many(Flow.draft(name=name) for name in "abc")
            first = (await flows.scan(limit=1)).items[0]
            async with rival.transaction():
                await rival.execute("DELETE FROM flows WHERE id = $1", first.id)
                erasing = asyncio.create_task(opened.maintenance().erase_tenant(tenant))
                await waiting_for_a_lock(beside)
            assert await erasing == 2
            assert await flows.count() == 0

    asyncio.run(scenario())
