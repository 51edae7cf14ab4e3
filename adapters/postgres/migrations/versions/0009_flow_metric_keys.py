"""Idempotency keys of the figures of flows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "flow_metric_keys",
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("flow_id", sa.UUID(), nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("metric_date", sa.Date(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "flow_id"],
            ["flows.tenant_id", "flows.id"],
            name="fk_flow_metric_keys_flow",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "flow_id", "key", name="pk_flow_metric_keys"),
    )
    op.create_index(
        "ix_flow_metric_keys_created_at", "flow_metric_keys", ["tenant_id", "created_at"]
    )
    run = op.get_bind().exec_driver_sql
    run("GRANT SELECT, INSERT, UPDATE, DELETE ON flow_metric_keys TO dialogbase_app")
    run("GRANT SELECT ON flow_metric_keys TO dialogbase_definer")
    run("ALTER TABLE flow_metric_keys ENABLE ROW LEVEL SECURITY")
    run("ALTER TABLE flow_metric_keys FORCE ROW LEVEL SECURITY")
    run(
        "CREATE POLICY dialogbase_tenant ON flow_metric_keys USING"
        " ((tenant_id = (SELECT current_setting('dialogbase.tenant', true)))::int <> 0)"
    )
    run("CREATE POLICY dialogbase_definer ON flow_metric_keys TO dialogbase_definer USING (true)")


def downgrade() -> None:
    op.drop_table("flow_metric_keys")
