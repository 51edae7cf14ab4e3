"""The table of tombstones."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.tables import METADATA

TOMBSTONES = sa.Table(
    "tombstones",
    METADATA,
    sa.Column("tenant_id", TEXT, nullable=False),
    sa.Column("user_hash", TEXT, nullable=False),
    sa.Column("user_id", TEXT, nullable=True),
    sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("until", postgresql.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("erased", postgresql.JSONB(), nullable=False),
    sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
    sa.Column("number", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "user_hash", name="pk_tombstones"),
)
"""`user_hash` is empty in a tenant's own. `number` is given anew by each burial, in the order of
commits. The erasure of a tenant leaves them."""

sa.Index("ix_tombstones_number", TOMBSTONES.c.number)
sa.Index("ix_tombstones_until", TOMBSTONES.c.until)
sa.Index(
    "ix_tombstones_unfinished",
    TOMBSTONES.c.tenant_id,
    TOMBSTONES.c.user_hash,
    postgresql_where=TOMBSTONES.c.finished_at.is_(None),
)

NUMBER = "dialogbase_tombstone_number"
"""(): the next number. The transaction that has one is alone with it until it ends."""

AFTER = "dialogbase_tombstones_after"
"""(number, most): numbers after one in their order, each with the tenant's name if it is the
tenant's own, and the beginning of the user's hash."""

FROM = "dialogbase_tombstones_from"
"""(tenant, hash, most, unfinished): the keys that follow one."""

PAST = "dialogbase_tombstones_past"
"""(time, most): the keys of some whose `until` is then or before.

These look across tenants, as those of the outbox do (see `delivery_tables`), and tell names of
tenants and hashes of users. Migration 0007 makes them."""

FUNCTIONS = (NUMBER, AFTER, FROM, PAST)
