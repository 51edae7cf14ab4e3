"""Sweeps over everything: each kind by its own time, as the clock moves."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from domain.analytics import AnalyticsEvent
from domain.conversations import Conversation
from domain.erasure import Tombstone
from domain.errors import ValidationError
from domain.flow_executions import FlowExecution
from domain.flows import Flow, MetricIncrements
from domain.retention import FOR_EVER, Retention, Swept
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.harness import Backend, contract, raised_by
from ports.contracts.integrations import SUCCESS, new_integration
from ports.errors import InvalidQueryError, StoreUnavailableError
from ports.flow_metrics import KEYS_KEPT
from ports.stores import (
    AnalyticsMaintenance,
    AuthoringMaintenance,
    DialogueMaintenance,
    RuntimeMaintenance,
    TenantScope,
)
from ports.sweeping import RULES, Sweeper

DAY = timedelta(days=1)
MOMENT = timedelta(milliseconds=1)
EVERYTHING = Retention(
    conversations=2 * DAY,
    idle=DAY,
    integration_calls=3 * DAY,
    audit=4 * DAY,
    analytics=5 * DAY,
    metric_keys=6 * DAY,
)


@attrs.frozen
class Stores:
    """The maintenance of all groups."""

    authoring: AuthoringMaintenance
    dialogue: DialogueMaintenance
    runtime: RuntimeMaintenance
    analytics: AnalyticsMaintenance


def stores(backend: Backend, instance: int = 0) -> Stores:
    """Those of an instance."""
    held = backend.instances[instance]
    assert held.authoring is not None
    assert held.dialogue is not None
    assert held.runtime is not None
    assert held.analytics is not None
    return Stores(
        held.authoring.maintenance(),
        held.dialogue.maintenance(),
        held.runtime.maintenance(),
        held.analytics.maintenance(),
    )


def sweeper(backend: Backend, retention: Retention = EVERYTHING, instance: int = 0) -> Sweeper:
    """One that goes by the backend's clock."""
    return Sweeper(stores(backend, instance), retention, backend.clock)


async def filled(backend: Backend, scope: TenantScope) -> None:
    """One thing of each kind that a sweep looks for, of now; nothing else is due."""
    await sweeper(backend).once(backend.clock.now() + 10_000 * DAY)
    await scope.conversations.create(Conversation.draft(user_id="ada", id="idle"))
    await scope.conversations.create(Conversation.draft(user_id="ada", id="ended"))
    await scope.conversations.transition("ended", "completed")
    until = backend.clock.kept + timedelta(days=7)
    await scope.conversations.create(
        Conversation.draft(user_id="ada", id="held", retain_until=until)
    )
    await scope.conversations.transition("held", "completed")
    made = await new_integration(scope.integrations)
    await scope.integrations.record_call(made.id, SUCCESS)
    await scope.analytics.record(AnalyticsEvent.draft("turn"))
    await scope.audit.seal()


@contract
async def test_each_kind_goes_when_its_time_has_come(backend: Backend, scope: TenantScope) -> None:
    """And not a moment before: what is as old as it may be stays."""
    await filled(backend, scope)
    start = backend.clock.kept
    course: list[tuple[timedelta, dict[Swept, int]]] = [
        (DAY, {}),
        (DAY + MOMENT, {Swept.IDLE_CONVERSATIONS: 1}),
        (2 * DAY, {}),
        (2 * DAY + MOMENT, {Swept.ENDED_CONVERSATIONS: 1}),
        (3 * DAY, {}),
        # That which was timed out has ended two days ago by then.
        (3 * DAY + 2 * MOMENT, {Swept.INTEGRATION_CALLS: 1, Swept.ENDED_CONVERSATIONS: 1}),
        (4 * DAY, {}),
        (4 * DAY + MOMENT, {Swept.AUDIT_ENTRIES: 1}),
        (5 * DAY, {}),
        (5 * DAY + MOMENT, {Swept.ANALYTICS_EVENTS: 1}),
        (7 * DAY - MOMENT, {}),
        (7 * DAY, {Swept.EXPIRED_CONVERSATIONS: 1}),
    ]
    for after, expected in course:
        backend.clock.set(start + after)
        dry = await sweeper(backend).once(dry_run=True)
        report = await sweeper(backend, instance=1).once()
        swept = {kind: count for kind, count in report.counts.items() if count}
        assert swept == expected, after
        assert {kind: count for kind, count in dry.counts.items() if count} == expected, after
        assert (report.at, report.dry_run, dry.dry_run) == (start + after, False, True)
        assert report.complete
    assert await scope.conversations.count() == 0
    assert (await scope.audit.verify()).sound


@contract
async def test_what_no_setting_names_is_kept_for_ever(backend: Backend, scope: TenantScope) -> None:
    """But for what has a time of its own."""
    await filled(backend, scope)
    backend.clock.advance(days=4_000)
    report = await sweeper(backend, FOR_EVER).once()
    assert {kind: count for kind, count in report.counts.items() if count} == {
        Swept.EXPIRED_CONVERSATIONS: 1
    }
    assert set(report.counts) == {
        Swept.EXPIRED_CONVERSATIONS,
        Swept.METRIC_KEYS,
        Swept.TOMBSTONES,
    }
    assert await scope.conversations.count() == 2
    assert await scope.audit.count() == 1
    assert FOR_EVER.metric_keys == KEYS_KEPT


@contract
async def test_a_sweep_may_be_as_of_another_time(backend: Backend, scope: TenantScope) -> None:
    """Only what is due then goes; nothing may be done as of a time that is none."""
    await filled(backend, scope)
    sweeping = sweeper(backend)
    assert (await sweeping.once(backend.clock.kept)).total == 0
    report = await sweeping.once(backend.clock.now() + 30 * DAY)
    assert report.total == 7  # one is timed out, and by then has ended long ago
    wrong: Any = "today"
    assert isinstance(await raised_by(sweeping.once(wrong)), ValidationError)
    assert isinstance(await raised_by(sweeping.once(limit=0)), InvalidQueryError)
    assert (await sweeping.once(datetime(1, 1, 1, tzinfo=UTC))).total == 0


@contract
async def test_as_many_as_asked_for_go_of_each_kind(backend: Backend, scope: TenantScope) -> None:
    """What there may be more of is named, and goes the next time."""
    await filled(backend, scope)
    await scope.analytics.record_many(AnalyticsEvent.draft("turn") for _ in range(4))
    backend.clock.advance(days=30)
    sweeping = sweeper(backend)
    dry = await sweeping.once(limit=3, dry_run=True)
    assert dry.counts[Swept.ANALYTICS_EVENTS] == 3
    assert dry.limited == (Swept.ANALYTICS_EVENTS,)
    report = await sweeping.once(limit=3)
    assert report.limited == (Swept.ANALYTICS_EVENTS,)
    assert not report.complete
    assert (await sweeping.once(limit=3)).counts[Swept.ANALYTICS_EVENTS] == 2
    assert (await sweeping.once()).total == 0


@contract
async def test_sweepers_at_once_count_each_thing_once(backend: Backend, scope: TenantScope) -> None:
    """What they report adds up, kind by kind."""
    await filled(backend, scope)
    await scope.flows.create_many(Flow.draft(name=f"{n}") for n in range(3))
    backend.clock.advance(days=30)
    won, lost = split(
        await all_at_once([0, 1], lambda n, instance: sweeper(backend, instance=instance).once(), 6)
    )
    assert lost == []
    total = {kind: sum(report.counts[kind] for report in won) for kind in RULES}
    assert {kind: count for kind, count in total.items() if count} == {
        Swept.IDLE_CONVERSATIONS: 1,
        Swept.EXPIRED_CONVERSATIONS: 1,
        Swept.ENDED_CONVERSATIONS: 1,
        Swept.INTEGRATION_CALLS: 1,
        Swept.AUDIT_ENTRIES: 4,
        Swept.ANALYTICS_EVENTS: 1,
    }


@contract
async def test_keys_of_figures_go_but_while_an_execution_waits(
    backend: Backend, scope: TenantScope
) -> None:
    """With them it would be counted once more: whoever added it may have been killed."""
    await filled(backend, scope)
    flow = await scope.flows.create(Flow.draft(name="flow"))
    day = backend.clock.kept.date()
    one = MetricIncrements(executions=1)
    await scope.flows.record_metrics(flow.id, day, one, key="long ago")
    backend.clock.advance(days=2)
    moment = backend.clock.kept
    [execution] = [
        FlowExecution.ended(
            id="waits", flow_id=flow.id, started_at=moment, ended_at=moment, outcome="completed"
        )
    ]
    await scope.analytics.record_executions([execution])
    await scope.flows.record_metrics(flow.id, day, one, key="since")
    backend.clock.advance(days=60)
    sweeping = sweeper(backend, attrs.evolve(EVERYTHING, analytics=None))
    assert (await sweeping.once()).counts[Swept.METRIC_KEYS] == 1
    assert (await sweeping.once()).counts[Swept.METRIC_KEYS] == 0
    queue = stores(backend).analytics.executions
    now = backend.clock.now()
    await queue.settle(await queue.take(now, now + DAY, 100))
    assert (await sweeping.once()).counts[Swept.METRIC_KEYS] == 1


@contract
async def test_tombstones_that_are_past_go(backend: Backend, scope: TenantScope) -> None:
    """Of every store."""
    await filled(backend, scope)
    now = backend.clock.kept
    every = stores(backend)
    parts = (every.authoring, every.dialogue, every.runtime, every.analytics)
    for part in parts:
        await part.tombstones.bury(
            Tombstone(tenant_id=scope.tenant, user_id=None, at=now, until=now + DAY)
        )
    report = await sweeper(backend).once(now + DAY - MOMENT)
    assert report.counts[Swept.TOMBSTONES] == 0
    backend.clock.advance(days=1)
    await sweeper(backend).once()
    for part in parts:
        assert await part.tombstones.find(scope.tenant) is None


@contract
async def test_a_store_that_fails_keeps_no_other_from_its_turn(
    backend: Backend, scope: TenantScope
) -> None:
    """Its kinds are told, with the class of the error, and go the next time."""
    await filled(backend, scope)
    backend.clock.advance(days=30)

    class Away:
        """A store that can't be reached."""

        @property
        def tombstones(self) -> Any:
            return self

        def __getattr__(self, name: str) -> Any:
            async def away(*_: object, **__: object) -> int:
                raise StoreUnavailableError("away")

            return away

    gone: Any = Away()
    parts = attrs.evolve(stores(backend), dialogue=gone)
    told: list[tuple[Swept, int | None]] = []
    report = await Sweeper(parts, EVERYTHING, backend.clock).once(
        progress=lambda kind, count: told.append((kind, count))
    )
    assert dict(report.failures) == dict.fromkeys(
        (
            Swept.IDLE_CONVERSATIONS,
            Swept.EXPIRED_CONVERSATIONS,
            Swept.ENDED_CONVERSATIONS,
            Swept.TOMBSTONES,
        ),
        "StoreUnavailableError",
    )
    assert report.counts[Swept.ANALYTICS_EVENTS] == 1
    assert report.counts[Swept.INTEGRATION_CALLS] == 1
    assert not report.complete
    assert (Swept.ANALYTICS_EVENTS, 1) in told
    assert (Swept.ENDED_CONVERSATIONS, None) in told
    assert (await sweeper(backend).once()).total == 3


@contract
async def test_a_sweep_that_runs_beside_others_sweeps_at_once(
    backend: Backend, scope: TenantScope
) -> None:
    """For the block; a rest that is none is refused."""
    await filled(backend, scope)
    backend.clock.advance(days=30)
    sweeping = sweeper(backend)
    async with sweeping.running(DAY):
        await _until_gone(scope)
    wrong: Any = 60
    for rest in (wrong, timedelta(), timedelta(days=31)):
        assert isinstance(await raised_by(_run(sweeping, rest)), ValidationError)


async def _run(sweeping: Sweeper, rest: timedelta) -> None:
    async with sweeping.running(rest):
        return


async def _until_gone(scope: TenantScope) -> None:
    async with asyncio.timeout(10):
        while await scope.conversations.exists("ended"):  # noqa: ASYNC110  # it is another's doing
            await asyncio.sleep(0.001)
