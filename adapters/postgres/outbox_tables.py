"""The table of what is yet to be told: rows that changes left, in the order of their writing."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.tables import METADATA

OUTBOX = sa.Table(
    "outbox",
    METADATA,
    sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column("tenant_id", TEXT, nullable=False),
    sa.Column("id", postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("actor", TEXT, nullable=True),
    sa.Column("action", TEXT, nullable=False),
    sa.Column("entity_type", TEXT, nullable=False),
    sa.Column("entity_id", postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column("revision", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "position", name="pk_outbox"),
)
"""`id` is the audit entry's. Positions of one entity ascend in the order of its changes, since each
is given while its row is locked; those of different entities are committed in any order. Nothing
checks what stands here: only statements of ours write it, and each check would make every write
dearer."""
