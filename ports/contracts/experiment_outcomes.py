"""Outcomes of experiments, and what they come to."""

from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import uuid4

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationError
from domain.experiment_results import ExperimentOutcome, Lift
from domain.experiments import Experiment, ExperimentStatus, Variant
from ports.contracts.exact import exact
from ports.contracts.experiments import VARIANTS, new_experiment, running
from ports.contracts.harness import Backend, contract, examples, raised_by
from ports.errors import EntityNotFoundError, IdempotencyKeyReusedError
from ports.experiments import ExperimentRepository
from ports.stores import TenantScope

_S = ExperimentStatus
ONLY = (
    Variant(name="control", weight=10_000, is_control=True),
    Variant(name="other", weight=0),
)
"""Whoever is assigned, gets the control."""


async def assigning(experiments: ExperimentRepository, *units: str) -> Experiment:
    """A running experiment with these units, all of them in the control."""
    made = await running(experiments, variants=ONLY)
    for unit in units:
        assert await experiments.assign(made.id, unit)
    return made


async def control_of(
    experiments: ExperimentRepository, made: Experiment, metric: str = "bought"
) -> ExperimentOutcome:
    """What was recorded of a metric for the control."""
    control, _ = await experiments.outcomes(made.id, metric)
    return control


@contract
async def test_outcomes_are_summed_up(backend: Backend, scope: TenantScope) -> None:
    """By variant and metric, each unit counting once among the units; no revision is raised."""
    experiments = scope.experiments
    made = await assigning(experiments, "ada", "grace", "mary")
    backend.clock.advance(seconds=1)
    for unit, value in (("ada", 2.5), ("ada", 0.5), ("grace", -1)):
        assert await experiments.record_outcome(made.id, unit, "spent", value) is True
    assert await experiments.record_outcome(made.id, "mary", "bought")
    assert exact(await experiments.outcomes(made.id)) == exact(
        (
            ExperimentOutcome(
                variant="control",
                metric="bought",
                assigned=3,
                units=1,
                count=1,
                total=Fraction(1),
                squares=Fraction(1),
                products=Fraction(1),
                count_squares=1,
            ),
            ExperimentOutcome(
                variant="control",
                metric="spent",
                assigned=3,
                units=2,
                count=3,
                total=Fraction(2),
                squares=Fraction(10),
                products=Fraction(5),
                count_squares=5,
            ),
            ExperimentOutcome(variant="other", metric="bought", assigned=0),
            ExperimentOutcome(variant="other", metric="spent", assigned=0),
        )
    )
    assert exact(await experiments.require(made.id)) == exact(made)
    assert len(await experiments.outcomes(made.id, "spent")) == 2


@contract
async def test_a_rate_is_of_units_and_never_above_one(scope: TenantScope) -> None:
    """However many outcomes a unit has."""
    experiments = scope.experiments
    made = await assigning(experiments, "ada", "grace")
    for _ in range(5):
        await experiments.record_outcome(made.id, "ada", "bought")
    found = await control_of(experiments, made)
    assert (found.units, found.count, found.rate) == (1, 5, 0.5)
    result = (await experiments.results(made.id)).of("control", "bought")
    assert result.rate is not None
    assert result.rate.value == 0.5


@pytest.mark.parametrize(
    "values",
    [[0.1] * 10, [1e15, 1.0, -1e15], [5e-324, 1.0], [1e15, 0.1, 1e-9], [-0.0, 0.0], [3]],
    ids=repr,
)
@contract
async def test_sums_are_exact(scope: TenantScope, values: list[float]) -> None:
    """In any order: a value is the decimal number that its shortest text shows."""
    experiments = scope.experiments
    made = await assigning(experiments, "ada", "grace")
    for n, value in enumerate(values):
        await experiments.record_outcome(made.id, ("ada", "grace")[n % 2], "bought", value)
    given_values = [Fraction(Decimal(repr(value))) for value in values]
    totals = [sum(given_values[0::2], Fraction()), sum(given_values[1::2], Fraction())]
    found = await control_of(experiments, made)
    assert (found.count, found.total) == (len(values), sum(given_values))
    assert found.squares == sum(total * total for total in totals)


@given(values=st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=4))
@examples(0.2)
@contract
async def test_any_values_are_summed_up_exactly(scope: TenantScope, values: list[float]) -> None:
    """Whatever they are."""
    experiments = scope.experiments
    made = await assigning(experiments, "ada")
    for value in values:
        await experiments.record_outcome(made.id, "ada", "bought", value)
    total = sum(Fraction(Decimal(repr(value))) for value in values)
    found = await control_of(experiments, made)
    assert (found.total, found.squares, found.products) == (
        total,
        total * total,
        total * len(values),
    )


@contract
async def test_what_can_be_no_outcome_is_refused(scope: TenantScope) -> None:
    """And named; nothing is counted."""
    experiments = scope.experiments
    made, missing = await assigning(experiments, "ada"), uuid4()
    wrong: Any
    for unit, metric, value, key in (
        ("ada", "bougth", 1.0, None),
        ("ada", "", 1.0, None),
        ("", "bought", 1.0, None),
        ("ada", "bought", float("nan"), None),
        ("ada", "bought", float("inf"), None),
        ("ada", "bought", 1.1e15, None),
        ("ada", "bought", True, None),
        ("ada", "bought", "1", None),
        ("ada", "bought", 1.0, ""),
        ("ada", "bought", 1.0, "k" * 129),
        ("ada", None, 1.0, None),
    ):
        wrong = (unit, metric, value)
        error = await raised_by(experiments.record_outcome(made.id, *wrong, key=key))
        assert isinstance(error, ValidationError), (unit, metric, value, key)
    stranger = await raised_by(experiments.record_outcome(made.id, "grace", "bought", key="k"))
    assert isinstance(stranger, EntityNotFoundError)
    assert (stranger.entity_type, stranger.entity_id) == ("experiment assignment", "grace")
    nowhere = await raised_by(experiments.record_outcome(missing, "ada", "bought"))
    assert isinstance(nowhere, EntityNotFoundError)
    assert (nowhere.entity_type, nowhere.entity_id) == ("experiment", missing)
    assert (await control_of(experiments, made)).count == 0
    await experiments.assign(made.id, "grace")
    assert await experiments.record_outcome(made.id, "grace", "bought", key="k")
    for asking in (
        experiments.outcomes(made.id, "bougth"),
        experiments.results(made.id, "bougth"),
    ):
        assert isinstance(await raised_by(asking), ValidationError)
    for asking in (experiments.outcomes(missing), experiments.results(missing)):
        assert isinstance(await raised_by(asking), EntityNotFoundError)
    for confidence in (0.0, 1.0, 95, float("nan"), "0.95"):
        wrong = confidence
        error = await raised_by(experiments.results(made.id, confidence=wrong))
        assert isinstance(error, ValidationError), confidence


@contract
async def test_an_outcome_with_a_key_counts_once(scope: TenantScope) -> None:
    """A repetition changes nothing, even when the experiment is over; another use is told."""
    experiments = scope.experiments
    made = await assigning(experiments, "ada", "grace")
    other = await running(experiments, "other", variants=ONLY)
    await experiments.assign(other.id, "ada")

    async def record(unit: str, metric: str, value: float, key: str = "k") -> bool:
        return await experiments.record_outcome(made.id, unit, metric, value, key=key)

    assert await record("ada", "spent", 0.1)
    assert not await record("ada", "spent", 0.1)
    for content in (("grace", "spent", 0.1), ("ada", "bought", 0.1), ("ada", "spent", 0.2)):
        error = await raised_by(record(*content))
        assert isinstance(error, IdempotencyKeyReusedError), content
        assert (error.entity_type, error.entity_id) == ("experiment", made.id)
    assert await record("ada", "spent", 0.1, "K")
    assert await experiments.record_outcome(other.id, "ada", "spent", 7, key="k")
    await experiments.complete(made.id)
    assert not await record("ada", "spent", 0.1)
    assert isinstance(await raised_by(record("ada", "spent", 0.1, "new")), ValidationError)
    found = await control_of(experiments, made, "spent")
    assert (found.units, found.count, found.total) == (1, 2, Fraction(1, 5))
    assert (await control_of(experiments, made)).count == 0


@contract
async def test_outcomes_count_until_the_experiment_is_over(
    backend: Backend, scope: TenantScope
) -> None:
    """While it is paused, too, and after its planned end; then its figures stand still."""
    experiments = scope.experiments
    made = await assigning(experiments, "ada")
    await experiments.modify(made.id, lambda it: it.edited(ends_at=backend.clock.now()))
    backend.clock.advance(days=7)
    assert await experiments.record_outcome(made.id, "ada", "bought")
    await experiments.pause(made.id)
    assert await experiments.record_outcome(made.id, "ada", "bought")
    await experiments.complete(made.id)
    assert isinstance(
        await raised_by(experiments.record_outcome(made.id, "ada", "bought")), ValidationError
    )
    assert (await control_of(experiments, made)).count == 2


@contract
async def test_units_of_a_variant_that_went_are_still_shown(scope: TenantScope) -> None:
    """If an update took it away; nothing that was recorded is hidden."""
    experiments = scope.experiments
    made = await assigning(experiments, "ada")
    await experiments.record_outcome(made.id, "ada", "bought")
    renamed = (attrs.evolve(ONLY[0], name="another"), ONLY[1])
    await experiments.update(attrs.evolve(made, variants=renamed))
    assert await experiments.record_outcome(made.id, "ada", "bought")
    found = {it.variant: it.count for it in await experiments.outcomes(made.id, "bought")}
    assert found == {"another": 0, "other": 0, "control": 2}
    results = await experiments.results(made.id, "bought")
    assert [(it.variant, it.assigned) for it in results.variants] == [
        ("another", 0),
        ("other", 0),
        ("control", 1),
    ]


@contract
async def test_an_experiment_without_outcomes_has_results(scope: TenantScope) -> None:
    """That say so, rather than divide by nothing."""
    experiments = scope.experiments
    made = await new_experiment(experiments)
    results = await experiments.results(made.id)
    assert [(it.variant, it.is_control, it.assigned) for it in results.variants] == [
        (variant.name, variant.is_control, 0) for variant in VARIANTS
    ]
    for variant in VARIANTS:
        found = results.of(variant.name, "spent")
        assert (found.units, found.count, found.rate, found.mean) == (0, 0, None, None)
    bare = await new_experiment(experiments, "bare", metrics=())
    assert await experiments.outcomes(bare.id) == ()
    assert len((await experiments.results(bare.id)).variants) == len(VARIANTS)


@contract
async def test_results_are_what_is_worked_out_by_hand(scope: TenantScope) -> None:
    """Every store comes to the same figures: control 2 of 4 units, other 3 of 4."""
    experiments = scope.experiments
    made = await running(experiments, variants=ONLY)
    for n in range(4):
        await experiments.assign(made.id, f"control {n}")
    swapped = (attrs.evolve(ONLY[0], weight=0), attrs.evolve(ONLY[1], weight=10_000))
    await experiments.modify(made.id, lambda it: it.edited(variants=swapped))
    for n in range(4):
        await experiments.assign(made.id, f"other {n}")
    for unit, value in (
        *(("control 0", 8), ("control 1", 12)),
        *(("other 0", 11), ("other 1", 15), ("other 2", 19)),
    ):
        await experiments.record_outcome(made.id, unit, "spent", value)
    results = await experiments.results(made.id, "spent")
    assert (results.name, results.status, results.confidence) == (made.name, _S.RUNNING, 0.95)
    control, other = results.of("control", "spent"), results.of("other", "spent")
    assert control.rate is not None
    assert control.rate.interval is not None
    assert other.rate is not None
    assert other.mean is not None
    # Wilson, z = 1.959964: centre (2 + z²/2) / (4 + z²) = 0.5, half width
    # z / (4 + z²) * sqrt(4 * 0.25 + z²/4) = 0.349961.
    assert control.rate.value == 0.5
    assert control.rate.interval.low == pytest.approx(0.150039, abs=1e-6)
    assert control.rate.interval.high == pytest.approx(0.849961, abs=1e-6)
    assert control.rate.lift is None
    # 0.75 / 0.5 - 1; chi-squared 8 * (2 * 1 - 2 * 3)² / (4 * 4 * 5 * 3) = 0.5333, so p = 0.4652.
    assert isinstance(other.rate.lift, Lift)
    assert other.rate.lift.value == 0.5
    assert other.rate.lift.p_value == pytest.approx(0.465209, abs=1e-6)
    # Means 10 and 15, variances 8 / 2 = 4 and 16 / 3.
    assert (other.mean.value, other.mean.lift and other.mean.lift.value) == (15.0, 0.5)
    # t = 5 / sqrt(9.3333) = 1.636634, with 9.3333² / (16 / 1 + 28.4444 / 2) = 2.882353 degrees of
    # freedom; Student's density, integrated by Simpson's rule.
    assert other.mean.lift is not None
    assert other.mean.lift.p_value == pytest.approx(0.203910, abs=1e-6)
