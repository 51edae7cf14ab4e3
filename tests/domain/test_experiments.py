"""Experiments by themselves: what is admitted, how they live, and what their sums say."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import attrs
import pytest

from domain.errors import TransitionNotAllowedError, ValidationError
from domain.experiment_results import ExperimentOutcome
from domain.experiments import (
    EXPERIMENT_LIFECYCLE,
    Experiment,
    ExperimentStatus,
    Variant,
)
from domain.identity import TenantId

_S = ExperimentStatus
AT = datetime(2026, 3, 29, 0, 59, 59, 123_000, tzinfo=UTC)
CONTROL = Variant(name="control", weight=5_000, is_control=True)
OTHER = Variant(name="other", weight=5_000)


def experiment(**fields: Any) -> Experiment:
    """One that a store has given the rest."""
    draft = Experiment.draft(**{"name": "greeting", "variants": (CONTROL, OTHER), **fields})
    return draft.assigned(tenant=TenantId("acme"), new_id=UUID(int=1), at=AT)


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({"variants": ()}, {"variants"}),
        ({"variants": (attrs.evolve(CONTROL, weight=10_000),)}, {"variants"}),
        ({"variants": (CONTROL, attrs.evolve(OTHER, name="control"))}, {"variants"}),
        ({"variants": (CONTROL, attrs.evolve(OTHER, weight=4_999))}, {"variants"}),
        ({"variants": (CONTROL, attrs.evolve(OTHER, is_control=True))}, {"variants"}),
        ({"variants": (attrs.evolve(CONTROL, is_control=False), OTHER)}, {"variants"}),
        ({"variants": (CONTROL, "other")}, {"variants[1]"}),
        ({"metrics": ("a", "a")}, {"metrics"}),
        ({"metrics": ("a", "")}, {"metrics[1]"}),
        ({"starts_at": AT, "ends_at": AT - timedelta(seconds=1)}, {"ends_at"}),
        ({"traffic_share": 1.1}, {"traffic_share"}),
        ({"name": "", "salt": "s" * 101}, {"name", "salt"}),
    ],
)
def test_what_makes_no_experiment_is_refused(fields: dict[str, Any], faulty: set[str]) -> None:
    """And each faulty field is named."""
    with pytest.raises(ValidationError) as caught:
        experiment(**fields)
    assert {fault.path for fault in caught.value.faults} == faulty


def test_the_lifecycle_is_the_documented_one() -> None:
    """Nothing follows what is over."""
    table = {status: set(EXPERIMENT_LIFECYCLE.table[status]) for status in _S}
    assert table == {
        _S.DRAFT: {_S.RUNNING, _S.CANCELLED},
        _S.RUNNING: {_S.PAUSED, _S.COMPLETED, _S.CANCELLED},
        _S.PAUSED: {_S.RUNNING, _S.COMPLETED, _S.CANCELLED},
        _S.COMPLETED: set(),
        _S.CANCELLED: set(),
    }
    assert [status for status in _S if status.is_over] == [_S.COMPLETED, _S.CANCELLED]


@pytest.mark.parametrize(
    "again",
    [
        lambda it: it.pause().pause(),
        lambda it: it.complete(at=AT).complete(at=AT),
        lambda it: it.cancel(at=AT).cancel(at=AT),
        lambda it: it.cancel(at=AT).pause(),
    ],
)
def test_a_step_is_taken_once(again: Callable[[Experiment], Experiment]) -> None:
    """It is the repository that takes a repetition for done."""
    with pytest.raises(TransitionNotAllowedError):
        again(experiment().start(at=AT))


@pytest.mark.parametrize("status", _S)
def test_what_may_be_edited_depends_on_the_status(status: ExperimentStatus) -> None:
    """All of a draft; what moves nobody while it goes on; words when it is over."""
    made = attrs.evolve(experiment(metrics=("a",)), status=status)
    lighter = (attrs.evolve(CONTROL, weight=10_000), attrs.evolve(OTHER, weight=0))
    words = {"name": "n", "description": "d", "hypothesis": "h", "metadata": {"a": 1}}
    measures = {"variants": lighter, "metrics": ("b", "a"), "traffic_share": 0.5, "ends_at": AT}
    promises = {"salt": "s", "starts_at": AT, "flow_id": made.id}
    never = {"id": made.id, "status": _S.RUNNING, "revision": 7, "no_such_field": 1}
    allowed = set(words)
    if not status.is_over:
        allowed |= set(measures)
    if status is _S.DRAFT:
        allowed |= set(promises)
    for name, value in {**words, **measures, **promises, **never}.items():
        if name in allowed:
            assert getattr(made.edited(**{name: value}), name) == value
        else:
            with pytest.raises(ValidationError) as caught:
                made.edited(**{name: value})
            assert [fault.path for fault in caught.value.faults] == [name]


def test_other_weights_shift_the_border() -> None:
    """Of those that nobody assigned yet: what the control gives up goes to the other."""
    before = experiment().allocation
    variants = (attrs.evolve(CONTROL, weight=4_000), attrs.evolve(OTHER, weight=6_000))
    after = experiment(variants=variants).allocation
    moves = {(before.variant_for(f"{n}"), after.variant_for(f"{n}")) for n in range(1_000)}
    assert moves == {("control", "control"), ("control", "other"), ("other", "other")}


def test_the_variance_of_a_mean_counts_units() -> None:
    """With one outcome a unit it is the textbook's; outcomes of one unit don't count as many.

    Values 2, 4 and 9: mean 5, sample variance (9 + 1 + 16) / 2 = 13, of the mean 13 / 3.
    Units with outcomes (1, 3) and (8): mean 12 / 3 = 4; their totals differ from 4 each outcome by
    4 - 8 = -4 and 8 - 4 = 4; so (16 + 16) * 2 / ((2 - 1) * 9) = 64 / 9.
    """
    each = ExperimentOutcome(
        variant="a",
        metric="m",
        assigned=4,
        units=3,
        count=3,
        total=Fraction(15),
        squares=Fraction(4 + 16 + 81),
        products=Fraction(15),
        count_squares=3,
    )
    assert (each.rate, each.mean, each.mean_variance) == (0.75, 5.0, 13 / 3)
    several = ExperimentOutcome(
        variant="a",
        metric="m",
        assigned=2,
        units=2,
        count=3,
        total=Fraction(12),
        squares=Fraction(16 + 64),
        products=Fraction(4 * 2 + 8),
        count_squares=4 + 1,
    )
    assert (several.rate, several.mean, several.mean_variance) == (1.0, 4.0, 64 / 9)


def test_large_values_keep_their_small_differences() -> None:
    """Where the sums as floats would leave nothing, or less than nothing."""
    values = [Fraction(10) ** 15 + n for n in range(3)]
    found = ExperimentOutcome(
        variant="a",
        metric="m",
        assigned=3,
        units=3,
        count=3,
        total=sum(values, Fraction()),
        squares=sum((value**2 for value in values), Fraction()),
        products=sum(values, Fraction()),
        count_squares=3,
    )
    assert found.mean_variance == 1 / 3
