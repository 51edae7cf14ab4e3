"""Flows in the reference, and the course that the state machine takes them."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Self
from uuid import UUID

import attrs
from hypothesis import strategies as st

from domain.definitions import FlowDefinition
from domain.flows import (
    ChangeType,
    Flow,
    FlowDailyMetrics,
    FlowStatus,
    FlowVersion,
    MetricIncrements,
    next_version,
    summed,
)
from domain.identity import UserId
from ports.contracts.model import NEVER, Course, Draw, Operation, RepositoryModel, Ways
from ports.contracts.strategies import increments
from ports.errors import DuplicateEntityError, EntityNotFoundError


@attrs.define(slots=False)
class FlowModel(RepositoryModel):
    """One tenant's flows, with what belongs to them."""

    entities: dict[UUID, Flow] = attrs.field(factory=dict)
    versions: dict[UUID, list[FlowVersion]] = attrs.field(factory=dict)
    figures: dict[tuple[UUID, date], FlowDailyMetrics] = attrs.field(factory=dict)

    def copy(self) -> Self:
        versions = {id: list(kept) for id, kept in self.versions.items()}
        return attrs.evolve(super().copy(), versions=versions, figures=dict(self.figures))

    def _forget(self, ids: Iterable[UUID]) -> None:
        for id in ids:
            super()._forget([id])
            self.versions.pop(id, None)
            self.figures = {key: one for key, one in self.figures.items() if key[0] != id}

    def _standing(self, id: UUID, expected: int | None) -> Flow:
        standing: Flow = super()._standing(id, expected)
        return standing

    def modify(self, id: UUID, change: Callable[[Flow], Flow], expected: int | None = None) -> Flow:
        modified: Flow = super().modify(id, change, expected)
        return modified

    def get_default(self) -> Flow | None:
        return next((flow for flow in self.entities.values() if flow.is_default), None)

    def set_default(self, id: UUID, *, by: str | None = None) -> Flow:
        with self._in_store():
            standing = self._standing(id, None)
            if standing.is_default:
                return standing
            chosen: Flow = self._written(standing.edited(by=by).as_default())
        former = self.get_default()
        if former is not None:
            self.entities[former.id] = self._written(former.edited(by=by).as_default(False))
        self.entities[id] = chosen
        return chosen

    def unset_default(self, *, by: str | None = None) -> bool:
        former = self.get_default()
        if former is not None:
            self.entities[former.id] = self._written(former.edited(by=by).as_default(False))
        return former is not None

    def publish(self, id: UUID, *, by: str | None = None) -> Flow:
        return self.modify(id, lambda flow: flow.publish(by=by, at=self.clock.now()))

    def move_to(self, id: UUID, status: FlowStatus, *, by: str | None = None) -> Flow:
        return self.modify(
            id, lambda flow: flow if flow.status is status else flow.moved_to(status, by=by)
        )

    def archive(self, id: UUID, *, by: str | None = None) -> Flow:
        return self.move_to(id, FlowStatus.ARCHIVED, by=by)

    def restore(self, id: UUID, *, by: str | None = None) -> Flow:
        return self.modify(id, lambda flow: flow.restore(by=by))

    def increment_usage(self, id: UUID, amount: int = 1) -> int:
        with self._in_store():
            standing = self._standing(id, None)
            count, now = standing.usage_count + amount, self.clock.kept
            used_at = max(standing.last_used_at or now, now)
            self.entities[id] = attrs.evolve(standing, usage_count=count, last_used_at=used_at)
        return count

    def create_version(
        self, id: UUID, *, version: str | None = None, by: str | None = None
    ) -> FlowVersion:
        standing = self._standing(id, None)
        target = next_version(standing.version, ChangeType.MINOR) if version is None else version
        changed = standing.at_version(target, standing.definition, by=by)
        left = self._version_of(standing, standing.updated_by)
        new = self._version_of(changed, by)
        with self._in_store():
            kept = list(self.versions.get(id, []))
            self._refuse_duplicates(self.entities | {id: changed})
            if all(one.version != left.version for one in kept):
                kept.append(left)
            if any(one.version == new.version for one in kept):
                raise DuplicateEntityError("flow version", ("flow_id", "version"))
            self.update(changed)
            self.versions[id] = [*kept, new]
        return new

    def _version_of(self, flow: Flow, by: str | None) -> FlowVersion:
        return FlowVersion(
            id=NEVER,
            tenant_id=self.tenant,
            flow_id=flow.id,
            version=flow.version,
            definition=flow.definition,
            created_by=None if by is None else UserId(by),
            created_at=self.clock.now(),
        )

    def get_versions(self, id: UUID) -> tuple[FlowVersion, ...]:
        return tuple(self.versions.get(id, ()))

    def rollback_to(self, id: UUID, version: str) -> Flow:
        kept = [one for one in self.get_versions(id) if one.version == version]
        if not kept:
            self._standing(id, None)
            raise EntityNotFoundError("flow version", version)
        return self.modify(id, lambda flow: flow.at_version(version, kept[0].definition))

    def record_metrics(
        self, id: UUID, metric_date: date, increments: MetricIncrements
    ) -> FlowDailyMetrics:
        with self._in_store():
            self._standing(id, None)
            now, known = self.clock.kept, self.figures.get((id, metric_date))
            self.figures[id, metric_date] = made = FlowDailyMetrics(
                tenant_id=self.tenant,
                flow_id=id,
                metric_date=metric_date,
                totals=increments if known is None else summed(known.totals, increments),
                created_at=now if known is None else known.created_at,
                updated_at=now,
                revision=1 if known is None else known.revision + 1,
            )
        return made

    def get_metrics(self, id: UUID, start: date, end: date) -> tuple[FlowDailyMetrics, ...]:
        days = sorted(day for flow, day in self.figures if flow == id and start <= day <= end)
        return tuple(self.figures[id, day] for day in days)


_NAMES = st.sampled_from(["a", "A", "%"])
_VERSIONS = st.sampled_from(["1.0", "1.1", "2.0"])
_NOTES = st.none() | st.sampled_from(["", "x", "X%", "ß", "\\"])
_BY = st.none() | st.just("ada")
_DAYS = st.sampled_from([date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)])


def _operations(draw: Draw, id: UUID) -> Ways:
    return {
        "get_default": lambda: Operation("get_default"),
        "set_default": lambda: Operation("set_default", (id,), {"by": draw(_BY)}),
        "unset_default": lambda: Operation("unset_default", (), {"by": draw(_BY)}),
        "publish": lambda: Operation("publish", (id,), {"by": draw(_BY)}),
        "move_to": lambda: Operation(
            "move_to", (id, draw(st.sampled_from(sorted(set(FlowStatus) - {FlowStatus.ACTIVE}))))
        ),
        "archive": lambda: Operation("archive", (id,), {"by": draw(_BY)}),
        "restore": lambda: Operation("restore", (id,), {"by": draw(_BY)}),
        "increment_usage": lambda: Operation("increment_usage", (id, draw(st.integers(1, 9)))),
        "create_version": lambda: Operation(
            "create_version",
            (id,),
            {"version": draw(st.none() | _VERSIONS), "by": draw(_BY)},
            minted=frozenset({"id"}),
        ),
        "get_versions": lambda: Operation("get_versions", (id,), minted=frozenset({"id"})),
        "rollback_to": lambda: Operation("rollback_to", (id, draw(_VERSIONS))),
        "record_metrics": lambda: Operation(
            "record_metrics", (id, draw(_DAYS), draw(increments()))
        ),
        "get_metrics": lambda: Operation("get_metrics", (id, draw(_DAYS), draw(_DAYS))),
    }


FLOW_COURSE = Course(
    few={
        "name": _NAMES,
        "version": _VERSIONS,
        "description": _NOTES,
        "category": _NOTES.filter(lambda note: note != ""),
        "tags": st.lists(_NAMES, max_size=2),
        "definition": st.sampled_from([FlowDefinition(), FlowDefinition.external({"n": 3.0})]),
        "is_default": st.booleans(),
    },
    model=FlowModel,
    operations=_operations,
    often=("publish", "set_default"),
)
