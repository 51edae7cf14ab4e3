"""Each broken adapter of locks is failed by its contract; the sound one passes the same."""

import pytest

from ports.contracts import lock_losses, lock_races, locks
from ports.errors import RepositoryError
from tests.broken import lock_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

CASES = [
    Case(broken.ChecksThenTakes, lock_races.test_of_many_contenders_one_holds_at_a_time),
    Case(
        broken.ReleasesWhoevers, lock_losses.test_a_late_release_does_not_release_what_is_anothers
    ),
    Case(
        broken.RenewsWhoevers,
        lock_losses.test_a_lease_that_lapsed_goes_to_the_next_and_interrupts_its_holder,
    ),
    Case(broken.LocksForAllTenants, locks.test_locks_of_other_names_and_tenants_are_others),
    Case(broken.CountsFromOne, locks.test_fencing_tokens_grow),
    Case(broken.TakesTheTime, locks.test_fencing_tokens_grow),
    Case(broken.NeverRenews, lock_losses.test_a_lease_is_renewed_for_as_long_as_its_block_runs),
    Case(broken.TellsNobodyAtARenewal, lock_losses.test_erasing_a_tenant_takes_its_locks_away),
    Case(broken.TellsNobodyAtTheRelease, lock_losses.test_a_block_that_ends_by_itself_is_told_too),
    Case(broken.LetsTheBlockGoOn, lock_losses.test_holdings_timeouts_and_groups_nest),
    Case(broken.LivesForEver, lock_losses.test_a_dead_holders_lock_is_taken_over),
    Case(broken.CallsNobody, lock_races.test_those_who_wait_get_it_in_the_order_of_their_arrival),
    Case(
        broken.TakesWhateverIsFree, lock_races.test_who_had_it_does_not_get_it_again_before_others
    ),
    Case(
        broken.ServesTheLatest, lock_races.test_those_who_wait_get_it_in_the_order_of_their_arrival
    ),
    Case(broken.StaysInLine, locks.test_who_waited_in_vain_leaves_no_place_in_the_line),
    Case(broken.WaitsForTheDead, lock_races.test_one_who_died_in_the_line_is_passed_over),
    Case(
        broken.ForgetsWhatItAskedFor,
        lock_races.test_a_holding_cancelled_anywhere_leaves_nothing_locked,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_adapter_is_found_out(case: Case) -> None:
    """Its contract fails on it, and within seconds: nobody waits for ever."""
    found_out(case, RepositoryError, TimeoutError)


@pytest.mark.parametrize("case", on_the_sound(broken.SoundLocks, CASES), ids=str)
def test_the_sound_adapter_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
