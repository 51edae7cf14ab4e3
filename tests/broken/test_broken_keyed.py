"""Each broken adapter of sessions and execution states is failed by its contract; the sound ones
pass the same.
"""

import pytest

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
from tests.broken.finding_out import Case, found_out, on_the_sound

CASES = [
    Case(
        broken.UpdatesRevive, session_expiry.test_a_session_that_ends_during_a_change_is_not_revived
    ),
    Case(
        broken.ExtensionsRevive,
        session_expiry.test_nothing_revives_a_session_that_ended,
        {"absolute": False},
    ),
    Case(broken.ExtendsOnPaper, session_expiry.test_an_extension_is_real),
    Case(broken.ReadsDoNotKeep, session_expiry.test_reading_a_session_keeps_it),
    Case(broken.EveryReadKeeps, session_expiry.test_reading_a_session_keeps_it),
    Case(broken.ReadsWrite, session_expiry.test_reading_a_session_keeps_it),
    Case(
        broken.LivesWhileUsed,
        session_expiry.test_a_session_ends_at_its_absolute_expiry_whatever_happens,
    ),
    Case(broken.RotationsBeginAnew, session_expiry.test_a_rotation_moves_no_absolute_expiry),
    Case(broken.LastWriteWins, sessions.test_a_stale_update_is_told_and_loses_nothing),
    Case(broken.ComparesThenSets, session_races.test_all_of_many_merges_at_once_take_effect),
    Case(broken.MergesByReplacing, sessions.test_a_merge_sets_keys_and_leaves_the_others),
    Case(broken.UsersChange, sessions.test_a_sessions_user_never_changes),
    Case(broken.CallersMoveTheExpiry, sessions.test_an_update_leaves_to_the_store_what_is_its_own),
    Case(broken.RotatesByCopying, sessions.test_a_rotated_session_goes_on_under_another_token),
    Case(broken.RotatesInTwoSteps, session_races.test_of_many_rotations_exactly_one_wins),
    Case(
        broken.OpensToEveryTenant,
        sessions.test_a_token_that_stands_for_nothing_changes_nothing,
        {"act": "patch"},
    ),
    Case(broken.OpensById, sessions.test_who_knows_an_id_can_not_act_as_its_user),
    Case(
        broken.ListsOutlived,
        session_users.test_a_list_is_never_outlived_by_a_session_that_was_extended,
    ),
    Case(
        broken.ListsLastUntilTheLatest,
        session_users.test_no_session_is_lost_from_the_list_while_it_lives,
    ),
    Case(broken.ListsWhatEnded, session_users.test_what_ended_is_listed_no_more),
    Case(
        broken.ListsInNoOrder,
        session_users.test_a_users_sessions_are_listed_by_when_they_were_created,
    ),
    Case(
        broken.ForgetsTheList,
        session_races.test_who_logs_in_while_logged_out_everywhere_is_out_or_listed,
    ),
    Case(broken.LogsOutWhatItSaw, session_races.test_a_rotation_does_not_escape_a_log_out),
    Case(broken.ReadsKeepStates, executions.test_a_state_is_kept_from_its_last_write),
    Case(broken.DraftsOverwrite, executions.test_a_draft_is_saved_once),
    Case(
        broken.Unfenced,
        execution_fencing.test_a_smaller_token_than_wrote_before_is_refused,
        {"way": "patch"},
    ),
    Case(
        broken.UnfencedDeletion,
        execution_fencing.test_a_smaller_token_than_wrote_before_is_refused,
        {"way": "delete"},
    ),
    Case(
        broken.FencesGoWithTheState,
        execution_fencing.test_a_token_is_remembered_for_a_day_after_deletion,
        {"fenced": False},
    ),
    Case(
        broken.FencesExpireWithTheState,
        execution_fencing.test_a_token_is_remembered_for_a_day_after_expiry,
    ),
    Case(broken.FencesAreForgotten, execution_fencing.test_a_write_without_a_token_is_not_fenced),
    Case(
        broken.RefusalsLeaveTokens, execution_fencing.test_a_write_that_is_refused_leaves_no_token
    ),
    Case(broken.FencesCompareText, execution_fencing.test_tokens_are_compared_as_numbers),
]
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
COURSES = [
    Case(
        adapter,
        keyed_machine.test_any_course_of_execution_states_agrees_with_the_model
        if issubclass(adapter, broken.SoundExecutions)
        else keyed_machine.test_any_course_of_sessions_agrees_with_the_model,
    )
    for adapter in SEQUENTIAL
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_adapter_is_found_out(case: Case) -> None:
    """Its contract fails on it: by an assertion, or by an error that the store shouldn't raise."""
    found_out(case, RepositoryError)


@pytest.mark.parametrize("case", on_the_sound(broken.SoundSessions, CASES), ids=str)
def test_the_sound_adapter_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()


@pytest.mark.parametrize("case", COURSES, ids=str)
def test_the_state_machine_comes_upon_it_too(case: Case) -> None:
    """Without being told where to look."""
    found_out(case, RepositoryError)
