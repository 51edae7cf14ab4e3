"""The tables of who is told of changes, and of what they are yet to be told."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.tables import METADATA

CONSUMERS = sa.Table(
    "outbox_consumers",
    METADATA,
    sa.Column("name", TEXT, nullable=False),
    sa.PrimaryKeyConstraint("name", name="pk_outbox_consumers"),
)
"""Holds no tenant's data, and so needs no row-level security. A row that is locked FOR KEY SHARE
can't be deleted: nobody is unsubscribed while events are being distributed to them."""

DELIVERIES = sa.Table(
    "outbox_deliveries",
    METADATA,
    sa.Column("tenant_id", TEXT, nullable=False),
    sa.Column("consumer", TEXT, nullable=False),
    sa.Column("entity_type", TEXT, nullable=False),
    sa.Column("entity_id", postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column("position", sa.BigInteger(), nullable=False),
    sa.Column("id", postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("actor", TEXT, nullable=True),
    sa.Column("action", TEXT, nullable=False),
    sa.Column("revision", sa.BigInteger(), nullable=False),
    sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
    sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
    sa.Column("error", TEXT, nullable=True),
    sa.PrimaryKeyConstraint(
        "tenant_id",
        "consumer",
        "entity_type",
        "entity_id",
        "position",
        name="pk_outbox_deliveries",
    ),
)
"""Events of one entity that wait for one consumer are a queue. Who has locked its first row FOR
UPDATE delivers it, and alone adds to `attempts` and takes rows away. `due_at` is null until the
queue's first row was refused; all of its rows then have the same, but for some that were added
meanwhile."""

# A row is in one of these: what was refused costs nothing when others are looked for.
sa.Index(
    "ix_outbox_deliveries_new",
    DELIVERIES.c.consumer,
    DELIVERIES.c.tenant_id,
    DELIVERIES.c.position,
    postgresql_where=DELIVERIES.c.due_at.is_(None),
)
sa.Index(
    "ix_outbox_deliveries_due",
    DELIVERIES.c.consumer,
    DELIVERIES.c.tenant_id,
    DELIVERIES.c.due_at,
    DELIVERIES.c.position,
    postgresql_where=DELIVERIES.c.due_at.is_not(None),
)

WITH_NEWS = "dialogbase_tenants_with_news"
"""(after, most): the names of the next `most` tenants after one that have rows in the outbox."""

WITH_DELIVERIES = "dialogbase_tenants_with_deliveries"
"""(consumer, until, after, most): those of tenants with deliveries that are due; never refused ones
if `until` is null."""

BACKLOG = "dialogbase_outbox_backlog"
"""(): what waits, per consumer, in numbers alone; the row of consumer null is of the outbox.

These three look across tenants: they run with their owner's rights, and show no tenant's data but
names and numbers. Migration 0003 makes them."""

FUNCTIONS = (WITH_NEWS, WITH_DELIVERIES, BACKLOG)
