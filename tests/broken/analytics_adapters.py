"""The memory adapter of analytics events, broken in one way each."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from statistics import quantiles
from typing import Any, ClassVar

import attrs

from adapters.memory.analytics import (
    MemoryAnalytics,
    MemoryAnalyticsMaintenance,
    MemoryAnalyticsStore,
)
from domain.analytics import AnalyticsEvent, milliseconds
from domain.frozen import FrozenDict
from domain.identity import EntryDraft, TenantId, UserId
from domain.metric_queries import Aggregation, Granularity
from ports.analytics import Analytics, Asked, Recorded, Row
from ports.buckets import MAX_POINTS, buckets_of, zone_of

MILLISECOND = timedelta(milliseconds=1)


class SoundAnalytics(MemoryAnalytics):
    """As it should be; what is broken overrides a part of it."""

    async def _values(self, asked: Asked) -> dict[tuple[Any, int], list[Any]]:
        """The values of each bucket."""
        found: dict[tuple[Any, int], list[Any]] = {}
        for event in self._events.between(asked.start, asked.end):
            one = [event]
            query = attrs.evolve(asked.query, aggregation=Aggregation.COUNT)
            alone = type(self)(self._context, None, _only(one))
            rows = await MemoryAnalytics._query(alone, attrs.evolve(asked, query=query))
            for row in rows:
                values = found.setdefault((row.group, row.start), [])
                values.append(event.measures.get(asked.query.measure or ""))
        return found


def _only(events: Sequence[AnalyticsEvent]) -> Any:
    class Only:
        def between(self, start: datetime, end: datetime) -> Sequence[AnalyticsEvent]:
            return events

    return Only()


class TakesTheLast(SoundAnalytics):
    """What is recorded again takes the place of what was."""

    async def _record(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
        known = await super()._record(events)
        for event in events:
            if event.id in known:
                held = self._events.by_id.pop(event.id)
                self._events._by_time.remove(held)
        await super()._record([event for event in events if event.id in known])
        return known


class SaysNothingOfWhatIsKnown(SoundAnalytics):
    """The caller believes that all of it is new."""

    async def _record(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
        await super()._record(events)
        return ()


class CountsWhatItWasGivenTwice(SoundAnalytics):
    """Ids are the caller's business."""

    async def _record(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
        return await super()._record(
            [attrs.evolve(event, id=str(self._context.ids.new_uuid())) for event in events]
        )


class RecordsBeforeItChecks(SoundAnalytics):
    """What comes before a wrong one is kept."""

    async def record_many(self, drafts: Iterable[EntryDraft[AnalyticsEvent]], /) -> Recorded:
        try:
            return await super().record_many(drafts)
        except ValueError:
            if isinstance(drafts, list) and drafts and isinstance(drafts[0], EntryDraft):
                await super().record_many(drafts[:1])
            raise


class ShowsWhatHasExpired(SoundAnalytics):
    """Until it is removed."""

    def _expired(self) -> None:
        return None


class CountsTheEnd(SoundAnalytics):
    """What happens at the end is in the range."""

    async def _query(self, asked: Asked) -> Sequence[Row]:
        return await super()._query(attrs.evolve(asked, end=asked.end + MILLISECOND))


class CountsWithoutTheMeasure(SoundAnalytics):
    """A count looks at every event."""

    async def _query(self, asked: Asked) -> Sequence[Row]:
        if asked.query.aggregation is Aggregation.COUNT:
            asked = attrs.evolve(asked, query=attrs.evolve(asked.query, measure=None))
        return await super()._query(asked)


class _Figures(SoundAnalytics):
    """Other figures than those that are asked for."""

    of: ClassVar[frozenset[Aggregation]]

    async def _query(self, asked: Asked) -> Sequence[Row]:
        aggregation = asked.query.aggregation
        if aggregation not in self.of:
            return await super()._query(asked)
        values = await self._values(asked)
        return [
            Row(*place, self.figure(aggregation, held), len(held)) for place, held in values.items()
        ]

    def figure(self, aggregation: Aggregation, values: Sequence[Any]) -> Any:
        """That of values."""
        raise AssertionError


_PERCENTILES = frozenset(each for each in Aggregation if each.percent is not None)


class Interpolates(_Figures):
    """A percentile lies between two values."""

    of = _PERCENTILES

    def figure(self, aggregation: Aggregation, values: Sequence[Any]) -> Any:
        percent = aggregation.percent or 0
        return quantiles([*values, *values[:1]], n=100, method="inclusive")[percent - 1]


class RanksFromBelow(_Figures):
    """The place of a percentile is rounded down."""

    of = _PERCENTILES

    def figure(self, aggregation: Aggregation, values: Sequence[Any]) -> Any:
        place = len(values) * (aggregation.percent or 0) // 100
        return sorted(values)[max(place - 1, 0)]


class AddsFloats(_Figures):
    """Integers become floats on the way."""

    of = frozenset({Aggregation.SUM})

    def figure(self, aggregation: Aggregation, values: Sequence[Any]) -> Any:
        del aggregation
        return sum(map(float, values))


class LeavesOutThoseWithout(SoundAnalytics):
    """An event that lacks what is grouped by is in no group."""

    async def _query(self, asked: Asked) -> Sequence[Row]:
        return [row for row in await super()._query(asked) if None not in row.group]


class CutsWhatIsTooLong(SoundAnalytics):
    """The rest of a long answer is left out without a word."""

    async def _query(self, asked: Asked) -> Sequence[Row]:
        return (await super()._query(asked))[:MAX_POINTS]


class ReadsNamesAsPaths(SoundAnalytics):
    """What stands before a dot is taken for the name."""

    async def _record(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
        return await super()._record([attrs.evolve(each, **_first(each)) for each in events])


def _first(event: AnalyticsEvent) -> dict[str, Any]:
    return {"dimensions": {name.split(".")[0] or name: v for name, v in event.dimensions.items()}}


class BucketsInUtc(SoundAnalytics):
    """The time zone changes nothing."""

    async def _query(self, asked: Asked) -> Sequence[Row]:
        query = attrs.evolve(asked.query, zone="UTC")
        return await super()._query(attrs.evolve(asked, query=query, buckets=buckets_of(query)))


class BucketsByWhatTheClocksShow(SoundAnalytics):
    """Hours that come twice are one."""

    async def _query(self, asked: Asked) -> Sequence[Row]:
        rows = await super()._query(asked)
        zone, seen = zone_of(asked.query), dict[tuple[Any, ...], Row]()
        if asked.query.granularity is not Granularity.HOUR:
            return rows
        for row in sorted(rows, key=lambda row: row.start):
            at = asked.start + timedelta(milliseconds=row.start - milliseconds(asked.start))
            shown = row.group, at.astimezone(zone).replace(tzinfo=None, fold=0)
            held = seen.get(shown, Row(row.group, row.start, 0, 0))
            count = held.number + row.number
            seen[shown] = Row(held.group, held.start, count, count)
        return list(seen.values())


class BucketsOfEqualLength(SoundAnalytics):
    """A day has 24 hours."""

    async def _query(self, asked: Asked) -> Sequence[Row]:
        first, day = asked.buckets.edges[0], 86_400_000
        if asked.query.granularity is not Granularity.DAY:
            return await super()._query(asked)
        edges = tuple(first + n * day for n in range(len(asked.buckets.edges) + 1))
        return await super()._query(
            attrs.evolve(asked, buckets=attrs.evolve(asked.buckets, edges=edges))
        )


class DeletesOfWhoeverIsCalledAlike(SoundAnalytics):
    """Case is nothing."""

    async def _delete_for_user(self, user_id: UserId) -> int:
        users = {event.user_id for event in self._events.by_id.values() if event.user_id}
        alike = [each for each in users if each.lower() == user_id.lower()]
        return sum(self._events.remove(each) for each in alike)


class FiltersByOneValue(SoundAnalytics):
    """Of a list, the first is taken."""

    async def _query(self, asked: Asked) -> Sequence[Row]:
        where: Any = FrozenDict.holding({key: each[:1] for key, each in asked.query.where.items()})
        query = attrs.evolve(asked.query, where=where)
        return await super()._query(attrs.evolve(asked, query=query))


class JoinsTenants(MemoryAnalyticsStore):
    """What stands after a colon in a tenant's name is taken for something of its own."""

    def repositories(self, tenant: TenantId) -> Analytics:
        return super().repositories(TenantId(tenant.partition(":")[0]))


class PurgesTheTimeItself(MemoryAnalyticsMaintenance):
    """What is as old as the time goes, too."""

    async def _purge(self, before: datetime, tenant: TenantId, limit: int) -> tuple[int, bool]:
        return await super()._purge(before + MILLISECOND, tenant, limit)


class NamesWhoeverCame(MemoryAnalyticsMaintenance):
    """A tenant that was only looked at is named."""

    async def tenants(self) -> Any:
        for tenant in sorted(self._tenants):
            yield tenant
