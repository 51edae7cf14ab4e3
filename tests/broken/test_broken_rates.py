"""Each broken rate limiter is failed by its contract; the sound one passes the same."""

import pytest

from ports.contracts import (
    quotas,
    rate_limit_bounds,
    rate_limit_machine,
    rate_limit_races,
    rate_limits,
)
from tests.broken import rate_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound
from tests.broken.rate_sound import Sound

MACHINE = rate_limit_machine.test_any_course_of_a_limiter_agrees_with_the_model
BOUND = rate_limit_bounds.test_no_time_sees_more_than_the_bound
GCRA, SLIDING, FIXED = ({"kind": kind} for kind in ("gcra", "sliding", "fixed"))

CASES = [
    Case(
        broken.ChecksThenAdds,
        rate_limit_races.test_of_many_callers_as_many_as_the_limit_are_admitted,
        SLIDING,
    ),
    Case(
        broken.CountsMilliseconds, rate_limit_races.test_calls_of_the_same_moment_all_count, SLIDING
    ),
    Case(broken.LooksForAnyRoom, rate_limits.test_a_cost_is_admitted_whole_or_not_at_all, SLIDING),
    Case(broken.GoesByItsOwnClock, rate_limits.test_a_clients_clock_decides_nothing, GCRA),
    Case(broken.SpendsWhatItRefuses, rate_limits.test_a_refusal_spends_nothing, SLIDING),
    Case(broken.PutsItOff, rate_limits.test_a_refusal_spends_nothing, SLIDING),
    Case(broken.ApproximatesByTwoBuckets, BOUND),
    Case(
        broken.RoundsWindowsDown,
        rate_limit_bounds.test_nothing_comes_back_before_its_window_has_passed,
    ),
    Case(broken.DoesNotSlide, BOUND),
    Case(broken.RoundsTheRateUp, MACHINE),
    Case(broken.TakesWhatItCan, rate_limits.test_several_limits_are_taken_all_or_none),
    Case(broken.TakesOneAfterAnother, rate_limit_races.test_sets_of_limits_are_taken_whole),
    Case(broken.JoinsKeys, rate_limits.test_keys_are_never_taken_for_each_other),
    Case(broken.FoldsKeys, rate_limits.test_keys_are_never_taken_for_each_other),
    Case(broken.ForgetsTheRule, rate_limits.test_rules_with_other_numbers_count_apart),
    Case(
        broken.TellsTheWindow, rate_limit_bounds.test_nothing_is_in_use_after_the_time_told, FIXED
    ),
    Case(
        broken.SendsBackForOne, rate_limit_bounds.test_who_waits_as_long_as_told_is_admitted, GCRA
    ),
    Case(broken.StopsAtTheLimit, rate_limits.test_what_happened_is_counted_beyond_the_limit, FIXED),
    Case(broken.LooksByTaking, rate_limits.test_a_peek_tells_whether_one_could_be_had, GCRA),
    Case(broken.NeverSaysNever, rate_limits.test_a_cost_above_the_limit_is_never_allowed, GCRA),
    Case(broken.KeepsEverything, rate_limits.test_what_is_as_good_as_nothing_is_gone, FIXED),
    Case(
        broken.NumbersItsWindows,
        rate_limits.test_a_clock_that_is_put_back_gives_nothing_away,
        FIXED,
    ),
    Case(
        broken.HasNoZones,
        quotas.test_a_quota_lasts_exactly_as_long_as_its_period,
        {"period": "a year in the east"},
    ),
    Case(
        broken.HasEqualDays,
        quotas.test_a_quota_lasts_exactly_as_long_as_its_period,
        {"period": "a day of 23 hours"},
    ),
]

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
COURSES = [Case(adapter, MACHINE) for adapter in SEQUENTIAL]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_adapter_is_found_out(case: Case) -> None:
    """Its contract fails on it."""
    found_out(case)


@pytest.mark.parametrize("case", on_the_sound(Sound, CASES), ids=str)
def test_the_sound_adapter_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()


@pytest.mark.parametrize("case", COURSES, ids=str)
def test_the_state_machine_comes_upon_it_too(case: Case) -> None:
    """Without being told where to look."""
    found_out(case)
