"""The rate limiter: what every store of limits and quotas promises."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from domain.decisions import RateLimitDecision
from domain.errors import Fault, ValidationError
from domain.rates import LARGEST_LIMIT, CalendarWindow, FixedWindow, Gcra, RateRule, SlidingWindow
from domain.rules import argument, sequence, text, whole
from ports.calendars import zone_of
from ports.erasing import users_in
from ports.gate import ANY, Admission

LONGEST_KEY: Final = 512
MOST_TOGETHER: Final = 100
"""Limits that can be asked at once."""

MOST_COUNTED: Final = 10**12
"""Permits in use, beyond which no window counts."""

LONGEST_DEBT: Final = 3_650 * 24 * 3_600 * 10**6
"""Microseconds, ten years: beyond this no bucket is overdrawn."""

_KEY = text(LONGEST_KEY, min_length=1)
_PERMITS = whole(1, LARGEST_LIMIT)
_NEVER: Final = -1


class Purpose(StrEnum):
    """What permits are asked for."""

    ACQUIRE = "acquire"
    """Use them, if every limit admits them."""
    PEEK = "peek"
    """Only look."""
    COUNT = "count"
    """They are used, admitted or not; then look whether there is one more."""


Demand: TypeAlias = tuple[str, RateRule, int]
"""A key, its rule, and how many permits."""

Answer: TypeAlias = tuple[int, int, int]
"""Permits in use; microseconds until none is; and until the demand would be admitted, which is 0
if it is now, or -1 if it never will be."""


class RateLimiter(ABC):
    """How often something may happen in one tenant: rate limits and quotas.

    What is counted belongs to tenant, key and rule: the same key under a rule with other numbers is
    another count, that begins at nothing. Any number of processes share it, and the store's clock
    alone decides, whatever theirs show; should it be put back, what was counted counts on until it
    comes to the same time again. Each call is one round trip and atomic, and what it leaves expires
    when it is as good as nothing: a limit that nobody uses takes no room. (The first call of a
    process with a calendar rule, and one every few windows, takes one round trip more. Processes
    whose time zone databases differ may see windows end at different times.)

    Never more is admitted than the rule says, however many ask at the same moment. A refusal
    counts nothing. So that any limits can be taken together, all of a tenant's live on one node of
    a cluster, whose speed is the bound of one tenant's.

    Keys are text of 1 to 512 characters without NUL and lone surrogates, and no two are ever taken
    for the same. `cost` and `by` are whole numbers of permits from 1 to 10^9; a cost above the
    limit is refused, with `never`. The key `user:<id>` is reset when that user is erased, and
    raises `ErasedError` from then on; of whom another key tells, nobody knows.

    All raise `ValidationError` for anything else, a time zone that is unknown here included, before
    the store is asked. After `OutcomeUnknownError` the permits may be used; asking again may use
    them twice. What counts permits raises `ErasedError` of a tenant that was erased.
    """

    _admission: Admission = ANY
    """An adapter's own."""

    async def acquire(self, key: str, rule: RateRule, cost: int = 1) -> RateLimitDecision:
        """Use `cost` permits if the rule admits them, all or none."""
        demand = (_key(key), _rule(rule), _cost("cost", cost))
        await self._admission(users_in((key,)))
        (answer,) = await self._answers(Purpose.ACQUIRE, (demand,))
        return _decision(rule, answer, answer[2] == 0)

    async def acquire_all(self, demands: Sequence[Demand]) -> tuple[RateLimitDecision, ...]:
        """Use permits of up to 100 limits, `(key, rule, cost)` each, if all of them admit it; else
        of none. A decision for each, in that order.

        Either all of them are allowed or none is. `domain.decisions.most_restrictive` finds the one
        that binds. Of a refusal, a decision whose `retry_after` is zero shows a limit that would
        have admitted it.

        Raises:
            ValidationError: also if there is none, or one key and rule stand there twice.
        """
        asked = argument("RateLimiter", "demands", demands, _demands)
        await self._admission(users_in(key for key, _, _ in asked))
        answers = await self._answers(Purpose.ACQUIRE, asked)
        allowed = all(wait == 0 for _, _, wait in answers)
        return tuple(
            _decision(rule, answer, allowed)
            for (_, rule, _), answer in zip(asked, answers, strict=True)
        )

    async def peek(self, key: str, rule: RateRule) -> RateLimitDecision:
        """How things stand; `allowed` says whether one permit could be had. Changes nothing."""
        demand = (_key(key), _rule(rule), 1)
        (answer,) = await self._answers(Purpose.PEEK, (demand,))
        return _decision(rule, answer, answer[2] == 0)

    async def increment(self, key: str, rule: RateRule, by: int = 1) -> RateLimitDecision:
        """Count what happened without being asked for, such as tokens that an answer came to; the
        decision is that of a `peek` right after it.

        The count may go beyond the limit, up to 10^12 permits or, with GCRA, ten years' worth: what
        is beyond that isn't counted.
        """
        demand = (_key(key), _rule(rule), _cost("by", by))
        await self._admission(users_in((key,)))
        (answer,) = await self._answers(Purpose.COUNT, (demand,))
        return _decision(rule, answer, answer[2] == 0)

    async def reset(self, key: str, rule: RateRule) -> None:
        """Forget what was counted for that key and rule."""
        await self._reset(_key(key), _rule(rule))

    # What a store implements.

    @abstractmethod
    async def _answers(self, purpose: Purpose, demands: Sequence[Demand]) -> Sequence[Answer]:
        """An answer for each, in one atomic step, all or nothing. Permits that were used are in it.

        By GCRA (`Gcra.interval`, µs): the theoretical arrival time (TAT) is at least now; n permits
        are admitted if it is no later than now + (`burst` - n) x `interval`, and move it by
        n x `interval`, to at most now + `LONGEST_DEBT`. In use are (TAT - now) / `interval`,
        rounded up. Now is never before the TAT was last moved.

        By a `WindowRule`: permits count until the beginning of their part + `kept`, those of a
        calendar window until its end; no permit stops counting before one that came earlier, should
        the clock be put back. At most `MOST_COUNTED`.
        """

    @abstractmethod
    async def _reset(self, key: str, rule: RateRule) -> None: ...


def most_at_once(rule: RateRule, permits: int) -> int:
    """So many permits as can be counted at once: fewer for a bucket that would be overdrawn."""
    if isinstance(rule, Gcra):
        return min(permits, LONGEST_DEBT // rule.interval)
    return permits


def _key(candidate: object) -> str:
    key: str = argument("RateLimiter", "key", candidate, _KEY)
    return key


def _rule(candidate: object) -> RateRule:
    rule: RateRule = argument("RateLimiter", "rule", candidate, _one_of_the_rules)
    if isinstance(rule, CalendarWindow):
        zone_of(rule)
    return rule


def _one_of_the_rules(candidate: object) -> RateRule:
    if not isinstance(candidate, Gcra | SlidingWindow | FixedWindow | CalendarWindow):
        raise ValueError("must be a rule of domain.rates")
    return candidate


def _cost(name: str, candidate: object) -> int:
    cost: int = argument("RateLimiter", name, candidate, _PERMITS)
    return cost


def _demand(candidate: object) -> Demand:
    if not isinstance(candidate, tuple) or len(candidate) != 3:
        raise ValueError("must be a tuple of key, rule and cost")
    key, rule, cost = candidate
    return _key(key), _rule(rule), _cost("cost", cost)


_LISTED = sequence(_demand, MOST_TOGETHER)


def _demands(candidate: object) -> tuple[Demand, ...]:
    asked: tuple[Demand, ...] = _LISTED(candidate)
    if not asked:
        raise ValueError("must not be empty")
    if len({(key, rule.name) for key, rule, _ in asked}) < len(asked):
        raise ValidationError("demands", [Fault("", "must not have a key and rule twice")])
    return asked


def _decision(rule: RateRule, answer: Answer, allowed: bool) -> RateLimitDecision:
    count, reset, wait = answer
    never = wait == _NEVER
    retry = None if allowed or never else timedelta(microseconds=wait)
    return RateLimitDecision(rule, allowed, count, timedelta(microseconds=reset), retry, never)
