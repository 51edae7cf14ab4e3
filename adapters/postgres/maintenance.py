"""What works across tenants."""

from collections.abc import AsyncIterator

import sqlalchemy as sa

from adapters.postgres.audit import seal
from adapters.postgres.columns import TEXT
from adapters.postgres.database import ENTITIES, TENANT_TABLES
from adapters.postgres.executor import Executor
from adapters.postgres.statements import compiled
from adapters.postgres.tables import as_tenant
from domain.identity import TenantId, tenant_id
from ports.audit import SEAL_BATCH
from ports.outbox import Outbox
from ports.paging import check_limit
from ports.stores import AuthoringMaintenance

BATCH = 1_000


def _next_tenant(table: sa.Table) -> sa.ScalarSelect[str]:
    column = table.c.tenant_id
    after = sa.bindparam("after", type_=TEXT)
    return sa.select(column).where(column > after).order_by(column).limit(_ONE).scalar_subquery()


_ONE = sa.literal_column("1", sa.BigInteger())
NEXT_TENANT = compiled(sa.select(sa.func.least(*map(_next_tenant, ENTITIES))))
"""The least tenant after one, in any table: one step down each primary key, however many rows a
tenant has (a loose index scan; PostgreSQL would read every row for a DISTINCT)."""


def _of_tenant(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    return as_tenant(), table.c.tenant_id == sa.bindparam("tenant", type_=TEXT)


def _erase(table: sa.Table) -> tuple[str, tuple[str, ...]]:
    key = [column for column in table.primary_key if column is not table.c.tenant_id]
    erased = sa.delete(table).where(*_of_tenant(table))
    if key:  # otherwise a tenant has one row
        some = sa.select(*key).where(*_of_tenant(table)).order_by(*key)
        limit = sa.bindparam("limit", type_=sa.BigInteger())
        erased = erased.where(sa.tuple_(*key).in_(some.limit(limit)))
    statement = compiled(erased)
    return statement.sql, statement.names


def _left(table: sa.Table) -> str:
    return compiled(sa.select(_ONE).select_from(table).where(*_of_tenant(table)).limit(_ONE)).sql


_ERASE = [
    (*_erase(table), _left(table), table in ENTITIES) for table in (*ENTITIES, *TENANT_TABLES)
]
"""In this order: statement and its parameters, whether anything is left, whether it counts."""


class PostgresMaintenance(AuthoringMaintenance):
    """Maintenance of every table in this database."""

    def __init__(self, executor: Executor, outbox: Outbox) -> None:
        self._executor = executor
        self._outbox = outbox

    @property
    def outbox(self) -> Outbox:
        return self._outbox

    async def seal_audit(self, tenant: TenantId, limit: int = SEAL_BATCH) -> int:
        return await seal(self._executor, tenant_id(tenant), check_limit(limit))

    async def tenants(self) -> AsyncIterator[TenantId]:
        tenant = ""
        while True:
            rows = await self._executor.read(NEXT_TENANT.sql, [tenant])
            if rows[0][0] is None:
                return
            tenant = rows[0][0]
            yield TenantId(tenant)

    async def erase_tenant(self, tenant: TenantId) -> int:
        named, erased = tenant_id(tenant), 0
        for sql, names, left, counted in _ERASE:
            values = {"tenant": named, "limit": BATCH}
            went = 0
            # None went, too, if another deleted the same batch meanwhile.
            while went or await self._executor.read(left, [named]):
                went = await self._executor.affect(sql, [values[name] for name in names])
                erased += went if counted else 0
        return erased
