"""Each broken cache is failed by its contract; the sound one passes the same."""

import pytest

from ports.contracts import (
    cache,
    cache_invalidation,
    cache_loading,
    cache_machine,
    cache_refreshing,
    cached,
)
from tests.broken import cache_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

CASES = [
    Case(
        broken.FillsAnyway,
        cache_invalidation.test_a_load_that_began_before_is_not_stored,
        {"way": "invalidate_tag"},
    ),
    Case(
        broken.DeletesTheEntryAlone,
        cache_invalidation.test_a_load_that_began_before_is_not_stored,
        {"way": "delete"},
    ),
    Case(broken.Stampede, cache_loading.test_many_misses_at_once_are_one_load),
    Case(
        broken.JoinsWhateverIsLoaded,
        cache_invalidation.test_who_comes_after_gets_nothing_from_before,
        {"way": "delete"},
    ),
    Case(broken.NeverWakes, cache_loading.test_who_waited_for_a_load_that_failed_is_told_or_loads),
    Case(broken.LeavesWithItsCaller, cache_loading.test_a_caller_that_leaves_takes_no_load_along),
    Case(broken.NoneIsAMiss, cache_loading.test_a_none_that_was_loaded_is_not_loaded_again),
    Case(broken.NothingIsForEver, cache.test_arguments_are_checked_first),
    Case(broken.JoinsByColon, cache.test_tenants_whose_names_run_into_keys_are_apart),
    Case(broken.Aliasing, cache.test_what_was_returned_or_given_may_be_changed),
    Case(broken.StaleIsFresh, cache_refreshing.test_a_stale_value_is_absent_to_everything_else),
    Case(
        broken.NeverRefreshes,
        cache_refreshing.test_a_stale_value_is_served_while_one_load_replaces_it,
    ),
    Case(
        broken.TagsEndFirst, cache_invalidation.test_a_tag_reaches_a_value_for_as_long_as_it_lives
    ),
    Case(
        broken.NotesTooLate,
        cache_invalidation.test_a_load_that_began_before_is_not_stored,
        {"way": "invalidate_tag"},
    ),
    Case(
        broken.ProlongsPastTheTag,
        cache_invalidation.test_a_tag_reaches_a_value_for_as_long_as_it_lives,
    ),
]
SEQUENTIAL = [broken.StaleIsFresh, broken.NoneIsAMiss]
"""Those whose fault shows without a race: any course of operations comes upon it."""
COURSES = [
    Case(adapter, cache_machine.test_any_course_of_a_cache_agrees_with_the_model)
    for adapter in SEQUENTIAL
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What will never come needn't be waited for as long as on a busy machine."""
    monkeypatch.setattr(cached, "PATIENCE", 1.0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_adapter_is_found_out(case: Case) -> None:
    """Its contract fails on it, and doesn't hang."""
    found_out(case, TimeoutError)


@pytest.mark.parametrize("case", on_the_sound(broken.SoundEntries, CASES), ids=str)
def test_the_sound_adapter_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()


@pytest.mark.parametrize("case", COURSES, ids=str)
def test_the_state_machine_comes_upon_it_too(case: Case) -> None:
    """Without being told where to look."""
    found_out(case, TimeoutError)
