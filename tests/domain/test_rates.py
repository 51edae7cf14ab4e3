"""Rules of rates, decisions, and what HTTP is told."""

import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.decisions import RateLimitDecision, most_restrictive, rate_limit_headers
from domain.errors import ValidationError
from domain.rates import (
    CalendarUnit,
    RateRule,
    calendar_window,
    fixed_window,
    gcra,
    sliding_window,
)

SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
MOST = 10**9
DAYS = timedelta(days=400)
ZERO = timedelta()

BAD_NUMBERS: list[Any] = [0, -1, MOST + 1, 1.0, True, None, "3", float("nan"), float("inf")]
BAD_WINDOWS: list[Any] = [
    *(ZERO, -SECOND, DAYS + MILLISECOND, timedelta(microseconds=1_500), timedelta.max),
    *(60, 1.0, None, True, "1s", float("nan")),
]


def decided(rule: RateRule, *, count: int = 1, **more: Any) -> RateLimitDecision:
    """A decision, allowed unless it has a time to come again."""
    fields = {"reset_after": SECOND, "retry_after": None, "allowed": True, **more}
    return RateLimitDecision(rule=rule, count=count, **fields)


@pytest.mark.parametrize("number", BAD_NUMBERS, ids=repr)
def test_a_limit_that_is_none_is_refused(number: Any) -> None:
    """Of every kind of rule."""
    for made in (
        lambda: gcra(number, SECOND, 1),
        lambda: gcra(1, SECOND, number),
        lambda: sliding_window(number, SECOND),
        lambda: fixed_window(number, SECOND),
        lambda: calendar_window(number, "day"),
    ):
        with pytest.raises(ValidationError):
            made()


@pytest.mark.parametrize("window", BAD_WINDOWS, ids=repr)
def test_a_window_that_is_none_is_refused(window: Any) -> None:
    """Nothing is ever taken for no window at all."""
    for made in (
        lambda: gcra(1, window, 1),
        lambda: sliding_window(1, window),
        lambda: fixed_window(1, window),
    ):
        with pytest.raises(ValidationError):
            made()


@pytest.mark.parametrize(
    ("unit", "zone"),
    [
        *(("minute", "UTC"), ("Day", "UTC"), (None, "UTC"), (1, "UTC")),
        *(("day", ""), ("day", "../etc/passwd"), ("day", "/etc"), ("day", "a" * 65)),
        *(("day", "Europe/Berlin\n"), ("day", "Europe/\x00"), ("day", None), ("day", "a/../b")),
    ],
)
def test_a_calendar_that_is_none_is_refused(unit: Any, zone: Any) -> None:
    """Whether there is such a zone is asked later; a path is never one."""
    with pytest.raises(ValidationError):
        calendar_window(1, unit, zone)


def test_the_largest_rules_there_are_are_admitted() -> None:
    """And no number that is worked out from them leaves what all stores count exactly."""
    largest = [
        gcra(MOST, DAYS, MOST),
        gcra(1, DAYS, 1),
        gcra(1_000, MILLISECOND, MOST),
        gcra(1, SECOND, 400 * 24 * 3_600),
    ]
    assert max(rule.burst * rule.interval for rule in largest) < 2**53
    assert sliding_window(MOST, DAYS).kept < 2**53
    assert fixed_window(MOST, MILLISECOND).kept == 1_000


def test_a_rate_of_more_than_one_a_microsecond_is_refused() -> None:
    """Time isn't counted finer."""
    with pytest.raises(ValidationError, match="rate"):
        gcra(1_001, MILLISECOND, 1)


def test_a_burst_that_takes_too_long_to_fill_is_refused() -> None:
    """What a limit leaves behind is gone after 400 days at most."""
    with pytest.raises(ValidationError, match="burst"):
        gcra(1, SECOND, 400 * 24 * 3_600 + 1)


@given(
    rate=st.integers(1, 1_000_000),
    milliseconds=st.integers(1_000, 10_000_000),
)
def test_permits_are_given_back_no_faster_than_the_rate(rate: int, milliseconds: int) -> None:
    """And slower by less than a microsecond a permit."""
    rule = gcra(rate, milliseconds * MILLISECOND, 1)
    assert milliseconds * 1_000 <= rule.interval * rate < milliseconds * 1_000 + rate


@given(milliseconds=st.integers(1, 400 * 24 * 3_600 * 1_000))
def test_the_parts_of_a_sliding_window_make_it_up_exactly(milliseconds: int) -> None:
    """Fifty of them; what is used counts for one part more."""
    rule = sliding_window(1, milliseconds * MILLISECOND)
    assert rule.part * 50 == milliseconds * 1_000
    assert rule.kept == rule.part + milliseconds * 1_000


def test_rules_are_equal_if_their_numbers_are() -> None:
    """However they were written; a copy is as good."""
    rule = sliding_window(3, SECOND)
    assert rule == sliding_window(3, timedelta(milliseconds=1_000))
    assert rule.name == sliding_window(3, 1_000 * MILLISECOND).name
    assert len({rule, sliding_window(3, SECOND), fixed_window(3, SECOND)}) == 2
    copy = pickle.loads(pickle.dumps(rule))
    assert (copy, copy.name) == (rule, rule.name)
    assert calendar_window(3, "day") == calendar_window(3, CalendarUnit.DAY, "UTC")


def test_no_two_rules_have_one_name() -> None:
    """Unless they decide alike, as buckets do whose rates come to the same."""
    rules: list[RateRule] = [
        *(gcra(1, SECOND, 1), gcra(1, SECOND, 2), gcra(2, SECOND, 1), gcra(1, 11 * SECOND, 1)),
        *(sliding_window(1, SECOND), sliding_window(11, SECOND), sliding_window(1, 11 * SECOND)),
        *(fixed_window(1, SECOND), fixed_window(1, 1_001 * MILLISECOND)),
        *(calendar_window(1, unit) for unit in CalendarUnit),
        *(calendar_window(1, "day", zone) for zone in ("Etc/GMT+1", "Etc/GMT-1", "Etc-GMT/1")),
    ]
    assert len({rule.name for rule in rules}) == len(rules)
    assert gcra(10, 10 * SECOND, 3).name == gcra(1, SECOND, 3).name


def test_what_remains_is_never_below_nothing() -> None:
    """Also when more was counted than the limit."""
    rule = fixed_window(3, SECOND)
    assert [decided(rule, count=count).remaining for count in (0, 2, 3, 9)] == [3, 1, 0, 0]


def test_a_refusal_counts_as_false() -> None:
    """Who asks `if await limits.acquire(…)` lets nobody through who was refused."""
    rule = fixed_window(3, SECOND)
    assert decided(rule)
    assert not decided(rule, allowed=False, retry_after=SECOND)
    assert not decided(rule, allowed=False, never=True)


def test_the_decision_that_binds_is_the_most_restrictive() -> None:
    """Never, then who refuses for longest, then who has fewest left, then who resets last."""
    few, many = fixed_window(3, SECOND), fixed_window(9, SECOND)
    order = [
        decided(few, allowed=False, never=True),
        decided(many, allowed=False, retry_after=2 * SECOND),
        decided(few, allowed=False, retry_after=SECOND),
        decided(few, allowed=False, retry_after=ZERO),
        decided(many, count=9, reset_after=2 * SECOND),
        decided(few, count=3),
        decided(few, count=1),
        decided(many, count=1),
    ]
    for place in range(len(order)):
        assert most_restrictive(reversed(order[place:])) is order[place]
    with pytest.raises(ValidationError):
        most_restrictive([])


def test_http_is_told_of_an_allowed_call() -> None:
    """Policy and state, in whole seconds, rounded up."""
    decision = decided(sliding_window(100, 1_500 * MILLISECOND), reset_after=1_001 * MILLISECOND)
    assert decision.headers() == {
        "RateLimit-Policy": '"default";q=100;w=2',
        "RateLimit": '"default";r=99;t=2',
    }


def test_http_is_told_of_a_refusal_by_several_limits() -> None:
    """`Retry-After` is of the one that binds; a quota, whose windows differ, has no `w`."""
    burst = decided(gcra(10, SECOND, 25), count=25, allowed=False, retry_after=100 * MILLISECOND)
    month = decided(
        calendar_window(1_000, "month"),
        count=1_000,
        allowed=False,
        retry_after=timedelta(days=3, microseconds=1),
        reset_after=timedelta(days=3, microseconds=1),
    )
    assert rate_limit_headers({"burst": burst, "month's quota": month}) == {
        "RateLimit-Policy": '"burst";q=25;w=3, "month\'s quota";q=1000',
        "RateLimit": '"burst";r=0;t=1, "month\'s quota";r=0;t=259201',
        "Retry-After": "259201",
    }
    assert "Retry-After" not in decided(month.rule, allowed=False, never=True).headers()


@pytest.mark.parametrize("name", ["", 'a"', "a\\", "é", "a\nb", "\x7f", "a" * 65, None])
def test_a_name_that_cannot_be_quoted_is_refused(name: Any) -> None:
    """Nothing that a caller passes on can end a header."""
    with pytest.raises(ValidationError):
        decided(fixed_window(1, SECOND)).headers(name)
