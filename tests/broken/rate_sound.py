"""What is broken: the memory adapter of rate limits, with a part of it overridden."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property
from typing import Any, ClassVar, Self

from adapters.memory import MemoryRuntimeStore
from adapters.memory.rate_limits import Bucket, Count, Counts, MemoryRateLimiter, Windows
from adapters.memory.runtime import MemoryRuntimePorts
from adapters.memory.runtime_data import TenantData
from domain.identity import TenantId
from domain.rates import (
    Gcra,
    RateRule,
)
from ports.calendars import EPOCH
from ports.contracts.harness import Backend, Group, Opened
from ports.rate_limits import RateLimiter
from ports.runtime import RuntimePorts
from ports.time import Clock

MICROSECOND = timedelta(microseconds=1)


class Sound(MemoryRateLimiter):
    """The limiter as it should be; what is broken overrides a part of it."""

    own_clock: ClassVar[bool] = False
    """Whether it goes by its process's clock."""

    @property
    def now(self) -> int:
        """The present, in microseconds since the epoch."""
        return (self._clock.now() - EPOCH) // MICROSECOND


def backend_of(broken: type[Sound]) -> Backend:
    """A backend over a memory store with that limiter."""

    class Ports(MemoryRuntimePorts):
        @cached_property
        def rate_limits(self) -> RateLimiter:
            return broken(self._tenant, self._data, self._clock)

    class Store(MemoryRuntimeStore):
        def sibling(self, *, clock: Clock | None = None) -> Self:
            other = super().sibling(clock=clock)
            if broken.own_clock and clock is not None:
                other._clock = clock
            return other

        def repositories(self, tenant: TenantId) -> RuntimePorts:
            data = self._tenants.setdefault(tenant, TenantData())
            return Ports(tenant, data, self._clock)

    class BrokenBackend(Backend):
        name: ClassVar[str] = broken.__name__
        offers: ClassVar[frozenset[Group]] = frozenset({Group.RUNTIME})

        def __init__(self) -> None:
            super().__init__()
            self._store = Store(clock=self.clock)

        @asynccontextmanager
        async def stores(self) -> AsyncIterator[Sequence[Opened]]:
            yield self._store.sibling(), self._store.sibling(clock=self.ahead)

    return BrokenBackend()


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
