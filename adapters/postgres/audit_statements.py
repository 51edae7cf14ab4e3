"""The statements that seal a tenant's audit trail."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.audit_tables import (
    AUDIT_ANCHORS,
    AUDIT_ENTRIES,
    AUDIT_HEADS,
    PURGE,
    WITH_OLD_AUDIT,
)
from adapters.postgres.audit_tables import UNSEALED as WITH_UNSEALED
from adapters.postgres.columns import TEXT
from adapters.postgres.relation import Relation
from adapters.postgres.statements import Statement, compiled
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
ANCHOR = compiled(
    sa.select(AUDIT_ANCHORS.c.sequence, AUDIT_ANCHORS.c.digest).where(
        AUDIT_ANCHORS.c.tenant_id == sa.bindparam("tenant", type_=TEXT), as_tenant()
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


def _first(order: Any, *conditions: Any) -> Statement:
    """The first ones in an order, as long as those before them take less than so many bytes; and
    how many there were to choose from."""
    few = (
        sa.select(*RELATION.columns)
        .where(RELATION.is_tenants(), *conditions)
        .order_by(order)
        .limit(_LIMIT)
        .subquery("few")
    )
    size = sa.func.pg_column_size(few.c.changes)
    so_far = sa.func.sum(size).over(order_by=few.c[order.name], rows=(None, 0))
    found = sa.func.count().over().label("found")
    sized = sa.select(*few.c, (so_far - size).label("before"), found).subquery("sized")
    return compiled(
        sa.select(*(sized.c[column.name] for column in RELATION.columns), sized.c.found)
        .where(sized.c.before < sa.bindparam("bytes", type_=sa.BigInteger()))
        .order_by(sized.c[order.name])
    )


UNSEALED = _first(_ENTRIES.position, _ENTRIES.sequence.is_(None))
OLDEST = _first(_ENTRIES.sequence, _ENTRIES.sequence.is_not(None))

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
    .where(
        RELATION.is_tenants(),
        _ENTRIES.id == _GIVEN.c.ids,
        _ENTRIES.sequence.is_(None),
        # Those that wait after them aren't read, whatever the server takes for the best plan.
        _ENTRIES.position <= sa.bindparam("position", type_=sa.BigInteger()),
    )
)
"""Those with these ids, none of which has a greater position."""

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

_BEFORE = sa.bindparam("before", type_=_ENTRIES.at.type)
_purge: Any = getattr(sa.func, PURGE)
PURGE_AUDIT = compiled(
    sa.select(
        _purge(
            sa.bindparam("tenant", type_=TEXT),
            sa.bindparam("anchored", type_=sa.BigInteger()),
            sa.bindparam("through", type_=sa.BigInteger()),
            _BEFORE,
            type_=sa.BigInteger(),
        )
    ).where(as_tenant())
)


def _least(column: Any, *conditions: Any) -> Any:
    """The first entry in an order that isn't old."""
    return (
        sa.select(column)
        .where(RELATION.is_tenants(), _ENTRIES.at >= _BEFORE, *conditions)
        .order_by(column)
        .limit(sa.literal_column("1", sa.BigInteger()))
        .scalar_subquery()
    )


_YOUNGER = _least(_ENTRIES.sequence, _ENTRIES.sequence.is_not(None))
_UNSEALED_YOUNGER = _least(_ENTRIES.position, _ENTRIES.sequence.is_(None))
OLD_ENTRIES = compiled(
    sa.select(sa.func.count())
    .select_from(AUDIT_ENTRIES)
    .where(
        RELATION.is_tenants(),
        _ENTRIES.at < _BEFORE,
        sa.func.coalesce(
            sa.case(
                (_ENTRIES.sequence.is_not(None), _ENTRIES.sequence < _YOUNGER),
                else_=_YOUNGER.is_(None)
                & sa.func.coalesce(_ENTRIES.position < _UNSEALED_YOUNGER, sa.true()),
            ),
            sa.true(),
        ),
    )
)
"""How many have nothing younger ahead of them: those that are sealed by their places, and after
them the others by position. What is looked for runs through the old ones only."""


def with_old(function: str) -> Statement:
    """The next tenants that have rows of a kind, and whether any of those is old."""
    asked: Any = getattr(sa.func, function)
    found = asked(
        sa.bindparam("after", type_=TEXT), _BEFORE, sa.bindparam("most", type_=sa.Integer())
    ).table_valued(sa.column("tenant", TEXT), sa.column("old", sa.Boolean()))
    return compiled(sa.select(found.c.tenant, found.c.old))


WITH_OLD_ENTRIES = with_old(WITH_OLD_AUDIT)
