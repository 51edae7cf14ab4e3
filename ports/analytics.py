"""Analytics: events are recorded once each, and asked for figures."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple
from uuid import UUID

import attrs

from domain.analytics import AnalyticsEvent
from domain.errors import Fault, ValidationError
from domain.flow_executions import EXECUTION, FlowExecution, execution_faults
from domain.frozen import FrozenDict
from domain.identity import NO_TIME, USER, EntryDraft, UserId
from domain.metric_queries import (
    Aggregation,
    MetricPoint,
    MetricQuery,
    MetricResult,
    MetricSeries,
)
from domain.rules import argument, checked, restored, uuid
from ports.buckets import MAX_POINTS, Buckets, buckets_of, too_many
from ports.errors import InvalidQueryError
from ports.event_lists import EVENT_SCHEMA as EVENT_SCHEMA
from ports.event_lists import EventLists
from ports.reading import several

MAX_RECORD: Final = 10_000
"""Events in one call."""
AHEAD: Final = timedelta(days=1)
"""How far in the future an event may lie: clocks differ, and time zones are mistaken."""

_MILLISECOND = timedelta(milliseconds=1)
_LONGER: Final = frozenset({10, 100, 1_000})
"""Places that are written with a digit more than those before them."""


@attrs.frozen(kw_only=True)
class Recorded:
    """What became of the drafts.

    `ids`: of each, in their order. `known`: those that were recorded already, or came twice, and
    changed nothing; in no order. `expired`: those of events so old that they aren't kept.
    """

    ids: tuple[str, ...]
    known: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()

    @property
    def added(self) -> int:
        """How many events are new."""
        return len(self.ids) - len(self.known) - len(self.expired)


@attrs.frozen(kw_only=True)
class Asked:
    """A query, ready for a store: events at `start` or later and before `end`, which is narrower
    than the query's range where events have expired.
    """

    query: MetricQuery
    buckets: Buckets
    start: datetime
    end: datetime


class Row(NamedTuple):
    """A bucket that isn't empty: its group's values in the order of `group_by`, where it begins in
    milliseconds since 1970, the figure (for an average: the sum), and of how many events.
    """

    group: tuple[Any, ...]
    start: int
    figure: int | float
    number: int


class Analytics(EventLists):
    """A tenant's analytics events.

    Events are only added. They are kept for the store's `retention`, counted from their own time
    (`at`), and absent from every answer afterwards, whenever the store removes them.

    Every operation sees what was acknowledged before it began. Any may raise
    `StoreUnavailableError` or `StoreTimeoutError`, and one that writes `OutcomeUnknownError`.
    """

    async def record(self, draft: EntryDraft[AnalyticsEvent], /) -> Recorded:
        """Record an event, as `record_many`."""
        return await self.record_many([draft])

    async def record_many(self, drafts: Iterable[EntryDraft[AnalyticsEvent]], /) -> Recorded:
        """Record at most 10 000 events, in one round trip. An id that is the store's to give is a
        UUIDv7, a dot and the draft's place, from 0 on.

        Each by itself: after `OutcomeUnknownError` or a failure of the store, some of them may have
        been recorded. An id that is taken, for as long as its event is kept (and until the store
        removes it), changes nothing and is told; of two with one id the first is taken. So if every
        draft has an id of the caller's own, the same call can be repeated until it succeeds, and
        nothing is counted twice; without, an event whose acknowledgement was lost would be.

        Raises:
            ValidationError: for what isn't a draft of an event, too many of them, or a time more
                than a day in the future; nothing is recorded.
            ErasedError: if the tenant was erased, or a user of one of them (which it names: leave
                those events out); nothing is recorded.
        """
        events, expired = self._checked(drafts)
        ids = tuple([event.id for event in events])
        first = dict(zip(ids, events, strict=True))
        known: list[str] = []
        if len(first) < len(ids):
            first.clear()
            for event in events:
                if first.setdefault(event.id, event) is not event:
                    known.append(event.id)
        past = _without_expired(first, expired)
        if first:
            await self._admit(first.values())
            known += await self._record(list(first.values()))
        return Recorded(ids=ids, known=tuple(known), expired=past)

    async def record_executions(self, executions: Iterable[FlowExecution], /) -> Recorded:
        """Record executions of flows that have ended, as `record_many`: each once, by its id.

        Each is counted once in its flow's figures, some moments later, by whoever runs a projector
        (see `ports.flow_projection`); an event of the type of executions that is recorded in
        another way is, too, and refused unless it says one.

        Raises:
            ValidationError: for what isn't a `FlowExecution`, and as `record_many`.
        """
        given = several(EVENT_SCHEMA.name, executions)
        return await self.record_many(
            each.draft() if isinstance(each, FlowExecution) else each  # which is refused
            for each in given
        )

    async def uncounted(self, flow_id: UUID, start: datetime, end: datetime, /) -> int:
        """How many of a flow's executions that ended at `start` or later and before `end` aren't
        in its figures yet; one round trip.

        Raises:
            ValidationError: for an id or a time that is none.
        """
        return await self._uncounted(
            argument(EVENT_SCHEMA.name, "flow_id", flow_id, uuid),
            checked(AnalyticsEvent, "at", start),
            checked(AnalyticsEvent, "at", end),
        )

    async def restore(self, events: Iterable[AnalyticsEvent], /) -> Recorded:
        """Store at most 10 000 whole events exactly as they are, whenever they happened: restores
        an export. One round trip.

        As `record_many`, each by itself: an id that is taken changes nothing and is told, whatever
        it stands for, so it may be repeated. An execution of a flow counts as counted (see
        `ports.flow_projection`): the flow's figures are restored by themselves.

        Raises:
            ValidationError: for what isn't an event, one of the type of executions that says none,
                or too many of them; nothing is stored.
            TenantMismatchError: if one is another tenant's; nothing is stored.
        """
        given = list(islice(several(EVENT_SCHEMA.name, events), MAX_RECORD + 1))
        if len(given) > MAX_RECORD:
            raise ValidationError(EVENT_SCHEMA.name, [Fault("", f"must be at most {MAX_RECORD}")])
        tenant = self._context.tenant
        ids: list[str] = []
        known: list[str] = []
        first: dict[str, AnalyticsEvent] = {}
        faults: list[Fault] = []
        for place, event in enumerate(given):
            EVENT_SCHEMA.own(event, tenant)
            faults += [fault.under(f"[{place}]") for fault in execution_faults(event)]
            ids.append(event.id)
            if event.id in first:
                known.append(event.id)
            else:
                first[event.id] = event
        if faults:
            raise ValidationError(EVENT_SCHEMA.name, faults)
        past = _without_expired(first, self._expired())
        if first:
            await self._admit(first.values())
            known += await self._restore(list(first.values()))
        return Recorded(ids=tuple(ids), known=tuple(known), expired=past)

    async def get_by_id(self, id: str, /) -> AnalyticsEvent | None:
        """The event, or None.

        Raises:
            ValidationError: for what can't be an id.
            CorruptRecordError: if what is stored can't be read.
        """
        found = await self._get(EVENT_SCHEMA.check_id(id))
        expired = self._expired()
        return None if found is None or (expired and found.at <= expired) else found

    async def query(self, query: MetricQuery, /) -> MetricResult:
        """The figures that a query asks for (see `MetricQuery`, `Aggregation` and `MetricResult`).

        One round trip, which reads the events of the range by index, narrowed by type if the query
        says which. Percentiles sort what they are of in the store's memory: MongoDB does so for
        some million values at once, within the deadline.

        Raises:
            InvalidQueryError: for what isn't a query, an unknown time zone, and an answer of more
                than 10 000 buckets, those that `fill_missing` adds included.
        """
        if not isinstance(query, MetricQuery):
            raise InvalidQueryError("a query must be a MetricQuery")
        buckets = buckets_of(query)
        expired = self._expired()
        start = query.start if expired is None else max(query.start, expired + _MILLISECOND)
        rows: Sequence[Row] = ()
        if start < query.end:
            asked = Asked(query=query, buckets=buckets, start=start, end=query.end)
            rows = await self._query(asked)
        return _answer(query, buckets, rows)

    async def delete_for_user(self, user_id: str, /) -> int:
        """Delete all events of a user; how many went.

        In batches: interrupted, it may be called again and goes on.

        Raises:
            ValidationError: for what can't be a user's id.
        """
        return await self._delete_for_user(argument(EVENT_SCHEMA.name, "user_id", user_id, USER))

    async def _admit(self, events: Iterable[AnalyticsEvent]) -> None:
        context = self._context
        await context.gate.admit(context.tenant, set(EVENT_SCHEMA.users_of(events)))

    def _checked(
        self, drafts: Iterable[EntryDraft[AnalyticsEvent]]
    ) -> tuple[list[AnalyticsEvent], datetime | None]:
        """The events, and up to when they have expired."""
        context = self._context
        # One that never ends is read no further than it may go.
        given = list(islice(drafts, MAX_RECORD + 1)) if isinstance(drafts, Iterable) else None
        if given is None or len(given) > MAX_RECORD:
            fault = Fault("", f"must be at most {MAX_RECORD} drafts")
            raise ValidationError(EVENT_SCHEMA.name, [fault])
        now: datetime = checked(AnalyticsEvent, "at", context.clock.now())
        latest, tenant = now + AHEAD, context.tenant
        # One for all of them: to mint each costs as much as all the rest that is done here.
        minted, zeros = f"{context.ids.new_uuid()}.", "000"
        events: list[AnalyticsEvent] = []
        faults: list[Fault] = []
        for place, draft in enumerate(given):
            if not isinstance(draft, EntryDraft) or type(draft.provisional) is not AnalyticsEvent:
                faults.append(Fault(f"[{place}]", f"must be a draft of an {EVENT_SCHEMA.name}"))
                continue
            # As `draft.placed` does, in half the time.
            fields = draft.provisional.__dict__.copy()
            fields["tenant_id"] = tenant
            if place in _LONGER:
                zeros = zeros[1:]
            if not draft.has_id:
                fields["id"] = f"{minted}{zeros}{place}"
            if not draft.has_time:
                fields["at"] = now
            elif fields["at"] > latest:
                faults.append(Fault(f"[{place}].at", "lies more than a day in the future"))
            event = restored(AnalyticsEvent, fields)
            if fields["type"] == EXECUTION:
                faults += _execution_faults(place, draft, event)
            events.append(event)
        if faults:
            raise ValidationError(EVENT_SCHEMA.name, faults)
        return events, self._expired()

    # What a store implements. Arguments are checked.

    @abstractmethod
    async def _record(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
        """Add those whose ids aren't taken; the others' ids. No two have the same. Executions are
        to be counted.
        """

    @abstractmethod
    async def _uncounted(self, flow_id: UUID, start: datetime, end: datetime) -> int: ...

    @abstractmethod
    async def _restore(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
        """The same, but that executions are counted."""

    @abstractmethod
    async def _get(self, id: str) -> AnalyticsEvent | None:
        """It, expired or not."""

    @abstractmethod
    async def _query(self, asked: Asked) -> Sequence[Row]:
        """The buckets that aren't empty, in any order; more than `MAX_POINTS` if there are more."""

    @abstractmethod
    async def _delete_for_user(self, user_id: UserId) -> int:
        """As `delete_for_user` promises."""


def _execution_faults(
    place: int, draft: EntryDraft[AnalyticsEvent], event: AnalyticsEvent
) -> list[Fault]:
    if not (draft.has_id and draft.has_time):
        return [Fault(f"[{place}]", "as an execution, must have its own id and time")]
    return [fault.under(f"[{place}]") for fault in execution_faults(event)]


def _without_expired(
    events: dict[str, AnalyticsEvent], expired: datetime | None
) -> tuple[str, ...]:
    """Take out what happened then or before; the ids of what that was."""
    if expired is None:
        return ()
    past = tuple([id for id, event in events.items() if event.at <= expired])
    for id in past:
        del events[id]
    return past


def nearest_rank(percent: int, count: int) -> int:
    """The place, from 0, of a percentile among so many values in ascending order."""
    return (count * percent + 99) // 100 - 1


def _answer(query: MetricQuery, buckets: Buckets, rows: Sequence[Row]) -> MetricResult:
    if len(rows) > MAX_POINTS:
        raise too_many()
    groups: dict[tuple[Any, ...], dict[int, MetricPoint]] = {} if query.group_by else {(): {}}
    average = query.aggregation is Aggregation.AVG
    for group, start, figure, number in rows:
        value = float(figure) / number if average else figure
        # Not by its initialiser, which takes three times as long: there may be thousands.
        point = restored(MetricPoint, {"start": _time(start), "value": value, "count": number})
        groups.setdefault(group, {})[start] = point
    if query.fill_missing:
        starts = buckets.starts
        if len(groups) * len(starts) > MAX_POINTS:
            raise too_many()
        nothing = query.aggregation.of_nothing
        for points in groups.values():
            for start in starts:
                if start not in points:
                    points[start] = MetricPoint(start=_time(start), value=nothing, count=0)
    series = [
        MetricSeries(
            group=FrozenDict.holding(dict(zip(query.group_by, group, strict=True))),
            points=tuple(points[start] for start in sorted(points)),
        )
        for group, points in sorted(groups.items(), key=_in_order)
    ]
    return MetricResult(query=query, series=tuple(series))


def _in_order(item: tuple[tuple[Any, ...], object]) -> list[tuple[bool, str]]:
    return [(value is None, str(value)) for value in item[0]]


@lru_cache(maxsize=MAX_POINTS)
def _time(at: int) -> datetime:
    return NO_TIME + timedelta(milliseconds=at)
