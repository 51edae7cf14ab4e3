"""The seventh chapter: what the shop's figures are made of."""

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs

from adapters.system import SystemClock
from bootstrap.cli.story.scenes import Cell, Scene, Step, Table
from bootstrap.platform import Platform
from domain.analytics import AnalyticsEvent
from domain.flow_executions import FlowExecution, Outcome
from domain.identity import EntryDraft, TenantId, tenant_id
from domain.metric_queries import MetricQuery, MetricResult
from ports.flow_projection import (
    ExecutionQueue,
    FlowProjector,
    ProjectionOptions,
    Uncounted,
    UncountedExecution,
)
from ports.flows import FlowRepository

_ZONE: Final = "Europe/Vienna"
_TURN: Final = "turn"
_LATENCY: Final = "latency_ms"
_TURNS: Final = 1_500
_MEDIANS: Final = {"web": 400, "whatsapp": 700, "voice": 250}
"""Milliseconds."""
_SHARES: Final = (5, 3, 2)
_SHOWN: Final = ("01:00", "02:00", "03:00")
"""The hours about the change, by the wall's clock."""
_HOUR: Final = timedelta(hours=1)
_FLOW: Final = "Returns and refunds"
_EXECUTIONS: Final = 300
_PATIENCE: Final = 40.0
"""Seconds: longer than what another projector had taken, and was killed with, is its own."""


class FigureChapter:
    """What is counted of the shop's conversations, and how often."""

    def __init__(self, platform: Platform, tenant: str, now: datetime) -> None:
        self._platform = platform
        self._tenant = tenant_id(tenant)
        self._now = now
        self._acme = platform.for_tenant(tenant)

    def scenes(self) -> Sequence[Scene]:
        """In their order."""
        return self._long_day, self._count_once

    async def _long_day(self) -> Step:
        title = "A day of 25 hours"
        start, end = _day_of_the_change(self._now)
        kept = self._platform.settings.analytics_retention
        if kept is not None and start < self._now - kept:
            says = f"Events are kept for {kept.days} days, and no such day is among them."
            return Step(title=title, says=says, figures={"hours": 0})
        drafts = _turns(start, end)
        analytics = self._acme.analytics
        recorded = await analytics.record_many(drafts)
        again = await analytics.record_many(drafts)

        async def asked(aggregation: str, granularity: str, *by: str) -> MetricResult:
            query = MetricQuery.over(
                start,
                end,
                aggregation=aggregation,
                measure=_LATENCY,
                group_by=by,
                granularity=granularity,
                zone=_ZONE,
                where={"type": _TURN},
                fill_missing=True,
            )
            return await analytics.query(query)

        (hours,) = (await asked("count", "hour")).series
        by_hour = _by_start(await asked("p95", "hour", "channel"))
        by_day = _by_start(await asked("p95", "day", "channel"))
        ((day, of_day),) = by_day.items()
        agreed = of_day == _nearest_ranks(drafts)
        total = sum(point.count for point in hours.points)
        rows: list[tuple[Cell, ...]] = []
        for point in hours.points:
            local = point.start.astimezone(ZoneInfo(_ZONE))
            if f"{local:%H:%M}" in _SHOWN:
                figures = by_hour[point.start]
                rows.append((f"{local:%H:%M %Z}", f"{point.start:%H:%M}", point.count, *figures))
        rows.append((f"{day.astimezone(ZoneInfo(_ZONE)):%Y-%m-%d}", None, total, *of_day))
        return Step(
            title=title,
            says=f"{recorded.added} turns of the day on which Vienna's clocks went back come in, "
            f"and once more: {again.added} new, {len(again.known)} known. Asked by the hour in "
            f"{_ZONE}, the day has {len(hours.points)} of them, two of them from two to three, and "
            f"its turns are counted {'once each' if total == len(drafts) else 'WRONGLY'}. The 95th "
            f"percentiles {'are' if agreed else 'ARE NOT'} those that sorting by hand gives.",
            table=Table(
                columns=("hour in Vienna", "in UTC", "turns", *(f"p95 {c}, ms" for c in _CHANNELS)),
                rows=tuple(rows),
            ),
            figures={
                "recorded": recorded.added,
                "recorded_again": again.added,
                "hours": len(hours.points),
                "counted": total,
                "twos": sum(str(row[0]).startswith("02:00") for row in rows),
                "agreed": agreed,
            },
        )

    async def _count_once(self) -> Step:
        flow = (await self._acme.flows.list({"name": _FLOW})).items[0]
        executions = _executions(flow.id, self._now)
        first = min(each.day for each in executions)
        last = max(each.day for each in executions)
        analytics, rows = self._acme.analytics, list[tuple[Cell, ...]]()

        async def told(what: str, added: int | None, known: int | None) -> None:
            summary = await self._acme.flow_summary(flow.id, first, last)
            totals = summary.totals.executions, summary.uncounted
            rows.append((what, added, known, *totals))

        recorded = await analytics.record_executions(executions)
        await told("they are recorded", recorded.added, len(recorded.known))
        again = await analytics.record_executions(executions)
        await told("once more: the answer was lost", again.added, len(again.known))
        queue = self._platform.maintenance.analytics.executions
        killed = FlowProjector(
            _Killed(queue, self._tenant), self._flows, SystemClock(), options=_AT_ONCE_DUE
        )
        try:
            await killed.once()
        except _Kill:
            await told("a projector is killed before it ends", None, None)
        await asyncio.sleep(2 * _LEASE.total_seconds())
        both = [self._platform.projector() for _ in range(2)]
        await asyncio.gather(*(each.once() for each in both))
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                # Another projector, elsewhere, may have taken some, and may be killed itself.
                while await analytics.uncounted(flow.id, *_span(executions)):
                    await asyncio.sleep(0.05)
                    await both[0].once()
        known = sum(each.done.known for each in both)
        await told("two others, at once", sum(each.done.counted for each in both), known)
        summary = await self._acme.flow_summary(flow.id, first, last)
        done, p95 = summary.totals.completions, summary.duration_ms.p95
        return Step(
            title="Counted exactly once",
            says=f"{len(executions)} executions of “{flow.name}” have ended. Each is recorded under"
            " its own id; a projector adds it to its flow's figures of the day, under a key made "
            "of that id. Whatever is repeated, killed or done by two, the figures say "
            f"{summary.totals.executions}: {done} completed, {summary.success_rate:.1%}, and 95 % "
            f"of those within {(p95 or 0) / 1000:.0f} s.",
            table=Table(
                columns=("what happens", "new", "known", "in the figures", "not yet"),
                rows=tuple(rows),
            ),
            figures={
                "executions": len(executions),
                "recorded_again": again.added,
                "killed_after": rows[2][3],
                "counted": summary.totals.executions,
                "uncounted": summary.uncounted,
                "completed": done,
                "ended_well": sum(one.outcome is Outcome.COMPLETED for one in executions),
            },
        )

    def _flows(self, tenant: TenantId) -> FlowRepository:
        return self._platform.for_tenant(tenant).flows


_CHANNELS: Final = tuple(sorted(_MEDIANS))


def _day_of_the_change(now: datetime) -> tuple[datetime, datetime]:
    """From midnight to midnight, the last one that is over: the last Sunday of an October."""
    zone = ZoneInfo(_ZONE)
    for year in count(now.year, -1):
        last = datetime(year, 10, 31)  # noqa: DTZ001  # a day of the calendar
        sunday = last - timedelta(days=(last.weekday() + 1) % 7)
        start, end = (
            (sunday + timedelta(days=days)).replace(tzinfo=zone).astimezone(UTC) for days in (0, 1)
        )
        if end < now:
            return start, end
    raise AssertionError("years don't end")


def _turns(start: datetime, end: datetime) -> list[EntryDraft[AnalyticsEvent]]:
    dice = random.Random(7)  # the same day at every run
    hours = (end - start) / _HOUR
    drafts = []
    for n in range(_TURNS):
        (channel,) = dice.choices(tuple(_MEDIANS), _SHARES)
        drafts.append(
            AnalyticsEvent.draft(
                _TURN,
                id=f"turn-{n}",
                at=start + dice.random() * hours * _HOUR,
                channel=channel,
                measures={_LATENCY: round(_MEDIANS[channel] * dice.lognormvariate(0, 0.5))},
            )
        )
    return drafts


def _by_start(result: MetricResult) -> Mapping[datetime, list[Cell]]:
    """The figures of the channels in their order, by when the bucket begins."""
    found: dict[datetime, list[Cell]] = {}
    for series in result.series:
        for point in series.points:
            found.setdefault(point.start, []).append(point.value)
    return found


def _nearest_ranks(drafts: Iterable[EntryDraft[AnalyticsEvent]]) -> list[Cell]:
    """Of each channel, the least latency that 95 % of them don't exceed."""
    values: dict[str | None, list[int | float]] = {}
    for draft in drafts:
        event = draft.provisional
        values.setdefault(event.channel, []).append(event.measures[_LATENCY])
    return [sorted(some)[-(-95 * len(some) // 100) - 1] for _, some in sorted(values.items())]


def _executions(flow: UUID, now: datetime) -> list[FlowExecution]:
    """Some that ended in the last hours."""
    dice = random.Random(7)
    made = []
    for n in range(_EXECUTIONS):
        took = dice.randint(20, 140)
        started = now - timedelta(seconds=took + dice.randint(1, 20_000))
        (outcome,) = dice.choices((Outcome.COMPLETED, Outcome.ERROR, Outcome.ABANDONED), (86, 5, 9))
        made.append(
            FlowExecution(
                id=f"returns/{n}",
                flow_id=flow,
                started_at=started,
                ended_at=started + timedelta(seconds=took),
                outcome=outcome,
            )
        )
    return made


_LEASE: Final = timedelta(milliseconds=10)
_AT_ONCE_DUE: Final = ProjectionOptions(lease=_LEASE)
"""What one who is killed had taken is others' soon, not after the usual half a minute."""


def _span(executions: Iterable[FlowExecution]) -> tuple[datetime, datetime]:
    """When the first of them ended, and a moment after the last one did."""
    ends = [each.ended_at for each in executions]
    return min(ends), max(ends) + timedelta(milliseconds=1)


class _Kill(Exception):
    """The end of a process."""


@attrs.frozen
class _Killed(ExecutionQueue):
    """A tenant's part of the queue, for a projector that is killed when it has added, and hasn't
    told anybody.
    """

    _queue: ExecutionQueue
    _tenant: TenantId

    async def take(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[UncountedExecution]:
        taken = await self._queue.take(now, until, limit)
        return [one for one in taken if one.tenant == self._tenant]

    async def settle(self, executions: Iterable[UncountedExecution]) -> None:
        raise _Kill

    async def postpone(self, executions: Iterable[UncountedExecution], until: datetime) -> None:
        await self._queue.postpone(executions, until)

    async def uncounted(self, tenant: TenantId | None = None) -> Uncounted:
        return await self._queue.uncounted(tenant)
