"""Each store whose erasure of a user forgets a place is failed; the sound ones pass."""

import pytest

from ports.contracts import erasure, erasure_authoring, erasure_dialogues, erasure_runtime
from ports.contracts.harness import Group
from ports.errors import RepositoryError
from tests.broken import erasure_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

_LEFT = erasure.test_nothing_of_an_erased_user_is_left
_D = {"group": Group.DIALOGUE}
_R = {"group": Group.RUNTIME}
_A = {"group": Group.AUTHORING}

DIALOGUES = [
    Case(broken.KeepsMessages, _LEFT, _D),
    Case(broken.KeepsContextsOfConversations, _LEFT, _D),
    Case(
        broken.KeepsKeysOfAppends,
        erasure_dialogues.test_what_was_appended_by_a_key_is_forgotten_with_the_conversation,
    ),
    Case(broken.KeepsContextsAlone, _LEFT, _D),
    Case(broken.ErasesWhoeverIsCalledAlike, erasure.test_others_keep_what_is_theirs, _D),
    Case(broken.ErasesOneBatch, erasure_dialogues.test_any_number_of_conversations_goes),
    Case(
        broken.HandsOverLate,
        erasure_dialogues.test_conversations_are_handed_over_before_they_go,
    ),
    Case(broken.NotesNothing, erasure.test_what_went_is_added_to_the_receipt, _D),
    Case(
        broken.NotesNothing,
        erasure.test_receipts_are_right_whoever_was_interrupted,
        _D,
    ),
]
LIVES = [
    Case(broken.KeepsSessions, _LEFT, _R),
    Case(broken.KeepsStates, _LEFT, _R),
    Case(broken.KeepsLimits, _LEFT, _R),
    Case(
        broken.ResetsNamesakes,
        erasure_runtime.test_a_limit_that_is_called_as_a_user_is_nobodys,
    ),
    Case(broken.KeepsTaggedValues, _LEFT, _R),
    Case(
        broken.LetsStatesBeginAgain,
        erasure_runtime.test_a_state_that_was_erased_is_not_begun_again,
    ),
    Case(broken.LiftsTheTombstone, erasure.test_what_went_is_added_to_the_receipt, _R),
]
EVENTS = [Case(broken.KeepsEvents, _LEFT, {"group": Group.ANALYTICS})]
AUTHORING = [
    Case(broken.KeepsAssignments, _LEFT, _A),
    Case(
        broken.KeepsOutcomes,
        erasure_authoring.test_results_are_those_of_the_units_that_are_left,
    ),
    Case(
        broken.KeepsKeysOfOutcomes,
        erasure_authoring.test_an_erased_unit_is_one_that_never_took_part,
    ),
    Case(broken.DeletesCalls, erasure_authoring.test_calls_are_still_counted_and_say_nothing),
    Case(broken.KeepsWhatCallsSay, _LEFT, _A),
]
SOUND = [
    *on_the_sound(broken.SoundDialogues, DIALOGUES),
    *on_the_sound(broken.SoundLives, LIVES),
    *on_the_sound(broken.SoundEvents, EVENTS),
    *on_the_sound(broken.SoundAuthoring, AUTHORING),
]


@pytest.mark.parametrize("case", [*DIALOGUES, *LIVES, *EVENTS, *AUTHORING], ids=str)
def test_a_broken_erasure_is_found_out(case: Case) -> None:
    """Its contract fails on it."""
    found_out(case, RepositoryError)


@pytest.mark.parametrize("case", SOUND, ids=str)
def test_the_sound_ones_pass_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
