"""Each broken store of experiments is failed by the contract that is there for it."""

import pytest

from adapters.memory import MemoryAuthoringStore
from ports.contracts import (
    belonging,
    experiment_assignments,
    experiment_outcomes,
    experiment_races,
)
from ports.errors import RepositoryError
from tests.broken import experiments
from tests.broken.finding_out import Case, found_out, on_the_sound

CASES = [
    Case(
        experiments.ChecksThenInserts,
        experiment_races.test_racing_first_assignments_of_a_unit_agree,
    ),
    Case(
        experiments.AssignsAnew,
        experiment_assignments.test_other_weights_move_nobody_who_was_assigned,
    ),
    Case(
        experiments.HashesWithoutTenant,
        experiment_assignments.test_a_unit_is_assigned_by_the_published_rule,
    ),
    Case(
        experiments.HashesWithoutExperiment,
        experiment_assignments.test_a_unit_is_assigned_by_the_published_rule,
    ),
    Case(
        experiments.TrafficPicksTheVariant,
        experiment_assignments.test_more_traffic_moves_nobody,
    ),
    Case(
        experiments.AssignsWhilePaused,
        experiment_assignments.test_only_a_running_experiment_assigns,
    ),
    Case(
        experiments.IgnoresTheTimes,
        experiment_assignments.test_an_experiment_assigns_between_its_times,
    ),
    Case(experiments.RecordsByReadingThenWriting, experiment_races.test_no_outcome_is_lost),
    Case(
        experiments.ForgetsKeys,
        experiment_outcomes.test_an_outcome_with_a_key_counts_once,
    ),
    Case(
        experiments.RatesOutcomes,
        experiment_outcomes.test_a_rate_is_of_units_and_never_above_one,
    ),
    Case(
        experiments.SumsFloats,
        experiment_outcomes.test_sums_are_exact,
        {"values": [1e15, 0.1, 1e-9]},
    ),
    Case(
        experiments.LeavesWhatBelongsToIt,
        experiment_assignments.test_what_belongs_to_an_experiment_goes_with_it,
        {"by": "delete"},
    ),
    Case(
        experiments.AddsToWhatIsGone,
        belonging.test_what_a_unit_adds_goes_with_what_another_deletes,
        {"what": "units of an experiment"},
    ),
    Case(
        experiments.AddsToWhatIsGone,
        belonging.test_what_is_added_while_a_unit_deletes_goes_with_it,
        {"what": "outcomes of an experiment"},
    ),
    Case(
        experiments.AddsToWhatIsGone,
        belonging.test_a_unit_deletes_no_more_than_it_sees,
        {"what": "units of an experiment"},
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
