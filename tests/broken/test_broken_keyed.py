"""Each broken adapter of sessions and execution states is failed by its contract; the sound ones
pass the same.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import Phase, settings

from ports.contracts import (
    execution_fencing,
    executions,
    keyed_machine,
    session_expiry,
    session_races,
    session_users,
    sessions,
)
from ports.errors import RepositoryError
from tests.broken import keyed_adapters as broken

Contract = Callable[..., None]

CASES: dict[Any, tuple[Contract, dict[str, Any]]] = {
    broken.UpdatesRevive: (
        session_expiry.test_a_session_that_ends_during_a_change_is_not_revived,
        {},
    ),
    broken.ExtensionsRevive: (
        session_expiry.test_nothing_revives_a_session_that_ended,
        {"absolute": False},
    ),
    broken.ExtendsOnPaper: (session_expiry.test_an_extension_is_real, {}),
    broken.ReadsDoNotKeep: (session_expiry.test_reading_a_session_keeps_it, {}),
    broken.EveryReadKeeps: (session_expiry.test_reading_a_session_keeps_it, {}),
    broken.ReadsWrite: (session_expiry.test_reading_a_session_keeps_it, {}),
    broken.LivesWhileUsed: (
        session_expiry.test_a_session_ends_at_its_absolute_expiry_whatever_happens,
        {},
    ),
    broken.RotationsBeginAnew: (session_expiry.test_a_rotation_moves_no_absolute_expiry, {}),
    broken.LastWriteWins: (sessions.test_a_stale_update_is_told_and_loses_nothing, {}),
    broken.ComparesThenSets: (session_races.test_all_of_many_merges_at_once_take_effect, {}),
    broken.MergesByReplacing: (sessions.test_a_merge_sets_keys_and_leaves_the_others, {}),
    broken.UsersChange: (sessions.test_a_sessions_user_never_changes, {}),
    broken.CallersMoveTheExpiry: (
        sessions.test_an_update_leaves_to_the_store_what_is_its_own,
        {},
    ),
    broken.RotatesByCopying: (
        sessions.test_a_rotated_session_goes_on_under_another_token,
        {},
    ),
    broken.RotatesInTwoSteps: (session_races.test_of_many_rotations_exactly_one_wins, {}),
    broken.OpensToEveryTenant: (
        sessions.test_a_token_that_stands_for_nothing_changes_nothing,
        {"act": "patch"},
    ),
    broken.OpensById: (sessions.test_who_knows_an_id_can_not_act_as_its_user, {}),
    broken.ListsOutlived: (
        session_users.test_a_list_is_never_outlived_by_a_session_that_was_extended,
        {},
    ),
    broken.ListsLastUntilTheLatest: (
        session_users.test_no_session_is_lost_from_the_list_while_it_lives,
        {},
    ),
    broken.ListsWhatEnded: (session_users.test_what_ended_is_listed_no_more, {}),
    broken.ListsInNoOrder: (
        session_users.test_a_users_sessions_are_listed_by_when_they_were_created,
        {},
    ),
    broken.ForgetsTheList: (
        session_races.test_who_logs_in_while_logged_out_everywhere_is_out_or_listed,
        {},
    ),
    broken.LogsOutWhatItSaw: (session_races.test_a_rotation_does_not_escape_a_log_out, {}),
    broken.ReadsKeepStates: (executions.test_a_state_is_kept_from_its_last_write, {}),
    broken.DraftsOverwrite: (executions.test_a_draft_is_saved_once, {}),
    broken.Unfenced: (
        execution_fencing.test_a_smaller_token_than_wrote_before_is_refused,
        {"way": "patch"},
    ),
    broken.UnfencedDeletion: (
        execution_fencing.test_a_smaller_token_than_wrote_before_is_refused,
        {"way": "delete"},
    ),
    broken.FencesGoWithTheState: (
        execution_fencing.test_a_token_is_remembered_for_a_day_after_deletion,
        {"fenced": False},
    ),
    broken.FencesExpireWithTheState: (
        execution_fencing.test_a_token_is_remembered_for_a_day_after_expiry,
        {},
    ),
    broken.FencesAreForgotten: (execution_fencing.test_a_write_without_a_token_is_not_fenced, {}),
    broken.RefusalsLeaveTokens: (
        execution_fencing.test_a_write_that_is_refused_leaves_no_token,
        {},
    ),
    broken.FencesCompareText: (execution_fencing.test_tokens_are_compared_as_numbers, {}),
}
SEQUENTIAL = [
    broken.ReadsDoNotKeep,
    broken.LivesWhileUsed,
    broken.LastWriteWins,
    broken.RotatesByCopying,
    broken.DraftsOverwrite,
    broken.FencesGoWithTheState,
    broken.RefusalsLeaveTokens,
]
"""Those whose fault shows without a race: any course of operations comes upon it."""

FAILURES = (AssertionError, pytest.fail.Exception, RepositoryError)


def run(adapter: Any, contract: Contract, arguments: dict[str, Any]) -> None:
    """The contract, on that adapter."""
    with broken.backend_of(adapter) as backend:
        contract(backend=backend, **arguments)


@pytest.mark.parametrize("adapter", CASES, ids=lambda adapter: adapter.__name__)
def test_a_broken_adapter_is_found_out(adapter: Any) -> None:
    """Its contract fails on it: by an assertion, or by an error that the store shouldn't raise."""
    contract, arguments = CASES[adapter]
    with pytest.raises(FAILURES):
        run(adapter, contract, arguments)


@pytest.mark.parametrize("adapter", CASES, ids=lambda adapter: adapter.__name__)
def test_the_sound_adapter_passes_the_same_contract(adapter: Any) -> None:
    """So it is the fault that fails it."""
    contract, arguments = CASES[adapter]
    run(broken.SoundSessions, contract, arguments)


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
    machine = keyed_machine.test_any_course_of_sessions_agrees_with_the_model
    if issubclass(adapter, broken.SoundExecutions):
        machine = keyed_machine.test_any_course_of_execution_states_agrees_with_the_model
    with pytest.raises((*FAILURES, ExceptionGroup)):
        run(adapter, machine, {})
