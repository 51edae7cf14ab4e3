"""Each broken dialogue adapter is failed by its contract; the sound one passes the same."""

import pytest

from ports.contracts import (
    annotations,
    append_log,
    append_races,
    append_replays,
    conversation_ends,
    conversations,
    dialogue_machine,
    history,
    message_search,
)
from ports.errors import RepositoryError
from tests.broken import dialogue_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

CASES = [
    Case(broken.NumbersByTheClock, append_log.test_entries_are_numbered_from_one_without_gaps),
    Case(
        broken.ReservesNumbers,
        append_log.test_a_taken_id_is_refused_and_loses_no_number,
        {"place": "another log"},
    ),
    Case(
        broken.AppendsOneByOne,
        append_log.test_a_taken_id_is_refused_and_loses_no_number,
        {"place": "same append"},
    ),
    Case(
        broken.NumbersByReadingThenWriting,
        append_races.test_concurrent_appends_all_succeed_without_a_gap,
    ),
    Case(
        broken.RaisesTheHeadLater, append_races.test_the_head_is_never_seen_apart_from_the_messages
    ),
    Case(broken.RaisesTheRevision, append_log.test_an_append_raises_the_head_and_nothing_else),
    Case(
        broken.LetsTheActivityGoBack,
        append_log.test_the_last_activity_is_the_latest_time_and_never_goes_back,
    ),
    Case(
        broken.LooksAtTheStatusFirst,
        append_races.test_nothing_is_appended_after_a_conversation_was_closed,
    ),
    Case(
        broken.ChecksKeysThenInserts, append_races.test_concurrent_calls_with_one_key_store_it_once
    ),
    Case(
        broken.ReplaysWhatever,
        append_replays.test_a_key_that_comes_with_other_content_is_refused,
        {"case": "a float for an integer"},
    ),
    Case(broken.ReplaysWhatItStored, append_replays.test_a_replay_shows_messages_as_they_stand_now),
    Case(broken.KeysOfEveryTenant, append_replays.test_a_key_is_of_one_conversation_of_one_tenant),
    Case(broken.PagesByOffset, history.test_what_is_appended_while_pages_are_read_shifts_nothing),
    Case(broken.HidesRedacted, history.test_redacted_entries_keep_their_place),
    Case(broken.FindsWholeWords, message_search.test_a_search_finds_what_the_rule_of_words_says),
    Case(
        broken.RemembersWhatWasRedacted,
        annotations.test_what_was_redacted_is_found_by_nothing_that_it_held,
    ),
    Case(broken.RedactsTwice, annotations.test_redacting_lowers_the_count_once),
    Case(
        broken.MovesByReadingThenWriting,
        conversations.test_of_moves_that_exclude_each_other_exactly_one_wins,
    ),
    Case(
        broken.ClosesByReadingThenWriting,
        conversation_ends.test_a_conversation_in_which_something_happens_stays_active,
        {"way": "touch"},
    ),
    Case(
        broken.ClosesTheYoungestFirst,
        conversation_ends.test_those_idle_for_longest_are_timed_out_first,
    ),
    Case(broken.TouchesBackwards, conversations.test_a_touch_sets_what_happened_last),
    Case(
        broken.DeleteLeavesMessages,
        conversation_ends.test_what_belongs_to_a_conversation_goes_with_it,
    ),
    Case(broken.DeleteLeavesTheContext, conversation_ends.test_what_belongs_to_many_goes_with_them),
]
SEQUENTIAL = [
    broken.ReservesNumbers,
    broken.ReplaysWhatever,
    broken.HidesRedacted,
    broken.RedactsTwice,
    broken.TouchesBackwards,
    broken.DeleteLeavesMessages,
]
"""Those whose fault shows without a race: any course of operations comes upon it."""
COURSES = [
    Case(adapter, dialogue_machine.test_any_course_of_a_dialogue_agrees_with_the_model)
    for adapter in SEQUENTIAL
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_adapter_is_found_out(case: Case) -> None:
    """Its contract fails on it: by an assertion, or by an error that the store shouldn't raise."""
    found_out(case, RepositoryError)


@pytest.mark.parametrize("case", on_the_sound(broken.SoundMessages, CASES), ids=str)
def test_the_sound_adapter_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()


@pytest.mark.parametrize("case", COURSES, ids=str)
def test_the_state_machine_comes_upon_it_too(case: Case) -> None:
    """Without being told where to look."""
    found_out(case, RepositoryError)
