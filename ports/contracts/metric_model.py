"""What metric queries mean, worked out the slow way: from the list of events, minute by minute."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from domain.analytics import AnalyticsEvent
from domain.metric_queries import Aggregation, Granularity, MetricQuery, MetricResult

Group: TypeAlias = tuple[Any, ...]
Figures: TypeAlias = list[tuple[Group, list[tuple[datetime, list[Any]]]]]
_MINUTE = timedelta(minutes=1)
_MARGIN = {
    Granularity.MINUTE: timedelta(minutes=5),
    Granularity.HOUR: timedelta(hours=4),
    Granularity.DAY: timedelta(days=3),
    Granularity.WEEK: timedelta(days=10),
    Granularity.MONTH: timedelta(days=40),
}


@lru_cache(maxsize=1_000)
def starts(unit: Granularity, zone: str, start: datetime, end: datetime) -> tuple[datetime, ...]:
    """Where the buckets that a range touches begin; for zones whose clocks change on a minute."""
    if unit is Granularity.NONE:
        return (start,)
    found = list(_walked(unit, ZoneInfo(zone), start - _MARGIN[unit], end))
    first = max(place for place, begun in enumerate(found) if begun <= start)
    return tuple(found[first:])


def _walked(
    unit: Granularity, zone: ZoneInfo, start: datetime, end: datetime
) -> Iterator[datetime]:
    """When a unit begins: a minute or an hour when the clocks show its beginning, or another one
    than before; a day, week or month when they show a later one than ever before.
    """
    by_clock = unit in (Granularity.MINUTE, Granularity.HOUR)
    # Every day since 1970 began on a quarter of an hour.
    at, step = start.replace(minute=0, second=0, microsecond=0), _MINUTE * (1 if by_clock else 15)
    before = _label(unit, at.astimezone(zone))
    while (at := at + step) < end:
        local = at.astimezone(zone)
        label = _label(unit, local)
        if by_clock:
            begins = unit is Granularity.MINUTE or local.minute == 0 or label != before
            before = label
        else:
            begins = label > before
            before = max(label, before)
        if begins:
            yield at


def _label(unit: Granularity, local: datetime) -> Any:
    if unit is Granularity.DAY:
        return local.date()
    if unit is Granularity.WEEK:
        return local.date() - timedelta(days=local.weekday())
    if unit is Granularity.MONTH:
        return date(local.year, local.month, 1)
    return local.replace(tzinfo=None, minute=0 if unit is Granularity.HOUR else local.minute)


def figures(query: MetricQuery, events: Sequence[AnalyticsEvent]) -> Figures:
    """Each group with its buckets and the values in them: its measures, or None for each event."""
    begun = starts(query.granularity, query.zone, query.start, query.end)
    groups: dict[Group, dict[datetime, list[Any]]] = {} if query.group_by else {(): {}}
    for event in events:
        if query.start <= event.at < query.end and _wanted(query, event):
            group = tuple(_value(event, key) for key in query.group_by)
            bucket = max(start for start in begun if start <= event.at)
            values = groups.setdefault(group, {}).setdefault(bucket, [])
            values.append(None if query.measure is None else event.measures[query.measure])
    if query.fill_missing:
        for buckets in groups.values():
            for start in begun:
                buckets.setdefault(start, [])
    ordered = sorted(groups, key=lambda group: [(each is None, str(each)) for each in group])
    return [(group, sorted(groups[group].items(), key=lambda item: item[0])) for group in ordered]


def _value(event: AnalyticsEvent, key: str) -> Any:
    if key.startswith("dimensions."):
        return event.dimensions.get(key.removeprefix("dimensions."))
    return getattr(event, key)


def _wanted(query: MetricQuery, event: AnalyticsEvent) -> bool:
    named = [*query.having] if query.measure is None else [query.measure, *query.having]
    return all(name in event.measures for name in named) and all(
        _value(event, key) in wanted for key, wanted in query.where.items()
    )


def check(query: MetricQuery, events: Sequence[AnalyticsEvent], result: MetricResult) -> None:
    """Assert that a result is what the query means."""
    assert result.query == query
    expected = figures(query, events)
    groups = [tuple(series.group.values()) for series in result.series]
    assert groups == [group for group, _ in expected]
    assert all(tuple(series.group) == query.group_by for series in result.series)
    for series, (_, buckets) in zip(result.series, expected, strict=True):
        shown = [(point.start, point.count) for point in series.points]
        assert shown == [(start, len(values)) for start, values in buckets]
        for point, (_, values) in zip(series.points, buckets, strict=True):
            assert point.start.tzinfo is UTC
            check_value(query.aggregation, point.value, values)


def check_value(aggregation: Aggregation, value: Any, values: Sequence[Any]) -> None:
    """Assert that a figure is that of some values."""
    if aggregation is Aggregation.COUNT:
        assert value == len(values)
        assert type(value) is int
    elif not values:
        assert value == (0 if aggregation is Aggregation.SUM else None)
    elif aggregation in (Aggregation.SUM, Aggregation.AVG):
        _check_total(aggregation, value, values)
    else:
        assert value == _ranked(aggregation, sorted(map(Fraction, values)))
        assert type(value) in {type(each) for each in values}


def _ranked(aggregation: Aggregation, values: Sequence[Fraction]) -> Fraction:
    if aggregation is Aggregation.MIN:
        return values[0]
    if aggregation is Aggregation.MAX:
        return values[-1]
    percent = Fraction(int(aggregation.value[1:]), 100)
    return values[ceil(percent * len(values)) - 1]


def _check_total(aggregation: Aggregation, value: Any, values: Sequence[Any]) -> None:
    total = sum(map(Fraction, values), Fraction(0))
    whole = all(isinstance(each, int) for each in values)
    if aggregation is Aggregation.SUM and whole and -(2**63) <= total < 2**63:
        assert type(value) is int
        assert value == total
        return
    assert type(value) is float
    if whole:
        exact = float(total)
        assert value == (exact if aggregation is Aggregation.SUM else exact / len(values))
        return
    magnitude = sum((abs(Fraction(each)) for each in values), Fraction(0))
    if aggregation is Aggregation.AVG:
        total, magnitude = total / len(values), magnitude / len(values)
    # What is next to nothing has no more digits.
    assert abs(Fraction(value) - total) <= magnitude / 10**15 + Fraction(5e-324)
