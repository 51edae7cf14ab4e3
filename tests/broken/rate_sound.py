"""What is broken: the memory adapter of rate limits, with a part of it overridden."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from adapters.memory.rate_limits import Bucket, Count, Counts, MemoryRateLimiter, Windows
from adapters.memory.runtime_data import TenantData
from domain.identity import TenantId
from domain.rates import (
    Gcra,
    RateRule,
)
from ports.calendars import EPOCH
from ports.time import Clock

MICROSECOND = timedelta(microseconds=1)


class Sound(MemoryRateLimiter):
    """The limiter as it should be; what is broken overrides a part of it."""

    @property
    def now(self) -> int:
        """The present, in microseconds since the epoch."""
        return (self._clock.now() - EPOCH) // MICROSECOND


class OtherCounts(Counts):
    """Begins to count in another way."""

    made: Callable[[Any], Count]

    def get(self, name: tuple[str, str], rule: RateRule, now: int) -> Count:
        found = super().get(name, rule, now)
        return type(self).made(rule) if not found.used(now) and not found.ends else found


def counting(bucket: type[Bucket] = Bucket, windows: type[Windows] = Windows) -> type[Counts]:
    """Counts of other kinds."""

    def made(rule: RateRule) -> Count:
        return bucket(rule) if isinstance(rule, Gcra) else windows(rule)

    return type("OtherCounts", (OtherCounts,), {"made": staticmethod(made)})


class CountsOtherwise(Sound):
    """A limiter whose counts are of another kind."""

    kind: ClassVar[type[Counts]] = Counts

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        super().__init__(tenant, data, clock)
        self._counts = data.part(self.kind)
