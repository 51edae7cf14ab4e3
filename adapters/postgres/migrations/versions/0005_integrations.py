"""Integrations, and the log of the calls that were made to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")
TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "integrations",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("endpoint", TEXT, nullable=True),
        sa.Column("auth_type", TEXT, nullable=False),
        sa.Column("credentials", TEXT, nullable=True),
        sa.Column("config", postgresql.JSON(), nullable=False),
        sa.Column("timeout_ms", sa.BigInteger(), nullable=False),
        sa.Column("retry_policy", postgresql.JSON(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("health", TEXT, nullable=False),
        sa.Column("consecutive_failures", sa.BigInteger(), nullable=False),
        sa.Column("last_checked_at", TIME, nullable=True),
        sa.Column("last_success_at", TIME, nullable=True),
        sa.Column("last_error", TEXT, nullable=True),
        sa.Column("call_count", sa.BigInteger(), nullable=False),
        sa.Column("failure_count", sa.BigInteger(), nullable=False),
        sa.Column("latency_total_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("name_folded", TEXT, nullable=False),
        sa.Column("description_folded", TEXT, nullable=True),
        sa.CheckConstraint(
            "auth_type IN ('none', 'api_key', 'basic_auth', 'bearer_token', 'oauth2', 'jwt',"
            " 'custom')",
            name="ck_integrations_auth_type",
        ),
        sa.CheckConstraint(
            "health IN ('unknown', 'healthy', 'degraded', 'unhealthy')",
            name="ck_integrations_health",
        ),
        sa.CheckConstraint(
            "status IN ('testing', 'active', 'inactive', 'error')", name="ck_integrations_status"
        ),
        sa.CheckConstraint(
            "type IN ('rest_api', 'graphql', 'webhook', 'database', 'file_system',"
            " 'message_queue', 'custom')",
            name="ck_integrations_type",
        ),
        sa.CheckConstraint("revision >= 1", name="ck_integrations_revision"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_integrations"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_integrations_name"),
    )
    op.create_table(
        "integration_calls",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("integration_id", sa.UUID(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("latency_ms", sa.BigInteger(), nullable=False),
        sa.Column("status_code", sa.BigInteger(), nullable=True),
        sa.Column("error", TEXT, nullable=True),
        sa.Column("conversation_id", TEXT, nullable=True),
        sa.Column("metadata", postgresql.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "integration_id"],
            ["integrations.tenant_id", "integrations.id"],
            name="fk_integration_calls_integration",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "integration_id", "sequence", name="pk_integration_calls"
        ),
    )
    op.create_index("ix_integration_calls_at", "integration_calls", ["tenant_id", "at"])


def downgrade() -> None:
    op.drop_table("integration_calls")
    op.drop_table("integrations")
