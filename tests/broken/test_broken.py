"""Each broken adapter is failed by the contract that is there for it; the sound one passes."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest

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
from tests.broken import reads, sound, units, writes

Contract = Callable[..., None]

CASES: dict[Any, tuple[Contract, dict[str, Any]]] = {
    writes.ChangesItsArgument: (writing.test_no_argument_is_changed, {}),
    writes.CountsInPlace: (writing.test_a_change_of_what_was_returned_is_not_stored, {}),
    writes.HandsOutMutableDocuments: (repository.test_what_is_read_is_what_was_created, {}),
    writes.LastWriteWins: (writing.test_a_stale_writer_is_told_and_loses_nothing, {}),
    writes.IgnoresTheLifecycle: (writing.test_an_update_may_not_jump_in_the_lifecycle, {}),
    writes.OverwritesTheCount: (writing.test_an_update_leaves_what_the_store_maintains, {}),
    writes.PatchSkipsNone: (patching.test_a_patch_can_set_none, {}),
    writes.DeleteIgnoresTheRevision: (repository.test_a_stale_delete_is_refused, {}),
    writes.DeleteLeavesVersions: (
        flow_versions.test_what_belongs_to_a_flow_goes_with_it,
        {},
    ),
    writes.CreatesOneByOne: (
        repository.test_create_many_stores_none_if_one_is_taken,
        {"at": 2},
    ),
    writes.KeepsMicroseconds: (writing.test_an_update_is_stored_one_revision_on, {}),
    writes.KeepsNaiveTimes: (
        patching.test_modify_applies_the_change_and_returns_it_as_stored,
        {},
    ),
    writes.CountsByReadingThenWriting: (flow_races.test_no_use_is_lost, {}),
    writes.SwapsTheDefaultInTwoSteps: (
        flow_races.test_racing_defaults_leave_exactly_one,
        {},
    ),
    writes.EnforcesNothingUnique: (repository.test_a_taken_key_is_refused_and_named, {}),
    reads.OffsetBeforeOrder: (paging.test_a_page_is_cut_after_sorting_and_filtering, {}),
    reads.NullsFirst: (paging.test_nulls_come_last_in_either_direction, {}),
    reads.ComparesByUtf16: (paging.test_text_is_ordered_by_code_point, {}),
    reads.CursorsAreOffsets: (
        paging.test_entries_inserted_before_the_cursor_shift_nothing,
        {},
    ),
    reads.CountsEveryTenant: (isolation.test_another_tenants_entities_are_not_found, {}),
    reads.JoinsTenantNames: (
        isolation.test_tenants_whose_names_join_alike_are_strangers,
        {},
    ),
    reads.IgnoresUnknownFields: (
        criteria_forms.test_criteria_without_meaning_are_refused,
        {"document": {"no_such_field": 1}},
    ),
    reads.LikeTakesWildcards: (criteria.test_like_takes_its_text_literally, {"sign": "%"}),
    reads.NullDiffers: (criteria.test_a_comparison_with_null_is_false, {}),
    reads.FoldsByLower: (
        criteria.test_ilike_folds_all_of_unicode,
        {"stored": "Straße", "asked": "STRASSE"},
    ),
    units.KeepsWhatItRollsBack: (
        unit_of_work.test_an_exception_rolls_everything_back,
        {"kind": KeyError},
    ),
    units.ShowsWhatIsNotCommitted: (
        unit_of_work.test_nobody_sees_a_change_before_the_commit,
        {},
    ),
    units.ForgivesFailedWrites: (
        unit_of_work.test_a_write_that_fails_dooms_the_unit,
        {"fault": "a stale update"},
    ),
    units.ServesAfterTheEnd: (unit_of_work.test_an_ended_unit_refuses_everything, {}),
}


def run(adapter: Any, contract: Contract, arguments: dict[str, Any]) -> None:
    """The contract, on that adapter."""
    if "subject" in signature(contract).parameters:
        arguments = {**arguments, "subject": FLOWS}
    with sound.backend_of(adapter) as backend:
        contract(backend=backend, **arguments)


@pytest.mark.parametrize("adapter", CASES, ids=lambda adapter: adapter.__name__)
def test_a_broken_adapter_is_found_out(adapter: Any) -> None:
    """Its contract fails on it: by an assertion, or by an error that the store shouldn't raise."""
    contract, arguments = CASES[adapter]
    with pytest.raises((AssertionError, pytest.fail.Exception, RepositoryError)):
        run(adapter, contract, arguments)


@pytest.mark.parametrize("adapter", CASES, ids=lambda adapter: adapter.__name__)
def test_the_sound_adapter_passes_the_same_contract(adapter: Any) -> None:
    """So it is the fault that fails it."""
    contract, arguments = CASES[adapter]
    run(sound.Sound, contract, arguments)
