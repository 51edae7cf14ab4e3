"""Flows in PostgreSQL: what isn't the same for every entity."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from attrs import fields_dict

from adapters.postgres import flow_metric_statements as figures_sql
from adapters.postgres import flow_statements as sql
from adapters.postgres.columns import instant
from adapters.postgres.errors import FOREIGN_KEY, NOT_NULL, ConstraintBroken
from adapters.postgres.executor import Executor, Row
from adapters.postgres.flow_tables import FLOWS
from adapters.postgres.mapper import RowMapper
from adapters.postgres.repository import PostgresRepository, writing
from domain.errors import Fault, ValidationError
from domain.flows import Flow, FlowDailyMetrics, FlowVersion, MetricIncrements, summed
from domain.rules import checked, restored
from ports.errors import DuplicateEntityError, EntityNotFoundError, TransactionError
from ports.flow_metrics import AddedOnce, KeyedIncrements
from ports.flows import FlowRepository, FlowSummary
from ports.reading import Selection

_SUMMARIES = RowMapper(FlowSummary, "flow")
_SHOWN = tuple(FLOWS.c[name] for name in fields_dict(FlowSummary))
_VERSION_KEYS = {
    "pk_flow_versions": ("id",),
    "uq_flow_versions_version": ("flow_id", "version"),
}


class PostgresFlowRepository(PostgresRepository[Flow], FlowRepository):
    """Flows, their versions and figures."""

    relation = sql.RELATION

    @writing
    async def _swap_default(self, id: UUID, by: str | None, now: datetime) -> Flow:
        async def swap(executor: Executor) -> Flow:
            await executor.read(sql.LOCK_DEFAULT.sql, [self._tenant])
            rows = await executor.read(sql.GET_FOR_UPDATE.sql, (self._tenant, id))
            if not rows:
                raise EntityNotFoundError(self.schema.name, id)
            flow: Flow = self.relation.mapper.restored(rows[0])
            if flow.is_default:
                return flow
            marked = flow.edited(by=by).as_default()
            author = None if by is None else marked.updated_by
            at = self._now(now)
            values = {"tenant": self._tenant, "id": id, "by": author, "now": at}
            arguments = sql.CLEAR_DEFAULT.arguments({**values, **self._told(at)})
            await executor.affect(sql.CLEAR_DEFAULT.sql, arguments)
            arguments = sql.SET_DEFAULT.arguments({**values, **self._told(at)})
            try:
                rows = await executor.write(sql.SET_DEFAULT.sql, arguments)
                return self._entities(rows)[0]
            except ConstraintBroken:
                pass
            # Another became it since, without a swap. Outside a unit, this is tried again.
            raise TransactionError("another flow became the default first")

        return await self._executor.atomically(swap)

    @writing
    async def _count_use(self, id: UUID, amount: int, used_at: datetime) -> int:
        values = {"tenant": self._tenant, "id": id, "amount": amount, "at": used_at}
        arguments = sql.COUNT_USE.arguments(values)
        while not (rows := await self._executor.write(sql.COUNT_USE.sql, arguments)):
            standing = await self._executor.read(sql.USAGE.sql, (self._tenant, id))
            if not standing:
                raise EntityNotFoundError(self.schema.name, id)
            checked(Flow, "usage_count", standing[0][0] + amount)
        count: int = rows[0][0]
        return count

    async def _select_summaries(self, selection: Selection) -> Sequence[FlowSummary]:
        return _SUMMARIES.all_restored(await self._rows(selection, _SHOWN))

    @writing
    async def _store_version(
        self, changed: Flow, left: FlowVersion, new: FlowVersion, now: datetime
    ) -> Flow:
        async def store(executor: Executor) -> Flow:
            stored = await self._replaced(executor, changed, now)
            row = sql.VERSION_MAPPER.row(left)
            await executor.write(sql.KEEP_VERSION_ONCE.sql, sql.KEEP_VERSION_ONCE.arguments(row))
            row = sql.VERSION_MAPPER.row(new)
            await executor.write(sql.KEEP_VERSION.sql, sql.KEEP_VERSION.arguments(row))
            return stored

        return await self._executor.atomically(store)

    async def _versions(self, id: UUID, version: str | None) -> Sequence[FlowVersion]:
        if version is None:
            rows = await self._read(sql.VERSIONS.sql, (self._tenant, id))
        else:
            rows = await self._read(sql.VERSION.sql, (self._tenant, id, version))
        return sql.VERSION_MAPPER.all_restored(rows)

    @writing
    async def _add_metrics(
        self, id: UUID, metric_date: date, increments: MetricIncrements, now: datetime
    ) -> FlowDailyMetrics:
        at = self._now(now)
        values: dict[str, Any] = {
            **figures_sql.FIGURES_MAPPER.row(increments),
            "tenant_id": self._tenant,
            "flow_id": id,
            "metric_date": metric_date,
            "created_at": at,
            "updated_at": at,
            "revision": 1,
        }
        arguments = figures_sql.ADD_METRICS.arguments(values)
        try:
            while not (rows := await self._executor.write(figures_sql.ADD_METRICS.sql, arguments)):
                for standing in await self._metrics(id, metric_date, metric_date):
                    summed(standing.totals, increments)
        except ConstraintBroken as broken:
            if broken.sqlstate != FOREIGN_KEY:
                raise
        else:
            return self._figures(id, rows[0])
        raise EntityNotFoundError(self.schema.name, id)

    @writing
    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        values = {
            "tenant": self._tenant,
            "flow_id": id,
            "metric_date": metric_date,
            "created_at": self._now(now),
            "given": figures_sql.document(increments),
        }
        arguments = figures_sql.ADD_ONCE.arguments(values)
        figures: FlowDailyMetrics | None = None
        added: set[str] = set()
        try:
            while True:
                for keys, *row in await self._executor.write(figures_sql.ADD_ONCE.sql, arguments):
                    figures = self._figures(id, row)
                    added.update(keys)
                others = {each.key: each for each in increments if each.key not in added}
                known = await self._known(id, others) if others else {}
                # Again, if one is unknown by now: its flow is gone, or nobody asked for it since.
                if known.keys() == others.keys():
                    break
        except ConstraintBroken as broken:
            if broken.sqlstate not in (FOREIGN_KEY, NOT_NULL):
                raise
            gone = broken.sqlstate == FOREIGN_KEY
        else:
            told = {key for key, each in others.items() if known[key] != (metric_date, each.digest)}
            return AddedOnce(figures=figures, added=frozenset(added), reused=frozenset(told))
        if gone:
            raise EntityNotFoundError(self.schema.name, id)
        raise ValidationError("FlowDailyMetrics", [Fault("", "a sum would leave its bounds")])

    async def _known(self, id: UUID, keys: Iterable[str]) -> dict[str, tuple[date, str]]:
        """What stands under those of these keys that are known."""
        values = {"tenant_id": self._tenant, "flow_id": id, "keys": list(keys)}
        arguments = figures_sql.KNOWN_KEYS.arguments(values)
        rows = await self._executor.read(figures_sql.KNOWN_KEYS.sql, arguments)
        return {key: (metric_date, digest) for key, metric_date, digest in rows}

    async def _metrics(self, id: UUID, start: date, end: date) -> Sequence[FlowDailyMetrics]:
        rows = await self._read(figures_sql.METRICS.sql, (self._tenant, id, start, end))
        return [self._figures(id, row) for row in rows]

    def _figures(self, id: UUID, row: Row) -> FlowDailyMetrics:
        *figures, metric_date, created_at, updated_at, revision = row
        return restored(
            FlowDailyMetrics,
            {
                "tenant_id": self._tenant,
                "flow_id": id,
                "metric_date": metric_date,
                "totals": figures_sql.FIGURES_MAPPER.restored(figures),
                "created_at": instant(created_at),
                "updated_at": instant(updated_at),
                "revision": revision,
            },
        )

    def _broken(self, broken: ConstraintBroken) -> Exception:
        if broken.constraint in _VERSION_KEYS:
            return DuplicateEntityError("flow version", _VERSION_KEYS[broken.constraint])
        return super()._broken(broken)
