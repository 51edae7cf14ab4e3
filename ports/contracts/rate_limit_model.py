"""What a rate limiter must answer, worked out from everything that was ever used.

It keeps each use with its time, and nothing of how a store counts. As a server's time is known but
to a tolerance, and a sliding window's permits come back within bounds, answers are ranges.
"""

from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import attrs

from domain.rates import CalendarWindow, FixedWindow, Gcra, RateRule, SlidingWindow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HALF = timedelta(minutes=30)
"""By how much the hours of the model's only time zone (Asia/Kolkata) are later than UTC's."""

_NOTHING = timedelta()
_MICROSECOND = timedelta(microseconds=1)
Range: TypeAlias = tuple[int, int]


@attrs.define
class Uses(ABC):
    """What was used of one limit."""

    rule: RateRule
    tolerance: timedelta
    uses: list[tuple[datetime, int]] = attrs.field(factory=list)

    def add(self, now: datetime, permits: int) -> None:
        """They were used."""
        self.uses.append((now, permits))

    def admits(self, now: datetime, permits: int) -> tuple[bool, bool]:
        """Whether so many surely can be had, and whether they may be."""
        least, most = self.load(now)
        room = self.size(self.rule.limit) - self.size(permits)
        return most <= room, least <= room

    @abstractmethod
    def size(self, permits: int) -> int:
        """What permits weigh in `load`."""

    @abstractmethod
    def load(self, now: datetime) -> Range:
        """What is in use, at least and at most; 0 if nothing is."""

    def count(self, now: datetime) -> Range:
        """How many permits are in use, begun ones as whole, at least and at most."""
        least, most = self.load(now)
        one = self.size(1)
        return -(-least // one), -(-most // one)


class WindowUses(Uses):
    """Each counts until a time of its own."""

    def size(self, permits: int) -> int:
        return permits

    def load(self, now: datetime) -> Range:
        early, late = now - self.tolerance, now + self.tolerance
        return (
            sum(permits for at, permits in self.uses if self._until(at)[0] > late),
            sum(permits for at, permits in self.uses if self._until(at)[1] > early),
        )

    def _until(self, at: datetime) -> tuple[datetime, datetime]:
        early, late = at - self.tolerance, at + self.tolerance
        rule = self.rule
        if isinstance(rule, SlidingWindow):
            return early + rule.window, late + rule.window + rule.window / 50
        if isinstance(rule, FixedWindow):
            return _end(early, rule.window), _end(late, rule.window)
        return _end(early + HALF, HOUR) - HALF, _end(late + HALF, HOUR) - HALF


def _end(at: datetime, window: timedelta) -> datetime:
    return at - (at - EPOCH) % window + window


class BucketUses(Uses):
    """A bucket that leaks steadily (the continuous-state form of ITU-T I.371); by microseconds."""

    def size(self, permits: int) -> int:
        rule = self.rule
        assert isinstance(rule, Gcra)
        interval = -(-rule.per // (rule.rate * _MICROSECOND))
        return permits * interval

    def load(self, now: datetime) -> Range:
        level, last = 0, now
        for at, permits in self.uses:
            leaked = (at - last) // _MICROSECOND if level else 0
            level, last = max(level - leaked, 0) + self.size(permits), at
        left = level - (now - last) // _MICROSECOND
        unsure = 2 * self.tolerance // _MICROSECOND
        return max(left - unsure, 0), max(left + unsure, 0) if self.uses else 0


def uses_of(rule: RateRule, tolerance: timedelta) -> Uses:
    """None so far."""
    assert not isinstance(rule, CalendarWindow) or (rule.unit, rule.zone) == (
        "hour",
        "Asia/Kolkata",
    )
    return (BucketUses if isinstance(rule, Gcra) else WindowUses)(rule, tolerance)
