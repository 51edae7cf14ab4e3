"""Races whose other side is held still between two of its steps."""

import asyncio

from domain.definitions import FlowDefinition
from domain.flows import Flow
from tests.postgres.opening import bare, new_tenant, store, waiting_for_a_lock


def test_a_default_that_comes_up_amid_set_default_is_replaced_too(url: str) -> None:
    """Whoever was the default no longer is: its writer's key clashes, which nobody is told."""

    async def scenario() -> None:
        async with store(url) as opened, bare(url) as rival, bare(url) as beside:
            flows = opened.repositories(new_tenant()).flows
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
