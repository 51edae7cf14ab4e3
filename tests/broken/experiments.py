"""Faults in who is assigned what, and in what is recorded of it, as real tests have had them."""

import asyncio
from collections.abc import Mapping, Sequence
from fractions import Fraction
from uuid import UUID

from attrs import evolve

from adapters.memory import MemoryAuthoringStore
from adapters.memory.experiments import ASSIGNMENTS, OUTCOMES, MemoryExperimentRepository
from adapters.memory.repository import MemoryRepository
from adapters.memory.tables import Tables, Transaction
from domain.experiment_results import ExperimentAssignment, ExperimentOutcome
from domain.experiments import Allocation, ExperimentStatus
from domain.identity import TenantId
from ports.experiment_outcomes import Recorded


class ChecksThenInserts(MemoryExperimentRepository):
    """Looks for an assignment, and stores another when it has found none: whoever came between is
    overwritten."""

    async def _keep(self, assignment: ExperimentAssignment, revision: int) -> bool:
        key = (assignment.experiment_id, assignment.unit)
        there = self._session.reading().get(ASSIGNMENTS, key)
        await asyncio.sleep(0)
        if there is None:
            with self._session.writing() as transaction:
                transaction.replace(ASSIGNMENTS, assignment)
        return there is None


class AssignsAnew(MemoryExperimentRepository):
    """Works the variant out each time, by the weights of the moment."""

    async def _allotted(self, id: UUID, unit: str) -> ExperimentAssignment | Allocation:
        found = await super()._allotted(id, unit)
        if isinstance(found, Allocation):
            return found
        experiment = await self.require(id)
        return evolve(found, variant=experiment.allocation.variant_for(unit) or found.variant)


class HashesWithoutTenant(MemoryExperimentRepository):
    """Two tenants whose experiments have one id split their users alike."""

    async def _allotted(self, id: UUID, unit: str) -> ExperimentAssignment | Allocation:
        found = await super()._allotted(id, unit)
        if isinstance(found, Allocation):
            return evolve(found, tenant_id=TenantId(""))
        return found


class HashesWithoutExperiment(MemoryExperimentRepository):
    """Who gets the variant in one experiment, gets it in all of them."""

    async def _allotted(self, id: UUID, unit: str) -> ExperimentAssignment | Allocation:
        found = await super()._allotted(id, unit)
        if isinstance(found, Allocation):
            return evolve(found, experiment_id=UUID(int=0))
        return found


class TrafficPicksTheVariant(MemoryExperimentRepository):
    """Splits those that take part among the variants, so that more of them shift the borders."""

    async def _allotted(self, id: UUID, unit: str) -> ExperimentAssignment | Allocation:
        found = await super()._allotted(id, unit)
        if not isinstance(found, Allocation) or found.variant_for(unit) is None:
            return found
        place = round(10_000 * found.traffic_share * 0.37)
        name, last = found.weights[0][0], found.weights[-1][0]
        return evolve(found, weights=((name, place), (last, 10_000 - place)))


class AssignsWhilePaused(MemoryExperimentRepository):
    """Looks at the times only."""

    async def _allotted(self, id: UUID, unit: str) -> ExperimentAssignment | Allocation:
        found = await super()._allotted(id, unit)
        if isinstance(found, Allocation):
            return evolve(found, status=ExperimentStatus.RUNNING)
        return found


class IgnoresTheTimes(MemoryExperimentRepository):
    """Looks at the status only."""

    async def _allotted(self, id: UUID, unit: str) -> ExperimentAssignment | Allocation:
        found = await super()._allotted(id, unit)
        if isinstance(found, Allocation):
            return evolve(found, starts_at=None, ends_at=None)
        return found


class RecordsByReadingThenWriting(MemoryExperimentRepository):
    """Puts back the sums that it read a moment ago, and one more."""

    async def _count_outcome(self, id: UUID, outcome: Recorded) -> bool:
        key = (id, outcome.metric, outcome.unit)
        read = self._session.reading().get(OUTCOMES, key)
        await asyncio.sleep(0)
        counted = await super()._count_outcome(id, outcome)
        if read is not None:
            recorded, total = read.recorded + 1, read.total + Fraction(outcome.value)
            with self._session.writing() as transaction:
                transaction.replace(OUTCOMES, evolve(read, recorded=recorded, total=total))
        return counted


class ForgetsKeys(MemoryExperimentRepository):
    """Counts a repetition once more."""

    async def _count_outcome(self, id: UUID, outcome: Recorded) -> bool:
        return await super()._count_outcome(id, evolve(outcome, key=None))


class _OtherSums(MemoryExperimentRepository):
    def _summed(self, outcome: ExperimentOutcome) -> ExperimentOutcome:
        raise AssertionError

    async def _tally(
        self, id: UUID, metrics: Sequence[str]
    ) -> tuple[Mapping[str, int], Sequence[ExperimentOutcome]]:
        assigned, found = await super()._tally(id, metrics)
        return assigned, [self._summed(outcome) for outcome in found]


class RatesOutcomes(_OtherSums):
    """Takes every outcome for a unit's, so that a rate may pass 1."""

    def _summed(self, outcome: ExperimentOutcome) -> ExperimentOutcome:
        return evolve(outcome, units=outcome.count)


class SumsFloats(_OtherSums):
    """Rounds its sums to what a double holds."""

    def _summed(self, outcome: ExperimentOutcome) -> ExperimentOutcome:
        return evolve(outcome, total=Fraction(float(outcome.total)))


class LeavesWhatBelongsToIt(MemoryExperimentRepository):
    """Deletes the experiment alone."""

    def _forget(self, transaction: Transaction, id: UUID) -> None:
        MemoryRepository._forget(self, transaction, id)


class AddsToWhatIsGone(MemoryAuthoringStore):
    """Looks for what something belongs to when it is asked, and never again."""

    def _tables(self, tenant: TenantId) -> Tables:
        tables = super()._tables(tenant)
        tables.children.clear()
        for table in tables.tables.values():
            table.parent = ""
        return tables
