"""The statements that seal a tenant's audit trail."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.audit_tables import AUDIT_ENTRIES, AUDIT_HEADS
from adapters.postgres.audit_tables import UNSEALED as WITH_UNSEALED
from adapters.postgres.columns import TEXT
from adapters.postgres.relation import Relation
from adapters.postgres.statements import compiled
from adapters.postgres.tables import as_tenant, tenant_set, tenants_lock
from ports.audit import AUDIT_SCHEMA

RELATION = Relation(AUDIT_SCHEMA, AUDIT_ENTRIES)

LOCK = compiled(sa.select(sa.func.pg_advisory_xact_lock(tenants_lock("audit"))))
"""Whoever seals a tenant's trail waits for its turn. Those who write take no part in it."""

_ENTRIES = AUDIT_ENTRIES.c
_LIMIT = sa.bindparam("limit", type_=sa.BigInteger())
_SEQUENCE = sa.bindparam("sequence", type_=sa.BigInteger())
_DIGEST = sa.bindparam("digest", type_=TEXT)

HEAD = compiled(
    sa.select(AUDIT_HEADS.c.sequence, AUDIT_HEADS.c.digest).where(
        AUDIT_HEADS.c.tenant_id == sa.bindparam("tenant", type_=TEXT), as_tenant()
    )
)
AT_END = compiled(
    sa.select(_ENTRIES.id, _ENTRIES.sequence, _ENTRIES.digest)
    .where(
        RELATION.is_tenants(),
        _ENTRIES.sequence.between(_SEQUENCE, _SEQUENCE + sa.literal_column("1", sa.BigInteger())),
    )
    .order_by(_ENTRIES.sequence.desc())
)
"""What stands at the head's place, and what at the next one."""
_NEXT = (
    sa.select(*RELATION.columns)
    .where(RELATION.is_tenants(), _ENTRIES.sequence.is_(None))
    .order_by(_ENTRIES.position)
    .limit(_LIMIT)
    .subquery("next")
)
_SIZE = sa.func.pg_column_size(_NEXT.c.changes)
_SIZED = sa.select(
    *_NEXT.c,
    (sa.func.sum(_SIZE).over(order_by=_NEXT.c.position, rows=(None, 0)) - _SIZE).label("before"),
    sa.func.count().over().label("found"),
).subquery("sized")
UNSEALED = compiled(
    sa.select(*(_SIZED.c[column.name] for column in RELATION.columns), _SIZED.c.found)
    .where(_SIZED.c.before < sa.bindparam("bytes", type_=sa.BigInteger()))
    .order_by(_SIZED.c.position)
)
"""The first ones, as long as those before them take less than so many bytes; and how many there
were to choose from."""

_GIVEN = sa.select(
    *(
        sa.func.unnest(sa.cast(sa.bindparam(name), postgresql.ARRAY(kind))).label(name)
        for name, kind in (
            ("ids", postgresql.UUID(as_uuid=True)),
            ("sequences", sa.BigInteger()),
            ("digests", sa.Text()),
        )
    )
).cte("given")
SEAL = compiled(
    sa.update(AUDIT_ENTRIES)
    .values({"sequence": _GIVEN.c.sequences, "digest": _GIVEN.c.digests})
    .where(RELATION.is_tenants(), _ENTRIES.id == _GIVEN.c.ids, _ENTRIES.sequence.is_(None))
)
_HEAD = postgresql.insert(AUDIT_HEADS).values(
    {"tenant_id": tenant_set(), "sequence": _SEQUENCE, "digest": _DIGEST}
)
MOVE_HEAD = compiled(
    _HEAD.on_conflict_do_update(
        constraint=AUDIT_HEADS.primary_key,
        set_={"sequence": _HEAD.excluded.sequence, "digest": _HEAD.excluded.digest},
    ).inline()
)

_named: Any = getattr(sa.func, WITH_UNSEALED)
TENANTS_WITH_UNSEALED = compiled(
    sa.select(
        _named(
            sa.bindparam("after", type_=TEXT), sa.bindparam("limit", type_=sa.Integer()), type_=TEXT
        )
    )
)
