"""Quotas: limits of calendar hours, days, weeks, months and years, by the clocks of a zone."""

from calendar import isleap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest

from domain.errors import ValidationError
from domain.rates import CalendarWindow, calendar_window, gcra, sliding_window
from ports.contracts.harness import Backend, contract, raised_by
from ports.contracts.rates import LONG, begin_an_hour, fill, near, pass_time
from ports.rate_limits import Demand
from ports.stores import TenantScope

HOURS = timedelta(hours=1)
DAYS = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
Period: TypeAlias = tuple[datetime, datetime]


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """A time."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def last_sunday(year: int, month: int) -> datetime:
    """Of a month of 31 days; European clocks change then, at one o'clock UTC."""
    end = utc(year, month, 31)
    return end - ((end.weekday() + 1) % 7) * DAYS


def leap_day(year: int) -> Period | None:
    """The 29th of February, if there is one."""
    return (utc(year, 2, 29), utc(year, 3, 1)) if isleap(year) else None


def second_monday(year: int) -> datetime:
    """Of January: the week after it is whole."""
    begin = utc(year, 1, 8)
    return begin + (-begin.weekday() % 7) * DAYS


BERLIN, KOLKATA, CHATHAM = "Europe/Berlin", "Asia/Kolkata", "Pacific/Chatham"
PERIODS: dict[str, tuple[CalendarWindow, Callable[[int], Period | None]]] = {
    "a day of 23 hours": (
        calendar_window(2, "day", BERLIN),
        lambda y: (last_sunday(y, 3) - 1 * HOURS, last_sunday(y, 3) + 22 * HOURS),
    ),
    "a day of 25 hours": (
        calendar_window(2, "day", BERLIN),
        lambda y: (last_sunday(y, 10) - 2 * HOURS, last_sunday(y, 10) + 23 * HOURS),
    ),
    "the hour after one that is left out": (
        calendar_window(2, "hour", BERLIN),
        lambda y: (last_sunday(y, 3) + 1 * HOURS, last_sunday(y, 3) + 2 * HOURS),
    ),
    "the second of two hours of one name": (
        calendar_window(2, "hour", BERLIN),
        lambda y: (last_sunday(y, 10) + 1 * HOURS, last_sunday(y, 10) + 2 * HOURS),
    ),
    "a week": (
        calendar_window(2, "week"),
        lambda y: (second_monday(y), second_monday(y) + 7 * DAYS),
    ),
    "a short month": (
        calendar_window(2, "month"),
        lambda y: (utc(y, 2, 1), utc(y, 3, 1)),
    ),
    "a month that is an hour shorter": (
        calendar_window(2, "month", BERLIN),
        lambda y: (utc(y, 2, 28, 23) + isleap(y) * DAYS, utc(y, 3, 31, 22)),
    ),
    "a month that ends a year": (
        calendar_window(2, "month"),
        lambda y: (utc(y, 12, 1), utc(y + 1, 1, 1)),
    ),
    "a leap day": (calendar_window(2, "day"), leap_day),
    "a year in the east": (
        calendar_window(2, "year", "Asia/Tokyo"),
        lambda y: (utc(y - 1, 12, 31, 15), utc(y, 12, 31, 15)),
    ),
    "a day in the west": (
        calendar_window(2, "day", "America/Phoenix"),
        lambda y: (utc(y, 7, 1, 7), utc(y, 7, 2, 7)),
    ),
    "a day where it begins first": (
        calendar_window(2, "day", "Pacific/Kiritimati"),
        lambda y: (utc(y, 6, 30, 10), utc(y, 7, 1, 10)),
    ),
    "an hour that begins half past": (
        calendar_window(2, "hour", KOLKATA),
        lambda y: (utc(y, 7, 1, 4, 30), utc(y, 7, 1, 5, 30)),
    ),
}


def upcoming(backend: Backend, period: Callable[[int], Period | None]) -> Period:
    """The first of them that lies ahead."""
    now = backend.clock.now()
    for year in range(now.year, now.year + 10):
        found = period(year)
        if found is not None and found[0] > now + DAYS:
            return found
    raise AssertionError("there is none in ten years")


@pytest.mark.parametrize("period", list(PERIODS))
@contract
async def test_a_quota_lasts_exactly_as_long_as_its_period(
    backend: Backend, scope: TenantScope, period: str
) -> None:
    """From its first moment to its last, by the clocks of its zone."""
    limits = scope.rate_limits
    rule, when = PERIODS[period]
    begin, end = upcoming(backend, when)
    backend.clock.set(begin - 2 * MILLISECOND)
    before = await fill(limits, "a", rule)
    assert near(backend, before.reset_after, 2 * MILLISECOND)
    assert not (await limits.acquire("a", rule)).allowed
    backend.clock.set(begin)
    first = await limits.acquire("a", rule)
    assert (first.allowed, first.count) == (True, 1)
    assert near(backend, first.reset_after, end - begin)
    backend.clock.set(end - 2 * MILLISECOND)
    last = await limits.acquire("a", rule)
    assert (last.allowed, last.count) == (True, 2)
    refused = await limits.acquire("a", rule)
    assert refused.retry_after is not None
    assert near(backend, refused.retry_after, 2 * MILLISECOND)
    backend.clock.set(end)
    assert (await limits.acquire("a", rule)).count == 1


@contract
async def test_a_client_past_the_boundary_counts_in_the_servers_period(backend: Backend) -> None:
    """One whose clock is five seconds ahead uses up what the others have, and nothing else."""
    here, there = backend.rivals()
    rule = calendar_window(4, "day", BERLIN)
    midnight, _ = upcoming(backend, lambda year: (utc(year, 6, 30, 22), utc(year, 7, 1, 22)))
    backend.clock.set(midnight - timedelta(seconds=2))
    for scope in (here, there, there, here):
        decision = await scope.rate_limits.acquire("a", rule)
        assert decision.allowed
        assert near(backend, decision.reset_after, timedelta(seconds=2))
    for scope in (there, here):
        assert not (await scope.rate_limits.acquire("a", rule)).allowed
    backend.clock.set(midnight)
    for scope in (there, here):
        assert (await scope.rate_limits.acquire("a", rule)).allowed
    assert (await there.rate_limits.peek("a", rule)).count == 2


@contract
async def test_quotas_go_on_after_any_number_of_periods(
    backend: Backend, scope: TenantScope
) -> None:
    """Each is a new one, near or far."""
    begin_an_hour(backend)
    hourly, monthly = calendar_window(1, "hour", CHATHAM), calendar_window(20, "month", CHATHAM)
    for hours in (1, 1, 2, 3, 24, 24, 72, 24 * 90):
        hour, _ = await scope.rate_limits.acquire_all([("a", hourly, 1), ("a", monthly, 1)])
        assert (hour.allowed, hour.count) == (True, 1)
        assert hour.reset_after <= 1 * HOURS
        backend.clock.advance(hours=hours)


@contract
async def test_quotas_and_rates_are_taken_together(backend: Backend, scope: TenantScope) -> None:
    """A month's quota, a day's and a rate of one tenant, all or none."""
    begin_an_hour(backend)
    limits = scope.rate_limits
    month, day = calendar_window(5, "month", BERLIN), calendar_window(3, "day", BERLIN)
    rate = gcra(10, timedelta(seconds=1), 2)
    demands: list[Demand] = [("calls", month, 1), ("calls", day, 1), ("calls", rate, 1)]
    allowed = []
    for _ in range(4):
        decisions = await limits.acquire_all(demands)
        allowed.append(all(decision.allowed for decision in decisions))
        pass_time(backend, timedelta(milliseconds=100))
    assert allowed == [True, True, True, False]
    counts = [(await limits.peek("calls", rule)).count for rule in (month, day)]
    assert counts == [3, 3]


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "Berlin", "Etc", "UTC/UTC"])
@contract
async def test_a_zone_that_is_unknown_is_refused(scope: TenantScope, zone: str) -> None:
    """Before anything is counted, also where it stands among others."""
    limits: Any = scope.rate_limits
    known, unknown = sliding_window(3, LONG), calendar_window(3, "day", zone)
    errors = [
        await raised_by(limits.acquire("a", unknown)),
        await raised_by(limits.peek("a", unknown)),
        await raised_by(limits.increment("a", unknown)),
        await raised_by(limits.reset("a", unknown)),
        await raised_by(limits.acquire_all([("a", known, 1), ("a", unknown, 1)])),
    ]
    assert [type(error) for error in errors] == [ValidationError] * 5
    assert "zone" in str(errors[0])
    assert (await limits.peek("a", known)).count == 0
