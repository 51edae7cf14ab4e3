"""Experiments in memory: what isn't the same for every entity."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from uuid import UUID

from attrs import evolve, frozen

from adapters.experiment_results import JudgedByScipy
from adapters.memory.repository import MemoryRepository
from adapters.memory.tables import Table, Transaction
from domain.experiment_results import ExperimentAssignment, ExperimentOutcome
from domain.experiments import Allocation, Experiment
from ports.errors import EntityNotFoundError
from ports.experiment_outcomes import Recorded, Standing, admitted
from ports.experiments import ExperimentRepository

ASSIGNMENTS = "experiment assignment"
OUTCOMES = "experiment outcome"
KEYS = "experiment outcome key"


@frozen(kw_only=True)
class UnitOutcome:
    """What was recorded of one metric for one unit."""

    experiment_id: UUID
    metric: str
    unit: str
    variant: str
    recorded: int
    total: Fraction


@frozen(kw_only=True)
class UsedKey:
    """What came with an idempotency key."""

    experiment_id: UUID
    key: str
    content: tuple[str, str, Decimal]


class MemoryExperimentRepository(JudgedByScipy, MemoryRepository[Experiment], ExperimentRepository):
    """Experiments, assignments and outcomes."""

    @classmethod
    def tables(cls) -> dict[str, Table]:
        of_experiment = attrgetter("experiment_id")
        keys = {
            ASSIGNMENTS: attrgetter("experiment_id", "unit"),
            OUTCOMES: attrgetter("experiment_id", "metric", "unit"),
            KEYS: attrgetter("experiment_id", "key"),
        }
        return {
            **super().tables(),
            **{
                name: Table(name, key=key, group=of_experiment, parent=cls.schema.name)
                for name, key in keys.items()
            },
        }

    def _forget(self, transaction: Transaction, id: UUID) -> None:
        super()._forget(transaction, id)
        for name in (ASSIGNMENTS, OUTCOMES, KEYS):
            key = transaction.table(name).key
            for row in transaction.members(name, id):
                transaction.remove(name, key(row))

    async def _allotted(self, id: UUID, unit: str) -> ExperimentAssignment | Allocation:
        view = self._session.reading()
        assignment: ExperimentAssignment | None = view.get(ASSIGNMENTS, (id, unit))
        if assignment is not None:
            return assignment
        experiment: Experiment | None = view.get(self._name, id)
        if experiment is None:
            raise EntityNotFoundError(self._name, id)
        return experiment.allocation

    async def _keep(self, assignment: ExperimentAssignment, revision: int) -> bool:
        with self._session.writing() as transaction:
            experiment: Experiment | None = transaction.get(self._name, assignment.experiment_id)
            if experiment is None or experiment.revision != revision:
                return False
            if transaction.get(ASSIGNMENTS, (experiment.id, assignment.unit)) is not None:
                return False
            transaction.replace(ASSIGNMENTS, assignment)
            return True

    async def _assignments(
        self, id: UUID, after: str | None, limit: int
    ) -> Sequence[ExperimentAssignment]:
        members: Iterable[ExperimentAssignment] = self._session.reading().members(ASSIGNMENTS, id)
        if after is not None:
            members = (assignment for assignment in members if assignment.unit > after)
        return heapq.nsmallest(limit, members, key=attrgetter("unit"))

    async def _count_outcome(self, id: UUID, outcome: Recorded) -> bool:
        with self._session.writing() as transaction:
            if not admitted(id, outcome, self._standing_of(transaction, id, outcome)):
                return False
            if outcome.key is not None:
                content = (outcome.unit, outcome.metric, outcome.value)
                used = UsedKey(experiment_id=id, key=outcome.key, content=content)
                transaction.replace(KEYS, used)
            known: UnitOutcome | None = transaction.get(
                OUTCOMES, (id, outcome.metric, outcome.unit)
            )
            if known is None:
                known = UnitOutcome(
                    experiment_id=id,
                    metric=outcome.metric,
                    unit=outcome.unit,
                    variant=transaction.get(ASSIGNMENTS, (id, outcome.unit)).variant,
                    recorded=0,
                    total=Fraction(),
                )
            recorded, total = known.recorded + 1, known.total + Fraction(outcome.value)
            transaction.replace(OUTCOMES, evolve(known, recorded=recorded, total=total))
            return True

    def _standing_of(
        self, transaction: Transaction, id: UUID, outcome: Recorded
    ) -> Standing | None:
        experiment: Experiment | None = transaction.get(self._name, id)
        if experiment is None:
            return None
        used: UsedKey | None = transaction.get(KEYS, (id, outcome.key))
        return Standing(
            status=experiment.status,
            metric_is_known=outcome.metric in experiment.metrics,
            unit_is_assigned=transaction.get(ASSIGNMENTS, (id, outcome.unit)) is not None,
            first=None if used is None else used.content,
        )

    async def _tally(
        self, id: UUID, metrics: Sequence[str]
    ) -> tuple[Mapping[str, int], Sequence[ExperimentOutcome]]:
        view = self._session.reading()
        assigned = Counter(row.variant for row in view.members(ASSIGNMENTS, id))
        found: dict[tuple[str, str], list[UnitOutcome]] = {}
        for row in view.members(OUTCOMES, id):
            if row.metric in metrics:
                found.setdefault((row.variant, row.metric), []).append(row)
        return assigned, [
            ExperimentOutcome(
                variant=variant,
                metric=metric,
                assigned=assigned[variant],
                units=len(rows),
                count=sum(row.recorded for row in rows),
                total=sum((row.total for row in rows), Fraction()),
                squares=sum((row.total**2 for row in rows), Fraction()),
                products=sum((row.total * row.recorded for row in rows), Fraction()),
                count_squares=sum(row.recorded**2 for row in rows),
            )
            for (variant, metric), rows in found.items()
        ]
