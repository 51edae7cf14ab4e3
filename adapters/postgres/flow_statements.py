"""The statements that only flows need: the default, uses and kept versions."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.flow_tables import FLOW_VERSIONS, FLOWS
from adapters.postgres.mapper import RowMapper
from adapters.postgres.relation import Relation
from adapters.postgres.statements import compiled
from adapters.postgres.tables import as_tenant, tenant_set, tenants_lock
from domain.flows import FlowVersion
from ports.flows import FLOW_SCHEMA

RELATION = Relation(FLOW_SCHEMA, FLOWS)
VERSION_MAPPER = RowMapper(FlowVersion, "flow version")


def _literal(text: str, kind: Any = None) -> Any:
    return sa.literal_column(text, kind or sa.BigInteger())


def _parameters(table: sa.Table, *names: str) -> dict[str, Any]:
    return {name: sa.bindparam(name, type_=table.c[name].type) for name in names}


def _of(table: sa.Table, *names: str) -> list[Any]:
    equal = [table.c[name] == parameter for name, parameter in _parameters(table, *names).items()]
    return [*equal, as_tenant("tenant_id")]


def _added(table: sa.Table, names: Any) -> Any:
    values = {**_parameters(table, *names), "tenant_id": tenant_set("tenant_id")}
    # Inline: else SQLAlchemy asks for the key that it thinks the server has made.
    return postgresql.insert(table).values(values).inline()


LOCK_DEFAULT = compiled(sa.select(sa.func.pg_advisory_xact_lock(tenants_lock("default_flow"))))
"""Whoever swaps a tenant's default waits for its turn."""

GET_FOR_UPDATE = compiled(sa.select(*RELATION.columns).where(RELATION.is_one()).with_for_update())

_BY = sa.func.coalesce(sa.bindparam("by", type_=TEXT), FLOWS.c.updated_by)
_MARKED: dict[str, Any] = {
    "updated_by": _BY,
    "updated_at": sa.bindparam("now", type_=FLOWS.c.updated_at.type),
}
CLEAR_DEFAULT = compiled(
    RELATION.changing(
        sa.select(FLOWS.c.id).where(RELATION.is_tenants(), FLOWS.c.is_default),
        {"is_default": sa.false(), **_MARKED},
    )
)
SET_DEFAULT = compiled(
    RELATION.changing(
        sa.select(FLOWS.c.id).where(RELATION.is_one()),
        {"is_default": sa.true(), **_MARKED},
        *RELATION.columns,
    )
)

_AMOUNT = sa.bindparam("amount", type_=sa.BigInteger())
COUNT_USE = compiled(
    sa.update(FLOWS)
    # Beyond 64 bits nothing is counted: the caller is told why.
    .where(RELATION.is_one(), FLOWS.c.usage_count <= _literal("9223372036854775807") - _AMOUNT)
    .values(
        {
            "usage_count": FLOWS.c.usage_count + _AMOUNT,
            "last_used_at": sa.func.greatest(
                FLOWS.c.last_used_at, sa.bindparam("at", type_=FLOWS.c.last_used_at.type)
            ),
        }
    )
    .returning(FLOWS.c.usage_count)
)
USAGE = compiled(sa.select(FLOWS.c.usage_count).where(RELATION.is_one()))

_NEW_VERSION = _added(FLOW_VERSIONS, VERSION_MAPPER.names)
KEEP_VERSION = compiled(_NEW_VERSION)
KEEP_VERSION_ONCE = compiled(
    _NEW_VERSION.on_conflict_do_nothing(constraint="uq_flow_versions_version")
)
_VERSIONS = (
    sa.select(*(FLOW_VERSIONS.c[name] for name in VERSION_MAPPER.names))
    .where(*_of(FLOW_VERSIONS, "tenant_id", "flow_id"))
    .order_by(FLOW_VERSIONS.c.created_at, FLOW_VERSIONS.c.id)
)
VERSIONS = compiled(_VERSIONS)
_NAMED = sa.bindparam("version", type_=FLOW_VERSIONS.c.version.type)
VERSION = compiled(_VERSIONS.where(FLOW_VERSIONS.c.version == _NAMED))
