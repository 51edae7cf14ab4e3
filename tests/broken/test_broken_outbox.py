"""Each broken outbox is failed by the contract that is there for it; the sound one passes."""

import pytest

from adapters.memory import MemoryAuthoringStore
from ports.contracts import outbox, outbox_delivery
from tests.broken import outbox_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

CASES = [
    Case(broken.MarksBeforeItPublishes, outbox_delivery.test_what_was_refused_comes_again_later),
    Case(broken.MarksBeforeItPublishes, outbox_delivery.test_what_was_cut_off_comes_again),
    Case(
        broken.TakesWithoutALock,
        outbox_delivery.test_what_one_dispatcher_delivers_no_other_does,
    ),
    Case(
        broken.TakesWithoutALock,
        outbox_delivery.test_dispatchers_share_the_work_of_racing_writers,
    ),
    Case(broken.HasACursorByPosition, outbox_delivery.test_who_commits_late_is_told_all_the_same),
    Case(broken.StopsAtAFailure, outbox_delivery.test_nothing_overtakes_what_was_refused),
    Case(broken.PutsOffOneEventAlone, outbox_delivery.test_nothing_overtakes_what_was_refused),
    Case(
        broken.KeepsWhatNobodyWantsAnyMore,
        outbox.test_who_unsubscribes_is_forgotten_with_what_waits,
    ),
    Case(broken.WritesEventsBesideTheUnit, outbox.test_a_unit_is_told_with_its_commit),
    Case(broken.WritesEventsBesideTheUnit, outbox.test_what_was_rolled_back_is_not_told),
    Case(broken.KeepsWhatIsErased, outbox.test_an_erased_tenants_events_are_gone),
]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What doesn't come is not waited for as long as with a server."""
    monkeypatch.setattr("ports.contracts.outbox_takers.PATIENCE", 1.0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_outbox_is_found_out(case: Case) -> None:
    """Its contract fails on it, by an assertion."""
    found_out(case)


@pytest.mark.parametrize("case", on_the_sound(MemoryAuthoringStore, CASES), ids=str)
def test_the_sound_outbox_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
