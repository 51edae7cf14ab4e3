"""The breaker: who may ask a server that may be away, and when."""

import pytest

from adapters.cached.breaker import LONGEST, SHORTEST, Breaker


class Time:
    """What the breaker goes by."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    """A clock that stands still."""
    return Time()


@pytest.fixture
def breaker(time: Time) -> Breaker:
    """A closed one."""
    return Breaker(time)


def test_a_closed_one_admits_everybody(breaker: Breaker) -> None:
    """All is well."""
    breaker.succeeded()
    assert breaker.is_closed
    assert all(breaker.admits() for _ in range(9))


def test_a_failure_opens_it_for_a_while(breaker: Breaker, time: Time) -> None:
    """For all; then one at a time finds out."""
    breaker.failed()
    assert not breaker.is_closed
    assert not breaker.admits()
    time.now += SHORTEST
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert breaker.admits()
    assert breaker.admits()


def test_the_pauses_grow_up_to_a_bound(breaker: Breaker, time: Time) -> None:
    """Also if there are successes in between: it flaps."""
    pauses = []
    for turn in range(12):
        if turn % 3 == 0:
            breaker.succeeded()
        breaker.failed()
        begun = time.now
        while not breaker.admits():
            time.now += 0.01
        pauses.append(time.now - begun)
    assert pauses[0] <= SHORTEST + 0.02
    assert max(pauses[:3]) < min(pauses[-3:])
    assert LONGEST / 2 - 0.02 <= min(pauses[-3:]) <= max(pauses) <= LONGEST + 0.02


def test_after_a_calm_time_it_begins_anew(breaker: Breaker, time: Time) -> None:
    """What was, was."""
    for _ in range(9):
        breaker.failed()
        time.now += LONGEST
        assert breaker.admits()
    breaker.succeeded()
    time.now += 60
    breaker.failed()
    time.now += SHORTEST
    assert breaker.admits()


def test_failures_of_what_was_asked_before_prolong_nothing(breaker: Breaker, time: Time) -> None:
    """A hundred callers that fail together are one failure."""
    for _ in range(100):
        breaker.failed()
    time.now += SHORTEST
    assert breaker.admits()


def test_one_that_finds_out_and_never_says_is_followed_by_another(
    breaker: Breaker, time: Time
) -> None:
    """It was cancelled, say."""
    breaker.failed()
    time.now += SHORTEST
    assert breaker.admits()
    assert not breaker.admits()
    time.now += 1
    assert breaker.admits()
