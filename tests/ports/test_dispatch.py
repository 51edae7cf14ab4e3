"""A dispatcher whose store fails: it goes on as soon as that does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from adapters.local.callbacks import CallbackConsumer
from adapters.memory import MemoryAuthoringStore
from domain.flows import Flow
from domain.identity import TenantId
from domain.outbox import ChangeEvent
from ports.audit import SEAL_BATCH
from ports.dispatch import Dispatcher, DispatchOptions
from ports.errors import CorruptRecordError, StoreUnavailableError
from ports.outbox import Outbox
from ports.stores import TenantScope

ACME = TenantId("acme")
QUICK = DispatchOptions(interval=timedelta(milliseconds=1))
STEPS = ("with_news", "distribute", "with_work", "deliver")


class World:
    """A store in memory, a consumer, and who is sealed."""

    def __init__(self) -> None:
        self.store = MemoryAuthoringStore()
        self.outbox: Outbox = self.store.maintenance().outbox
        self.flows = TenantScope(ACME, self.store).flows
        self.heard = asyncio.Event()
        self.told: list[ChangeEvent] = []
        self.sealed: list[TenantId] = []
        self.consumer = CallbackConsumer("ears", self.hear)

    async def hear(self, events: Sequence[ChangeEvent]) -> None:
        """Take them."""
        self.told.extend(events)
        self.heard.set()

    async def seal(self, tenant: TenantId) -> int:
        """Nothing left to seal."""
        self.sealed.append(tenant)
        return 0

    def dispatcher(self, seal: Callable[[TenantId], Awaitable[int]] | None = None) -> Dispatcher:
        """One for its consumer."""
        return Dispatcher(self.outbox, [self.consumer], options=QUICK, seal=seal or self.seal)


def failing(world: World, step: str, times: int) -> None:
    """Let a step of the outbox fail so many times."""
    left, works = [times], getattr(world.outbox, step)

    def fail(*arguments: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise StoreUnavailableError("it is away")
        return works(*arguments, **named)

    setattr(world.outbox, step, fail)


@pytest.mark.parametrize("step", STEPS)
def test_a_store_that_comes_back_is_dispatched_again(step: str) -> None:
    """Whatever it failed at; nothing is lost."""

    async def happen() -> World:
        world = World()
        failing(world, step, 2)
        async with world.dispatcher().running():
            await world.flows.create(Flow.draft(name="a"))
            await asyncio.wait_for(world.heard.wait(), 30)
        return world

    assert len(asyncio.run(happen()).told) == 1


@pytest.mark.parametrize("step", STEPS)
def test_who_dispatches_once_is_told_that_the_store_fails(step: str) -> None:
    """And may do so again."""

    async def happen() -> World:
        world = World()
        await world.outbox.subscribe("ears")
        await world.flows.create(Flow.draft(name="a"))
        failing(world, step, 1)
        with pytest.raises(StoreUnavailableError):
            await world.dispatcher().once()
        await world.dispatcher().once()
        return world

    assert len(asyncio.run(happen()).told) == 1


def test_trails_of_tenants_with_news_are_sealed() -> None:
    """Others aren't looked at."""

    async def happen() -> World:
        world = World()
        await world.outbox.subscribe("ears")
        await TenantScope(TenantId("quiet"), world.store).flows.count()
        await world.flows.create(Flow.draft(name="a"))
        await world.dispatcher().once()
        await world.dispatcher().once()
        return world

    assert asyncio.run(happen()).sealed == [ACME]


def test_a_trail_that_is_sealed_to_its_end_is_not_looked_at_again() -> None:
    """Fewer than a batch were left: to ask for more would be a transaction for each tenant."""

    async def happen() -> World:
        world = World()
        left = [SEAL_BATCH, 3]

        async def seal(tenant: TenantId) -> int:
            world.sealed.append(tenant)
            return left.pop(0) if left else 0

        await world.outbox.subscribe("ears")
        await world.flows.create(Flow.draft(name="a"))
        await world.dispatcher(seal).once()
        return world

    assert asyncio.run(happen()).sealed == [ACME, ACME]


def test_a_trail_that_cannot_be_sealed_holds_nobody_up() -> None:
    """Its own tenant's events included."""

    async def happen() -> World:
        world = World()
        stuck = asyncio.Event()

        async def seal(tenant: TenantId) -> int:
            stuck.set()
            await asyncio.Event().wait()
            return 0

        async with world.dispatcher(seal).running():
            await world.flows.create(Flow.draft(name="a"))
            await asyncio.wait_for(stuck.wait(), 30)
            world.heard.clear()
            await world.flows.create(Flow.draft(name="b"))
            await asyncio.wait_for(world.heard.wait(), 30)
        return world

    assert len(asyncio.run(happen()).told) == 2


def test_trails_are_sealed_in_turn() -> None:
    """One that always has more to seal, or that is broken, keeps nobody from theirs."""

    async def happen() -> list[TenantId]:
        world = World()
        done = asyncio.Event()

        async def seal(tenant: TenantId) -> int:
            world.sealed.append(tenant)
            if tenant == "broken":
                raise CorruptRecordError("audit entry", None)
            if tenant == "quiet":
                done.set()
            await asyncio.sleep(0)
            return SEAL_BATCH if tenant == "busy" else 0

        async def unsealed(after: str, limit: int) -> Sequence[TenantId]:
            names = ("broken", "busy", "quiet")
            return [TenantId(name) for name in names if name > after][:limit]

        dispatcher = Dispatcher(world.outbox, (), options=QUICK, seal=seal, unsealed=unsealed)
        async with dispatcher.running():
            await asyncio.wait_for(done.wait(), 30)
        return world.sealed

    assert asyncio.run(happen())[:3] == ["broken", "busy", "quiet"]


def test_a_block_that_is_left_by_an_exception_leaves_nothing_running() -> None:
    """The consumer is cancelled, and the events come again."""

    async def happen() -> World:
        world = World()
        begun = asyncio.Event()

        async def hang(events: Sequence[ChangeEvent]) -> None:
            begun.set()
            await asyncio.Event().wait()

        hanging = Dispatcher(world.outbox, [CallbackConsumer("ears", hang)], options=QUICK)
        with suppress(KeyError):
            async with hanging.running():
                await world.flows.create(Flow.draft(name="a"))
                await asyncio.wait_for(begun.wait(), 30)
                raise KeyError
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await world.dispatcher().once()
        return world

    assert len(asyncio.run(happen()).told) == 1
