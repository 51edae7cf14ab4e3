"""What becomes of experiments: what their store promises of outcomes and results."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import attrs

from domain.errors import Fault, ValidationError
from domain.experiment_results import ExperimentOutcome, ExperimentResults
from domain.experiments import METRIC_NAME, OUTCOME_VALUE, UNIT, Experiment, ExperimentStatus
from domain.identity import UserId
from domain.rules import argument, identifier, number, optional
from ports.errors import EntityNotFoundError, IdempotencyKeyReusedError
from ports.repository import Repository

ASSIGNMENT = "experiment assignment"
"""What errors call a unit's variant."""

_EXPERIMENT = "experiment"
_COUNTING = (ExperimentStatus.RUNNING, ExperimentStatus.PAUSED)
_KEY = optional(identifier(128))
_METRIC = optional(METRIC_NAME)
_CONFIDENCE = number(0.5, 0.9999)


@attrs.frozen(kw_only=True)
class Recorded:
    """An outcome to be recorded, `value` as the decimal number that its shortest text shows."""

    unit: str
    metric: str
    value: Decimal
    key: str | None


@attrs.frozen(kw_only=True)
class Standing:
    """What decides whether an outcome counts. `first`: what came with its key before, if it has
    one: unit, metric and value."""

    status: ExperimentStatus
    metric_is_known: bool
    unit_is_assigned: bool
    first: tuple[str, str, Decimal] | None


def admitted(id: UUID, outcome: Recorded, standing: Standing | None) -> bool:
    """Whether an outcome counts as an experiment stands, None being that there is none; False if
    it is a repetition.

    Raises:
        Exception: as `record_outcome` says.
    """
    if standing is None:
        raise EntityNotFoundError(_EXPERIMENT, id)
    if not standing.metric_is_known:
        raise unknown_metric()
    if not standing.unit_is_assigned:
        raise EntityNotFoundError(ASSIGNMENT, outcome.unit)
    if standing.first is not None:
        if standing.first != (outcome.unit, outcome.metric, outcome.value):
            raise IdempotencyKeyReusedError(_EXPERIMENT, id)
        return False
    if standing.status not in _COUNTING:
        raise ValidationError(
            "Experiment", [Fault("status", f"is {standing.status.value}: no outcome counts")]
        )
    return True


def unknown_metric() -> ValidationError:
    """For a metric that isn't one of the experiment's."""
    return ValidationError("Experiment", [Fault("metric", "is none of the experiment's metrics")])


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value + 0.0))  # without the sign of a zero


def checked_unit(candidate: object) -> str:
    """A unit as it is kept.

    Raises:
        ValidationError: if it can't be one.
    """
    kept: str = argument("Experiment", "unit", candidate, UNIT)
    return kept


class ExperimentOutcomes(Repository[Experiment]):
    """The part of `ExperimentRepository` that records what becomes of units, and judges it."""

    async def record_outcome(
        self, id: UUID, unit: str, metric: str, value: float = 1.0, *, key: str | None = None
    ) -> bool:
        """Count an outcome of a unit that was assigned, for the variant that it has. Atomic: none
        is lost, however many are recorded at once. One round trip.

        While the experiment is running or paused, whether or not `ends_at` has passed: what is
        bought the week after counts. With an idempotency key (1 to 128 characters, the
        experiment's) it counts once: False, and nothing is changed, if an outcome came with that
        key before; so it may be repeated when its outcome is unknown. A key is kept as long as the
        experiment.

        Raises, the first that holds:
            ValidationError: for a value that isn't a number from -1e15 to 1e15.
            EntityNotFoundError: if there is no such experiment.
            ValidationError: for a metric that isn't one of its.
            EntityNotFoundError: if the unit has no assignment.
            IdempotencyKeyReusedError: if the key came with another unit, metric or value before.
            ValidationError: if the experiment is neither running nor paused.
        """
        recorded = Recorded(
            unit=checked_unit(unit),
            metric=argument("Experiment", "metric", metric, METRIC_NAME),
            value=_decimal(argument("Experiment", "value", value, OUTCOME_VALUE)),
            key=argument("Experiment", "key", key, _KEY),
        )
        experiment = self.schema.check_id(id)
        await self._context.gate.admit(self._context.tenant, (UserId(recorded.unit),))
        return await self._count_outcome(experiment, recorded)

    async def outcomes(self, id: UUID, metric: str | None = None) -> tuple[ExperimentOutcome, ...]:
        """What was recorded, of one metric or of each: by variant, and by metric in it, those
        without any included, as they stand at one moment.

        Two round trips. It reads every assignment of the experiment, and every unit that has an
        outcome of the metrics asked for: recording, which is done so much more often, touches
        nothing that other units' outcomes touch.

        Raises:
            EntityNotFoundError: if there is no such experiment.
            ValidationError: for a metric that isn't one of its.
        """
        _, _, outcomes = await self._figures(id, metric)
        return outcomes

    async def results(
        self, id: UUID, metric: str | None = None, confidence: float = 0.95
    ) -> ExperimentResults:
        """What the outcomes say, of one metric or of each, with confidence intervals, and lifts
        against the control. Cost and errors as `outcomes`; `confidence` lies between 0.5 and
        0.9999.

        - Rate (units with an outcome per assigned unit): Wilson's score interval (1927). Its lift:
          the score interval of the ratio of two proportions (Koopman, Biometrics 40, 1984), and the
          chi-squared test (Pearson, 1900, without correction) that it inverts: the interval leaves
          out 0 just if p < 1 - confidence. None against a control with a rate of 0.
        - Mean (of an outcome's value): Student's t with the variance of `ExperimentOutcome` and one
          degree of freedom less than units. Its lift: Fieller's interval (1954) with the degrees of
          freedom of Welch and Satterthwaite, and Welch's t-test (1947), which agree in the same
          way. Relative to the absolute value of the control's mean: None if that is 0, or so near
          to it that no float holds the ratio; no interval where the control's mean can't be told
          from 0, or a variant has less than two units.

        Each variant and metric is judged by itself: of twenty that make no difference, one will
        seem to at a confidence of 0.95; and so will more if one looks again and again until one
        does.

        Raises:
            UnsupportedOperationError: if SciPy, which computes it, isn't installed.
        """
        level: float = argument("Experiment", "confidence", confidence, _CONFIDENCE)
        experiment, assigned, outcomes = await self._figures(id, metric)
        return await self._judged(experiment, assigned, outcomes, level)

    async def _figures(
        self, id: UUID, metric: str | None
    ) -> tuple[Experiment, Mapping[str, int], tuple[ExperimentOutcome, ...]]:
        wanted: str | None = argument("Experiment", "metric", metric, _METRIC)
        experiment = await self.require(id)
        if wanted is not None and wanted not in experiment.metrics:
            raise unknown_metric()
        metrics = experiment.metrics if wanted is None else (wanted,)
        assigned, found = await self._tally(experiment.id, metrics)
        named = [variant.name for variant in experiment.variants]
        counts = {name: assigned.get(name, 0) for name in [*named, *sorted(assigned)]}
        known = {(outcome.variant, outcome.metric): outcome for outcome in found}
        return (
            experiment,
            counts,
            tuple(
                known.get((variant, name))
                or ExperimentOutcome(variant=variant, metric=name, assigned=count)
                for variant, count in counts.items()
                for name in metrics
            ),
        )

    # What a store implements. Arguments are checked.

    @abstractmethod
    async def _count_outcome(self, id: UUID, outcome: Recorded) -> bool:
        """As `record_outcome` promises; `admitted` says whether it counts."""

    @abstractmethod
    async def _tally(
        self, id: UUID, metrics: Sequence[str]
    ) -> tuple[Mapping[str, int], Sequence[ExperimentOutcome]]:
        """How many units each variant has, and what was recorded of some metrics; one moment's."""

    @abstractmethod
    async def _judged(
        self,
        experiment: Experiment,
        assigned: Mapping[str, int],
        outcomes: Sequence[ExperimentOutcome],
        confidence: float,
    ) -> ExperimentResults:
        """As `results` promises, in the order of `assigned`: units of each variant."""
