"""The tables of the audit trail: its entries, and the head of each tenant's chain.

Services may add to them and seal what is there, and neither change nor delete anything else: see
`row_security`.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import JSON, TEXT
from adapters.postgres.tables import METADATA

AUDIT_ENTRIES = sa.Table(
    "audit_entries",
    METADATA,
    sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column("tenant_id", TEXT, nullable=False),
    sa.Column("id", postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("actor", TEXT, nullable=True),
    sa.Column("reason", TEXT, nullable=True),
    sa.Column("action", TEXT, nullable=False),
    sa.Column("entity_type", TEXT, nullable=False),
    sa.Column("entity_id", postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column("revision", sa.BigInteger(), nullable=False),
    sa.Column("changes", JSON, nullable=False),
    sa.Column("sequence", sa.BigInteger(), nullable=True),
    sa.Column("digest", TEXT, nullable=True),
    sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_audit_entries"),
)
"""`position` as in the outbox: ascending for each entity, and what entries are sealed by."""

# Each of these makes every write dearer, so there is one a query and no more.
sa.Index(
    "ix_audit_entries_entity",
    AUDIT_ENTRIES.c.tenant_id,
    AUDIT_ENTRIES.c.entity_id,
    AUDIT_ENTRIES.c.position,
)
sa.Index(
    "ix_audit_entries_actor",
    AUDIT_ENTRIES.c.tenant_id,
    AUDIT_ENTRIES.c.actor,
    AUDIT_ENTRIES.c.position,
    postgresql_where=AUDIT_ENTRIES.c.actor.is_not(None),
)
sa.Index(
    "ix_audit_entries_at",
    AUDIT_ENTRIES.c.tenant_id,
    AUDIT_ENTRIES.c.at,
    AUDIT_ENTRIES.c.position,
)
sa.Index(
    "ix_audit_entries_unsealed",
    AUDIT_ENTRIES.c.tenant_id,
    AUDIT_ENTRIES.c.position,
    postgresql_where=AUDIT_ENTRIES.c.sequence.is_(None),
)
sa.Index(
    "uq_audit_entries_sequence",
    AUDIT_ENTRIES.c.tenant_id,
    AUDIT_ENTRIES.c.sequence,
    unique=True,
    postgresql_where=AUDIT_ENTRIES.c.sequence.is_not(None),
)

AUDIT_HEADS = sa.Table(
    "audit_heads",
    METADATA,
    sa.Column("tenant_id", TEXT, nullable=False),
    sa.Column("sequence", sa.BigInteger(), nullable=False),
    sa.Column("digest", TEXT, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", name="pk_audit_heads"),
)
"""The last sealed entry of each tenant, kept apart so that its removal shows."""

AUDIT_ANCHORS = sa.Table(
    "audit_anchors",
    METADATA,
    sa.Column("tenant_id", TEXT, nullable=False),
    sa.Column("sequence", sa.BigInteger(), nullable=False),
    sa.Column("digest", TEXT, nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", name="pk_audit_anchors"),
)
"""The last entry of each tenant's chain that was removed since its time was over: where the chain
begins. `PURGE` alone moves it."""

UNSEALED = "dialogbase_tenants_with_unsealed"
"""(after, most): the names of the next `most` tenants after one with entries that aren't sealed;
a function like those of the outbox (see `delivery_tables`)."""

PURGE = "dialogbase_purge_audit"
"""(tenant, anchored, through, before): removes the entries after the anchor, if that is the number
that it has, up to a place, if all of them are there and from before a time; how many went."""

WITH_OLD_AUDIT = "dialogbase_tenants_with_old_audit"
WITH_OLD_CALLS = "dialogbase_tenants_with_old_calls"
"""(after, before, most): the next `most` tenants after one that have entries, or calls, and whether
they have any from before a time."""

POSITIONS = "dialogbase_audit_positions"
"""(position): what is written from now on has a greater one, since that one was restored."""

FUNCTIONS = (UNSEALED, PURGE, WITH_OLD_AUDIT, WITH_OLD_CALLS, POSITIONS)
