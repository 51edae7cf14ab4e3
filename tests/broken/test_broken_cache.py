"""Each broken cache is failed by its contract; the sound one passes the same."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import Phase, settings

from ports.contracts import (
    cache,
    cache_invalidation,
    cache_loading,
    cache_machine,
    cache_refreshing,
    cached,
)
from tests.broken import cache_adapters as broken

Contract = Callable[..., None]

CASES: dict[Any, tuple[Contract, dict[str, Any]]] = {
    broken.FillsAnyway: (
        cache_invalidation.test_a_load_that_began_before_is_not_stored,
        {"way": "invalidate_tag"},
    ),
    broken.DeletesTheEntryAlone: (
        cache_invalidation.test_a_load_that_began_before_is_not_stored,
        {"way": "delete"},
    ),
    broken.Stampede: (cache_loading.test_many_misses_at_once_are_one_load, {}),
    broken.JoinsWhateverIsLoaded: (
        cache_invalidation.test_who_comes_after_gets_nothing_from_before,
        {"way": "delete"},
    ),
    broken.NeverWakes: (
        cache_loading.test_who_waited_for_a_load_that_failed_is_told_or_loads,
        {},
    ),
    broken.LeavesWithItsCaller: (cache_loading.test_a_caller_that_leaves_takes_no_load_along, {}),
    broken.NoneIsAMiss: (cache_loading.test_a_none_that_was_loaded_is_not_loaded_again, {}),
    broken.NothingIsForEver: (cache.test_arguments_are_checked_first, {}),
    broken.JoinsByColon: (cache.test_tenants_whose_names_run_into_keys_are_apart, {}),
    broken.Aliasing: (cache.test_what_was_returned_or_given_may_be_changed, {}),
    broken.StaleIsFresh: (
        cache_refreshing.test_a_stale_value_is_absent_to_everything_else,
        {},
    ),
    broken.NeverRefreshes: (
        cache_refreshing.test_a_stale_value_is_served_while_one_load_replaces_it,
        {},
    ),
    broken.TagsEndFirst: (
        cache_invalidation.test_a_tag_reaches_a_value_for_as_long_as_it_lives,
        {},
    ),
    broken.NotesTooLate: (
        cache_invalidation.test_a_load_that_began_before_is_not_stored,
        {"way": "invalidate_tag"},
    ),
    broken.ProlongsPastTheTag: (
        cache_invalidation.test_a_tag_reaches_a_value_for_as_long_as_it_lives,
        {},
    ),
}
SEQUENTIAL = [broken.StaleIsFresh, broken.NoneIsAMiss]
"""Those whose fault shows without a race: any course of operations comes upon it."""

FAILURES = (AssertionError, pytest.fail.Exception, TimeoutError)


def run(adapter: Any, contract: Contract, arguments: dict[str, Any]) -> None:
    """The contract, on that adapter."""
    with broken.backend_of(adapter) as backend:
        contract(backend=backend, **arguments)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What will never come needn't be waited for as long as on a busy machine."""
    monkeypatch.setattr(cached, "PATIENCE", 1.0)


@pytest.mark.parametrize("adapter", CASES, ids=lambda adapter: adapter.__name__)
def test_a_broken_adapter_is_found_out(adapter: Any) -> None:
    """Its contract fails on it, and doesn't hang."""
    contract, arguments = CASES[adapter]
    with pytest.raises(FAILURES):
        run(adapter, contract, arguments)


@pytest.mark.parametrize("adapter", CASES, ids=lambda adapter: adapter.__name__)
def test_the_sound_adapter_passes_the_same_contract(adapter: Any) -> None:
    """So it is the fault that fails it."""
    contract, arguments = CASES[adapter]
    run(broken.SoundEntries, contract, arguments)


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
@pytest.mark.parametrize("adapter", SEQUENTIAL, ids=lambda adapter: adapter.__name__)
def test_the_state_machine_comes_upon_it_too(adapter: Any) -> None:
    """Without being told where to look."""
    machine = cache_machine.test_any_course_of_a_cache_agrees_with_the_model
    with pytest.raises((*FAILURES, ExceptionGroup)):
        run(adapter, machine, {})
