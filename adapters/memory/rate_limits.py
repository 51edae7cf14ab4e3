"""Rate limits in this process's memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush, heapreplace
from typing import TypeAlias

from adapters.memory.runtime_data import Part, TenantData
from domain.identity import TenantId
from domain.rates import CalendarWindow, Gcra, RateRule, WindowRule
from ports.calendars import EPOCH, window_end
from ports.gate import OPEN, Admission, Gate
from ports.rate_limits import (
    LONGEST_DEBT,
    MOST_COUNTED,
    Answer,
    Demand,
    Purpose,
    RateLimiter,
    most_at_once,
)
from ports.time import Clock

Name: TypeAlias = tuple[str, str]
_MICROSECOND = timedelta(microseconds=1)
_SWEPT = 2
"""More than a call can add, so that what has ended never piles up."""


class Count(ABC):
    """What is counted for one key and rule."""

    @property
    @abstractmethod
    def ends(self) -> int:
        """When nothing of it counts any more, in microseconds since the epoch."""

    @abstractmethod
    def wait(self, now: int, permits: int) -> int:
        """As in `Answer`."""

    @abstractmethod
    def add(self, now: int, permits: int) -> None:
        """Use them."""

    @abstractmethod
    def used(self, now: int) -> int:
        """How many are in use."""


class Bucket(Count):
    """By GCRA: a theoretical arrival time, and when it was last moved."""

    def __init__(self, rule: Gcra) -> None:
        self._rule = rule
        self._tat = self._seen = 0

    @property
    def ends(self) -> int:
        return self._tat

    def _full(self, now: int) -> int:
        """How long, from the later of now and then, until the bucket is full."""
        return max(self._tat - max(self._seen, now), 0)

    def wait(self, now: int, permits: int) -> int:
        free = self._rule.burst - permits
        if free < 0:
            return -1
        ahead = free * self._rule.interval
        return self._tat - ahead - now if self._full(now) > ahead else 0

    def add(self, now: int, permits: int) -> None:
        cost = most_at_once(self._rule, permits) * self._rule.interval
        self._seen = max(self._seen, now)
        self._tat = self._seen + min(self._full(now) + cost, LONGEST_DEBT)

    def used(self, now: int) -> int:
        return -(-self._full(now) // self._rule.interval)


class Windows(Count):
    """By windows: until when how many permits count, those first that end first."""

    def __init__(self, rule: RateRule) -> None:
        self._rule = rule
        self._portions: list[tuple[int, int]] = []

    @property
    def ends(self) -> int:
        return self._portions[-1][0] if self._portions else 0

    def _counting(self, now: int) -> Iterator[tuple[int, int]]:
        return (portion for portion in self._portions if portion[0] > now)

    def wait(self, now: int, permits: int) -> int:
        if permits > self._rule.limit:
            return -1
        lacking = self.used(now) + permits - self._rule.limit
        if lacking <= 0:
            return 0
        for end, count in self._counting(now):
            lacking -= count
            if lacking <= 0:
                return end - now
        raise AssertionError("without what is in use, all of the limit is free")

    def add(self, now: int, permits: int) -> None:
        counted = min(permits, MOST_COUNTED - self.used(now))
        self._portions = list(self._counting(now))
        end = self._end(now)
        if self._portions and self._portions[-1][0] >= end:
            end, before = self._portions.pop()
            counted += before
        self._portions.append((end, counted))

    def used(self, now: int) -> int:
        return sum(count for _, count in self._counting(now))

    def _end(self, now: int) -> int:
        if isinstance(self._rule, CalendarWindow):
            return window_end(self._rule, now)
        assert isinstance(self._rule, WindowRule)
        return now - now % self._rule.part + self._rule.kept


class Counts(Part):
    """What is counted in a tenant, by key and rule; it goes when it counts no more."""

    def __init__(self) -> None:
        self._counts: dict[Name, Count] = {}
        self._ends: list[tuple[int, Name]] = []

    def __len__(self) -> int:
        """How many there is room for, ended ones too."""
        return len(self._ends)

    def get(self, name: Name, rule: RateRule, now: int) -> Count:
        """What is counted there; something new if there is nothing, which isn't kept."""
        found = self._counts.get(name)
        return _nothing(rule) if found is None or found.ends <= now else found

    def put(self, name: Name, count: Count) -> None:
        """Keep what was counted until it counts no more."""
        if name not in self._counts:
            heappush(self._ends, (count.ends, name))
        self._counts[name] = count

    def forget(self, name: Name, rule: RateRule) -> None:
        """Count nothing there. (Its name stays as long as it would have, for it is in the heap.)"""
        if name in self._counts:
            self._counts[name] = _nothing(rule)

    def forget_key(self, key: str, now: int) -> int:
        """Count nothing under a key, whatever the rule; how many counts there were."""
        names = [name for name in self._counts if name[0] == key]
        ended = [self._counts.pop(name).ends for name in names]
        self._ends = [each for each in self._ends if each[1][0] != key]
        heapify(self._ends)
        return sum(end > now for end in ended)

    def sweep(self, now: int, at_most: int) -> None:
        """Let go of some that have ended, those first that ended first."""
        for _ in range(at_most):
            if not self._ends or self._ends[0][0] > now:
                return
            _, name = self._ends[0]
            count = self._counts.get(name)
            if count is not None and count.ends > now:
                heapreplace(self._ends, (count.ends, name))
            else:
                heappop(self._ends)
                self._counts.pop(name, None)

    def live(self, now: datetime) -> int:
        at = microseconds(now)
        self.sweep(at, len(self._ends))
        return sum(count.ends > at for count in self._counts.values())

    def clear(self) -> None:
        self._counts.clear()
        self._ends.clear()


class MemoryRateLimiter(RateLimiter):
    """Nothing awaits between looking and counting, so that each call is atomic."""

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock, gate: Gate = OPEN) -> None:
        self._admission = Admission(tenant, gate)
        self._counts = data.part(Counts)
        self._clock = clock

    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        now = microseconds(self._clock.now())
        self._counts.sweep(now, _SWEPT * len(demands))
        found = [
            (self._counts.get((key, rule.name), rule, now), permits)
            for key, rule, permits in demands
        ]
        waits = [count.wait(now, permits) for count, permits in found]
        if purpose is Purpose.COUNT or (purpose is Purpose.ACQUIRE and not any(waits)):
            for (key, rule, permits), (count, _) in zip(demands, found, strict=True):
                count.add(now, permits)
                self._counts.put((key, rule.name), count)
        if purpose is Purpose.COUNT:
            waits = [count.wait(now, 1) for count, _ in found]
        return [
            (count.used(now), max(count.ends - now, 0), wait)
            for (count, _), wait in zip(found, waits, strict=True)
        ]

    async def _reset(self, key: str, rule: RateRule) -> None:
        self._counts.forget((key, rule.name), rule)


def microseconds(time: datetime) -> int:
    """A time as counts have it."""
    return (time - EPOCH) // _MICROSECOND


def _nothing(rule: RateRule) -> Count:
    return Bucket(rule) if isinstance(rule, Gcra) else Windows(rule)
