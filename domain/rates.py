"""Rules of how often something may happen, and what a limiter decides by them.

All arithmetic is in whole microseconds and exact, so that every store comes to the same.
"""

from abc import ABC, abstractmethod
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Final

import attrs

from domain.durations import duration
from domain.errors import Fault
from domain.rules import Value, matching, one_of, rule, whole

LARGEST_LIMIT: Final = 10**9
SHORTEST_WINDOW: Final = timedelta(milliseconds=1)
LONGEST_WINDOW: Final = timedelta(days=400)
PARTS: Final = 50
"""How many parts a sliding window has."""

_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000
_PERMITS = whole(1, LARGEST_LIMIT)
_WINDOW = duration(SHORTEST_WINDOW, LONGEST_WINDOW)
ZONE: Final = matching(
    r"[A-Za-z][A-Za-z0-9_+-]{0,63}(/[A-Za-z0-9_+-]{1,63}){0,3}", "must be the name of a time zone"
)


class RateRule(Value, ABC):
    """How often something may happen, in one of four ways. Equal if their numbers are."""

    kind: ClassVar[str]
    limit: int
    """The most permits that can be had at once."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Tells it from every rule that decides otherwise."""

    @property
    def seconds(self) -> int | None:
        """How long the limit is for, rounded up, where that is always the same."""
        return None


@attrs.frozen(kw_only=True, slots=False)
class Gcra(RateRule):
    """The generic cell rate algorithm, as virtual scheduling (ITU-T I.371, annex A): a bucket that
    holds `burst` permits and is filled steadily.

    No time of length t sees more than `burst` + t / `interval` permits. One is given back each
    `interval`, which is `per` / `rate` rounded up: fewer than asked for, by less than a microsecond
    a permit.
    """

    kind: ClassVar[str] = "gcra"
    rate: int = attrs.field(metadata=rule(_PERMITS))
    per: timedelta = attrs.field(metadata=rule(_WINDOW))
    burst: int = attrs.field(metadata=rule(_PERMITS))

    def _cross_faults(self) -> list[Fault]:
        if self.rate > self.per // _MICROSECOND:
            return [Fault("rate", "must be at most one a microsecond")]
        if self.burst * self.interval > LONGEST_WINDOW // _MICROSECOND:
            return [Fault("burst", "must fill again within 400 days")]
        return []

    @property
    def limit(self) -> int:  # type: ignore[override]  # what the bucket holds
        """The most permits that can be had at once."""
        return self.burst

    @cached_property
    def interval(self) -> int:
        """Microseconds from one permit to the next, when it is steady."""
        return -(-(self.per // _MICROSECOND) // self.rate)

    @cached_property
    def name(self) -> str:
        """Of the numbers that matter: the same rate may be written in several ways."""
        return f"gcra-{self.burst}-{self.interval}"

    @property
    def seconds(self) -> int:
        """How long an empty bucket takes to fill."""
        return -(-self.burst * self.interval // _SECOND)


class WindowRule(RateRule):
    """At most `limit` permits in each window."""

    window: timedelta

    @cached_property
    def part(self) -> int:
        """Microseconds of a part: permits of one part (they begin at the epoch) count alike."""
        return self.window // _MICROSECOND

    @cached_property
    def kept(self) -> int:
        """Microseconds from the beginning of a part until its permits no longer count."""
        return self.part

    @cached_property
    def name(self) -> str:
        """Of all its numbers."""
        return f"{self.kind}-{self.limit}-{self.window // SHORTEST_WINDOW}"

    @property
    def seconds(self) -> int:
        """The window."""
        return -(-self.window // timedelta(seconds=1))


@attrs.frozen(kw_only=True, slots=False)
class SlidingWindow(WindowRule):
    """No window of that length, wherever it begins, ever sees more than `limit` permits.

    It is counted in parts, a fiftieth of the window each, so that the memory it needs is bounded;
    a permit is given back when its part has left the window: up to a fiftieth of it late.
    """

    kind: ClassVar[str] = "sliding"
    limit: int = attrs.field(metadata=rule(_PERMITS))
    window: timedelta = attrs.field(metadata=rule(_WINDOW))

    @cached_property
    def part(self) -> int:
        """Exact, since windows are whole milliseconds."""
        return self.window // _MICROSECOND // PARTS

    @cached_property
    def kept(self) -> int:
        """The whole part, and the window after it."""
        return self.part * (PARTS + 1)


@attrs.frozen(kw_only=True, slots=False)
class FixedWindow(WindowRule):
    """At most `limit` permits in each window; windows follow each other from the epoch on.

    So twice as many may come within one window's length: at the end of one and the beginning of
    the next.
    """

    kind: ClassVar[str] = "fixed"
    limit: int = attrs.field(metadata=rule(_PERMITS))
    window: timedelta = attrs.field(metadata=rule(_WINDOW))


class CalendarUnit(StrEnum):
    """How long a calendar window is. Weeks begin on Monday (ISO 8601)."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@attrs.frozen(kw_only=True, slots=False)
class CalendarWindow(RateRule):
    """A quota: at most `limit` permits in each hour, day, week, month or year of a time zone.

    A day is what its zone's clocks make of it, of 23 or 25 hours too. The zone is a name of the
    IANA time zone database; whether there is such a zone is found out when the rule is used.
    """

    kind: ClassVar[str] = "calendar"
    limit: int = attrs.field(metadata=rule(_PERMITS))
    unit: CalendarUnit = attrs.field(metadata=rule(one_of(CalendarUnit)))
    zone: str = attrs.field(default="UTC", metadata=rule(ZONE))

    @cached_property
    def name(self) -> str:
        """Of all that it is."""
        return f"calendar-{self.limit}-{self.unit.value}-{self.zone}"


def gcra(rate: int, per: timedelta, burst: int) -> Gcra:
    """`rate` permits `per` time, steadily, and up to `burst` at once (see `Gcra`).

    Raises:
        ValidationError: unless `rate` and `burst` are 1 to 10^9 and `per` is 1 ms to 400 days, in
            whole milliseconds; for more than one permit a microsecond, and for a burst that takes
            more than 400 days to fill again.
    """
    return Gcra(rate=rate, per=per, burst=burst)


def sliding_window(limit: int, window: timedelta) -> SlidingWindow:
    """At most `limit` in any window of that length (see `SlidingWindow`).

    Raises:
        ValidationError: unless `limit` is 1 to 10^9 and `window` 1 ms to 400 days, in whole
            milliseconds.
    """
    return SlidingWindow(limit=limit, window=window)


def fixed_window(limit: int, window: timedelta) -> FixedWindow:
    """At most `limit` in each window (see `FixedWindow`).

    Raises:
        ValidationError: as `sliding_window`.
    """
    return FixedWindow(limit=limit, window=window)


def calendar_window(limit: int, unit: CalendarUnit | str, zone: str = "UTC") -> CalendarWindow:
    """At most `limit` in each `hour`, `day`, `week`, `month` or `year` (see `CalendarWindow`).

    Raises:
        ValidationError: unless `limit` is 1 to 10^9, and for a unit or a name of a zone that can't
            be one.
    """
    kind: Any = unit
    return CalendarWindow(limit=limit, unit=kind, zone=zone)
