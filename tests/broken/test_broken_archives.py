"""Each broken archive is failed by its contract; the sound one passes it."""

import pytest

from ports.contracts import hot_restoring, log_restoring, tenant_restoring, trail_restoring
from ports.contracts.harness import Group
from tests.broken import archive_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

AUTHORING = {"group": Group.AUTHORING}
CASES = [
    Case(
        broken.OverwritesWhatStands,
        tenant_restoring.test_what_another_stands_in_the_place_of_is_refused,
        AUTHORING,
    ),
    Case(
        broken.TakesWhateverStandsForTheSame,
        tenant_restoring.test_what_another_stands_in_the_place_of_is_refused,
        AUTHORING,
    ),
    Case(
        broken.StampsWhatItPutsBack,
        tenant_restoring.test_everything_of_a_tenant_comes_back_as_it_was,
        AUTHORING,
    ),
    Case(
        broken.ForgetsAKind,
        tenant_restoring.test_everything_of_a_tenant_comes_back_as_it_was,
        AUTHORING,
    ),
    Case(
        broken.PutsBackWhoWasErased, tenant_restoring.test_who_was_erased_isnt_put_back, AUTHORING
    ),
    Case(broken.RefusesAllForOne, tenant_restoring.test_who_was_erased_isnt_put_back, AUTHORING),
    Case(
        broken.TellsOfWhatItPutsBack,
        trail_restoring.test_putting_back_tells_nobody_and_writes_nothing_of_its_own,
    ),
    Case(
        broken.LeavesPositionsWhereTheyWere,
        trail_restoring.test_the_trail_goes_on_where_it_ended,
    ),
    Case(broken.NeverSealsWhatItPutsBack, trail_restoring.test_a_trail_verifies_as_it_did),
    Case(broken.PutsBackWhatWasPurged, trail_restoring.test_what_was_purged_since_stays_so),
    Case(broken.ReadsAsItGoes, trail_restoring.test_what_is_read_is_of_one_moment),
    Case(broken.BeginsTheirTimeAnew, hot_restoring.test_expiry_goes_on),
    Case(broken.ListsThemForNobody, hot_restoring.test_a_session_that_was_put_back_goes_on),
    Case(broken.RevivesTheExpired, hot_restoring.test_what_has_expired_since_is_passed_over),
    Case(broken.ForgetsWhatWasntSynchronised, hot_restoring.test_a_life_and_a_note_come_back),
    Case(
        broken.ReadsMessagesAfterwards,
        log_restoring.test_messages_are_read_up_to_where_their_conversation_stood,
    ),
    Case(broken.SaysNothingOfGaps, log_restoring.test_what_comes_after_a_gap_is_refused),
]


_SOUND = [
    sound
    for store in (broken.Authoring, broken.Dialogue, broken.Runtime)
    for sound in on_the_sound(store, [case for case in CASES if issubclass(case.broken, store)])
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_archive_is_found_out(case: Case) -> None:
    """Its contract fails on it."""
    found_out(case)


@pytest.mark.parametrize("case", _SOUND, ids=str)
def test_the_sound_archive_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
