"""Rate limits in time: never more than the bound, and what a decision says of times is true."""

from datetime import datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from domain.rates import FixedWindow, Gcra, RateRule, SlidingWindow, fixed_window, gcra
from domain.rates import sliding_window as sliding
from ports.contracts.harness import Backend, contract, examples
from ports.contracts.rates import ask, begin_an_hour, each_kind, fill, near, pass_time, rule_of
from ports.stores import TenantScope

SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
EARLIER = 2 * MILLISECOND
RULES = st.one_of(
    st.builds(gcra, st.integers(1, 7), st.just(SECOND), st.integers(1, 6)),
    st.builds(sliding, st.integers(1, 6), st.sampled_from([MILLISECOND * 333, SECOND])),
    st.builds(fixed_window, st.integers(1, 6), st.sampled_from([MILLISECOND * 333, SECOND])),
)
PAUSES = st.integers(0, 30) | st.sampled_from([101, 333, 334, 340, 499, 667, 999, 1_000, 1_020])
CALLS = st.lists(st.tuples(PAUSES, st.integers(1, 3)), min_size=5, max_size=40)


def bound(rule: RateRule, length: timedelta) -> int:
    """How many permits any time of that length may see (`length` not included)."""
    if isinstance(rule, Gcra):
        return rule.burst + length // timedelta(microseconds=rule.interval)
    assert isinstance(rule, SlidingWindow | FixedWindow)
    windows = -(-length // rule.window)
    return rule.limit * (windows + isinstance(rule, FixedWindow))


@given(rule=RULES, calls=CALLS)
@example(rule=sliding(1, SECOND), calls=[(499, 1)] * 7)
@examples(0.6)
@contract
async def test_no_time_sees_more_than_the_bound(
    backend: Backend, rule: RateRule, calls: list[tuple[int, int]]
) -> None:
    """Wherever it begins and ends, whatever was asked when, of either instance."""
    scopes = backend.rivals()
    admitted: list[tuple[datetime, int]] = []
    for number, (pause, cost) in enumerate(calls):
        decision = await ask(backend, scopes[number % 2].rate_limits, rule, pause, cost)
        assert decision.count <= rule.limit
        if decision.allowed:
            admitted.append((backend.clock.now(), cost))
    for first, (begin, _) in enumerate(admitted):
        total = 0
        for now, cost in admitted[first:]:
            total += cost
            # The first and the last are this far apart, and may be as much farther.
            assert total <= bound(rule, now - begin + MILLISECOND + backend.tolerance)


@given(
    calls=CALLS,
    window=st.sampled_from([MILLISECOND * 333, SECOND]),
    limit=st.integers(1, 6),
)
@examples(0.6)
@contract
async def test_no_sliding_window_refuses_what_there_is_room_for(
    backend: Backend,
    scope: TenantScope,
    calls: list[tuple[int, int]],
    window: timedelta,
    limit: int,
) -> None:
    """A permit comes back when the window has passed, or a fiftieth of it later."""
    rule = sliding(limit, window)
    late = window + window / 50 + 2 * backend.tolerance
    admitted: list[tuple[datetime, int]] = []
    for pause, cost in calls:
        decision = await ask(backend, scope.rate_limits, rule, pause, cost)
        now = backend.clock.now()
        recent = sum(permits for at, permits in admitted if at > now - late)
        assert decision.allowed or recent + cost > limit
        if decision.allowed:
            admitted.append((now, cost))


@contract
async def test_nothing_comes_back_before_its_window_has_passed(
    backend: Backend, scope: TenantScope
) -> None:
    """Whichever moment of a sliding window's part it was used in."""
    limits, rule = scope.rate_limits, sliding(1, SECOND)
    moments = range(21)
    for moment in moments:
        await limits.acquire(f"{moment}", rule)
        backend.clock.advance(milliseconds=1)
    backend.clock.advance(milliseconds=998 - len(moments))
    for moment in moments:
        assert not (await limits.acquire(f"{moment}", rule)).allowed
        backend.clock.advance(milliseconds=1)


@contract
async def test_a_bucket_fills_at_exactly_its_rate(backend: Backend, scope: TenantScope) -> None:
    """Who comes each time when a permit is due is never refused, and never early."""
    limits, rule = scope.rate_limits, gcra(3, SECOND, 2)
    assert rule.interval == 333_334
    await fill(limits, "a", rule)
    for _ in range(10):
        refused = await limits.acquire("a", rule)
        assert refused.retry_after is not None
        assert refused.retry_after <= timedelta(microseconds=rule.interval) + backend.tolerance
        pass_time(backend, refused.retry_after)
        assert (await limits.acquire("a", rule)).allowed


@each_kind
@given(calls=st.lists(st.tuples(PAUSES, st.integers(1, 4)), min_size=3, max_size=12))
@examples(0.2)
@contract
async def test_who_waits_as_long_as_told_is_admitted(
    backend: Backend, scope: TenantScope, kind: str, calls: list[tuple[int, int]]
) -> None:
    """And who comes two milliseconds earlier isn't, whatever it costs."""
    limits, rule = scope.rate_limits, rule_of(kind, 4, SECOND)
    for pause, cost in calls:
        decision = await ask(backend, limits, rule, pause, cost)
        if decision.retry_after is None:
            assert decision.allowed
            continue
        early = max(decision.retry_after - EARLIER - backend.tolerance, timedelta())
        pass_time(backend, early, less=EARLIER)
        again = await limits.acquire("a", rule, cost)
        assert not again.allowed
        assert again.retry_after is not None
        pass_time(backend, again.retry_after)
        assert (await limits.acquire("a", rule, cost)).allowed


@each_kind
@given(calls=st.lists(st.tuples(PAUSES, st.integers(1, 4)), min_size=1, max_size=5))
@examples(0.2)
@contract
async def test_nothing_is_in_use_after_the_time_told(
    backend: Backend, scope: TenantScope, kind: str, calls: list[tuple[int, int]]
) -> None:
    """And something still is, two milliseconds earlier; then all is as new."""
    limits, rule = scope.rate_limits, rule_of(kind, 4, SECOND)
    for pause, cost in calls:
        last = await ask(backend, limits, rule, pause, cost)
    if last.reset_after > EARLIER + backend.tolerance + MILLISECOND:
        pass_time(backend, last.reset_after - backend.tolerance, less=EARLIER)
        last = await limits.peek("a", rule)
        assert last.count > 0
    pass_time(backend, last.reset_after)
    new = await limits.peek("a", rule)
    assert (new.count, new.reset_after, new.allowed) == (0, timedelta(), True)
    assert (await limits.acquire("a", rule, 4)).allowed


@contract
async def test_a_fixed_window_ends_where_the_epochs_windows_do(
    backend: Backend, scope: TenantScope
) -> None:
    """Whenever its first permit was used."""
    begin_an_hour(backend)
    limits, rule = scope.rate_limits, fixed_window(2, 10 * SECOND)
    for pause in (0, 3_000, 5_000):
        if pause:
            backend.clock.advance(milliseconds=pause)
        now = backend.clock.now()
        left = 10 * SECOND - timedelta(seconds=now.second % 10, microseconds=now.microsecond)
        assert near(backend, (await limits.acquire("a", rule)).reset_after, left)
    pass_time(backend, left)
    assert (await limits.acquire("a", rule, 2)).allowed


@contract
async def test_what_is_left_comes_back_as_windows_pass(
    backend: Backend, scope: TenantScope
) -> None:
    """Of a sliding window, permit by permit in the order of their use."""
    limits, rule = scope.rate_limits, sliding(3, SECOND)
    for pause in (200, 200, 598):
        await limits.acquire("a", rule)
        backend.clock.advance(milliseconds=pause)
    counts = []
    for pause in (24, 200, 200, 0):
        counts.append((await limits.peek("a", rule)).count)
        backend.clock.advance(milliseconds=pause)
    assert counts == [3, 2, 1, 0]
