"""Each broken adapter of locks is failed by its contract; the sound one passes the same."""

from collections.abc import Callable

import pytest

from ports.contracts import lock_losses, lock_races, locks
from ports.errors import RepositoryError
from tests.broken import lock_adapters as broken

Contract = Callable[..., None]

CASES: dict[type[broken.SoundLocks], Contract] = {
    broken.ChecksThenTakes: lock_races.test_of_many_contenders_one_holds_at_a_time,
    broken.ReleasesWhoevers: lock_losses.test_a_late_release_does_not_release_what_is_anothers,
    broken.RenewsWhoevers: (
        lock_losses.test_a_lease_that_lapsed_goes_to_the_next_and_interrupts_its_holder
    ),
    broken.LocksForAllTenants: locks.test_locks_of_other_names_and_tenants_are_others,
    broken.CountsFromOne: locks.test_fencing_tokens_grow,
    broken.TakesTheTime: locks.test_fencing_tokens_grow,
    broken.NeverRenews: lock_losses.test_a_lease_is_renewed_for_as_long_as_its_block_runs,
    broken.TellsNobodyAtARenewal: lock_losses.test_erasing_a_tenant_takes_its_locks_away,
    broken.TellsNobodyAtTheRelease: lock_losses.test_a_block_that_ends_by_itself_is_told_too,
    broken.LetsTheBlockGoOn: lock_losses.test_holdings_timeouts_and_groups_nest,
    broken.LivesForEver: lock_losses.test_a_dead_holders_lock_is_taken_over,
    broken.CallsNobody: lock_races.test_those_who_wait_get_it_in_the_order_of_their_arrival,
    broken.TakesWhateverIsFree: lock_races.test_who_had_it_does_not_get_it_again_before_others,
    broken.ServesTheLatest: lock_races.test_those_who_wait_get_it_in_the_order_of_their_arrival,
    broken.StaysInLine: locks.test_who_waited_in_vain_leaves_no_place_in_the_line,
    broken.WaitsForTheDead: lock_races.test_one_who_died_in_the_line_is_passed_over,
    broken.ForgetsWhatItAskedFor: (
        lock_races.test_a_holding_cancelled_anywhere_leaves_nothing_locked
    ),
}

FAILURES = (AssertionError, pytest.fail.Exception, RepositoryError, TimeoutError, ExceptionGroup)


def run(adapter: type[broken.SoundLocks], contract: Contract) -> None:
    """The contract, on that adapter."""
    with broken.backend_of(adapter) as backend:
        contract(backend=backend)


@pytest.mark.parametrize("adapter", CASES, ids=lambda adapter: adapter.__name__)
def test_a_broken_adapter_is_found_out(adapter: type[broken.SoundLocks]) -> None:
    """Its contract fails on it, and within seconds: nobody waits for ever."""
    with pytest.raises(FAILURES):
        run(adapter, CASES[adapter])


@pytest.mark.parametrize(
    "contract", dict.fromkeys(CASES.values()), ids=lambda contract: contract.__name__
)
def test_the_sound_adapter_passes_the_same_contracts(contract: Contract) -> None:
    """So it is the fault that fails it."""
    run(broken.SoundLocks, contract)
