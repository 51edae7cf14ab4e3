"""Each broken adapter of flows' figures, or of executions to be counted, is failed by its contract;
the sound one passes it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from adapters.memory.flows import MemoryFlowRepository
from ports.contracts import flow_metric_keys, flow_projection, projecting
from ports.errors import EntityNotFoundError
from tests.broken import figure_adapters as broken
from tests.broken.finding_out import Case, found_out, on_the_sound

KEYS = [
    Case(
        broken.AddsAndThenKeeps,
        flow_metric_keys.test_whoever_repeats_it_at_the_same_time_it_is_added_once,
    ),
    Case(
        broken.KeepsAndThenAdds,
        flow_metric_keys.test_what_would_leave_its_bounds_leaves_no_key,
    ),
    Case(broken.LooksAtNoContent, flow_metric_keys.test_a_key_with_something_else_is_refused),
    Case(broken.LooksAtNoDay, flow_metric_keys.test_a_key_with_something_else_is_refused),
    Case(broken.RefusesTheWholeBatch, flow_metric_keys.test_several_are_added_each_once),
    Case(broken.FoldsKeys, flow_metric_keys.test_a_key_is_its_flows_and_its_tenants),
    Case(broken.KeysOutliveTheirFlow, flow_metric_keys.test_a_key_goes_with_its_flow),
]
_KILLED = flow_projection.test_who_is_killed_while_it_counts_loses_nothing_and_counts_nothing_twice


@attrs.frozen
class Projection:
    """What is broken, the contract that must find it out, and what that is given."""

    broken: type[broken.SoundProjection]
    contract: Callable[..., None]
    arguments: Mapping[str, Any] = attrs.field(factory=dict)

    def __str__(self) -> str:
        return "-".join([self.broken.__name__, self.contract.__name__, *self.arguments.values()])

    def run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The contract, on what is broken."""
        monkeypatch.setattr(projecting, "FlowProjector", self.broken.projector)
        with broken.projecting(self.broken) as backend:
            self.contract(backend=backend, **self.arguments)


COUNTING = [
    Projection(broken.MarksBeforeItAdds, _KILLED, {"step": "take"}),
    Projection(broken.MarksBeforeItAdds, _KILLED, {"step": "before"}),
    Projection(broken.AddsWithoutKeys, _KILLED, {"step": "after"}),
    Projection(broken.AddsWithoutKeys, _KILLED, {"step": "settle"}),
    Projection(broken.ForgetsWhatItTook, _KILLED, {"step": "take"}),
    Projection(
        broken.TakesWhatIsTaken,
        flow_projection.test_what_one_has_taken_is_not_anothers_for_a_while,
    ),
    Projection(
        broken.NeverSettles, flow_projection.test_what_one_has_taken_is_not_anothers_for_a_while
    ),
    Projection(
        broken.SettlesWhateverHasTheId,
        flow_projection.test_what_takes_the_place_of_one_that_went_is_counted,
    ),
    Projection(
        broken.StopsAtAFlowThatIsNotThere,
        flow_projection.test_one_whose_flow_is_not_there_hinders_no_other,
    ),
    Projection(
        broken.NeverGivesUp, flow_projection.test_one_whose_flow_is_not_there_hinders_no_other
    ),
    Projection(
        broken.GoesOnWhileMoreComes,
        flow_projection.test_who_counts_comes_to_an_end_though_more_is_recorded_all_the_time,
    ),
    Projection(
        broken.CountsInTheDayOfCounting,
        flow_projection.test_a_late_execution_is_counted_in_the_day_on_which_it_ended,
    ),
    Projection(
        broken.CountsWhatIsRestored, flow_projection.test_restored_executions_are_not_counted
    ),
    Projection(
        broken.CountsEverybodysUncounted,
        flow_projection.test_how_many_of_a_flows_are_uncounted_is_told,
    ),
]


@pytest.mark.parametrize("case", KEYS, ids=str)
def test_a_broken_adapter_of_figures_is_found_out(case: Case) -> None:
    """Its contract fails on it."""
    found_out(case, EntityNotFoundError)


@pytest.mark.parametrize("case", on_the_sound(MemoryFlowRepository, KEYS), ids=str)
def test_the_sound_adapter_of_figures_passes_the_same_contracts(case: Case) -> None:
    """So it is the fault that fails it."""
    case.run()


@pytest.mark.parametrize("case", COUNTING, ids=str)
def test_whoever_counts_wrongly_is_found_out(
    case: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its contract fails on it."""
    with pytest.raises((AssertionError, pytest.fail.Exception, EntityNotFoundError)):
        case.run(monkeypatch)


@pytest.mark.parametrize("case", COUNTING, ids=str)
def test_the_sound_one_passes_the_same_contracts(
    case: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is the fault that fails it."""
    attrs.evolve(case, broken=broken.SoundProjection).run(monkeypatch)
