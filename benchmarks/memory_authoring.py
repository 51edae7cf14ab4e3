"""Rows of experiments and integrations in memory, with ever so many assignments and calls.

Flows, of whose every change memory keeps an audit entry and an outbox row, are in `memory`.
"""

import itertools
from collections.abc import Callable, Sequence
from uuid import UUID

import attrs

from adapters.memory import MemoryAuthoringStore
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, One, in_turns, shared_out
from benchmarks.memory import per_second
from benchmarks.scale import Scale
from benchmarks.trial import METRIC, new_units, started
from domain.identity import tenant_id
from domain.integrations import CallReport, Integration
from ports.experiments import ExperimentRepository
from ports.integrations import IntegrationRepository

_TENANT = tenant_id("bench")
_INTEGRATIONS = 10


@attrs.define
class _Filled:
    """An experiment with so many units, and integrations with so many calls."""

    experiments: ExperimentRepository
    experiment: UUID
    integrations: IntegrationRepository
    called: Sequence[UUID]
    units: list[str]
    _turns: "itertools.count[int]" = attrs.field(factory=itertools.count, init=False)

    @classmethod
    async def of(cls, size: int) -> "_Filled":
        authoring = MemoryAuthoringStore().repositories(_TENANT)
        experiments, integrations = authoring.experiments, authoring.integrations
        id = await started(experiments, "prompts")
        units = new_units(size)
        for unit in units:
            await experiments.assign(id, unit)
        made = await integrations.create_many(
            Integration.draft(name=f"hook {number}", type="webhook")
            for number in range(_INTEGRATIONS)
        )
        called = [integration.id for integration in made]
        report = CallReport(success=True, latency_ms=12)
        for _, one in zip(range(size), itertools.cycle(called), strict=False):
            await integrations.record_call(one, report)
        return cls(experiments, id, integrations, called, units)

    def some(self, count: int) -> list[str]:
        """`count` of the units from all over, others at each call."""
        size = len(self.units)
        step = max(size // count, 1)
        first = next(self._turns)
        return [self.units[place % size] for place in range(first, first + count * step, step)]


async def rows(scale: Scale) -> list[Figure]:
    """Four operations, at both sizes."""
    few, many = [await _Filled.of(size) for size in scale.in_memory]
    figures: list[Figure] = []
    count = scale.operations(100)
    for name, (things, build) in _OPERATIONS.items():
        rounds = await in_turns(
            [build(filled, count, str(len(filled.units))) for filled in (few, many)], scale.few
        )
        figures += per_second(rounds, name, things, *scale.in_memory)
    return figures


def _assign_known(filled: _Filled, count: int, name: str) -> Contender:
    return shared_out(name, _assign(filled), prepare=lambda: filled.some(count), operations=count)


def _assign_new(filled: _Filled, count: int, name: str) -> Contender:
    return shared_out(name, _assign(filled), prepare=lambda: new_units(count), operations=count)


def _assign(filled: _Filled) -> One:
    async def assign(unit: str) -> object:
        return await filled.experiments.assign(filled.experiment, unit)

    return assign


def _outcome(filled: _Filled, count: int, name: str) -> Contender:
    async def record(unit: str) -> object:
        return await filled.experiments.record_outcome(filled.experiment, unit, METRIC, 9.5)

    return shared_out(name, record, prepare=lambda: filled.some(count), operations=count)


def _call(filled: _Filled, count: int, name: str) -> Contender:
    report = CallReport(success=True, latency_ms=12)
    turn = itertools.cycle(filled.called)

    async def call(id: UUID) -> object:
        return await filled.integrations.record_call(id, report)

    return shared_out(
        name, call, prepare=lambda: list(itertools.islice(turn, count)), operations=count
    )


_OPERATIONS: dict[str, tuple[str, Callable[[_Filled, int, str], Contender]]] = {
    "assign a known unit": ("units", _assign_known),
    "assign a new unit": ("units", _assign_new),
    "record an outcome": ("units", _outcome),
    "record a call": ("calls", _call),
}
