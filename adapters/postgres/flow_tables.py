"""The tables of flows, their kept versions and their daily figures."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.mapper import columns_of
from adapters.postgres.tables import METADATA, belonging_to, child_table, entity_table
from domain.flows import FlowVersion, MetricIncrements
from ports.flows import FLOW_SCHEMA

FLOWS = entity_table(
    "flows",
    FLOW_SCHEMA,
    sa.CheckConstraint("NOT is_default OR status = 'active'", name="ck_flows_is_default"),
)
# Newest first, and every search; the most recently used active flows. None of `updated_at`: each
# index on what every write changes makes every write dearer.
sa.Index("ix_flows_created_at", FLOWS.c.tenant_id, FLOWS.c.created_at, FLOWS.c.id)
sa.Index(
    "ix_flows_last_used_at",
    FLOWS.c.tenant_id,
    FLOWS.c.status,
    FLOWS.c.last_used_at.desc().nulls_last(),
    FLOWS.c.id.desc(),
)

FLOW_VERSIONS = child_table(
    "flow_versions",
    FlowVersion,
    belonging_to(FLOWS, "flow", "flow_versions"),
    sa.UniqueConstraint("tenant_id", "flow_id", "version", name="uq_flow_versions_version"),
)


FLOW_DAILY_METRICS = sa.Table(
    "flow_daily_metrics",
    METADATA,
    sa.Column("tenant_id", TEXT, nullable=False),
    sa.Column("flow_id", postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column("metric_date", sa.Date(), nullable=False),
    *(
        sa.Column(name, codec.sql, nullable=False)
        for name, (codec, _) in columns_of(MetricIncrements, "flow").items()
    ),
    sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("updated_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
    sa.Column("revision", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "flow_id", "metric_date", name="pk_flow_daily_metrics"),
    belonging_to(FLOWS, "flow", "flow_daily_metrics"),
    sa.CheckConstraint("revision >= 1", name="ck_flow_daily_metrics_revision"),
)

FLOW_METRIC_KEYS = sa.Table(
    "flow_metric_keys",
    METADATA,
    sa.Column("tenant_id", TEXT, nullable=False),
    sa.Column("flow_id", postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column("key", TEXT, nullable=False),
    sa.Column("metric_date", sa.Date(), nullable=False),
    sa.Column("digest", TEXT, nullable=False),
    sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "flow_id", "key", name="pk_flow_metric_keys"),
    belonging_to(FLOWS, "flow", "flow_metric_keys"),
)
# By which those are found that needn't be known any more.
sa.Index(
    "ix_flow_metric_keys_created_at", FLOW_METRIC_KEYS.c.tenant_id, FLOW_METRIC_KEYS.c.created_at
)
