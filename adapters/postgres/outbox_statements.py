"""The statements of the outbox."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.delivery_tables import (
    BACKLOG,
    CONSUMERS,
    DELIVERIES,
    WITH_DELIVERIES,
    WITH_NEWS,
)
from adapters.postgres.outbox_tables import OUTBOX
from adapters.postgres.statements import compiled
from adapters.postgres.tables import as_tenant, tenant_set, tenants_lock

_TENANT = sa.bindparam("tenant", type_=TEXT)
_CONSUMER = sa.bindparam("consumer", type_=TEXT)
_LIMIT = sa.bindparam("limit", type_=sa.BigInteger())
_POSITIONS = sa.bindparam("positions", type_=postgresql.ARRAY(sa.BigInteger()))
_DUE = sa.bindparam("due_at", type_=postgresql.TIMESTAMP(timezone=True))

EVENT: Final = ("id", "at", "actor", "action", "entity_type", "entity_id", "revision")
_QUEUE: Final = ("tenant_id", "consumer", "entity_type", "entity_id")

D = DELIVERIES.c


def _queued(table: sa.FromClause, other: sa.FromClause) -> Sequence[sa.ColumnElement[bool]]:
    """That rows of both are in one queue."""
    return [table.c[name] == other.c[name] for name in _QUEUE]


def _of_tenant(table: sa.FromClause) -> Sequence[sa.ColumnElement[bool]]:
    return as_tenant(), table.c.tenant_id == _TENANT


def _of_consumer(table: sa.FromClause) -> Sequence[sa.ColumnElement[bool]]:
    return *_of_tenant(table), table.c.consumer == _CONSUMER


_ALONE = sa.select(
    sa.func.pg_try_advisory_xact_lock(tenants_lock("outbox"), type_=sa.Boolean())
).scalar_subquery()
"""Whether this transaction is the only one that distributes the tenant's events."""


def _distribute() -> sa.ClauseElement:
    # A snapshot that shows an event shows every earlier one of its entity. Those that another
    # transaction has distributed since are gone when this one comes to delete them; and what is
    # still being distributed is nobody's but its lock's holder's. So no event overtakes another.
    first = (
        sa.select(OUTBOX.c.position)
        .where(*_of_tenant(OUTBOX), _ALONE)
        .order_by(OUTBOX.c.position)
        .limit(_LIMIT)
    )
    # (As an array, they are looked up; a join might read all of the tenant's.)
    positions = sa.func.array(first.scalar_subquery())
    taken = (
        sa.delete(OUTBOX)
        .where(*_of_tenant(OUTBOX), OUTBOX.c.position == sa.func.any(positions))
        .returning(OUTBOX.c.position, *(OUTBOX.c[name] for name in EVENT))
        .cte("taken")
    )
    known = sa.select(CONSUMERS.c.name).with_for_update(read=True, key_share=True).cte("known")
    # What follows an event that was refused is looked for where that is.
    before = DELIVERIES.alias("before")
    due_at = (
        sa.select(before.c.due_at)
        .where(
            *_of_tenant(before),
            before.c.consumer == known.c.name,
            before.c.entity_type == taken.c.entity_type,
            before.c.entity_id == taken.c.entity_id,
        )
        .order_by(before.c.position)
        .limit(sa.literal_column("1"))
        .scalar_subquery()
    )
    added = (
        sa.insert(DELIVERIES)
        .from_select(
            ["tenant_id", "consumer", "position", *EVENT, "due_at"],
            sa.select(
                tenant_set(),
                known.c.name,
                taken.c.position,
                *(taken.c[name] for name in EVENT),
                due_at,
            ).join_from(taken, known, sa.true()),
            include_defaults=False,
        )
        .cte("added")
    )
    return sa.select(sa.func.count()).select_from(taken).add_cte(added)


DISTRIBUTE = compiled(_distribute())


def _take(due: Callable[[sa.FromClause], sa.ColumnElement[bool]], *order: str) -> sa.ClauseElement:
    # Rows of a queue go only with its first row locked, so who locks that has all that the snapshot
    # shows; it is passed over if others have it, or have taken it or put it off since the snapshot.
    first = DELIVERIES.alias("first")
    head_position = (
        sa.select(first.c.position)
        .where(*_of_tenant(first), *_queued(first, DELIVERIES))
        .order_by(first.c.position)
        .limit(sa.literal_column("1"))
        .scalar_subquery()
    )
    head = (
        sa.select(*(D[name] for name in _QUEUE))
        .where(*_of_consumer(DELIVERIES), due(DELIVERIES), D.position == head_position)
        .order_by(*(D[name] for name in order))
        .limit(sa.literal_column("1"))
        .with_for_update(of=DELIVERIES, skip_locked=True)
        .cte("head")
    )
    other, queue = DELIVERIES.alias("other"), DELIVERIES.alias("queue")
    more = sa.exists().where(
        *_of_consumer(other),
        due(other),
        sa.or_(other.c.entity_id != head.c.entity_id, other.c.entity_type != head.c.entity_type),
    )
    return (
        sa.select(queue.c.position, queue.c.attempts, more, *(queue.c[name] for name in EVENT))
        .join_from(head, queue, sa.and_(*_queued(queue, head)))
        .where(*_of_tenant(queue))
        .order_by(queue.c.position)
        .limit(_LIMIT)
    )


TAKE_NEW = compiled(_take(lambda table: table.c.due_at.is_(None), "position"))
TAKE_DUE = compiled(_take(lambda table: table.c.due_at <= _DUE, "due_at", "position"))

_IN_QUEUE = (
    *_of_consumer(DELIVERIES),
    D.entity_type == sa.bindparam("entity_type", type_=TEXT),
    D.entity_id == sa.bindparam("entity_id", type_=postgresql.UUID(as_uuid=True)),
)
TAKEN = compiled(sa.delete(DELIVERIES).where(*_IN_QUEUE, D.position == sa.func.any(_POSITIONS)))

_FIRST = D.position == sa.bindparam("position", type_=sa.BigInteger())
REFUSED = compiled(
    sa.update(DELIVERIES)
    .where(*_IN_QUEUE)
    .values(
        due_at=_DUE,
        attempts=sa.case((_FIRST, D.attempts + sa.literal_column("1")), else_=D.attempts),
        error=sa.case((_FIRST, sa.bindparam("error", type_=TEXT)), else_=D.error),
    )
)

WITHDRAWN = compiled(sa.delete(DELIVERIES).where(*_IN_QUEUE))
STILL_SUBSCRIBED = compiled(
    sa.select(CONSUMERS.c.name)
    .where(CONSUMERS.c.name == _CONSUMER)
    .with_for_update(read=True, key_share=True)
)
"""Whether it is, and will be until the end of the transaction."""

SUBSCRIBED = compiled(sa.select(CONSUMERS.c.name).where(CONSUMERS.c.name == _CONSUMER))
SUBSCRIBE = compiled(
    postgresql.insert(CONSUMERS)
    .values(name=_CONSUMER)
    .on_conflict_do_nothing()
    .returning(CONSUMERS.c.name)
)
UNSUBSCRIBE = compiled(
    sa.delete(CONSUMERS).where(CONSUMERS.c.name == _CONSUMER).returning(CONSUMERS.c.name)
)
EVERYONE = compiled(sa.select(CONSUMERS.c.name).order_by(CONSUMERS.c.name))

_waiting = DELIVERIES.alias("waiting")
_rows: sa.Select[Any] = (
    sa.select(sa.literal_column("waiting.ctid"))
    .where(*_of_consumer(_waiting))
    .limit(_LIMIT)
    .with_for_update(skip_locked=True)
)
FORGET = compiled(
    sa.delete(DELIVERIES).where(
        *_of_consumer(DELIVERIES),
        sa.literal_column("outbox_deliveries.ctid")
        == sa.func.any(sa.func.array(_rows.scalar_subquery())),
    )
)
"""Some of what waits for a consumer, but for what is just being delivered."""


_AFTER = sa.bindparam("after", type_=TEXT)
_MOST = sa.bindparam("limit", type_=sa.Integer())
_named: Any = getattr(sa.func, WITH_NEWS)
TENANTS_WITH_NEWS = compiled(sa.select(_named(_AFTER, _MOST, type_=TEXT)))
_named = getattr(sa.func, WITH_DELIVERIES)
TENANTS_WITH_DELIVERIES = compiled(sa.select(_named(_CONSUMER, _DUE, _AFTER, _MOST, type_=TEXT)))
_columns = ("consumer", "waiting", "oldest", "failing", "attempts", "error")
_counted = getattr(sa.func, BACKLOG)().table_valued(*map(sa.column, _columns))
BACKLOG_OF_ALL = compiled(sa.select(*(_counted.c[name] for name in _columns)))
