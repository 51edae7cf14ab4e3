"""Any course of a rate limiter, in lockstep with a model that forgets nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from domain.decisions import RateLimitDecision
from domain.rates import RateRule, calendar_window, fixed_window, gcra, sliding_window
from ports.contracts.harness import Backend, examples
from ports.contracts.rate_limit_model import Uses, uses_of
from ports.rate_limits import Demand

SECOND = timedelta(seconds=1)
ZERO = timedelta()
RULES = [
    gcra(3, SECOND, 3),
    gcra(7, SECOND, 1),
    sliding_window(4, SECOND),
    fixed_window(3, SECOND),
    calendar_window(6, "hour", "Asia/Kolkata"),
]
LIMITS = st.tuples(st.sampled_from(["a", "a:b"]), st.sampled_from(RULES))
COSTS = st.sampled_from([1, 1, 1, 2, 3, 5])
INSTANCES = st.sampled_from([0, 1])
PAUSES = st.integers(1, 400) | st.sampled_from([500, 980, 999, 1_000, 1_001, 1_020, 1_799_000])


class Machine(RuleBasedStateMachine):
    """One tenant's limits, asked by two instances of the store."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend = backend
        self.limits = [scope.rate_limits for scope in backend.rivals()]
        self.model: dict[tuple[str, RateRule], Uses] = {}

    @property
    def now(self) -> datetime:
        """The present."""
        return self.backend.clock.now()

    def uses(self, key: str, rule: RateRule) -> Uses:
        """What was used of a limit."""
        made = uses_of(rule, self.backend.tolerance)
        return self.model.setdefault((key, rule), made)

    @rule(pause=PAUSES)
    def wait(self, pause: int) -> None:
        """Time passes."""
        self.backend.clock.advance(milliseconds=pause)

    @rule(limit=LIMITS, cost=COSTS, instance=INSTANCES)
    def acquire(self, limit: tuple[str, RateRule], cost: int, instance: int) -> None:
        """One limit by itself."""
        decision = self.backend.run(self.limits[instance].acquire(*limit, cost))
        self.decided([(*limit, cost)], [decision])

    @rule(
        limits=st.lists(LIMITS, min_size=1, max_size=3, unique=True),
        costs=st.tuples(COSTS, COSTS, COSTS),
        instance=INSTANCES,
    )
    def acquire_all(
        self, limits: list[tuple[str, RateRule]], costs: tuple[int, int, int], instance: int
    ) -> None:
        """Several together."""
        demands = [(key, rule, cost) for (key, rule), cost in zip(limits, costs, strict=False)]
        decisions = self.backend.run(self.limits[instance].acquire_all(demands))
        self.decided(demands, decisions)

    @rule(limit=LIMITS, by=COSTS, instance=INSTANCES)
    def increment(self, limit: tuple[str, RateRule], by: int, instance: int) -> None:
        """Count without asking."""
        decision = self.backend.run(self.limits[instance].increment(*limit, by))
        self.uses(*limit).add(self.now, by)
        self.is_true(decision, self.uses(*limit), 1)

    @rule(limit=LIMITS, instance=INSTANCES)
    def reset(self, limit: tuple[str, RateRule], instance: int) -> None:
        """Forget."""
        self.backend.run(self.limits[instance].reset(*limit))
        self.model.pop(limit, None)

    @rule(instance=INSTANCES)
    def peek(self, instance: int) -> None:
        """Look at everything."""
        for limit, uses in self.model.items():
            decision = self.backend.run(self.limits[instance].peek(*limit))
            self.is_true(decision, uses, 1)

    def decided(self, demands: Sequence[Demand], decisions: Sequence[RateLimitDecision]) -> None:
        """They were asked together: all or none."""
        uses = [self.uses(key, rule) for key, rule, _ in demands]
        surely = [
            each.admits(self.now, cost) for each, (_, _, cost) in zip(uses, demands, strict=True)
        ]
        (allowed,) = {decision.allowed for decision in decisions}
        assert all(sure for sure, _ in surely) <= allowed <= all(may for _, may in surely)
        if not allowed:
            assert any(decision.retry_after != ZERO for decision in decisions)
        for each, (_, _, cost), decision in zip(uses, demands, decisions, strict=True):
            if allowed:
                each.add(self.now, cost)
            self.is_true(decision, each, cost, asked=True)

    def is_true(
        self, decision: RateLimitDecision, uses: Uses, cost: int, *, asked: bool = False
    ) -> None:
        """What is said of counts and times agrees with what was used."""
        now, rule = self.now, uses.rule
        least, most = uses.count(now)
        assert (decision.rule, decision.limit) == (rule, rule.limit)
        assert least <= decision.count <= most
        assert decision.remaining == max(rule.limit - decision.count, 0)
        assert decision.never == (cost > rule.limit)
        self.is_told(uses, now, decision.reset_after, rule.limit)
        if decision.allowed or decision.never:
            assert decision.retry_after is None
            if not asked:
                assert uses.admits(now, cost)[1]
            return
        assert decision.retry_after is not None
        assert asked or decision.retry_after > ZERO
        self.is_told(uses, now, decision.retry_after, cost)

    def is_told(self, uses: Uses, now: datetime, wait: timedelta, permits: int) -> None:
        """After that time, and not before, so many permits can be had."""
        unsure = self.backend.tolerance
        assert uses.admits(now + wait + unsure, permits)[1]
        if wait > ZERO:
            before = now + wait - unsure - timedelta(microseconds=1)
            assert not uses.admits(before, permits)[0]

    def teardown(self) -> None:
        """At the end, nothing is left over and nothing missing."""
        self.peek(0)


def test_any_course_of_a_limiter_agrees_with_the_model(backend: Backend) -> None:
    """Whatever is asked in whatever order, of either instance, as time passes."""
    factory: Any = lambda: Machine(backend)  # noqa: E731  # typed as a class, called only
    run_state_machine_as_test(factory, settings=settings(examples(0.5), stateful_step_count=25))
