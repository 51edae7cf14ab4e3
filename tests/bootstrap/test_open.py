"""`open`: what it opens, what it hands out, and that it closes it."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from dependency_injector import providers

import bootstrap
from adapters.memory import (
    ManualClock,
    MemoryAnalyticsStore,
    MemoryAuthoringStore,
    MemoryDialogueStore,
    MemoryRuntimeStore,
)
from adapters.memory.maintenance import MemoryAuthoringMaintenance
from adapters.memory.outbox import MemoryOutbox
from bootstrap import Container, Settings
from bootstrap.platform import opened
from domain.analytics import AnalyticsEvent
from domain.conversations import Conversation
from domain.errors import ValidationError
from domain.executions import ExecutionState
from domain.flows import Flow
from domain.identity import TenantId
from domain.messages import Message
from domain.rates import fixed_window
from ports.errors import ErasedError, StoreUnavailableError
from tests.bootstrap.running import run

DRIVERS = (
    *("asyncpg", "sqlalchemy", "alembic", "greenlet"),
    *("motor", "pymongo", "redis", "hiredis"),
    # (OpenTelemetry itself comes by FastAPI, which dependency-injector imports where it is.)
    *("scipy", "structlog", "adapters.observed.telemetry"),
)
MINUTE = timedelta(minutes=1)


async def hello() -> str:
    """What is loaded."""
    return "Hello"


async def never() -> str:
    """What takes too long."""
    await asyncio.Event().wait()
    raise AssertionError


@run
async def test_a_memory_platform_is_one_line_away() -> None:
    """And works at once."""
    async with bootstrap.open(Settings.memory()) as platform:
        flow = await platform.for_tenant("acme").flows.create(Flow.draft(name="welcome"))
        assert await platform.for_tenant("acme").flows.require(flow.id) == flow
        assert not await platform.for_tenant("globex").flows.exists(flow.id)
        assert [tenant async for tenant in platform.maintenance.tenants()] == ["acme"]
        await platform.check()


@run
async def test_two_memory_platforms_share_nothing() -> None:
    """So that unit tests can't meet each other."""
    async with bootstrap.open(Settings.memory()) as one, bootstrap.open(Settings.memory()) as two:
        await one.for_tenant("acme").flows.create(Flow.draft(name="welcome"))
        assert await two.for_tenant("acme").flows.count() == 0


@run
async def test_the_environment_decides_when_no_settings_are_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a deployed service wants it."""
    monkeypatch.setenv("DIALOGBASE_PROFILE", "memory")
    async with bootstrap.open() as platform:
        assert platform.settings == Settings.memory()


@run
async def test_a_clock_that_is_handed_in_is_the_one_that_counts() -> None:
    """Tests make time pass."""
    clock = ManualClock(datetime(2031, 2, 3, tzinfo=UTC))
    async with bootstrap.open(Settings.memory(), clock=clock) as platform:
        flow = await platform.for_tenant("acme").flows.create(Flow.draft(name="welcome"))
    assert flow.created_at == clock.now()


@run
async def test_stores_that_are_handed_in_are_used_in_place_of_the_chosen_ones() -> None:
    """Nothing else is opened then: this profile's servers aren't there."""
    authoring, dialogue, analytics = (
        MemoryAuthoringStore(),
        MemoryDialogueStore(),
        MemoryAnalyticsStore(),
    )
    # To read a session is to use it: at the very time at which it was made, it stays as it was.
    runtime = MemoryRuntimeStore(clock=ManualClock(datetime(2031, 2, 3, tzinfo=UTC)))
    settings = Settings(
        profile="servers",
        postgres_url="postgresql://nowhere.invalid/x",
        mongo_url="mongodb://nowhere.invalid/x",
        redis_url="redis://nowhere.invalid/0",
    )
    async with bootstrap.open(
        settings, authoring=authoring, dialogue=dialogue, runtime=runtime, analytics=analytics
    ) as platform:
        acme = platform.for_tenant("acme")
        flow = await acme.flows.create(Flow.draft(name="welcome"))
        talk = await acme.conversations.create(Conversation.draft(user_id="ada"))
        await acme.analytics.record(AnalyticsEvent.draft("turn", id="t1"))
        issued = await acme.sessions.create("ada")
    assert await authoring.repositories(flow.tenant_id).flows.require(flow.id) == flow
    kept = dialogue.repositories(flow.tenant_id).conversations
    assert await kept.require(talk.id) == talk
    held = runtime.repositories(flow.tenant_id).sessions
    assert await held.require(issued.token) == issued.session
    assert await analytics.repositories(flow.tenant_id).get_by_id("t1") is not None


@run
async def test_a_tenant_has_all_groups_of_ports() -> None:
    """One scope for all of its data; what joins a unit of work does so by group."""
    async with bootstrap.open(Settings.memory()) as platform:
        acme = platform.for_tenant("acme")
        async with acme.authoring() as work:
            flow = await work.flows.create(Flow.draft(name="welcome"))
        async with acme.dialogue() as work:
            talk = await work.conversations.create(
                Conversation.draft(user_id="ada", flow_id=flow.id)
            )
            await work.messages.append(talk.id, [Message.draft("Hello")])
        assert (await acme.conversations.require(talk.id)).last_sequence == 1
        issued = await acme.sessions.create("ada", conversation_id=talk.id)
        async with acme.locks.hold(talk.id) as lease:
            state = ExecutionState.draft(talk.id, flow_id=flow.id)
            await acme.executions.save(state, fencing_token=lease.fencing_token)
        assert (await acme.rate_limits.acquire("ada", fixed_window(1, MINUTE))).allowed
        assert await acme.cache.get_or_load("greeting", hello) == "Hello"
        assert (await acme.sessions.require(issued.token)).conversation_id == talk.id
        turn = AnalyticsEvent.draft("turn", conversation_id=talk.id)
        assert (await acme.analytics.record(turn)).added == 1


@run
async def test_what_lives_for_a_while_in_memory_goes_by_the_platform_s_clock() -> None:
    """So that unit tests let it expire."""
    clock = ManualClock(datetime(2031, 2, 3, tzinfo=UTC))
    async with bootstrap.open(Settings.memory(), clock=clock) as platform:
        acme = platform.for_tenant("acme")
        issued = await acme.sessions.create("ada", idle_timeout=MINUTE)
        await acme.cache.set("greeting", "Hello", MINUTE)
        clock.advance(MINUTE)
        clock.advance(timedelta(milliseconds=1))
        assert await acme.sessions.get(issued.token) is None
        assert not await acme.cache.exists("greeting")


@run
async def test_a_platform_s_end_ends_what_its_caches_load_in_the_background() -> None:
    """No task is left to a loop that is about to close."""
    clock = ManualClock(datetime(2031, 2, 3, tzinfo=UTC))
    async with bootstrap.open(Settings.memory(), clock=clock) as platform:
        cache = platform.for_tenant("acme").cache
        await cache.set("greeting", "Hello", MINUTE, stale=MINUTE)
        clock.advance(timedelta(seconds=90))
        assert await cache.get_or_load("greeting", never, MINUTE, stale=MINUTE) == "Hello"
        assert len(asyncio.all_tasks()) == 2
    assert asyncio.all_tasks() == {asyncio.current_task()}


@run
async def test_maintenance_spans_the_stores_and_reaches_each() -> None:
    """Tenants once each and in order; erasing takes everything, and only the tenant's."""
    async with bootstrap.open(Settings.memory()) as platform:
        for name in ("acme", "globex", "zeta"):
            await platform.for_tenant(name).flows.create(Flow.draft(name="welcome"))
        for name in ("Beta", "globex", "yotta"):
            talk = Conversation.draft(user_id="ada")
            await platform.for_tenant(name).conversations.create(talk)
        for name in ("Alpha", "globex", "yotta"):
            await platform.for_tenant(name).sessions.create("ada")
            await platform.for_tenant(name).cache.set("greeting", "Hello")
        for name in ("counted", "globex"):
            await platform.for_tenant(name).analytics.record(AnalyticsEvent.draft("turn"))
        maintenance = platform.maintenance
        tenants = [tenant async for tenant in maintenance.tenants()]
        assert tenants == ["Alpha", "Beta", "acme", "counted", "globex", "yotta", "zeta"]
        erased = await maintenance.erase_tenant(tenants[4])
        assert erased.total == 4
        assert await maintenance.erase_tenant(tenants[4]) == erased
        assert [tenant async for tenant in maintenance.authoring.tenants()] == ["acme", "zeta"]
        assert [tenant async for tenant in maintenance.dialogue.tenants()] == ["Beta", "yotta"]
        assert [tenant async for tenant in maintenance.runtime.tenants()] == ["Alpha", "yotta"]
        assert [tenant async for tenant in maintenance.analytics.tenants()] == ["counted"]


@run
async def test_what_would_be_published_while_a_tenant_is_erased_is_refused() -> None:
    """Changes are told, and would be kept in caches, until the outbox is gone."""
    runtime = MemoryRuntimeStore()

    class Telling(MemoryAuthoringMaintenance):
        async def erase_tenant(self, tenant: TenantId) -> int:
            with pytest.raises(ErasedError):
                await runtime.repositories(tenant).cache.set("published", "just now")
            return await super().erase_tenant(tenant)

    class Store(MemoryAuthoringStore):
        def maintenance(self) -> MemoryAuthoringMaintenance:
            outbox = MemoryOutbox(self._tenants, self._outbox, self._clock)
            return Telling(self._tenants, outbox, self._tombstones)

    async with bootstrap.open(Settings.memory(), authoring=Store(), runtime=runtime) as platform:
        acme = platform.for_tenant("acme")
        await acme.flows.create(Flow.draft(name="welcome"))
        assert (await platform.maintenance.erase_tenant(acme.tenant)).total == 1
        assert await acme.cache.get("published", None) is None


class _Gone:
    """A store whose server left."""

    async def check(self) -> None:
        raise StoreUnavailableError("nobody answers")


class _GoneDialogue(_Gone, MemoryDialogueStore): ...


class _GoneRuntime(_Gone, MemoryRuntimeStore): ...


class _GoneAnalytics(_Gone, MemoryAnalyticsStore): ...


@run
async def test_a_platform_is_ready_when_every_store_is() -> None:
    """One that isn't is told."""
    async with bootstrap.open(Settings.memory(), dialogue=_GoneDialogue()) as platform:
        with pytest.raises(StoreUnavailableError):
            await platform.check()
    async with bootstrap.open(Settings.memory(), runtime=_GoneRuntime()) as platform:
        with pytest.raises(StoreUnavailableError):
            await platform.check()
    async with bootstrap.open(Settings.memory(), analytics=_GoneAnalytics()) as platform:
        with pytest.raises(StoreUnavailableError):
            await platform.check()


@run
async def test_events_in_memory_expire_as_the_settings_say() -> None:
    """By the platform's clock."""
    clock = ManualClock(datetime(2031, 2, 3, tzinfo=UTC))
    settings = Settings(profile="memory", analytics_retention_days=30)
    async with bootstrap.open(settings, clock=clock) as platform:
        analytics = platform.for_tenant("acme").analytics
        await analytics.record(AnalyticsEvent.draft("turn", id="t"))
        clock.advance(timedelta(days=30) - timedelta(milliseconds=1))
        assert await analytics.get_by_id("t") is not None
        clock.advance(timedelta(milliseconds=1))
        assert await analytics.get_by_id("t") is None


@run
async def test_what_is_no_tenant_s_name_is_refused() -> None:
    """Before it reaches a store."""
    async with bootstrap.open(Settings.memory()) as platform:
        with pytest.raises(ValidationError):
            platform.for_tenant("")


def test_the_memory_profile_imports_no_driver() -> None:
    """Seen in a fresh interpreter."""
    script = f"""
import asyncio, sys, bootstrap
async def main():
    async with bootstrap.open(bootstrap.Settings.memory()) as platform:
        await platform.for_tenant("acme").flows.count()
        await platform.for_tenant("acme").experiments.count()
        await platform.for_tenant("acme").conversations.count()
        await platform.for_tenant("acme").sessions.create("ada")
        await platform.for_tenant("acme").cache.set("greeting", "Hello")
        async with platform.for_tenant("acme").locks.hold("x"):
            pass
        await platform.for_tenant("acme").integrations.count()
        await platform.for_tenant("acme").analytics.get_by_id("x")
        await platform.for_tenant("acme").executions.get("x")
        await platform.projector().once()
        await platform.dispatcher().once()
        await platform.maintenance.sweep()
        await platform.maintenance.erase_user("acme", "ada")
        assert (await platform.ready()).ready
asyncio.run(main())
print([name for name in {DRIVERS!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


class _Story:
    """A container with one resource on top of another, which tell what becomes of them."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.opening = asyncio.Event()
        self.may_open = asyncio.Event()
        self.error: Exception | None = None
        self.container = Container(settings=Settings.memory())
        below = providers.Resource(self._below)
        self.container.authoring.override(providers.Resource(self._above, below))

    async def _below(self) -> AsyncIterator[str]:
        self.told.append("below opened")
        yield "below"
        self.told.append("below closed")

    async def _above(self, _: str) -> AsyncIterator[MemoryAuthoringStore]:
        self.opening.set()
        await self.may_open.wait()
        if self.error is not None:
            raise self.error
        self.told.append("above opened")
        yield MemoryAuthoringStore()
        self.told.append("above closed")


@run
async def test_what_was_opened_is_closed_in_the_reverse_order_also_after_an_error() -> None:
    """A pool before its server."""
    story = _Story()
    story.may_open.set()
    with pytest.raises(KeyError):
        async with opened(story.container):
            raise KeyError
    assert story.told == ["below opened", "above opened", "above closed", "below closed"]


@run
async def test_an_error_while_opening_closes_what_was_opened_before_it() -> None:
    """And it is that error which is raised."""
    story = _Story()
    story.error = OSError("no luck")
    story.may_open.set()
    with pytest.raises(OSError, match="no luck"):
        async with opened(story.container):
            raise AssertionError
    assert story.told == ["below opened", "below closed"]


@run
async def test_an_opening_that_is_cancelled_leaves_nothing_open() -> None:
    """Whatever it was at."""
    story = _Story()

    async def use() -> None:
        async with opened(story.container):
            raise AssertionError

    user = asyncio.create_task(use())
    await story.opening.wait()
    user.cancel()
    with pytest.raises(asyncio.CancelledError):
        await user
    assert story.told == ["below opened", "below closed"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
