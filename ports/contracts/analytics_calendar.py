"""Buckets of time: by the clocks of the time zone, on the days on which these are changed, too."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.analytics import AnalyticsEvent
from domain.metric_queries import Granularity, MetricQuery
from ports.contracts.harness import contract, raised_by
from ports.contracts.metric_model import check, starts
from ports.errors import InvalidQueryError
from ports.stores import TenantScope

HOUR = timedelta(hours=1)
MILLISECOND = timedelta(milliseconds=1)
CHANGES = [
    ("UTC", (2025, 3, 1)),
    ("Europe/Vienna", (2025, 3, 30)),
    ("Europe/Vienna", (2025, 10, 26)),
    ("America/New_York", (2025, 11, 2)),
    ("America/Havana", (2025, 11, 2)),
    ("America/Sao_Paulo", (2017, 10, 15)),
    ("America/Goose_Bay", (2010, 11, 7)),
    ("Australia/Lord_Howe", (2025, 4, 6)),
    ("Australia/Lord_Howe", (2025, 10, 5)),
    ("Asia/Kathmandu", (1986, 1, 1)),
    ("Pacific/Apia", (2011, 12, 30)),
    ("Africa/Casablanca", (2025, 2, 23)),
]
"""Zones, and days on which their clocks were put forward or back, by half an hour, or by a day."""
AROUND = {
    Granularity.MINUTE: HOUR,
    Granularity.HOUR: timedelta(hours=30),
    Granularity.DAY: timedelta(days=4),
    Granularity.WEEK: timedelta(days=16),
    Granularity.MONTH: timedelta(days=62),
}


def local(zone: str, *parts: int, fold: int = 0) -> datetime:
    """When the clocks of a zone show a time, in UTC."""
    year, month, day, *rest = parts
    hour, minute = (*rest, 0, 0)[:2]
    shown = datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone), fold=fold)
    return shown.astimezone(UTC)


def at(*times: datetime) -> list[Any]:
    """An event at each of them."""
    return [AnalyticsEvent.draft("turn", at=time) for time in times]


async def shown(scope: TenantScope, **query: Any) -> list[tuple[datetime, int]]:
    """Where each bucket begins, and how many events it has."""
    asked = MetricQuery.over(**query, fill_missing=True)
    (series,) = (await scope.analytics.query(asked)).series
    return [(point.start, point.count) for point in series.points]


@pytest.mark.parametrize("unit", list(AROUND), ids=str)
@contract
async def test_every_bucket_begins_where_the_clocks_say(
    scope: TenantScope, unit: Granularity
) -> None:
    """An event at its very beginning lies in it, one a millisecond earlier in the one before."""
    for zone, day in CHANGES:
        middle = local(zone, *day)
        start, end = middle - AROUND[unit], middle + AROUND[unit]
        begun = starts(unit, zone, start, end)
        times = [time for begin in begun for time in (begin, begin - MILLISECOND) if time >= start]
        given = [
            AnalyticsEvent.draft("turn", at=time, dimensions={"zone": zone, "day": f"{day}"})
            for time in times
        ]
        ids = (await scope.analytics.record_many(given)).ids
        events = [
            draft.placed(at=start, new_id=id, tenant_id=scope.tenant)
            for draft, id in zip(given, ids, strict=True)
        ]
        query = MetricQuery.over(
            start,
            end,
            granularity=unit,
            zone=zone,
            where={"dimensions.zone": zone, "dimensions.day": f"{day}"},
            fill_missing=True,
        )
        result = await scope.analytics.query(query)
        assert [point.start for point in result.series[0].points] == list(begun), zone
        check(query, events, result)


@contract
async def test_days_have_as_many_hours_as_the_clocks_make_of_them(scope: TenantScope) -> None:
    """23 when they are put forward, 25 when they are put back."""
    zone = "Europe/Vienna"
    for month, first, hours in ((3, 29, 23), (10, 25, 25)):
        begin = local(zone, 2025, month, first)
        times = [begin + n * HOUR for n in range(24 + hours + 24)]
        await scope.analytics.record_many(at(*times))
        query = {"start": begin, "end": times[-1] + HOUR, "zone": zone}
        days = await shown(scope, granularity="day", **query)
        assert [count for _, count in days] == [24, hours, 24]
        assert [begun.astimezone(ZoneInfo(zone)).hour for begun, _ in days] == [0, 0, 0]
        assert len(await shown(scope, granularity="hour", **query)) == 48 + hours


@contract
async def test_an_hour_that_comes_twice_is_two_buckets(scope: TenantScope) -> None:
    """And one that is left out is none."""
    zone = "America/New_York"
    twice = [local(zone, 2025, 11, 2, 1, 30, fold=fold) for fold in (0, 1)]
    await scope.analytics.record_many(at(*twice, twice[1] + MILLISECOND))
    start = local(zone, 2025, 11, 2)
    hours = await shown(scope, start=start, end=start + 4 * HOUR, granularity="hour", zone=zone)
    assert [count for _, count in hours] == [0, 1, 2, 0]
    local_hours = [begun.astimezone(ZoneInfo(zone)).hour for begun, _ in hours]
    assert local_hours == [0, 1, 1, 2]
    start = local(zone, 2025, 3, 9)
    hours = await shown(scope, start=start, end=start + 3 * HOUR, granularity="hour", zone=zone)
    assert [begun.astimezone(ZoneInfo(zone)).hour for begun, _ in hours] == [0, 1, 3]


@contract
async def test_a_day_that_never_was_has_no_bucket(scope: TenantScope) -> None:
    """Apia went from the 29th of December 2011 to the 31st."""
    zone = "Pacific/Apia"
    start, end = local(zone, 2011, 12, 28), local(zone, 2012, 1, 2)
    midnight = local(zone, 2011, 12, 31)
    await scope.analytics.record_many(at(midnight, midnight - MILLISECOND))
    days = await shown(scope, start=start, end=end, granularity="day", zone=zone)
    found = [(begun.astimezone(ZoneInfo(zone)).day, count) for begun, count in days]
    assert found == [(28, 0), (29, 1), (31, 1), (1, 0)]


@contract
async def test_half_an_hour_may_be_added_or_left_out(scope: TenantScope) -> None:
    """Lord Howe puts its clocks back at two to half past one: that hour has ninety minutes."""
    zone = "Australia/Lord_Howe"
    start = local(zone, 2025, 4, 6, 0)
    await scope.analytics.record_many(at(*(start + n * HOUR / 2 for n in range(8))))
    hours = await shown(scope, start=start, end=start + 4 * HOUR, granularity="hour", zone=zone)
    assert [count for _, count in hours] == [2, 3, 2, 1]


@contract
async def test_weeks_begin_on_monday_and_months_on_the_first(scope: TenantScope) -> None:
    """Of the zone, wherever its midnight lies."""
    zone = "Pacific/Kiritimati"
    sunday = local(zone, 2025, 6, 1)
    await scope.analytics.record_many(at(sunday - MILLISECOND, sunday, sunday + 24 * HOUR))
    query = {"start": sunday - 48 * HOUR, "end": sunday + 48 * HOUR, "zone": zone}
    weeks = await shown(scope, granularity="week", **query)
    assert weeks == [(local(zone, 2025, 5, 26), 2), (local(zone, 2025, 6, 2), 1)]
    months = await shown(scope, granularity="month", **query)
    assert months == [(local(zone, 2025, 5, 1), 1), (local(zone, 2025, 6, 1), 2)]


@contract
async def test_only_what_lies_in_the_range_is_counted(scope: TenantScope) -> None:
    """From its start on and before its end, though the first bucket may begin earlier."""
    noon = datetime(2025, 6, 1, 12, tzinfo=UTC)
    end = noon + 24 * HOUR
    await scope.analytics.record_many(at(noon - MILLISECOND, noon, end - MILLISECOND, end))
    assert await shown(scope, start=noon, end=end) == [(noon, 2)]
    days = await shown(scope, start=noon, end=end, granularity="day")
    assert days == [(noon - 12 * HOUR, 1), (noon + 12 * HOUR, 1)]


@contract
async def test_a_zone_that_there_is_not_is_refused(scope: TenantScope) -> None:
    """When the query is run, whatever its granularity."""
    start = datetime(2025, 6, 1, tzinfo=UTC)
    for unit in Granularity:
        query = MetricQuery.over(start, start + HOUR, granularity=unit, zone="Europe/Atlantis")
        error = await raised_by(scope.analytics.query(query))
        assert isinstance(error, InvalidQueryError), unit
