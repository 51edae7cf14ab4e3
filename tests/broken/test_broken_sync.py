"""Each broken adapter of tracked execution states is failed by its contract; the sound one passes
the same. And so is the composition, with one of its rules taken out.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from ports import synchronisation
from ports.contracts import execution_restoring, execution_sync, execution_workers
from ports.errors import RepositoryError
from tests.broken import sync_adapters as broken

Contract = Callable[..., None]


@attrs.frozen
class Case:
    """What is broken, the contract that must find it out, and what that is given."""

    broken: type[broken.SoundTracking]
    contract: Contract
    arguments: Mapping[str, Any] = attrs.field(factory=dict)

    def __str__(self) -> str:
        return f"{self.broken.__name__}-{self.contract.__name__.removeprefix('test_')}"

    def run(self) -> None:
        """The contract, on what is broken."""
        with broken.backend_of(self.broken) as backend:
            self.contract(backend=backend, **self.arguments)


CASES = [
    Case(
        broken.RestoresOver,
        execution_restoring.test_who_is_held_up_while_it_restores_replaces_nothing,
        {"step": "revive"},
    ),
    Case(
        broken.RestoresForAWholeLife,
        execution_restoring.test_a_restored_state_keeps_its_remaining_time,
    ),
    Case(
        broken.RestoresForAWholeLife,
        execution_restoring.test_who_is_held_up_while_it_restores_restores_nothing_that_expired,
    ),
    Case(broken.RestoresNoTokens, execution_restoring.test_fencing_tokens_come_back),
    Case(
        broken.DigsUp,
        execution_restoring.test_who_is_held_up_while_it_restores_does_not_undo_a_deletion,
        {"step": "revive"},
    ),
    Case(
        broken.NeverLifts,
        execution_restoring.test_who_dies_while_it_restores_stands_in_nobodys_way,
    ),
    Case(broken.ForgetsNotes, execution_workers.test_every_change_leaves_a_note, {"way": "patch"}),
    Case(
        broken.NotesNoDeletion,
        execution_workers.test_a_deletion_that_was_not_brought_to_its_end_is,
    ),
    Case(
        broken.NotesExpireWithTheState,
        execution_restoring.test_an_earlier_revision_that_would_have_lived_longer_does_not_come_back,
    ),
    Case(
        broken.CountsWhatIsDue,
        execution_workers.test_how_much_waits_is_told_and_since_when,
    ),
    Case(
        broken.SettlesWhateverThereIs,
        execution_sync.test_a_change_while_it_is_written_stays_noted,
    ),
    Case(
        broken.LivesBeginAtATime,
        execution_sync.test_who_was_held_up_writes_nothing_of_a_former_life,
    ),
    Case(broken.SweepsNothing, execution_workers.test_a_hint_that_was_lost_is_made_again),
    Case(broken.ForgetsThePause, execution_workers.test_what_is_put_back_is_due_after_a_while),
]
WITHOUT: list[tuple[str, object, Contract]] = [
    (
        "_later",
        lambda mark, kept: True,
        execution_sync.test_who_was_held_up_overwrites_nothing_newer,
    ),
    (
        "_later",
        lambda mark, kept: kept is None or mark.revision > kept.revision,
        execution_sync.test_who_was_held_up_writes_nothing_of_a_former_life,
    ),
    (
        "_ended",
        lambda context, seen: context,
        execution_restoring.test_a_deleted_state_does_not_come_back,
    ),
    ("CLAIMED", 1, execution_restoring.test_who_holds_a_state_from_before_is_told),
    (
        "_was_reset",
        lambda mark, kept: False,
        execution_sync.test_a_reset_context_is_not_restored_from,
    ),
]
"""A name in `ports.synchronisation`, what takes its place, and what must find it out."""

FAILURES = (AssertionError, pytest.fail.Exception, RepositoryError)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_adapter_is_found_out(case: Case) -> None:
    """Its contract fails on it."""
    with pytest.raises(FAILURES):
        case.run()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_sound_adapter_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    attrs.evolve(case, broken=broken.SoundTracking).run()


@pytest.mark.parametrize(
    ("name", "instead", "contract"), WITHOUT, ids=lambda part: getattr(part, "__name__", None)
)
def test_no_rule_of_the_composition_can_be_left_out(
    name: str, instead: object, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the stores are."""
    monkeypatch.setattr(synchronisation, name, instead)
    with pytest.raises(FAILURES):
        Case(broken.SoundTracking, contract).run()
