"""Each runtime store with broken tenants or maintenance is failed; the sound one passes."""

import pytest

from ports.contracts import runtime_isolation, runtime_maintenance
from ports.contracts.runtime_uses import USES
from ports.errors import RepositoryError
from tests.broken import runtime_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

_JOINED = runtime_isolation.test_tenants_and_names_that_join_alike_are_strangers
_ERASED = runtime_maintenance.test_an_erased_tenant_is_gone_from_every_port
_NAMED = runtime_maintenance.test_every_tenant_with_something_is_named_once_and_in_order

CASES = [
    *(Case(broken.FoldsTenants, _JOINED, {"use": use}) for use in USES),
    *(Case(broken.JoinsByColons, _JOINED, {"use": use}) for use in USES),
    Case(
        broken.JoinsByColons,
        runtime_isolation.test_what_is_left_is_found_under_its_own_tenant_and_name_only,
    ),
    Case(
        broken.FoldsTenants,
        runtime_isolation.test_a_cache_that_is_cleared_is_the_cache_alone_and_one_tenants,
    ),
    Case(broken.NamesWhoeverCame, _NAMED),
    Case(
        broken.NamesWhoeverCame,
        runtime_maintenance.test_a_tenant_all_of_whose_things_expired_is_none,
        {"use": USES[0]},
    ),
    *(
        Case(
            broken.KeepsListsForWhatWent,
            runtime_maintenance.test_a_session_that_went_early_leaves_no_tenant_behind,
            {"way": way},
        )
        for way in ("deleted", "logged out", "looked for", "shortened", "rotated")
    ),
    Case(broken.NamesInOrderOfArrival, _NAMED),
    Case(broken.ErasesByPrefix, _ERASED),
    Case(broken.ErasesByPattern, runtime_maintenance.test_no_pattern_is_taken_for_tenants),
    Case(broken.SparesTheCache, _ERASED),
    Case(broken.SparesLocks, _ERASED),
    Case(
        broken.SparesLocks,
        runtime_maintenance.test_who_holds_a_lock_of_an_erased_tenant_has_lost_it,
    ),
    Case(
        broken.CountsWhatHasExpired,
        runtime_maintenance.test_what_has_expired_is_not_counted_as_erased,
    ),
    Case(broken.CountsEverything, _ERASED),
    Case(
        broken.CountsEverything,
        runtime_maintenance.test_an_erasure_goes_in_batches_and_counts_each_thing_once,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_adapter_is_found_out(case: Case) -> None:
    """By an assertion, or by an error that the store shouldn't raise."""
    found_out(case, RepositoryError)


@pytest.mark.parametrize("case", on_the_sound(broken.SoundStore, CASES), ids=str)
def test_the_sound_adapter_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
