"""The reference: what a tenant's flows must answer, in the plainest way there is.

It shares nothing with any adapter but the domain and the definitions of criteria and orders. It
keeps flows in a dict and reads the whole of it each time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID

import attrs

from domain.flows import (
    FLOW_LIFECYCLE,
    ChangeType,
    Flow,
    FlowDailyMetrics,
    FlowStatus,
    FlowVersion,
    MetricIncrements,
    next_version,
    summed,
)
from domain.identity import Draft, TenantId, UserId
from ports.contracts.harness import ContractClock
from ports.criteria import Criteria
from ports.errors import ConflictError, DuplicateEntityError, EntityNotFoundError
from ports.flows import FLOW_SCHEMA
from ports.paging import Order, PaginatedResult, Pagination

NEVER = UUID(int=0)
"""Stands for ids that the store mints; comparisons leave them out."""


@attrs.define
class FlowModel:
    """One tenant's flows. Its methods are named as the repository's, and answer as it must."""

    tenant: TenantId
    clock: ContractClock
    flows: dict[UUID, Flow] = attrs.field(factory=dict)
    versions: dict[UUID, list[FlowVersion]] = attrs.field(factory=dict)
    figures: dict[tuple[UUID, date], FlowDailyMetrics] = attrs.field(factory=dict)
    doomed: bool = False
    """Whether a write failed in the store itself, which within a unit of work dooms it."""

    def copy(self) -> "FlowModel":
        """Another one that begins as this one is."""
        versions = {id: list(kept) for id, kept in self.versions.items()}
        return FlowModel(self.tenant, self.clock, dict(self.flows), versions, dict(self.figures))

    @contextmanager
    def _in_store(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            self.doomed = True
            raise

    def _refuse_duplicates(self, flows: dict[UUID, Flow]) -> None:
        names = [(flow.name, flow.version) for flow in flows.values()]
        if len(names) > len(set(names)):
            raise DuplicateEntityError("flow", ("name", "version"))
        if sum(flow.is_default for flow in flows.values()) > 1:
            raise DuplicateEntityError("flow", ("is_default",))

    def _standing(self, id: UUID, expected: int | None) -> Flow:
        if id not in self.flows:
            raise EntityNotFoundError("flow", id)
        flow = self.flows[id]
        if expected is not None and flow.revision != expected:
            raise ConflictError("flow", id, expected, flow.revision)
        return flow

    def _written(self, flow: Flow) -> Flow:
        return attrs.evolve(flow, updated_at=self.clock.kept, revision=flow.revision + 1)

    def _put(self, *changed: Flow) -> None:
        flows = self.flows | {flow.id: flow for flow in changed}
        self._refuse_duplicates(flows)
        self.flows = flows

    # What every repository has.

    def create(self, entity: Flow | Draft[Flow]) -> Flow:
        return self.create_many([entity])[0]

    def create_many(self, entities: Iterable[Flow | Draft[Flow]]) -> tuple[Flow, ...]:
        made = tuple(
            entity.assigned(tenant=self.tenant, new_id=NEVER, at=self.clock.now())
            if isinstance(entity, Draft)
            else entity
            for entity in entities
        )
        with self._in_store():
            flows = dict(self.flows)
            for flow in made:
                if flow.id in flows:
                    raise DuplicateEntityError("flow", ("id",))
                flows[flow.id] = flow
                self._refuse_duplicates(flows)
            self.flows = flows
        return made

    def get_by_id(self, id: UUID) -> Flow | None:
        return self.flows.get(id)

    def get_many(self, ids: Sequence[UUID]) -> tuple[Flow, ...]:
        return tuple(self.flows[id] for id in dict.fromkeys(ids) if id in self.flows)

    def update(self, entity: Flow) -> Flow:
        with self._in_store():
            standing = self._standing(entity.id, entity.revision)
            FLOW_LIFECYCLE.check(standing.status, entity.status)
            kept = {name: getattr(standing, name) for name in FLOW_SCHEMA.maintained}
            changed = self._written(attrs.evolve(entity, created_at=standing.created_at, **kept))
            self._put(changed)
        return changed

    def patch(self, id: UUID, expected_revision: int | None = None, **changes: Any) -> Flow:
        with self._in_store():
            standing = self._standing(id, expected_revision)
            changed = self._written(attrs.evolve(standing, **changes))
            self._put(changed)
        return changed

    def modify(self, id: UUID, change: Callable[[Flow], Flow], expected: int | None = None) -> Flow:
        standing = self._standing(id, expected)
        changed = change(standing)
        return standing if changed is standing else self.update(changed)

    def delete(self, id: UUID, expected_revision: int | None = None) -> bool:
        if id not in self.flows:
            return False
        with self._in_store():
            self._standing(id, expected_revision)
        self._forget([id])
        return True

    def _forget(self, ids: Iterable[UUID]) -> None:
        for id in ids:
            del self.flows[id]
            self.versions.pop(id, None)
            self.figures = {key: one for key, one in self.figures.items() if key[0] != id}

    def _matching(self, criteria: Criteria) -> list[Flow]:
        return [flow for flow in self.flows.values() if criteria.matches(flow)]

    def count(self, criteria: Criteria) -> int:
        return len(self._matching(criteria))

    def list(self, criteria: Criteria, page: Pagination, order: list[str]) -> PaginatedResult[Flow]:
        found = Order.of(order, FLOW_SCHEMA).sorted(self._matching(criteria))
        end = page.offset + page.page_size
        return PaginatedResult(
            items=tuple(found[page.offset : end]),
            total=len(found) if page.with_total else None,
            page=page.page,
            page_size=page.page_size,
            has_next=len(found) > end,
        )

    def update_where(self, criteria: Criteria, **changes: Any) -> int:
        matches = self._matching(criteria)
        with self._in_store():
            self._put(*(self._written(attrs.evolve(flow, **changes)) for flow in matches))
        return len(matches)

    def delete_where(self, criteria: Criteria) -> int:
        matches = self._matching(criteria)
        self._forget(flow.id for flow in matches)
        return len(matches)

    # What only flows have.

    def get_default(self) -> Flow | None:
        return next((flow for flow in self.flows.values() if flow.is_default), None)

    def set_default(self, id: UUID, *, by: str | None = None) -> Flow:
        with self._in_store():
            standing = self._standing(id, None)
            if standing.is_default:
                return standing
            chosen = self._written(standing.edited(by=by).as_default())
        former = self.get_default()
        if former is not None:
            self.flows[former.id] = self._written(former.edited(by=by).as_default(False))
        self.flows[id] = chosen
        return chosen

    def unset_default(self, *, by: str | None = None) -> bool:
        former = self.get_default()
        if former is not None:
            self.flows[former.id] = self._written(former.edited(by=by).as_default(False))
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
            self.flows[id] = attrs.evolve(standing, usage_count=count, last_used_at=used_at)
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
            self._refuse_duplicates(self.flows | {id: changed})
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
