"""Flows, their kept versions and daily figures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


GRAMS = """
CREATE FUNCTION dialogbase_grams(tenant text, document text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    one text;
    two text;
    three text;
    found text[] := '{}';
BEGIN
    FOREACH three IN ARRAY string_to_array(document, NULL) LOOP
        IF one IS NOT NULL THEN
            found := found || (tenant || one || two || three);
        END IF;
        one := two;
        two := three;
    END LOOP;
    RETURN found;
END $$
"""

SEARCHED = (
    "dialogbase_grams(tenant_id, (((((name_folded || E'\\n')"
    " || coalesce(description_folded, '')) || E'\\n')"
    " || coalesce(category_folded, '')) || E'\\n') || tags_folded)"
)
TEXT = sa.Text(collation="C")
TIME = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.execute(GRAMS)
    op.create_table(
        "flows",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("definition", postgresql.JSON(), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("trigger_conditions", postgresql.JSON(), nullable=False),
        sa.Column("fallback_flow_id", sa.UUID(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(TEXT), nullable=False),
        sa.Column("category", TEXT, nullable=True),
        sa.Column("usage_count", sa.BigInteger(), nullable=False),
        sa.Column("success_rate", sa.DOUBLE_PRECISION(), nullable=True),
        sa.Column("avg_completion_time_ms", sa.DOUBLE_PRECISION(), nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("published_at", TIME, nullable=True),
        sa.Column("published_by", TEXT, nullable=True),
        sa.Column("created_by", TEXT, nullable=True),
        sa.Column("updated_by", TEXT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("name_folded", TEXT, nullable=False),
        sa.Column("description_folded", TEXT, nullable=True),
        sa.Column("tags_folded", TEXT, nullable=False),
        sa.Column("category_folded", TEXT, nullable=True),
        sa.CheckConstraint("NOT is_default OR status = 'active'", name="ck_flows_is_default"),
        sa.CheckConstraint(
            "status IN ('draft', 'testing', 'active', 'inactive', 'archived')",
            name="ck_flows_status",
        ),
        sa.CheckConstraint("revision >= 1", name="ck_flows_revision"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_flows"),
        sa.UniqueConstraint("tenant_id", "name", "version", name="uq_flows_name_version"),
    )
    op.create_index("ix_flows_created_at", "flows", ["tenant_id", "created_at", "id"])
    op.create_index(
        "ix_flows_last_used_at",
        "flows",
        [
            "tenant_id",
            "status",
            sa.literal_column("last_used_at DESC NULLS LAST"),
            sa.literal_column("id DESC"),
        ],
    )
    op.create_index(
        "ix_flows_search", "flows", [sa.literal_column(SEARCHED)], postgresql_using="gin"
    )
    op.create_index(
        "uq_flows_is_default",
        "flows",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("is_default"),
    )
    op.create_table(
        "flow_daily_metrics",
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("flow_id", sa.UUID(), nullable=False),
        sa.Column("metric_date", sa.Date(), nullable=False),
        sa.Column("executions", sa.BigInteger(), nullable=False),
        sa.Column("completions", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("abandonments", sa.BigInteger(), nullable=False),
        sa.Column("escalations", sa.BigInteger(), nullable=False),
        sa.Column("total_duration_ms", sa.BigInteger(), nullable=False),
        sa.Column("response_time_total_ms", sa.BigInteger(), nullable=False),
        sa.Column("response_time_count", sa.BigInteger(), nullable=False),
        sa.Column("satisfaction_total", sa.DOUBLE_PRECISION(), nullable=False),
        sa.Column("satisfaction_count", sa.BigInteger(), nullable=False),
        sa.Column("cache_hits", sa.BigInteger(), nullable=False),
        sa.Column("cache_lookups", sa.BigInteger(), nullable=False),
        sa.Column("custom_metrics", postgresql.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("revision >= 1", name="ck_flow_daily_metrics_revision"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "flow_id"],
            ["flows.tenant_id", "flows.id"],
            name="fk_flow_daily_metrics_flow",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "tenant_id", "flow_id", "metric_date", name="pk_flow_daily_metrics"
        ),
    )
    op.create_table(
        "flow_versions",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("flow_id", sa.UUID(), nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("definition", postgresql.JSON(), nullable=False),
        sa.Column("change_description", TEXT, nullable=False),
        sa.Column("change_type", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint(
            "change_type IN ('major', 'minor', 'patch', 'hotfix')",
            name="ck_flow_versions_change_type",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "flow_id"],
            ["flows.tenant_id", "flows.id"],
            name="fk_flow_versions_flow",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_flow_versions"),
        sa.UniqueConstraint("tenant_id", "flow_id", "version", name="uq_flow_versions_version"),
    )


def downgrade() -> None:
    op.drop_table("flow_versions")
    op.drop_table("flow_daily_metrics")
    op.drop_table("flows")
    op.execute("DROP FUNCTION dialogbase_grams(text, text)")
