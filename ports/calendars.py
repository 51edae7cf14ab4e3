"""Where calendar windows begin, by the clocks of a time zone."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import Fault, ValidationError
from domain.rates import CalendarUnit, CalendarWindow

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BEFORE, _AFTER = 2, 4
_MOST_KNOWN = 10_000
_known: dict[tuple[CalendarUnit, str], tuple[int, ...]] = {}


def zone_of(rule: CalendarWindow) -> tzinfo:
    """The time zone of a rule. UTC needs no database.

    Raises:
        ValidationError: if the time zone database of this machine doesn't have it.
    """
    return zone_named(rule.zone)


@lru_cache(maxsize=1_000)
def zone_named(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        fault = Fault("zone", "is in no time zone database here (the package tzdata is one)")
        raise ValidationError("CalendarWindow", [fault]) from None


def known_boundaries(rule: CalendarWindow) -> tuple[int, ...]:
    """What was asked for last, whatever the limit; at first, none. They may be of any time."""
    return _known.get((rule.unit, rule.zone), ())


def boundaries(rule: CalendarWindow, at: int) -> tuple[int, ...]:
    """Where windows begin around a time, ascending; the last is where the one before it ends.

    All are microseconds since the epoch. They hold the window of `at`, one before it and at least
    two after it. Who asks about different times gets the same boundaries, as far as both have them.

    Raises:
        ValidationError: as `zone_of`.
    """
    known = known_boundaries(rule)
    if known and known[1] <= at < known[-3]:
        return known
    zone = zone_of(rule)
    local = (EPOCH + timedelta(microseconds=at)).astimezone(zone).replace(tzinfo=None, fold=0)
    starts = (_begun(local, rule.unit, step) for step in range(-_BEFORE, _AFTER + 1))
    folds = (0, 1) if rule.unit is CalendarUnit.HOUR else (0,)
    found = sorted({instant_of(start, zone, fold) for start in starts for fold in folds})
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    kept = _known[rule.unit, rule.zone] = tuple(found)
    return kept


def window_end(rule: CalendarWindow, at: int) -> int:
    """Where the window of a time ends, in microseconds since the epoch."""
    ends = boundaries(rule, at)
    return ends[bisect_right(ends, at)]


def _begun(local: datetime, unit: CalendarUnit, step: int) -> datetime:
    """Where the unit of a local time begins, or one that is so many units later."""
    if unit is CalendarUnit.HOUR:
        return local.replace(minute=0, second=0, microsecond=0) + timedelta(hours=step)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit is CalendarUnit.DAY:
        return day + timedelta(days=step)
    if unit is CalendarUnit.WEEK:
        return day + timedelta(days=7 * step - day.weekday())
    if unit is CalendarUnit.MONTH:
        months = day.year * 12 + day.month - 1 + step
        return day.replace(year=months // 12, month=months % 12 + 1, day=1)
    return day.replace(year=day.year + step, month=1, day=1)


def instant_of(local: datetime, zone: tzinfo, fold: int) -> int:
    """When the clocks of a zone show a time, or go past it because they are put forward.

    Of two such times the first, or with `fold` the second.
    """
    shown = local.replace(tzinfo=zone, fold=fold)
    instant = shown.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) != local:
        instant = _put_forward(local, zone)
    return (instant - EPOCH) // _MICROSECOND


def _put_forward(local: datetime, zone: tzinfo) -> datetime:
    """When a zone's clocks are put forward past a time that they never show."""
    early = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    late = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    before = early.astimezone(zone).utcoffset()
    while late - early > _MICROSECOND:
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late
