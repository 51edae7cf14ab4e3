"""Where the buckets of a metric query begin, by the clocks of its time zone.

They are worked out here for every store, so that none of them asks a time zone database of its own,
which may be of another year. All times are whole milliseconds since 1970.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from functools import cached_property, lru_cache
from typing import Final

import attrs

from domain.analytics import milliseconds
from domain.errors import ValidationError
from domain.metric_queries import Granularity, MetricQuery
from ports.calendars import EPOCH, instant_of, zone_named
from ports.errors import InvalidQueryError

MAX_POINTS: Final = 10_000
"""Buckets of all series together."""

_HOUR, _DAY = 3_600_000, 86_400_000
_SHORTEST: Final = {
    Granularity.MINUTE: 60_000,
    Granularity.HOUR: _HOUR,
    Granularity.DAY: _DAY,
    Granularity.WEEK: 7 * _DAY,
    Granularity.MONTH: 28 * _DAY,
}
"""But for where the clocks are changed."""
_MONDAY = 4 * _DAY
"""1970 began on a Thursday."""
_STEP = 3 * _HOUR
"""No zone's clocks were ever changed twice within it."""


@attrs.frozen(slots=False)
class Buckets:
    """`edges`: where each bucket begins, ascending, and where the last one ends."""

    edges: tuple[int, ...]

    @property
    def starts(self) -> tuple[int, ...]:
        """Where they begin."""
        return self.edges[:-1]

    def of(self, at: int) -> int:
        """Where the bucket of a time within the range begins."""
        return self.edges[bisect_right(self.edges, at) - 1]

    @cached_property
    def stretches(self) -> tuple[tuple[int, int], ...]:
        """Buckets of one length that follow each other: where the first begins, and the length."""
        found: list[tuple[int, int]] = []
        for start, end in zip(self.edges, self.edges[1:], strict=False):
            if not found or found[-1][1] != end - start:
                found.append((start, end - start))
        return tuple(found)


def buckets_of(query: MetricQuery) -> Buckets:
    """The buckets that a query's range touches.

    A minute or an hour begins when the zone's clocks show its beginning, or are put forward or back
    into it; so one that they show twice is two. A day, week or month begins when they first show
    its beginning, or are put forward past it; so it may have 23 or 25 hours, and one may be
    missing. No bucket is empty of time.

    Raises:
        InvalidQueryError: for more than 10 000 buckets, or an unknown time zone.
    """
    start, end = milliseconds(query.start), milliseconds(query.end)
    if query.granularity is Granularity.NONE:
        zone_of(query)
        return Buckets((start, end))
    if (end - start) // _SHORTEST[query.granularity] > 2 * MAX_POINTS:
        raise too_many()
    return _buckets(query.granularity, query.zone, zone_of(query), start, end)


def zone_of(query: MetricQuery) -> tzinfo:
    """A query's time zone.

    Raises:
        InvalidQueryError: if the time zone database of this machine doesn't have it.
    """
    try:
        return zone_named(query.zone)
    except ValidationError as error:
        failure = InvalidQueryError(f"the time {error.faults[0]}")
    raise failure


def too_many() -> InvalidQueryError:
    """When an answer would be too long."""
    return InvalidQueryError(
        f"the answer has more than {MAX_POINTS} buckets: take a shorter range, a coarser "
        "granularity or fewer groups"
    )


@lru_cache(maxsize=256)
def _buckets(unit: Granularity, name: str, zone: tzinfo, start: int, end: int) -> Buckets:
    width = _SHORTEST[unit]
    if name == "UTC" and unit is not Granularity.MONTH:
        shift = _MONDAY if unit is Granularity.WEEK else 0
        first = start - (start - shift) % width
        edges = list(range(first, end + width, width))
    elif width <= _HOUR:
        edges = sorted(set(_clock_edges(zone, width, start - _DAY, end + _DAY)))
    else:
        edges = sorted(set(_calendar_edges(zone, unit, start, end)))
    kept = edges[bisect_right(edges, start) - 1 : bisect_left(edges, end) + 1]
    if len(kept) - 1 > MAX_POINTS:
        raise too_many()
    return Buckets(tuple(kept))


def _clock_edges(zone: tzinfo, width: int, start: int, end: int) -> Iterator[int]:
    """Where minutes or hours begin, from one change of the clocks to the next."""
    before = None
    for begin, until, offset in _offsets(zone, start, end):
        first = begin + -(begin + offset) % width
        if before is not None and (begin - 1 + before) // width != (begin + offset) // width:
            yield begin  # into another one; at its very beginning, it comes once more
        yield from range(first, until, width)
        before = offset


def _offsets(zone: tzinfo, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each stretch of time in which the clocks are ahead of UTC by as much: where it begins and
    ends, and by how much.
    """
    begin, place, offset = start, start, _offset(zone, start)
    while place < end:
        following = min(place + _STEP, end)
        if _offset(zone, following) != offset:
            early, late = place, following
            while late - early > 1:
                middle = (early + late) // 2
                if _offset(zone, middle) == offset:
                    early = middle
                else:
                    late = middle
            yield begin, late, offset
            begin, following, offset = late, late, _offset(zone, late)
        place = following
    yield begin, end, offset


def _offset(zone: tzinfo, at: int) -> int:
    passed = _time(at).astimezone(zone).utcoffset()
    assert passed is not None
    return passed // timedelta(milliseconds=1)


def _calendar_edges(zone: tzinfo, unit: Granularity, start: int, end: int) -> Iterator[int]:
    """Where days, weeks or months begin, from before one time until after another."""
    local = _time(start).astimezone(zone).replace(tzinfo=None, fold=0)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    step = timedelta(days=7 if unit is Granularity.WEEK else 1)
    # One before the first, and more after the last than a zone ever left out.
    if unit is Granularity.MONTH:
        day = (day.replace(day=1) - step).replace(day=1)
    else:
        day -= timedelta(days=day.weekday() % step.days) + step
    after = 0
    while after < 2:
        edge = instant_of(day, zone, 0) // 1_000
        after += edge >= end
        yield edge
        day = (day + timedelta(days=31)).replace(day=1) if unit is Granularity.MONTH else day + step


def _time(at: int) -> datetime:
    return EPOCH + timedelta(milliseconds=at)
