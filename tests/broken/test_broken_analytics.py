"""Each broken adapter of analytics events is failed by its contract; the sound one passes it."""

import pytest

from domain.metric_queries import Granularity
from ports.contracts import (
    analytics,
    analytics_calendar,
    analytics_maintenance,
    analytics_queries,
)
from tests.broken import analytics_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

CASES = [
    Case(
        broken.TakesTheLast,
        analytics.test_what_is_recorded_again_changes_nothing_and_is_told,
    ),
    Case(
        broken.SaysNothingOfWhatIsKnown,
        analytics.test_whoever_records_one_event_at_the_same_time_it_counts_once,
    ),
    Case(
        broken.CountsWhatItWasGivenTwice,
        analytics.test_what_is_recorded_again_changes_nothing_and_is_told,
    ),
    Case(
        broken.RecordsBeforeItChecks, analytics.test_what_is_wrong_is_refused_and_nothing_recorded
    ),
    Case(broken.ShowsWhatHasExpired, analytics.test_what_has_expired_is_absent_from_everything),
    Case(broken.DeletesOfWhoeverIsCalledAlike, analytics.test_a_users_events_can_be_deleted),
    Case(broken.JoinsTenants, analytics.test_tenants_whose_names_join_alike_count_apart),
    Case(broken.CountsTheEnd, analytics_calendar.test_only_what_lies_in_the_range_is_counted),
    Case(
        broken.CountsWithoutTheMeasure,
        analytics_queries.test_with_a_measure_only_events_that_have_it_are_looked_at,
    ),
    Case(broken.Interpolates, analytics_queries.test_percentiles_are_by_nearest_rank),
    Case(broken.RanksFromBelow, analytics_queries.test_percentiles_are_by_nearest_rank),
    Case(
        broken.AddsFloats,
        analytics_queries.test_figures_of_any_numbers_are_what_they_are_defined_to_be,
    ),
    Case(broken.LeavesOutThoseWithout, analytics_queries.test_groups_come_in_order),
    Case(broken.CutsWhatIsTooLong, analytics_queries.test_too_many_groups_are_refused),
    Case(broken.ReadsNamesAsPaths, analytics_queries.test_names_and_values_are_taken_to_the_letter),
    Case(broken.FiltersByOneValue, analytics_queries.test_names_and_values_are_taken_to_the_letter),
    Case(
        broken.BucketsInUtc,
        analytics_calendar.test_weeks_begin_on_monday_and_months_on_the_first,
    ),
    Case(broken.BucketsInUtc, analytics_queries.test_any_query_answers_what_the_events_say),
    Case(
        broken.BucketsByWhatTheClocksShow,
        analytics_calendar.test_every_bucket_begins_where_the_clocks_say,
        {"unit": Granularity.HOUR},
    ),
    Case(
        broken.BucketsOfEqualLength,
        analytics_calendar.test_days_have_as_many_hours_as_the_clocks_make_of_them,
    ),
    Case(
        broken.PurgesTheTimeItself,
        analytics_maintenance.test_what_happened_before_a_time_is_purged,
    ),
    Case(
        broken.NamesWhoeverCame,
        analytics_maintenance.test_every_tenant_with_events_is_named_once_and_in_order,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_broken_adapter_is_found_out(case: Case) -> None:
    """Its contract fails on it."""
    found_out(case)


@pytest.mark.parametrize("case", on_the_sound(broken.SoundAnalytics, CASES), ids=str)
def test_the_sound_adapter_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()
