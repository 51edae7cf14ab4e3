"""Experiments in the reference, and the course that the state machine takes them."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, Self
from uuid import UUID

import attrs
from hypothesis import strategies as st

from domain.errors import Fault, ValidationError
from domain.experiment_results import ExperimentAssignment, ExperimentOutcome
from domain.experiments import Experiment, ExperimentStatus, Variant
from ports.contracts.model import Course, Draw, Operation, RepositoryModel, Ways
from ports.errors import EntityNotFoundError, IdempotencyKeyReusedError
from ports.paging import CursorPage, Order

_S = ExperimentStatus


@attrs.define(slots=False)
class ExperimentModel(RepositoryModel):
    """One tenant's experiments, with all that was assigned and recorded, one by one."""

    entities: dict[UUID, Experiment] = attrs.field(factory=dict)
    assigned: dict[tuple[UUID, str], ExperimentAssignment] = attrs.field(factory=dict)
    recorded: list[tuple[UUID, str, str, Fraction]] = attrs.field(factory=list)
    keys: dict[tuple[UUID, str], Any] = attrs.field(factory=dict)

    def copy(self) -> Self:
        return attrs.evolve(
            super().copy(),
            assigned=dict(self.assigned),
            recorded=list(self.recorded),
            keys=dict(self.keys),
        )

    def _forget(self, ids: Iterable[UUID]) -> None:
        gone = set(ids)
        super()._forget(gone)
        self.assigned = {key: one for key, one in self.assigned.items() if key[0] not in gone}
        self.recorded = [one for one in self.recorded if one[0] not in gone]
        self.keys = {key: one for key, one in self.keys.items() if key[0] not in gone}

    def get_by_name(self, name: str) -> Experiment | None:
        return next((one for one in self.entities.values() if one.name == name), None)

    def running_for(self, flow_id: UUID) -> tuple[Experiment, ...]:
        found = [
            one
            for one in self.entities.values()
            if one.flow_id == flow_id and one.status is _S.RUNNING
        ]
        return tuple(Order.of("starts_at", self.schema).sorted(found))

    def _moved(self, id: UUID, status: ExperimentStatus, way: str, **named: Any) -> Experiment:
        def change(one: Experiment) -> Experiment:
            if one.status is status:
                return one
            return getattr(one, way)(**named)  # type: ignore[no-any-return]  # by name

        moved: Experiment = self.modify(id, change)
        return moved

    def start(self, id: UUID) -> Experiment:
        return self._moved(id, _S.RUNNING, "start", at=self.clock.now())

    def pause(self, id: UUID) -> Experiment:
        return self._moved(id, _S.PAUSED, "pause")

    def resume(self, id: UUID) -> Experiment:
        return self._moved(id, _S.RUNNING, "resume")

    def complete(self, id: UUID) -> Experiment:
        return self._moved(id, _S.COMPLETED, "complete", at=self.clock.now())

    def cancel(self, id: UUID) -> Experiment:
        return self._moved(id, _S.CANCELLED, "cancel", at=self.clock.now())

    def assign(self, id: UUID, unit: str) -> ExperimentAssignment | None:
        experiment: Experiment = self._standing(id, None)
        if (id, unit) not in self.assigned:
            terms = experiment.allocation
            variant = terms.variant_for(unit) if terms.is_open(self.clock.kept) else None
            if variant is None:
                return None
            self.assigned[id, unit] = ExperimentAssignment(
                tenant_id=self.tenant,
                experiment_id=id,
                unit=unit,
                variant=variant,
                assigned_at=self.clock.now(),
            )
        return self.assigned[id, unit]

    def assignment_of(self, id: UUID, unit: str) -> ExperimentAssignment | None:
        self._standing(id, None)
        return self.assigned.get((id, unit))

    def assignments(
        self, id: UUID, after: str | None, limit: int
    ) -> CursorPage[ExperimentAssignment]:
        units = sorted(unit for one, unit in self.assigned if one == id and unit > (after or ""))
        items = tuple(self.assigned[id, unit] for unit in units[:limit])
        return CursorPage(items=items, next=units[limit - 1] if len(units) > limit else None)

    def record_outcome(
        self, id: UUID, unit: str, metric: str, value: float, *, key: str | None
    ) -> bool:
        exactly = Fraction(Decimal(repr(value)))
        with self._in_store():
            experiment: Experiment = self._standing(id, None)
            if metric not in experiment.metrics:
                message = "is none of the experiment's metrics"
                raise ValidationError("Experiment", [Fault("metric", message)])
            if (id, unit) not in self.assigned:
                raise EntityNotFoundError("experiment assignment", unit)
            if key is not None and (id, key) in self.keys:
                if self.keys[id, key] != (unit, metric, exactly):
                    raise IdempotencyKeyReusedError("experiment", id)
                return False
            if experiment.status.is_over:
                message = f"is {experiment.status}: no outcome counts"
                raise ValidationError("Experiment", [Fault("status", message)])
        if key is not None:
            self.keys[id, key] = (unit, metric, exactly)
        self.recorded.append((id, unit, metric, exactly))
        return True

    def outcomes(self, id: UUID) -> tuple[ExperimentOutcome, ...]:
        experiment: Experiment = self._standing(id, None)
        units = {unit: one.variant for (of, unit), one in self.assigned.items() if of == id}
        named = [variant.name for variant in experiment.variants]
        return tuple(
            self._outcome(id, variant, metric, [u for u, v in units.items() if v == variant])
            for variant in [*named, *sorted(set(units.values()) - set(named))]
            for metric in experiment.metrics
        )

    def _outcome(self, id: UUID, variant: str, metric: str, units: list[str]) -> ExperimentOutcome:
        values = [
            [
                value
                for of, who, what, value in self.recorded
                if (of, who, what) == (id, unit, metric)
            ]
            for unit in units
        ]
        values = [each for each in values if each]
        return ExperimentOutcome(
            variant=variant,
            metric=metric,
            assigned=len(units),
            units=len(values),
            count=sum(map(len, values)),
            total=sum((value for each in values for value in each), Fraction()),
            squares=sum((Fraction(sum(each)) ** 2 for each in values), Fraction()),
            products=sum((Fraction(sum(each)) * len(each) for each in values), Fraction()),
            count_squares=sum(len(each) ** 2 for each in values),
        )


FEW_VARIANTS = st.sampled_from(
    [
        (
            Variant(name="a", weight=first, is_control=True),
            Variant(name=name, weight=10_000 - first),
        )
        for first in (0, 5_000, 10_000)
        for name in ("b", "A")
    ]
)
_NAMES = st.sampled_from(["a", "A", "%"])
_UNITS = st.sampled_from(["ada", "Ada", "grace", "é"])
_METRICS = st.sampled_from(["bought", "spent"])
_PLAIN = ("start", "pause", "resume", "complete", "cancel", "outcomes")
_FLOWS = st.sampled_from([UUID(int=1), UUID(int=2)])


def _operations(draw: Draw, id: UUID) -> Ways:
    return {
        **{name: partial(Operation, name, (id,)) for name in _PLAIN},
        "get_by_name": lambda: Operation("get_by_name", (draw(_NAMES),)),
        "running_for": lambda: Operation("running_for", (draw(_FLOWS),)),
        "assign": lambda: Operation("assign", (id, draw(_UNITS))),
        "assignment_of": lambda: Operation("assignment_of", (id, draw(_UNITS))),
        "assignments": lambda: Operation(
            "assignments", (id, draw(st.none() | _UNITS), draw(st.integers(1, 2)))
        ),
        "record_outcome": lambda: Operation(
            "record_outcome",
            (
                id,
                draw(_UNITS),
                draw(_METRICS),
                draw(st.sampled_from([1.0, 0.1, -2.5, 1e15, 1 / 3])),
            ),
            {"key": draw(st.none() | st.sampled_from(["k", "K"]))},
        ),
    }


EXPERIMENT_COURSE = Course(
    few={
        "name": _NAMES,
        "variants": FEW_VARIANTS,
        "description": st.none() | st.sampled_from(["", "x", "X%", "ß", "\\"]),
        "metrics": st.sampled_from([(), ("bought",), ("spent", "bought")]),
        "flow_id": _FLOWS,
        "traffic_share": st.sampled_from([0.0, 0.5, 1.0]),
    },
    model=ExperimentModel,
    operations=_operations,
    often=("start", "assign", "record_outcome"),
)
