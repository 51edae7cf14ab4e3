"""The statements that read a tenant's records table by table, and put them back as they were.

Nothing here writes the audit trail or the outbox: what is put back brings its trail along.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final
from uuid import UUID

import attrs
import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres import audit_statements, experiment_statements, flow_statements
from adapters.postgres import integration_statements as integrations
from adapters.postgres.audit_tables import AUDIT_ANCHORS, AUDIT_HEADS, POSITIONS
from adapters.postgres.columns import TEXT, instant, uuid
from adapters.postgres.executor import Row
from adapters.postgres.experiment_tables import (
    EXPERIMENT_ASSIGNMENTS,
    EXPERIMENT_OUTCOME_KEYS,
    EXPERIMENT_OUTCOMES,
    EXPERIMENTS,
)
from adapters.postgres.flow_metric_statements import FIGURES_MAPPER
from adapters.postgres.flow_tables import FLOW_DAILY_METRICS, FLOW_VERSIONS, FLOWS
from adapters.postgres.integration_tables import INTEGRATION_CALLS, INTEGRATIONS
from adapters.postgres.relation import Relation, listed_rows, lists_of
from adapters.postgres.statements import Statement, compiled
from adapters.postgres.tables import as_tenant, tenant_set
from domain.audit import AuditEntry, AuditHead
from domain.flows import FlowDailyMetrics
from domain.identity import TenantId
from ports import archives as kinds
from ports.archives import Record, RecordKind

_LIMIT: Final = sa.bindparam("limit", type_=sa.BigInteger())

ADVANCE: Final = compiled(
    sa.select(
        getattr(sa.func, POSITIONS)(
            sa.bindparam("position", type_=sa.BigInteger()), type_=sa.BigInteger()
        )
    )
)
"""What is written to the trail from now on has a greater position than that."""


@attrs.frozen(kw_only=True, eq=False)
class Shelf:
    """A kind of record in its table: `names`, the columns of a record; `row` makes their values and
    `record` a record of them. `owner`: the table of what a record belongs to, by which column.
    """

    table: sa.Table
    key: tuple[str, ...]
    names: tuple[str, ...]
    row: Callable[[Record], Mapping[str, Any]]
    record: Callable[[TenantId, Row], Record]
    owner: tuple[sa.Table, str] | None = None
    overriding: bool = False
    """Whether it has a column that the server fills in unless it is told not to."""

    @cached_property
    def add(self) -> Statement:
        """Adds the rows of which no unique key stands and whose owners are there; their keys."""
        names = [name for name in self._columns if name != "tenant_id"]
        values = dict(zip(names, listed_rows(self.table, names), strict=True))
        if self.owner is None:
            rows = sa.select(tenant_set(), *values.values())
        else:
            parent, column = self.owner
            rows = sa.select(parent.c.tenant_id, *values.values()).where(
                _is_tenants(parent), parent.c.id == values[column]
            )
        added = postgresql.insert(self.table).from_select(["tenant_id", *names], rows)
        returned = [self.table.c[name] for name in self.key] or [self.table.c.tenant_id]
        made = compiled(added.on_conflict_do_nothing().returning(*returned))
        if self.overriding:  # which SQLAlchemy can't say
            return attrs.evolve(
                made, sql=made.sql.replace(") SELECT", ") OVERRIDING SYSTEM VALUE SELECT", 1)
            )
        return made

    @property
    def _columns(self) -> Sequence[str]:
        return [column.name for column in self.table.c]

    def lists(self, records: Sequence[Record]) -> dict[str, list[Any]]:
        """The parameters of `add`."""
        return lists_of(self.table, [self.row(record) for record in records], self._columns)

    @cached_property
    def page(self) -> Statement:
        """The first rows in the order of their keys."""
        return compiled(self._page)

    @cached_property
    def page_after(self) -> Statement:
        """Those after a key."""
        after = [sa.bindparam(f"after_{name}", type_=self.table.c[name].type) for name in self.key]
        place = self._keys > sa.tuple_(*after) if len(after) > 1 else self._keys > after[0]
        return compiled(self._page.where(place))

    @cached_property
    def standing(self) -> Statement:
        """The rows of some keys, each part of which is a list."""
        shown = sa.select(*(self.table.c[name] for name in self.names))
        wanted = shown.where(_is_tenants(self.table))
        if not self.key:
            return compiled(wanted)
        given = sa.select(*listed_rows(self.table, self.key))
        return compiled(wanted.where(self._keys.in_(given)))

    @cached_property
    def owners(self) -> Statement:
        """Those of some owners that are there."""
        assert self.owner is not None
        parent, _ = self.owner
        ids = sa.bindparam("ids", type_=postgresql.ARRAY(parent.c.id.type))
        return compiled(
            sa.select(parent.c.id).where(_is_tenants(parent), parent.c.id == sa.any_(ids))
        )

    @property
    def _keys(self) -> Any:
        columns = [self.table.c[name] for name in self.key]
        return columns[0] if len(columns) == 1 else sa.tuple_(*columns)

    @property
    def _page(self) -> sa.Select[Any]:
        shown = sa.select(*(self.table.c[name] for name in self.names))
        order = [self.table.c[name] for name in self.key]
        return shown.where(_is_tenants(self.table)).order_by(*order).limit(_LIMIT)


def _is_tenants(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.tenant_id == sa.bindparam("tenant", type_=TEXT), as_tenant())


def _of(kind: RecordKind, relation: Any, table: sa.Table, **more: Any) -> Shelf:
    """What has a mapper of its own."""
    mapper = getattr(relation, "mapper", relation)
    return Shelf(
        table=table,
        key=kind.key,
        names=mapper.names,
        row=relation.row,
        record=lambda tenant, row: mapper.restored(row),
        **more,
    )


def _plain(kind: RecordKind, table: sa.Table, **more: Any) -> Shelf:
    """What has a column for each of its fields, in the driver's own values."""
    names = tuple(column.name for column in table.c)

    def record(tenant: TenantId, row: Row) -> Record:
        values = [uuid(value) if isinstance(value, UUID) else value for value in row]
        fields = dict(zip(names, values, strict=True))
        if kind.entity is AuditHead:
            del fields["tenant_id"]
        return kind.entity(**fields)

    def values(record: Record) -> Mapping[str, Any]:
        return {"tenant_id": None, **vars(record)}

    return Shelf(table=table, key=kind.key, names=names, row=values, record=record, **more)


_FIGURES = FIGURES_MAPPER
_STAMPS = ("flow_id", "metric_date", "created_at", "updated_at", "revision")


def _figures_row(metrics: FlowDailyMetrics) -> Mapping[str, Any]:
    stamps = {name: getattr(metrics, name) for name in (*_STAMPS, "tenant_id")}
    return {**_FIGURES.row(metrics.totals), **stamps}


def _figures(tenant: TenantId, row: Row) -> FlowDailyMetrics:
    count = len(_STAMPS)
    stamps = dict(zip(_STAMPS, row[:count], strict=True))
    stamps["flow_id"] = uuid(stamps["flow_id"])
    for name in ("created_at", "updated_at"):
        stamps[name] = instant(stamps[name])
    totals = _FIGURES.restored(row[count:])
    return FlowDailyMetrics(tenant_id=tenant, totals=totals, **stamps)


def _entry_row(entry: AuditEntry) -> Mapping[str, Any]:
    mapper = audit_statements.RELATION.mapper
    row = {name: getattr(entry, name) for name in mapper.names}
    changes = {name: [each.before, each.after] for name, each in sorted(entry.changes.items())}
    row["changes"] = orjson.dumps(changes).decode()
    row["action"] = entry.action.value
    return row


_ENTRIES: Relation[AuditEntry] = audit_statements.RELATION
SHELVES: Final[Mapping[RecordKind, Shelf]] = {
    kinds.FLOWS: _of(kinds.FLOWS, flow_statements.RELATION, FLOWS),
    kinds.FLOW_VERSIONS: _of(
        kinds.FLOW_VERSIONS,
        flow_statements.VERSION_MAPPER,
        FLOW_VERSIONS,
        owner=(FLOWS, "flow_id"),
    ),
    kinds.FLOW_METRICS: Shelf(
        table=FLOW_DAILY_METRICS,
        key=kinds.FLOW_METRICS.key,
        names=(*_STAMPS, *_FIGURES.names),
        row=_figures_row,
        record=_figures,
        owner=(FLOWS, "flow_id"),
    ),
    kinds.EXPERIMENTS: _of(kinds.EXPERIMENTS, experiment_statements.RELATION, EXPERIMENTS),
    kinds.ASSIGNMENTS: _of(
        kinds.ASSIGNMENTS,
        experiment_statements.ASSIGNMENT_MAPPER,
        EXPERIMENT_ASSIGNMENTS,
        owner=(EXPERIMENTS, "experiment_id"),
    ),
    kinds.OUTCOMES: _plain(
        kinds.OUTCOMES, EXPERIMENT_OUTCOMES, owner=(EXPERIMENTS, "experiment_id")
    ),
    kinds.OUTCOME_KEYS: _plain(
        kinds.OUTCOME_KEYS, EXPERIMENT_OUTCOME_KEYS, owner=(EXPERIMENTS, "experiment_id")
    ),
    kinds.INTEGRATIONS: _of(kinds.INTEGRATIONS, integrations.RELATION, INTEGRATIONS),
    kinds.CALLS: _of(
        kinds.CALLS,
        integrations.CALLS.mapper,
        INTEGRATION_CALLS,
        owner=(INTEGRATIONS, "integration_id"),
    ),
    kinds.AUDIT_ANCHOR: _plain(kinds.AUDIT_ANCHOR, AUDIT_ANCHORS),
    kinds.AUDIT_HEAD: _plain(kinds.AUDIT_HEAD, AUDIT_HEADS),
    kinds.AUDIT_ENTRIES: Shelf(
        table=_ENTRIES.table,
        key=kinds.AUDIT_ENTRIES.key,
        names=_ENTRIES.mapper.names,
        row=_entry_row,
        record=lambda tenant, row: _ENTRIES.mapper.restored(row),
        overriding=True,
    ),
}
