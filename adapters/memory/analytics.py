"""Analytics events in memory."""

from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import islice
from math import fsum
from operator import attrgetter
from typing import Any, ClassVar, Self
from uuid import UUID

from adapters.memory.reading import position_key, sort_key
from adapters.memory.tombstones import MemoryTombstones
from adapters.system import SystemClock, Uuid7Generator
from domain.analytics import AnalyticsEvent, milliseconds
from domain.flow_executions import EXECUTION
from domain.identity import TenantId, UserId, tenant_id
from domain.metric_queries import Aggregation, MetricQuery, dimension_of
from domain.retention import Swept
from domain.rules import checked
from ports.analytics import Analytics, Asked, Row, nearest_rank
from ports.capabilities import Capability
from ports.flow_projection import ExecutionQueue, Uncounted, UncountedExecution
from ports.paging import Position
from ports.port_archives import AnalyticsArchive
from ports.reading import Context, Selection
from ports.statistics import CollectionStatistics
from ports.stores import AnalyticsMaintenance, AnalyticsStore
from ports.time import Clock, IdGenerator
from ports.tombstones import Tombstones

_AT = attrgetter("at")
_PLACE = attrgetter("at", "id")
_INT64 = range(-(2**63), 2**63)


class Events:
    """A tenant's: by id, and in order of time."""

    def __init__(self) -> None:
        self.by_id: dict[str, AnalyticsEvent] = {}
        self._by_time: list[AnalyticsEvent] = []
        self._sorted = True
        self._ids: list[str] | None = None
        """In order, but for those that came since; None if some went."""
        self.marks: dict[str, tuple[datetime, datetime]] = {}
        """Of executions that aren't counted: when they are due, and when they were recorded."""

    def add(self, event: AnalyticsEvent, since: datetime | None = None) -> bool:
        """Whether its id wasn't taken. If it is an execution, it is uncounted `since` then."""
        if event.id in self.by_id:
            return False
        self.by_id[event.id] = event
        if self._by_time and _PLACE(event) < _PLACE(self._by_time[-1]):
            self._sorted = False
        self._by_time.append(event)
        if self._ids is not None:
            self._ids.append(event.id)
        if since is not None and event.type == EXECUTION:
            self.marks[event.id] = since, since
        return True

    def between(self, start: datetime, end: datetime) -> Sequence[AnalyticsEvent]:
        """Those at the one time or later and before the other, in order of time."""
        held = self._in_order()
        return held[bisect_left(held, start, key=_AT) : bisect_left(held, end, key=_AT)]

    def following(self, edge: Position | None, *, latest_first: bool) -> Iterator[AnalyticsEvent]:
        """Those at a time and id or after it, or before it if the latest come first; all, without
        one.
        """
        held = self._in_order()
        if latest_first:
            end = len(held) if edge is None else bisect_right(held, edge, key=_PLACE)
            return (held[place] for place in range(end - 1, -1, -1))
        start = 0 if edge is None else bisect_left(held, edge, key=_PLACE)
        return (held[place] for place in range(start, len(held)))

    def following_id(self, id: str | None, *, descending: bool) -> Iterator[AnalyticsEvent]:
        """Those of an id or one after it, or before it if descending; all, without one."""
        if self._ids is None:
            self._ids = list(self.by_id)
        ids = self._ids
        ids.sort()  # hardly anything to do, if few came since
        if descending:
            end = len(ids) if id is None else bisect_right(ids, id)
            return (self.by_id[ids[place]] for place in range(end - 1, -1, -1))
        start = 0 if id is None else bisect_left(ids, id)
        return (self.by_id[ids[place]] for place in range(start, len(ids)))

    def forget(self, until: datetime) -> None:
        """Remove those that happened then or before."""
        held = self._in_order()
        self._cut(bisect_right(held, until, key=_AT))

    def purge(self, before: datetime, limit: int) -> int:
        """Remove the first that happened before a time; how many."""
        held = self._in_order()
        number = min(bisect_left(held, before, key=_AT), limit)
        self._cut(number)
        return number

    def remove(self, user_id: UserId) -> int:
        """Remove a user's; how many."""
        left = [event for event in self._by_time if event.user_id != user_id]
        removed = len(self._by_time) - len(left)
        if removed:
            self._by_time, self._ids = left, None
            self.by_id = {event.id: event for event in left}
            self.marks = {id: mark for id, mark in self.marks.items() if id in self.by_id}
        return removed

    def clear(self) -> int:
        """Remove all of them; how many."""
        removed = len(self._by_time)
        self._by_time.clear()
        self._ids = None
        self.by_id.clear()
        self.marks.clear()
        return removed

    def _in_order(self) -> list[AnalyticsEvent]:
        if not self._sorted:
            self._by_time.sort(key=_PLACE)
            self._sorted = True
        return self._by_time

    def _cut(self, number: int) -> None:
        if number:
            self._ids = None
        for event in self._by_time[:number]:
            del self.by_id[event.id]
            self.marks.pop(event.id, None)
        del self._by_time[:number]


class MemoryAnalytics(Analytics):
    """A tenant's events. What has expired is gone when events are next recorded."""

    def __init__(self, context: Context, retention: timedelta | None, events: Events) -> None:
        super().__init__(context, retention)
        self._events = events

    async def _record(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
        now: datetime = checked(AnalyticsEvent, "at", self._context.clock.now())
        return self._added(events, now)

    async def _restore(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
        return self._added(events, None)

    def _added(self, events: Sequence[AnalyticsEvent], since: datetime | None) -> Sequence[str]:
        if (expired := self._expired()) is not None:
            self._events.forget(expired)
        return [event.id for event in events if not self._events.add(event, since)]

    async def _uncounted(self, flow_id: UUID, start: datetime, end: datetime) -> int:
        held = (self._events.by_id[id] for id in self._events.marks)
        return sum(event.flow_id == flow_id and start <= event.at < end for event in held)

    async def _get(self, id: str) -> AnalyticsEvent | None:
        return self._events.by_id.get(id)

    async def _select(self, selection: Selection) -> Sequence[AnalyticsEvent]:
        order, after = selection.order, selection.after
        first = order.keys[0]
        found: Iterable[AnalyticsEvent]
        if first.field.name == "at":
            found = self._events.following(after, latest_first=first.descending)
        else:
            begin = None if after is None else after[0]
            found = self._events.following_id(begin, descending=first.descending)
        found = filter(selection.criteria.matches, found)
        if after is not None:
            place, edge = sort_key(order), position_key(order, after)
            found = (event for event in found if place(event) > edge)
        return list(islice(found, selection.limit))

    async def _query(self, asked: Asked) -> Sequence[Row]:
        query, bucket_of = asked.query, asked.buckets.of
        wanted, group_of = _filter(query), _grouping(query.group_by)
        measure: Any = query.measure
        found: dict[tuple[tuple[Any, ...], int], list[Any]] = {}
        for event in self._events.between(asked.start, asked.end):
            if wanted(event):
                place = group_of(event), bucket_of(milliseconds(event.at))
                found.setdefault(place, []).append(event.measures.get(measure))
        figure = FIGURES[query.aggregation]
        return [
            Row(group, start, figure(values), len(values))
            for (group, start), values in found.items()
        ]

    async def _delete_for_user(self, user_id: UserId) -> int:
        return self._events.remove(user_id)


def total(values: Sequence[int | float]) -> int | float:
    """Their sum, as `Aggregation` defines it."""
    whole = sum(value for value in values if isinstance(value, int))
    floats = [value for value in values if isinstance(value, float)]
    if floats:
        high = float(whole)
        return fsum((*floats, high, float(whole - int(high))))
    return whole if whole in _INT64 else float(whole)


def _percentile(percent: int) -> Callable[[Sequence[int | float]], int | float]:
    def figure(values: Sequence[int | float]) -> int | float:
        return sorted(values)[nearest_rank(percent, len(values))]

    return figure


FIGURES: Mapping[Aggregation, Callable[[Sequence[int | float]], int | float]] = {
    Aggregation.COUNT: len,
    Aggregation.SUM: total,
    Aggregation.AVG: total,
    Aggregation.MIN: min,
    Aggregation.MAX: max,
    **{each: _percentile(each.percent) for each in Aggregation if each.percent is not None},
}


def _reader(key: str) -> Callable[[AnalyticsEvent], Any]:
    name = dimension_of(key)
    return attrgetter(key) if name is None else lambda event: event.dimensions.get(name)


def _filter(query: MetricQuery) -> Callable[[AnalyticsEvent], bool]:
    filters = [(_reader(key), frozenset(wanted)) for key, wanted in query.where.items()]
    measures = query.measures

    def wanted(event: AnalyticsEvent) -> bool:
        return all(name in event.measures for name in measures) and all(
            read(event) in values for read, values in filters
        )

    return wanted


def _grouping(keys: Sequence[str]) -> Callable[[AnalyticsEvent], tuple[Any, ...]]:
    readers = [_reader(key) for key in keys]
    return lambda event: tuple([read(event) for read in readers])


class MemoryAnalyticsStore(AnalyticsStore):
    """Events in this process's memory, gone with it."""

    name: ClassVar[str] = "memory"
    capabilities: ClassVar[frozenset[Capability]] = frozenset()

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        ids: IdGenerator | None = None,
        retention: timedelta | None = None,
    ) -> None:
        self._clock = SystemClock() if clock is None else clock
        self._ids = Uuid7Generator(self._clock) if ids is None else ids
        self._retention = retention
        self._tenants: dict[TenantId, Events] = {}
        self._tombstones = MemoryTombstones(self._clock)

    def sibling(self, *, clock: Clock | None = None) -> Self:
        """Another store over the same data, as a second process would have it."""
        other = type(self)(clock=self._clock if clock is None else clock, retention=self._retention)
        other._tenants = self._tenants
        other._tombstones = self._tombstones.seen_by(other._clock)
        return other

    def repositories(self, tenant: TenantId) -> Analytics:
        gate = self._tombstones.gate
        context = Context(tenant=tenant, clock=self._clock, ids=self._ids, gate=gate)
        return MemoryAnalytics(context, self._retention, self._tenants.setdefault(tenant, Events()))

    def maintenance(self) -> AnalyticsMaintenance:
        made = MemoryAnalyticsMaintenance(self._tenants, self._tombstones)
        return made.keeping(AnalyticsArchive(self.repositories, self._tombstones.gate))

    async def check(self) -> None:
        return


class MemoryExecutionQueue(ExecutionQueue):
    """Of every tenant's events."""

    def __init__(self, tenants: dict[TenantId, Events]) -> None:
        self._tenants = tenants

    async def take(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[UncountedExecution]:
        due = (
            (mark[0], tenant, id)
            for tenant, events in self._tenants.items()
            for id, mark in events.marks.items()
            if mark[0] <= now
        )
        taken = []
        for _, tenant, id in nsmallest(limit, due):
            events = self._tenants[tenant]
            since, event = events.marks[id][1], events.by_id[id]
            taken.append(UncountedExecution(tenant=tenant, id=id, since=since, event=event))
        await self.postpone(taken, until)
        return taken

    async def settle(self, executions: Iterable[UncountedExecution]) -> None:
        for one in executions:
            marks = self._tenants[one.tenant].marks
            if one.id in marks and marks[one.id][1] == one.since:
                del marks[one.id]

    async def postpone(self, executions: Iterable[UncountedExecution], until: datetime) -> None:
        for one in executions:
            marks = self._tenants[one.tenant].marks
            if one.id in marks:
                marks[one.id] = until, marks[one.id][1]

    async def uncounted(self, tenant: TenantId | None = None) -> Uncounted:
        named = self._tenants if tenant is None else {tenant} & self._tenants.keys()
        times = [mark[1] for each in named for mark in self._tenants[each].marks.values()]
        return Uncounted(number=len(times), oldest=min(times, default=None))


class MemoryAnalyticsMaintenance(AnalyticsMaintenance):
    """Maintenance of every tenant's events."""

    def __init__(
        self, tenants: dict[TenantId, Events], tombstones: MemoryTombstones | None = None
    ) -> None:
        self._tenants = tenants
        self._tombstones = MemoryTombstones(SystemClock()) if tombstones is None else tombstones

    @property
    def tombstones(self) -> Tombstones:
        return self._tombstones

    async def tenants(self) -> AsyncIterator[TenantId]:
        for tenant in sorted(self._tenants):
            if self._tenants[tenant].by_id:
                yield tenant

    async def erase_tenant(self, tenant: TenantId) -> int:
        held = self._tenants.get(tenant_id(tenant))
        erased = 0 if held is None else held.clear()
        await self._noted(tenant, None, {"events": erased}, await self._stands(tenant, None))
        return erased

    async def _erase_user(self, tenant: TenantId, user: UserId, noting: bool) -> Mapping[str, int]:
        held = self._tenants.get(tenant)
        gone = {"events": 0 if held is None else held.remove(user)}
        return await self._noted(tenant, user, gone, noting)

    @property
    def executions(self) -> ExecutionQueue:
        return MemoryExecutionQueue(self._tenants)

    async def statistics(self) -> tuple[CollectionStatistics, ...]:
        held = sum(len(events.by_id) for events in self._tenants.values())
        return (CollectionStatistics(name="events", documents=held),)

    async def _purge(self, before: datetime, tenant: TenantId, limit: int) -> tuple[int, bool]:
        purged = self._tenants[tenant].purge(before, limit)
        return purged, purged == limit

    async def _due(self, kind: Swept, until: datetime) -> int:
        if kind is not Swept.ANALYTICS_EVENTS:
            return await super()._due(kind, until)
        held = (events.by_id.values() for events in self._tenants.values())
        return sum(event.at < until for events in held for event in events)
