"""Two units at once, of which the first to commit wins: nothing waits in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

import bootstrap
from bootstrap import Settings
from domain.definitions import FlowDefinition
from domain.flows import Flow
from ports.errors import DuplicateEntityError, TransactionError
from ports.stores import TenantScope


@asynccontextmanager
async def opened() -> AsyncIterator[TenantScope]:
    async with bootstrap.open(Settings.memory()) as platform:
        yield platform.for_tenant("acme")


def test_of_two_units_that_choose_a_default_the_later_lost_a_race() -> None:
    """It may be run again as a whole, so it isn't told of a duplicate."""

    async def scenario() -> None:
        async with opened() as acme:
            one, two = await acme.flows.create_many(
                Flow.draft(name=name, definition=FlowDefinition.external({}))
                for name in ("one", "two")
            )
            await acme.flows.publish(one.id)
            await acme.flows.publish(two.id)

            async def race() -> None:
                async with acme.authoring() as late:
                    await late.flows.set_default(two.id)
                    async with acme.authoring() as early:
                        await early.flows.set_default(one.id)

            with pytest.raises(TransactionError):
                await race()
            assert (await acme.flows.require(one.id)).is_default
            assert not (await acme.flows.require(two.id)).is_default

    asyncio.run(scenario())


def test_of_two_units_that_create_the_same_name_the_later_made_a_duplicate() -> None:
    """Running it again would not help, so it is told which key stands already."""

    async def scenario() -> None:
        async with opened() as acme:

            async def race() -> None:
                async with acme.authoring() as late:
                    await late.flows.create(Flow.draft(name="welcome"))
                    async with acme.authoring() as early:
                        await early.flows.create(Flow.draft(name="welcome"))

            with pytest.raises(DuplicateEntityError) as raised:
                await race()
            assert raised.value.key == ("name", "version")
            assert await acme.flows.count() == 1

    asyncio.run(scenario())
