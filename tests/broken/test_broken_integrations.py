"""Each broken repository of integrations is failed by the contract that is there for it."""

import pytest

from adapters.memory.integrations import MemoryIntegrationRepository
from domain.errors import ValidationError
from ports.contracts import credentials, integration_calls, integration_races, integrations
from ports.errors import RepositoryError
from tests.broken import integrations as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

CASES = [
    Case(broken.CountsCallsByReadingThenWriting, integration_races.test_no_call_is_lost),
    Case(
        broken.JudgesHealthApart,
        integration_races.test_a_change_of_health_is_told_by_one_of_many,
    ),
    Case(
        broken.LogsApart,
        integration_races.test_a_call_cancelled_anywhere_is_recorded_whole_or_not_at_all,
    ),
    Case(broken.ForgetsWhatSucceeded, integration_calls.test_a_call_is_counted_and_logged),
    Case(broken.TellsOfEveryCall, integration_calls.test_health_follows_the_calls),
    Case(broken.HealsByCounting, integration_calls.test_a_failure_makes_nothing_better),
    Case(broken.MovesTimesBack, integration_calls.test_a_late_report_moves_no_time_back),
    Case(broken.RaisesTheRevisionByCalls, integration_calls.test_a_call_is_counted_and_logged),
    Case(broken.LeavesTheLog, integrations.test_what_belongs_to_an_integration_goes_with_it),
    Case(broken.PurgesInclusively, integration_calls.test_old_calls_are_purged),
    Case(broken.KeepsWhatErrorsSay, credentials.test_nothing_shows_a_secret),
    Case(broken.ShowsCredentials, credentials.test_nothing_shows_a_secret),
    Case(broken.OpensWhatItReads, credentials.test_reading_opens_nothing),
    Case(broken.SealsForNobody, credentials.test_a_token_is_bound_to_whose_it_is),
    Case(
        broken.SealsAnewAsAChange,
        credentials.test_credentials_are_encrypted_anew_under_another_key,
    ),
    Case(
        broken.OverwritesWithOldCredentials,
        integration_races.test_keys_that_change_overwrite_nobodys_credentials,
    ),
    Case(broken.EndsWithTheFirstBatch, credentials.test_more_than_a_batch_is_encrypted_anew),
    Case(broken.TellsOfNewKeys, credentials.test_the_trail_tells_of_no_new_key),
    Case(
        broken.WantsRoomForFailures,
        integration_calls.test_a_success_needs_no_room_for_failures,
        {"full": "failure_count"},
    ),
    Case(broken.GivesUpAtALostKey, credentials.test_what_is_under_a_retired_key_is_not_shown),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_repository_is_found_out(case: Case) -> None:
    """Its contract fails on it: by an assertion, or by an error that the store shouldn't raise."""
    found_out(case, RepositoryError, TypeError, ValidationError)


@pytest.mark.parametrize("case", on_the_sound(MemoryIntegrationRepository, CASES), ids=str)
def test_the_sound_repository_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
