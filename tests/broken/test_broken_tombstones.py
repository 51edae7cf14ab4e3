"""Each gate and tombstone with a fault is failed by what is there for it; the sound ones pass."""

import pytest

from adapters.memory import MemoryAuthoringStore, MemoryDialogueStore
from ports.contracts import late_writes, tombstones
from ports.contracts.groups import Group
from ports.errors import RepositoryError
from ports.view import ViewGate
from tests.broken import tombstones as broken
from tests.broken.finding_out import Case, found_out, on_the_sound
from tests.gate.test_view import Looking, closed_when_nobody_answers, waited_for_when_too_old

_AUTHORING, _DIALOGUE = {"group": Group.AUTHORING}, {"group": Group.DIALOGUE}
_TENANT = {**_AUTHORING, "user": None}

AUTHORING = [
    Case(
        broken.ForgetsToAskForDefaults,
        late_writes.test_who_was_erased_is_written_of_no_more,
        _TENANT,
    ),
    Case(broken.NeverLooksAgain, late_writes.test_who_was_erased_is_written_of_no_more, _TENANT),
]
DIALOGUE = [
    Case(
        broken.ForgetsTheUser,
        late_writes.test_who_was_erased_is_written_of_no_more,
        {**_DIALOGUE, "user": late_writes.ADA},
    ),
    Case(
        broken.ForgetsToConfirm,
        late_writes.test_a_unit_that_wrote_before_the_burial_is_not_committed,
        {**_DIALOGUE, "user": None},
    ),
    Case(
        broken.NeverAdmitsAgain,
        late_writes.test_until_has_passed_and_they_are_written_of_again,
        {**_DIALOGUE, "user": None},
    ),
    Case(
        broken.ForgetsTheTenant,
        tombstones.test_who_was_buried_is_found_by_name_alone,
        _DIALOGUE,
    ),
    Case(broken.BuriesAnew, tombstones.test_one_that_stands_stays_as_it_is, _DIALOGUE),
    Case(broken.NotesByReadingThenWriting, tombstones.test_what_several_note_adds_up, _DIALOGUE),
    Case(
        broken.RemembersWhoWasErased,
        tombstones.test_a_user_is_forgotten_when_the_erasure_is_finished,
        _DIALOGUE,
    ),
    Case(broken.ErasesTheTombstone, tombstones.test_an_erasure_leaves_the_tombstones, _DIALOGUE),
]
GATES = [
    (broken.OpensOnFailure, closed_when_nobody_answers),
    (broken.GoesByWhatItHas, waited_for_when_too_old),
]


@pytest.mark.parametrize("case", [*AUTHORING, *DIALOGUE], ids=str)
def test_a_broken_store_is_found_out(case: Case) -> None:
    """By an assertion, or an error that it shouldn't come to."""
    found_out(case, RepositoryError)


@pytest.mark.parametrize(
    "case",
    [*on_the_sound(MemoryAuthoringStore, AUTHORING), *on_the_sound(MemoryDialogueStore, DIALOGUE)],
    ids=str,
)
def test_the_sound_store_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()


@pytest.mark.parametrize(("kind", "looking"), GATES)
def test_a_broken_gate_is_found_out(kind: type[ViewGate], looking: Looking) -> None:
    """And the sound one passes."""
    looking(ViewGate)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        looking(kind)
