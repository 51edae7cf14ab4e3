"""Experiments in PostgreSQL: what isn't the same for every entity."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any
from uuid import UUID

from adapters.experiment_results import JudgedByScipy
from adapters.postgres import experiment_statements as sql
from adapters.postgres.columns import instant
from adapters.postgres.errors import FOREIGN_KEY, ConstraintBroken
from adapters.postgres.executor import Row
from adapters.postgres.repository import PostgresRepository, writing
from domain.bucketing import BUCKETS
from domain.experiment_results import ExperimentAssignment, ExperimentOutcome
from domain.experiments import Allocation, Experiment, ExperimentStatus
from domain.rules import restored
from ports.errors import CorruptRecordError, EntityNotFoundError
from ports.experiment_outcomes import Recorded, Standing, admitted
from ports.experiments import ExperimentRepository


class PostgresExperimentRepository(
    JudgedByScipy, PostgresRepository[Experiment], ExperimentRepository
):
    """Experiments, assignments and outcomes."""

    relation = sql.RELATION

    async def _allotted(self, id: UUID, unit: str) -> ExperimentAssignment | Allocation:
        values = {"tenant": self._tenant, "id": id, "unit": unit}
        rows = await self._read(sql.ALLOTTED.sql, sql.ALLOTTED.arguments(values))
        if not rows:
            raise EntityNotFoundError(self.schema.name, id)
        variant, assigned_at, *terms = rows[0]
        if variant is None:
            return self._allocation(id, terms)
        return restored(
            ExperimentAssignment,
            {
                "tenant_id": self._tenant,
                "experiment_id": id,
                "unit": unit,
                "variant": variant,
                "assigned_at": instant(assigned_at),
            },
        )

    def _allocation(self, id: UUID, terms: Row) -> Allocation:
        revision, status, salt, traffic_share, starts_at, ends_at, variants = terms
        try:
            named = self.relation.mapper.stored("variants", variants)
            weights = tuple([(variant.name, variant.weight) for variant in named])
            if sum(weight for _, weight in weights) != BUCKETS:
                raise ValueError
            return Allocation(
                tenant_id=self._tenant,
                experiment_id=id,
                revision=revision,
                status=ExperimentStatus(status),
                salt=salt,
                traffic_share=traffic_share,
                weights=weights,
                starts_at=None if starts_at is None else instant(starts_at),
                ends_at=None if ends_at is None else instant(ends_at),
            )
        except (ValueError, KeyError, TypeError):
            failure = CorruptRecordError(self.schema.name, id, ("status", "variants"))
        raise failure

    @writing
    async def _keep(self, assignment: ExperimentAssignment, revision: int) -> bool:
        values = {**vars(assignment), "tenant": self._tenant, "revision": revision}
        values["id"] = assignment.experiment_id
        try:
            return bool(await self._executor.write(sql.KEEP.sql, sql.KEEP.arguments(values)))
        except ConstraintBroken as broken:
            if broken.sqlstate != FOREIGN_KEY:
                raise
        raise EntityNotFoundError(self.schema.name, assignment.experiment_id)

    async def _assignments(
        self, id: UUID, after: str | None, limit: int
    ) -> Sequence[ExperimentAssignment]:
        values = {"tenant": self._tenant, "id": id, "after": after or "", "limit": limit}
        rows = await self._read(sql.ASSIGNMENTS.sql, sql.ASSIGNMENTS.arguments(values))
        return sql.ASSIGNMENT_MAPPER.all_restored(rows)

    @writing
    async def _count_outcome(self, id: UUID, outcome: Recorded) -> bool:
        statement = sql.RECORD if outcome.key is None else sql.RECORD_ONCE
        values = {
            "tenant": self._tenant,
            "id": id,
            "unit": outcome.unit,
            "metric": outcome.metric,
            "value": outcome.value,
            "key": outcome.key,
        }
        arguments = statement.arguments(values)
        try:
            while not await self._executor.write(statement.sql, arguments):
                # Again, if whatever hindered it is gone.
                if not admitted(id, outcome, await self._standing_of(values)):
                    return False
        except ConstraintBroken as broken:
            if broken.sqlstate != FOREIGN_KEY:
                raise
        else:
            return True
        raise EntityNotFoundError(self.schema.name, id)

    async def _standing_of(self, values: Mapping[str, Any]) -> Standing | None:
        rows = await self._executor.read(sql.STANDING.sql, sql.STANDING.arguments(values))
        if not rows:
            return None
        status, metric_is_known, unit_is_assigned, *first = rows[0]
        return Standing(
            status=ExperimentStatus(status),
            metric_is_known=metric_is_known,
            unit_is_assigned=unit_is_assigned,
            first=None if first[0] is None else (first[0], first[1], first[2]),
        )

    async def _tally(
        self, id: UUID, metrics: Sequence[str]
    ) -> tuple[Mapping[str, int], Sequence[ExperimentOutcome]]:
        values = {"tenant": self._tenant, "id": id, "metrics": list(metrics)}
        rows = await self._read(sql.TALLY.sql, sql.TALLY.arguments(values))
        assigned = {row[0]: row[1] for row in rows}
        return assigned, [
            ExperimentOutcome(
                variant=variant,
                metric=metric,
                assigned=count,
                units=units,
                count=int(recorded),
                total=Fraction(total),
                squares=Fraction(squares),
                products=Fraction(products),
                count_squares=int(count_squares),
            )
            for (
                variant,
                count,
                metric,
                units,
                recorded,
                total,
                squares,
                products,
                count_squares,
            ) in rows
            if metric is not None
        ]
