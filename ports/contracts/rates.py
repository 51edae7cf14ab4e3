"""Rules, and what the contracts of rate limits do with them again and again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from domain.decisions import RateLimitDecision
from domain.rates import RateRule, calendar_window, fixed_window, gcra, sliding_window
from ports.contracts.harness import Backend
from ports.rate_limits import RateLimiter

LONG: Final = timedelta(days=100)
"""Longer than any contract takes, on a server whose clock goes by itself, too."""

HOUR = timedelta(hours=1)

MAKERS: Final[dict[str, Callable[[int, timedelta], RateRule]]] = {
    "gcra": lambda limit, window: gcra(limit, window, limit),
    "sliding": sliding_window,
    "fixed": fixed_window,
    "calendar": lambda limit, window: calendar_window(
        limit, "year" if window > HOUR else "hour", "Asia/Kolkata"
    ),
}
"""A rule of each kind, by its limit and its window (a calendar's is an hour or a year)."""

each_kind = pytest.mark.parametrize("kind", list(MAKERS))


def rule_of(kind: str, limit: int = 3, window: timedelta = LONG) -> RateRule:
    """A rule of a kind."""
    return MAKERS[kind](limit, window)


async def fill(limits: RateLimiter, key: str, rule: RateRule) -> RateLimitDecision:
    """Use all of a limit, one by one; the last decision."""
    for _ in range(rule.limit):
        decision = await limits.acquire(key, rule)
        assert decision.allowed
    return decision


async def ask(
    backend: Backend, limits: RateLimiter, rule: RateRule, pause: int, cost: int
) -> RateLimitDecision:
    """For so many permits, so many milliseconds from now."""
    if pause:
        backend.clock.advance(milliseconds=pause)
    return await limits.acquire("a", rule, cost)


def begin_an_hour(backend: Backend) -> None:
    """Go on to where no window ends within a few seconds but those that are shorter."""
    now = backend.clock.now()
    passed = timedelta(minutes=now.minute, seconds=now.second, microseconds=now.microsecond)
    backend.clock.set(now - passed + HOUR + timedelta(microseconds=1_123_456))


def pass_time(backend: Backend, duration: timedelta, less: timedelta = timedelta()) -> None:
    """Let a duration pass that the store told, rounded up to milliseconds, or a little less.

    A server's time may have stood later when it told than it does then.
    """
    milliseconds = -(-duration // timedelta(milliseconds=1))
    more = -less if less else backend.tolerance
    backend.clock.advance(seconds=(timedelta(milliseconds=milliseconds) + more).total_seconds())


def near(backend: Backend, one: timedelta, other: timedelta) -> bool:
    """Whether two durations agree as well as the store's time can be told."""
    return abs(one - other) <= 2 * backend.tolerance


def summary(decision: RateLimitDecision) -> tuple[Any, ...]:
    """All of a decision that can't depend on a server's microseconds."""
    return (
        decision.rule,
        decision.allowed,
        decision.limit,
        decision.count,
        decision.remaining,
        decision.retry_after is None,
        decision.never,
    )
