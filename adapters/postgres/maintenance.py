"""What works across tenants: their names, and one tenant's erasure.

Row-level security holds here, too. The names come from a function of the database's that tells
nothing else; what is erased is seen and deleted as the tenant whose it is.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from adapters.postgres.audit import purge, seal
from adapters.postgres.audit_statements import (
    OLD_ENTRIES,
    TENANTS_WITH_UNSEALED,
    WITH_OLD_ENTRIES,
    with_old,
)
from adapters.postgres.audit_tables import (
    AUDIT_ANCHORS,
    AUDIT_ENTRIES,
    AUDIT_HEADS,
    WITH_OLD_CALLS,
)
from adapters.postgres.columns import TEXT
from adapters.postgres.database import ENTITIES, TENANT_TABLES
from adapters.postgres.delivery_tables import DELIVERIES
from adapters.postgres.erasing import PostgresErasing, each_time
from adapters.postgres.executor import Executor
from adapters.postgres.flow_metric_statements import PURGE_KEYS
from adapters.postgres.integration_statements import OLD_CALLS
from adapters.postgres.integrations import purge_calls
from adapters.postgres.statements import Statement, compiled
from adapters.postgres.tables import as_tenant
from adapters.postgres.tombstones import PostgresTombstones
from domain.identity import TenantId, tenant_id
from domain.retention import Swept
from ports.audit import SEAL_BATCH
from ports.outbox import Outbox
from ports.paging import check_limit
from ports.retention import TENANT_BATCH
from ports.stores import AuthoringMaintenance

BATCH = 1_000
_HELD = 0.05
"""Seconds until it is looked again whether a delivery has ended."""

_ONE = sa.literal_column("1", sa.BigInteger())
_LIMIT = sa.bindparam("limit", type_=sa.BigInteger())
NEXT_TENANT = compiled(
    sa.select(sa.func.dialogbase_next_tenant(sa.bindparam("after", type_=TEXT), type_=TEXT))
)
"""The least tenant after one that has an entity: one step down each primary key, however many rows
a tenant has (a loose index scan; PostgreSQL would read every row for a DISTINCT)."""


def _is_tenants(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.tenant_id == sa.bindparam("tenant", type_=TEXT), as_tenant())


def _erase(table: sa.Table) -> Statement:
    keys = [column for column in table.primary_key if column.name != "tenant_id"]
    if not keys:
        return compiled(sa.delete(table).where(_is_tenants(table)))
    key = keys[0] if len(keys) == 1 else sa.tuple_(*keys)
    some = sa.select(*keys).where(_is_tenants(table)).order_by(*keys).limit(_LIMIT)
    if table is DELIVERIES:
        # What a consumer is just being told of is locked for as long as that takes.
        some = some.with_for_update(skip_locked=True)
    return compiled(sa.delete(table).where(_is_tenants(table), key.in_(some)))


def _left(table: sa.Table) -> Statement:
    return compiled(sa.select(_ONE).select_from(table).where(_is_tenants(table)).limit(_ONE))


_ERASE_AUDIT = compiled(
    sa.select(
        sa.func.dialogbase_erase_audit(
            sa.bindparam("tenant", type_=TEXT), _LIMIT, type_=sa.Boolean()
        )
    ).where(as_tenant())
)
"""Deletes so many entries; whether any are left. Services may write the trail and not delete from
it, so this, too, is a function of the database's."""

_OLD: Mapping[Swept, tuple[Statement, Statement]] = {
    Swept.AUDIT_ENTRIES: (WITH_OLD_ENTRIES, OLD_ENTRIES),
    Swept.INTEGRATION_CALLS: (with_old(WITH_OLD_CALLS), OLD_CALLS),
}
"""How tenants with old things are found, and how many one has."""

_TRAIL = (AUDIT_ENTRIES, AUDIT_HEADS, AUDIT_ANCHORS)
_ERASURES: Mapping[sa.Table, tuple[Statement, Statement]] = {
    table: (_erase(table), _left(table))
    for table in (*ENTITIES, *TENANT_TABLES)
    if table not in _TRAIL
}


class PostgresMaintenance(PostgresErasing, AuthoringMaintenance):
    """Maintenance of every table in this database."""

    def __init__(self, executor: Executor, outbox: Outbox, tombstones: PostgresTombstones) -> None:
        self._executor = executor
        self._outbox = outbox
        self._tombstones = tombstones

    @property
    def tombstones(self) -> PostgresTombstones:
        return self._tombstones

    @property
    def outbox(self) -> Outbox:
        return self._outbox

    async def _purge_metric_keys(
        self, tenant: TenantId, before: datetime, limit: int
    ) -> tuple[int, bool]:
        values = {"tenant": tenant, "before": before, "limit": limit}
        arguments = PURGE_KEYS.arguments(values)
        purged = await self._executor.affect(PURGE_KEYS.sql, arguments)
        return purged, purged == limit

    async def seal_audit(self, tenant: TenantId, limit: int = SEAL_BATCH) -> int:
        return await seal(self._executor, tenant_id(tenant), check_limit(limit))

    async def unsealed(self, after: str, limit: int) -> Sequence[TenantId]:
        arguments = TENANTS_WITH_UNSEALED.arguments({"after": after, "limit": limit})
        rows = await self._executor.read(TENANTS_WITH_UNSEALED.sql, arguments)
        return [TenantId(row[0]) for row in rows]

    async def tenants(self) -> AsyncIterator[TenantId]:
        tenant = ""
        while True:
            rows = await self._executor.read(NEXT_TENANT.sql, [tenant])
            if rows[0][0] is None:
                return
            tenant = rows[0][0]
            yield TenantId(tenant)

    async def _with_old(self, kind: Swept, before: datetime) -> AsyncIterator[TenantId]:
        statement, after = _OLD[kind][0], ""
        while True:
            asked = {"after": after, "before": before, "most": TENANT_BATCH}
            rows = await self._executor.read(statement.sql, statement.arguments(asked))
            for after, old in rows:
                if old:
                    yield TenantId(after)
            if len(rows) < TENANT_BATCH:
                return

    async def _old(self, kind: Swept, tenant: TenantId, before: datetime) -> int:
        statement = _OLD[kind][1]
        asked = statement.arguments({"tenant": tenant, "before": before})
        number: int = (await self._executor.read(statement.sql, asked))[0][0]
        return number

    async def _purge_calls(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        return await purge_calls(self._executor, tenant, before, limit)

    async def _purge_audit(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        return await purge(self._executor, tenant, before, limit)

    async def erase_tenant(self, tenant: TenantId) -> int:
        named = tenant_id(tenant)
        noting = await self._stands(named, None)
        erased = await self._emptied(ENTITIES, named, noting=noting)
        await self._emptied(TENANT_TABLES, named)
        values = {"tenant": named, "limit": BATCH}
        while (await self._executor.write(_ERASE_AUDIT.sql, _ERASE_AUDIT.arguments(values)))[0][0]:
            pass
        await self._emptied([DELIVERIES], named, wait=True)
        return erased

    async def _emptied(
        self,
        tables: Sequence[sa.Table],
        tenant: TenantId,
        *,
        wait: bool = False,
        noting: bool = False,
    ) -> int:
        """How many rows went. Deliveries that are locked are left, unless it is to `wait` for their
        end: whoever holds one is ended by the server if it doesn't.
        """
        values, erased = {"tenant": tenant, "limit": BATCH}, 0
        for table in tables:
            if table not in _ERASURES:
                continue
            erase, left = _ERASURES[table]
            went = 0
            # None went, too, if another deleted the same batch meanwhile.
            while went or await self._executor.read(left.sql, left.arguments(values)):
                once = each_time(erase, values, table.name)
                went = sum((await self._once(once, tenant, None, noting)).values())
                erased += went
                if table is DELIVERIES and not went:
                    if not wait:
                        break
                    await asyncio.sleep(_HELD)
        return erased
