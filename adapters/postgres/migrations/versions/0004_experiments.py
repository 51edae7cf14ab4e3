"""Experiments, their assignments and their outcomes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")
TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("hypothesis", TEXT, nullable=True),
        sa.Column("flow_id", sa.UUID(), nullable=True),
        sa.Column("variants", postgresql.JSON(), nullable=False),
        sa.Column("metrics", postgresql.ARRAY(TEXT), nullable=False),
        sa.Column("salt", TEXT, nullable=False),
        sa.Column("starts_at", TIME, nullable=True),
        sa.Column("ends_at", TIME, nullable=True),
        sa.Column("traffic_share", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("metadata", postgresql.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("name_folded", TEXT, nullable=False),
        sa.Column("description_folded", TEXT, nullable=True),
        sa.CheckConstraint(
            "status IN ('draft', 'running', 'paused', 'completed', 'cancelled')",
            name="ck_experiments_status",
        ),
        sa.CheckConstraint("revision >= 1", name="ck_experiments_revision"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_experiments"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_experiments_name"),
    )
    op.create_index(
        "ix_experiments_flow",
        "experiments",
        ["tenant_id", "flow_id", "status", "starts_at", "id"],
    )
    op.create_table(
        "experiment_assignments",
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("experiment_id", sa.UUID(), nullable=False),
        sa.Column("unit", TEXT, nullable=False),
        sa.Column("variant", TEXT, nullable=False),
        sa.Column("assigned_at", TIME, nullable=False),
        _of_experiment("experiment_assignments"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "experiment_id", "unit", name="pk_experiment_assignments"
        ),
    )
    op.create_table(
        "experiment_outcomes",
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("experiment_id", sa.UUID(), nullable=False),
        sa.Column("metric", TEXT, nullable=False),
        sa.Column("unit", TEXT, nullable=False),
        sa.Column("variant", TEXT, nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=False),
        _of_experiment("experiment_outcomes"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "experiment_id", "metric", "unit", name="pk_experiment_outcomes"
        ),
    )
    op.create_table(
        "experiment_outcome_keys",
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("experiment_id", sa.UUID(), nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("unit", TEXT, nullable=False),
        sa.Column("metric", TEXT, nullable=False),
        sa.Column("value", sa.Numeric(), nullable=False),
        _of_experiment("experiment_outcome_keys"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "experiment_id", "key", name="pk_experiment_outcome_keys"
        ),
    )


def _of_experiment(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "experiment_id"],
        ["experiments.tenant_id", "experiments.id"],
        name=f"fk_{table}_experiment",
        ondelete="CASCADE",
    )


def downgrade() -> None:
    op.drop_table("experiment_outcome_keys")
    op.drop_table("experiment_outcomes")
    op.drop_table("experiment_assignments")
    op.drop_table("experiments")
