"""A function as a consumer."""

import asyncio
from collections.abc import Sequence

import pytest

from adapters.local.callbacks import CallbackConsumer
from adapters.memory import MemoryAuthoringStore
from domain.errors import ValidationError
from domain.flows import Flow
from domain.identity import tenant_id
from domain.outbox import ChangeEvent
from ports.stores import TenantScope


def test_a_function_is_told_of_changes() -> None:
    """What it returns is of no interest; what it raises means that it comes again."""
    told: list[ChangeEvent] = []
    again = asyncio.Event()

    async def hear(events: Sequence[ChangeEvent]) -> bool:
        told.extend(events)
        if len(told) == 1:
            raise KeyError
        again.set()
        return False

    async def happen() -> None:
        store = MemoryAuthoringStore()
        dispatcher = store.maintenance().dispatcher([CallbackConsumer("ears", hear)])
        await dispatcher.once()
        await TenantScope(tenant_id("acme"), store).flows.create(Flow.draft(name="a"))
        assert (await dispatcher.once()).refused == 1
        async with dispatcher.running():
            await again.wait()
        assert (await dispatcher.once()).delivered == 0

    asyncio.run(happen())
    assert told[0] == told[1]


def test_what_can_be_no_name_is_refused() -> None:
    """At once, not when it is to be subscribed."""

    async def hear(events: Sequence[ChangeEvent]) -> None:
        raise AssertionError(events)

    with pytest.raises(ValidationError):
        CallbackConsumer("", hear)
