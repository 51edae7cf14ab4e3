"""Each broken adapter is failed by the contract that is there for it; the sound one passes."""

import pytest

from adapters.memory import MemoryAuthoringStore
from ports.contracts import (
    criteria,
    criteria_forms,
    flow_races,
    flow_versions,
    isolation,
    paging,
    patching,
    repository,
    unit_of_work,
    writing,
)
from ports.contracts.subjects import FLOWS
from ports.errors import RepositoryError
from tests.broken import reads, units, writes
from tests.broken.finding_out import Case, found_out, on_the_sound

CASES = [
    Case(writes.ChangesItsArgument, writing.test_no_argument_is_changed, {"subject": FLOWS}),
    Case(
        writes.CountsInPlace,
        writing.test_a_change_of_what_was_returned_is_not_stored,
        {"subject": FLOWS},
    ),
    Case(
        writes.HandsOutMutableDocuments,
        repository.test_what_is_read_is_what_was_created,
        {"subject": FLOWS},
    ),
    Case(
        writes.LastWriteWins,
        writing.test_a_stale_writer_is_told_and_loses_nothing,
        {"subject": FLOWS},
    ),
    Case(
        writes.IgnoresTheLifecycle,
        writing.test_an_update_may_not_jump_in_the_lifecycle,
        {"subject": FLOWS},
    ),
    Case(
        writes.OverwritesTheCount,
        writing.test_an_update_leaves_what_the_store_maintains,
        {"subject": FLOWS},
    ),
    Case(writes.PatchSkipsNone, patching.test_a_patch_can_set_none, {"subject": FLOWS}),
    Case(
        writes.DeleteIgnoresTheRevision,
        repository.test_a_stale_delete_is_refused,
        {"subject": FLOWS},
    ),
    Case(writes.DeleteLeavesVersions, flow_versions.test_what_belongs_to_a_flow_goes_with_it),
    Case(
        writes.CreatesOneByOne,
        repository.test_create_many_stores_none_if_one_is_taken,
        {"at": 2, "subject": FLOWS},
    ),
    Case(
        writes.KeepsMicroseconds,
        writing.test_an_update_is_stored_one_revision_on,
        {"subject": FLOWS},
    ),
    Case(
        writes.KeepsNaiveTimes,
        patching.test_modify_applies_the_change_and_returns_it_as_stored,
        {"subject": FLOWS},
    ),
    Case(writes.CountsByReadingThenWriting, flow_races.test_no_use_is_lost),
    Case(writes.SwapsTheDefaultInTwoSteps, flow_races.test_racing_defaults_leave_exactly_one),
    Case(
        writes.EnforcesNothingUnique,
        repository.test_a_taken_key_is_refused_and_named,
        {"subject": FLOWS},
    ),
    Case(
        reads.OffsetBeforeOrder,
        paging.test_a_page_is_cut_after_sorting_and_filtering,
        {"subject": FLOWS},
    ),
    Case(reads.NullsFirst, paging.test_nulls_come_last_in_either_direction, {"subject": FLOWS}),
    Case(reads.ComparesByUtf16, paging.test_text_is_ordered_by_code_point, {"subject": FLOWS}),
    Case(
        reads.CursorsAreOffsets,
        paging.test_entries_inserted_before_the_cursor_shift_nothing,
        {"subject": FLOWS},
    ),
    Case(
        reads.CountsEveryTenant,
        isolation.test_another_tenants_entities_are_not_found,
        {"subject": FLOWS},
    ),
    Case(
        reads.JoinsTenantNames,
        isolation.test_tenants_whose_names_join_alike_are_strangers,
        {"subject": FLOWS},
    ),
    Case(
        reads.IgnoresUnknownFields,
        criteria_forms.test_criteria_without_meaning_are_refused,
        {"document": {"no_such_field": 1}, "subject": FLOWS},
    ),
    Case(
        reads.LikeTakesWildcards,
        criteria.test_like_takes_its_text_literally,
        {"sign": "%", "subject": FLOWS},
    ),
    Case(reads.NullDiffers, criteria.test_a_comparison_with_null_is_false, {"subject": FLOWS}),
    Case(
        reads.FoldsByLower,
        criteria.test_ilike_folds_all_of_unicode,
        {"stored": "Straße", "asked": "STRASSE", "subject": FLOWS},
    ),
    Case(
        units.KeepsWhatItRollsBack,
        unit_of_work.test_an_exception_rolls_everything_back,
        {"kind": KeyError, "subject": FLOWS},
    ),
    Case(
        units.ShowsWhatIsNotCommitted,
        unit_of_work.test_nobody_sees_a_change_before_the_commit,
        {"subject": FLOWS},
    ),
    Case(
        units.ForgivesFailedWrites,
        unit_of_work.test_a_write_that_fails_dooms_the_unit,
        {"fault": "a stale update", "subject": FLOWS},
    ),
    Case(
        units.ServesAfterTheEnd,
        unit_of_work.test_an_ended_unit_refuses_everything,
        {"subject": FLOWS},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_adapter_is_found_out(case: Case) -> None:
    """Its contract fails on it: by an assertion, or by an error that the store shouldn't raise."""
    found_out(case, RepositoryError)


@pytest.mark.parametrize("case", on_the_sound(MemoryAuthoringStore, CASES), ids=str)
def test_the_sound_adapter_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
