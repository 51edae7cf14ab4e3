"""Each broken dialogue adapter is failed by its contract; the sound one passes the same."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import Phase, settings

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

Contract = Callable[..., None]

CASES: dict[Any, tuple[Contract, dict[str, Any]]] = {
    broken.NumbersByTheClock: (append_log.test_entries_are_numbered_from_one_without_gaps, {}),
    broken.ReservesNumbers: (
        append_log.test_a_taken_id_is_refused_and_loses_no_number,
        {"place": "another log"},
    ),
    broken.AppendsOneByOne: (
        append_log.test_a_taken_id_is_refused_and_loses_no_number,
        {"place": "same append"},
    ),
    broken.NumbersByReadingThenWriting: (
        append_races.test_concurrent_appends_all_succeed_without_a_gap,
        {},
    ),
    broken.RaisesTheHeadLater: (
        append_races.test_the_head_is_never_seen_apart_from_the_messages,
        {},
    ),
    broken.RaisesTheRevision: (append_log.test_an_append_raises_the_head_and_nothing_else, {}),
    broken.LetsTheActivityGoBack: (
        append_log.test_the_last_activity_is_the_latest_time_and_never_goes_back,
        {},
    ),
    broken.LooksAtTheStatusFirst: (
        append_races.test_nothing_is_appended_after_a_conversation_was_closed,
        {},
    ),
    broken.ChecksKeysThenInserts: (
        append_races.test_concurrent_calls_with_one_key_store_it_once,
        {},
    ),
    broken.ReplaysWhatever: (
        append_replays.test_a_key_that_comes_with_other_content_is_refused,
        {"case": "a float for an integer"},
    ),
    broken.ReplaysWhatItStored: (append_replays.test_a_replay_shows_messages_as_they_stand_now, {}),
    broken.KeysOfEveryTenant: (append_replays.test_a_key_is_of_one_conversation_of_one_tenant, {}),
    broken.PagesByOffset: (
        history.test_what_is_appended_while_pages_are_read_shifts_nothing,
        {},
    ),
    broken.HidesRedacted: (history.test_redacted_entries_keep_their_place, {}),
    broken.FindsWholeWords: (
        message_search.test_a_search_finds_what_the_rule_of_words_says,
        {},
    ),
    broken.RemembersWhatWasRedacted: (
        annotations.test_what_was_redacted_is_found_by_nothing_that_it_held,
        {},
    ),
    broken.RedactsTwice: (annotations.test_redacting_lowers_the_count_once, {}),
    broken.MovesByReadingThenWriting: (
        conversations.test_of_moves_that_exclude_each_other_exactly_one_wins,
        {},
    ),
    broken.ClosesByReadingThenWriting: (
        conversation_ends.test_a_conversation_in_which_something_happens_stays_active,
        {"way": "touch"},
    ),
    broken.ClosesTheYoungestFirst: (
        conversation_ends.test_those_idle_for_longest_are_timed_out_first,
        {},
    ),
    broken.TouchesBackwards: (conversations.test_a_touch_sets_what_happened_last, {}),
    broken.DeleteLeavesMessages: (
        conversation_ends.test_what_belongs_to_a_conversation_goes_with_it,
        {},
    ),
    broken.DeleteLeavesTheContext: (conversation_ends.test_what_belongs_to_many_goes_with_them, {}),
}
SEQUENTIAL = [
    broken.ReservesNumbers,
    broken.ReplaysWhatever,
    broken.HidesRedacted,
    broken.RedactsTwice,
    broken.TouchesBackwards,
    broken.DeleteLeavesMessages,
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
    run(broken.SoundMessages, contract, arguments)


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
    machine = dialogue_machine.test_any_course_of_a_dialogue_agrees_with_the_model
    with pytest.raises((*FAILURES, ExceptionGroup)):
        run(adapter, machine, {})
