"""Indexes by which an erasure finds what there is of a user."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

OF_UNITS = ("experiment_assignments", "experiment_outcomes", "experiment_outcome_keys")
OF_CONVERSATIONS = "ix_integration_calls_conversation"


def upgrade() -> None:
    for table in OF_UNITS:
        op.create_index(f"ix_{table}_unit", table, ["tenant_id", "unit"])
    op.execute(
        f"CREATE INDEX {OF_CONVERSATIONS} ON integration_calls (tenant_id, conversation_id)"
        " WHERE conversation_id IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_index(OF_CONVERSATIONS)
    for table in OF_UNITS:
        op.drop_index(f"ix_{table}_unit")
