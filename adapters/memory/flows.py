"""Flows in memory: what isn't the same for every entity."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from attrs import evolve, fields_dict, frozen

from adapters.memory.repository import MemoryRepository
from adapters.memory.tables import Table, Transaction
from domain.flows import Flow, FlowDailyMetrics, FlowVersion, MetricIncrements, summed
from domain.rules import checked, restored
from ports.errors import DuplicateEntityError, EntityNotFoundError, TransactionError
from ports.flow_metrics import AddedOnce, KeyedIncrements
from ports.flows import FlowRepository, FlowSummary
from ports.reading import Selection
from ports.schema import Unique

VERSIONS = "flow version"
METRICS = "flow metrics"
METRIC_KEYS = "flow metric key"
_SHOWN = tuple(fields_dict(FlowSummary))


@frozen
class MetricKey:
    """What came with an idempotency key of a flow's figures, and when."""

    flow_id: UUID
    key: str
    metric_date: date
    digest: str
    created_at: datetime


class MemoryFlowRepository(MemoryRepository[Flow], FlowRepository):
    """Flows, their versions and figures."""

    @classmethod
    def tables(cls) -> dict[str, Table]:
        by_flow = lambda row: row.flow_id  # noqa: E731  # the same key function twice
        return {
            **super().tables(),
            VERSIONS: Table(
                VERSIONS,
                key=lambda row: row.id,
                unique=(Unique(("flow_id", "version")),),
                group=by_flow,
                parent=cls.schema.name,
            ),
            METRICS: Table(
                METRICS,
                key=lambda row: (row.flow_id, row.metric_date),
                group=by_flow,
                parent=cls.schema.name,
            ),
            METRIC_KEYS: Table(
                METRIC_KEYS,
                key=lambda row: (row.flow_id, row.key),
                group=by_flow,
                parent=cls.schema.name,
            ),
        }

    def _forget(self, transaction: Transaction, id: Any) -> None:
        super()._forget(transaction, id)
        for version in transaction.members(VERSIONS, id):
            transaction.remove(VERSIONS, version.id)
        for metrics in transaction.members(METRICS, id):
            transaction.remove(METRICS, (id, metrics.metric_date))
        for known in transaction.members(METRIC_KEYS, id):
            transaction.remove(METRIC_KEYS, (id, known.key))

    async def _swap_default(self, id: UUID, by: str | None, now: datetime) -> Flow:
        with self._session.writing() as transaction:
            flow: Flow = self._expected(transaction, id, None)
            if flow.is_default:
                return flow
            chosen = flow.edited(by=by).as_default()
            for former in self._matching(transaction, self.where("is_default").eq(True)):
                left = self._raised({**vars(former.edited(by=by).as_default(False))}, now)
                transaction.replace(self._name, left)
                self._record(transaction, former, left)
            stored = self._raised({**vars(chosen)}, now)
            try:
                transaction.replace(self._name, stored)
            except DuplicateEntityError:
                raise TransactionError("another flow became the default first") from None
            self._record(transaction, flow, stored)
            return stored

    async def _count_use(self, id: UUID, amount: int, used_at: datetime) -> int:
        with self._session.writing() as transaction:
            flow: Flow = self._expected(transaction, id, None)
            latest = max(used_at, flow.last_used_at or used_at)
            count: int = checked(Flow, "usage_count", flow.usage_count + amount)
            fields = {**vars(flow), "usage_count": count, "last_used_at": latest}
            transaction.replace(self._name, restored(Flow, fields))
            return count

    async def _select_summaries(self, selection: Selection) -> Sequence[FlowSummary]:
        return [
            FlowSummary(**{name: getattr(flow, name) for name in _SHOWN})
            for flow in await self._select(selection)
        ]

    async def _store_version(
        self, changed: Flow, left: FlowVersion, new: FlowVersion, now: datetime
    ) -> Flow:
        with self._session.writing() as transaction:
            stored = self._replaced(transaction, changed, now)
            kept = {version.version for version in transaction.members(VERSIONS, changed.id)}
            if left.version not in kept:
                transaction.insert(VERSIONS, left)
            transaction.insert(VERSIONS, new)
            return stored

    async def _versions(self, id: UUID, version: str | None) -> Sequence[FlowVersion]:
        found: list[FlowVersion] = [
            kept
            for kept in self._session.reading().members(VERSIONS, id)
            if version is None or kept.version == version
        ]
        return sorted(found, key=lambda kept: (kept.created_at, kept.id))

    async def _add_metrics(
        self, id: UUID, metric_date: date, increments: MetricIncrements, now: datetime
    ) -> FlowDailyMetrics:
        with self._session.writing() as transaction:
            return self._added(transaction, id, metric_date, increments, now)

    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        with self._session.writing() as transaction:
            if transaction.get(self._name, id) is None:
                raise EntityNotFoundError(self._name, id)
            new, added, reused = list[MetricIncrements](), set[str](), set[str]()
            for each in increments:
                known: MetricKey | None = transaction.get(METRIC_KEYS, (id, each.key))
                if known is None:
                    made = MetricKey(id, each.key, metric_date, each.digest, now)
                    transaction.insert(METRIC_KEYS, made)
                    new.append(each.increments)
                    added.add(each.key)
                elif (known.metric_date, known.digest) != (metric_date, each.digest):
                    reused.add(each.key)
            total = summed(*new)
            figures = self._added(transaction, id, metric_date, total, now) if added else None
            return AddedOnce(figures=figures, added=frozenset(added), reused=frozenset(reused))

    def _added(
        self,
        transaction: Transaction,
        id: UUID,
        metric_date: date,
        increments: MetricIncrements,
        now: datetime,
    ) -> FlowDailyMetrics:
        if transaction.get(self._name, id) is None:
            raise EntityNotFoundError(self._name, id)
        stored: FlowDailyMetrics | None = transaction.get(METRICS, (id, metric_date))
        if stored is None:
            figures = FlowDailyMetrics(
                tenant_id=self._context.tenant,
                flow_id=id,
                metric_date=metric_date,
                totals=increments,
                created_at=now,
                updated_at=now,
            )
        else:
            figures = evolve(
                stored,
                totals=summed(stored.totals, increments),
                updated_at=now,
                revision=stored.revision + 1,
            )
        transaction.replace(METRICS, figures)
        return figures

    async def _metrics(self, id: UUID, start: date, end: date) -> Sequence[FlowDailyMetrics]:
        found: list[FlowDailyMetrics] = [
            figures
            for figures in self._session.reading().members(METRICS, id)
            if start <= figures.metric_date <= end
        ]
        return sorted(found, key=lambda figures: figures.metric_date)
