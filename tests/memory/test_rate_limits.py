"""What the memory limiter keeps."""

import asyncio
from datetime import timedelta

from adapters.memory.clock import ManualClock
from adapters.memory.rate_limits import Counts, MemoryRateLimiter
from adapters.memory.runtime_data import TenantData
from domain.identity import TenantId
from domain.rates import gcra, sliding_window

SECOND = timedelta(seconds=1)


def test_what_has_ended_does_not_pile_up() -> None:
    """Calls with ever new keys make room for themselves."""
    clock, data = ManualClock(), TenantData()
    limits = MemoryRateLimiter(TenantId("t"), data, clock)

    async def calls() -> int:
        most = 0
        for number in range(2_000):
            await limits.acquire(f"{number}", gcra(10, SECOND, 1))
            await limits.acquire("always", sliding_window(10**6, SECOND))
            clock.advance(timedelta(milliseconds=10))
            most = max(most, len(data.part(Counts)))
        return most

    assert asyncio.run(calls()) <= 20


def test_resets_do_not_pile_up() -> None:
    """However often a limit is forgotten and used again."""
    data = TenantData()
    limits = MemoryRateLimiter(TenantId("t"), data, ManualClock())

    async def calls() -> None:
        for _ in range(100):
            await limits.acquire("a", sliding_window(1, SECOND))
            await limits.reset("a", sliding_window(1, SECOND))

    asyncio.run(calls())
    assert len(data.part(Counts)) == 1
