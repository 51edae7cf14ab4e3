"""Each broken rate limiter is failed by its contract; the sound one passes the same."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import Phase, settings

from ports.contracts import (
    quotas,
    rate_limit_bounds,
    rate_limit_machine,
    rate_limit_races,
    rate_limits,
)
from tests.broken import rate_adapters as broken
from tests.broken.rate_sound import Sound, backend_of

Contract = Callable[..., None]
MACHINE = rate_limit_machine.test_any_course_of_a_limiter_agrees_with_the_model
BOUND = rate_limit_bounds.test_no_time_sees_more_than_the_bound
GCRA, SLIDING, FIXED = ({"kind": kind} for kind in ("gcra", "sliding", "fixed"))

CASES: dict[Any, tuple[Contract, dict[str, Any]]] = {
    broken.ChecksThenAdds: (
        rate_limit_races.test_of_many_callers_as_many_as_the_limit_are_admitted,
        SLIDING,
    ),
    broken.CountsMilliseconds: (rate_limit_races.test_calls_of_the_same_moment_all_count, SLIDING),
    broken.LooksForAnyRoom: (rate_limits.test_a_cost_is_admitted_whole_or_not_at_all, SLIDING),
    broken.GoesByItsOwnClock: (rate_limits.test_a_clients_clock_decides_nothing, GCRA),
    broken.SpendsWhatItRefuses: (rate_limits.test_a_refusal_spends_nothing, SLIDING),
    broken.PutsItOff: (rate_limits.test_a_refusal_spends_nothing, SLIDING),
    broken.ApproximatesByTwoBuckets: (BOUND, {}),
    broken.RoundsWindowsDown: (
        rate_limit_bounds.test_nothing_comes_back_before_its_window_has_passed,
        {},
    ),
    broken.DoesNotSlide: (BOUND, {}),
    broken.RoundsTheRateUp: (MACHINE, {}),
    broken.TakesWhatItCan: (rate_limits.test_several_limits_are_taken_all_or_none, {}),
    broken.TakesOneAfterAnother: (rate_limit_races.test_sets_of_limits_are_taken_whole, {}),
    broken.JoinsKeys: (rate_limits.test_keys_are_never_taken_for_each_other, {}),
    broken.FoldsKeys: (rate_limits.test_keys_are_never_taken_for_each_other, {}),
    broken.ForgetsTheRule: (rate_limits.test_rules_with_other_numbers_count_apart, {}),
    broken.TellsTheWindow: (rate_limit_bounds.test_nothing_is_in_use_after_the_time_told, FIXED),
    broken.SendsBackForOne: (
        rate_limit_bounds.test_who_waits_as_long_as_told_is_admitted,
        GCRA,
    ),
    broken.StopsAtTheLimit: (
        rate_limits.test_what_happened_is_counted_beyond_the_limit,
        FIXED,
    ),
    broken.LooksByTaking: (rate_limits.test_a_peek_tells_whether_one_could_be_had, GCRA),
    broken.NeverSaysNever: (rate_limits.test_a_cost_above_the_limit_is_never_allowed, GCRA),
    broken.KeepsEverything: (rate_limits.test_what_is_as_good_as_nothing_is_gone, FIXED),
    broken.NumbersItsWindows: (
        rate_limits.test_a_clock_that_is_put_back_gives_nothing_away,
        FIXED,
    ),
    broken.HasNoZones: (
        quotas.test_a_quota_lasts_exactly_as_long_as_its_period,
        {"period": "a year in the east"},
    ),
    broken.HasEqualDays: (
        quotas.test_a_quota_lasts_exactly_as_long_as_its_period,
        {"period": "a day of 23 hours"},
    ),
}

SEQUENTIAL = [
    broken.LooksForAnyRoom,
    broken.SpendsWhatItRefuses,
    broken.ApproximatesByTwoBuckets,
    broken.TakesWhatItCan,
    broken.StopsAtTheLimit,
    broken.NeverSaysNever,
    broken.HasEqualDays,
]
"""Those whose fault shows without a race: any course of calls comes upon it."""


def run(adapter: Any, contract: Contract, arguments: dict[str, Any]) -> None:
    """The contract, on that adapter."""
    with backend_of(adapter) as backend:
        contract(backend=backend, **arguments)


@pytest.fixture
def unshrunk() -> Iterator[None]:
    """Any failure will do, the same at each run: to make it small takes many times as long."""
    in_force = settings.get_current_profile_name()
    settings.register_profile(
        "unshrunk", settings(), phases=[Phase.generate], derandomize=True, database=None
    )
    settings.load_profile("unshrunk")
    yield
    settings.load_profile(in_force)


@pytest.mark.usefixtures("unshrunk")
@pytest.mark.parametrize("adapter", CASES, ids=lambda adapter: adapter.__name__)
def test_a_broken_limiter_is_found_out(adapter: Any) -> None:
    """Its contract fails on it."""
    contract, arguments = CASES[adapter]
    with pytest.raises((AssertionError, ExceptionGroup)):
        run(adapter, contract, arguments)


@pytest.mark.parametrize("adapter", CASES, ids=lambda adapter: adapter.__name__)
def test_the_sound_limiter_passes_the_same_contract(adapter: Any) -> None:
    """So it is the fault that fails it."""
    contract, arguments = CASES[adapter]
    run(Sound, contract, arguments)


@pytest.mark.usefixtures("unshrunk")
@pytest.mark.parametrize("adapter", SEQUENTIAL, ids=lambda adapter: adapter.__name__)
def test_the_state_machine_comes_upon_it_too(adapter: Any) -> None:
    """Without being told where to look."""
    with pytest.raises((AssertionError, ExceptionGroup)):
        run(adapter, MACHINE, {})
