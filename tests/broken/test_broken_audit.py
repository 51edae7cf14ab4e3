"""Each broken audit trail is failed by the contract that is there for it; the sound one passes."""

import pytest

from adapters.memory import MemoryAuthoringStore
from ports.contracts import audit, audit_chain, audit_reading, audit_tampering
from ports.contracts.subjects import FLOWS, INTEGRATIONS
from ports.errors import RepositoryError
from tests.broken import audit_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

FLOW = {"authored": FLOWS}
CASES = [
    Case(
        broken.WritesTheTrailApart,
        audit.test_what_is_rolled_back_leaves_no_entry,
        {**FLOW, "write": "update"},
    ),
    Case(
        broken.WritesTheTrailApart,
        audit.test_a_unit_writes_the_trail_with_its_changes,
        {**FLOW, "write": "create"},
    ),
    Case(broken.WritesTheTrailFirst, audit.test_what_changes_nothing_leaves_no_entry, FLOW),
    Case(
        broken.TellsOfTheFirstAlone,
        audit.test_every_changed_entity_has_one_entry,
        {**FLOW, "write": "update_where"},
    ),
    Case(
        broken.TellsOfTheNewDefaultAlone, audit_reading.test_both_flows_of_a_swap_have_their_entry
    ),
    Case(broken.TellsWhatTheCallerHeld, audit.test_what_was_before_is_what_the_store_held, FLOW),
    Case(broken.TellsOfEachUse, audit.test_what_changes_nothing_leaves_no_entry, FLOW),
    Case(
        broken.SkipsWhatChangedNoField,
        audit.test_a_write_that_changes_no_field_is_told_all_the_same,
        FLOW,
    ),
    Case(
        broken.ShowsSecrets,
        audit.test_the_trail_tells_what_was_before_and_after,
        {"authored": INTEGRATIONS},
    ),
    Case(
        broken.ForgetsWhoActsInUnits,
        audit.test_a_unit_writes_the_trail_with_its_changes,
        {**FLOW, "write": "create"},
    ),
    Case(broken.ErasesAllButTheTrail, audit.test_an_erased_tenants_trail_is_gone, FLOW),
    Case(
        broken.SealsInStepWithOthers,
        audit_chain.test_writers_and_sealers_at_once_leave_one_chain,
    ),
    Case(broken.SealsInAnyOrder, audit_chain.test_an_entry_is_sealed_once),
    Case(
        broken.HasNoHeadOfItsOwn,
        audit_tampering.test_a_removed_entry_is_missed,
        {"place": audit_tampering.LENGTH},
    ),
    Case(
        broken.LeavesTheChangesOutOfTheDigest,
        audit_chain.test_an_entry_is_sealed_once,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_trail_is_found_out(case: Case) -> None:
    """Its contract fails on it: by an assertion, or by an error that the store shouldn't raise."""
    found_out(case, RepositoryError)


@pytest.mark.parametrize("case", on_the_sound(MemoryAuthoringStore, CASES), ids=str)
def test_the_sound_trail_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
