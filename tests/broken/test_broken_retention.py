"""Each broken sweep is failed by the contract that is there for it; the sound one passes."""

import pytest

from domain.conversations import ConversationStatus
from ports.contracts import audit_anchors, audit_retention, call_retention, dialogue_retention
from ports.errors import CorruptRecordError, RepositoryError
from tests.broken import retention_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

DIALOGUES = [
    Case(broken.PurgesWhatIsHeld, dialogue_retention.test_what_has_a_time_of_its_own_is_left_to_it),
    Case(broken.PurgesWhatIsHeld, dialogue_retention.test_one_that_is_held_meanwhile_is_not_purged),
    Case(
        broken.PurgesTheBoundItself,
        dialogue_retention.test_conversations_that_ended_are_purged_of_every_tenant,
        {"status": ConversationStatus.COMPLETED},
    ),
    Case(broken.PurgesWhatIsQuiet, dialogue_retention.test_what_has_not_ended_stays),
    Case(
        broken.PurgesHeadsAlone,
        dialogue_retention.test_what_belongs_to_one_that_ended_goes_with_it,
    ),
    Case(
        broken.PurgesWhatItSawBefore,
        dialogue_retention.test_one_that_is_held_meanwhile_is_not_purged,
    ),
    Case(
        broken.PurgesWhatItSawBefore,
        dialogue_retention.test_two_that_purge_at_once_count_each_conversation_once,
    ),
    Case(broken.CountsByPurging, dialogue_retention.test_what_is_due_is_what_a_purge_finds),
]
AUTHORING = [
    Case(broken.LooksAtTheFirstTenant, call_retention.test_old_calls_of_every_tenant_are_purged),
    Case(broken.PurgesTheLatestCalls, call_retention.test_old_calls_of_every_tenant_are_purged),
    Case(broken.LeavesNoAnchor, audit_retention.test_the_oldest_entries_go_and_the_rest_is_sound),
    Case(
        broken.PurgesByTimeAlone,
        audit_retention.test_what_stands_behind_a_younger_entry_goes_with_it,
    ),
    Case(
        broken.PurgesWhatIsBroken,
        audit_anchors.test_a_broken_chain_is_left_for_whoever_looks_into_it,
        {"number": 1},
    ),
    Case(
        broken.PurgesWhatIsBroken,
        audit_anchors.test_an_altered_anchor_is_found,
        {"way": "moved on"},
    ),
    Case(
        broken.MovesTheAnchorApart,
        audit_retention.test_two_that_purge_at_once_count_each_entry_once,
    ),
    Case(broken.MovesTheAnchorApart, audit_retention.test_a_purge_that_was_interrupted_goes_on),
    Case(
        broken.SealsNothingBefore, audit_retention.test_what_is_not_sealed_is_sealed_before_it_goes
    ),
    Case(
        broken.StartsAnewAfterAPurge,
        audit_retention.test_a_trail_goes_on_after_a_purge_of_all_of_it,
    ),
    Case(
        broken.KeepsTheAnchorOfTheErased,
        audit_retention.test_an_erased_tenants_chain_begins_anew,
    ),
]
SOUND = [
    *on_the_sound(broken.SoundDialogueSweeps, DIALOGUES),
    *on_the_sound(broken.SoundAuthoringSweeps, AUTHORING),
]


@pytest.mark.parametrize("case", [*DIALOGUES, *AUTHORING], ids=str)
def test_a_broken_sweep_is_found_out(case: Case) -> None:
    """Its contract fails on it: by an assertion, or by an error that the store shouldn't raise."""
    found_out(case, RepositoryError, CorruptRecordError)


@pytest.mark.parametrize("case", SOUND, ids=str)
def test_the_sound_sweep_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
