"""The tables of experiments, their assignments and their outcomes."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.tables import METADATA, belonging_to, child_table, entity_table
from domain.experiment_results import ExperimentAssignment
from ports.experiments import EXPERIMENT_SCHEMA

EXPERIMENTS = entity_table("experiments", EXPERIMENT_SCHEMA)
sa.Index(
    "ix_experiments_flow",
    EXPERIMENTS.c.tenant_id,
    EXPERIMENTS.c.flow_id,
    EXPERIMENTS.c.status,
    EXPERIMENTS.c.starts_at,
    EXPERIMENTS.c.id,
)

EXPERIMENT_ASSIGNMENTS = child_table(
    "experiment_assignments",
    ExperimentAssignment,
    belonging_to(EXPERIMENTS, "experiment", "experiment_assignments"),
    key=("tenant_id", "experiment_id", "unit"),
)

# A row for each unit and metric, and none that units share: recording one's outcome waits for
# nobody else's, and a metric's sums are worked out when they are asked for.
EXPERIMENT_OUTCOMES = sa.Table(
    "experiment_outcomes",
    METADATA,
    sa.Column("tenant_id", TEXT, nullable=False),
    sa.Column("experiment_id", postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column("metric", TEXT, nullable=False),
    sa.Column("unit", TEXT, nullable=False),
    sa.Column("variant", TEXT, nullable=False),
    sa.Column("recorded", sa.BigInteger(), nullable=False),
    sa.Column("total", sa.Numeric(), nullable=False),
    sa.PrimaryKeyConstraint(
        "tenant_id", "experiment_id", "metric", "unit", name="pk_experiment_outcomes"
    ),
    belonging_to(EXPERIMENTS, "experiment", "experiment_outcomes"),
)

EXPERIMENT_OUTCOME_KEYS = sa.Table(
    "experiment_outcome_keys",
    METADATA,
    sa.Column("tenant_id", TEXT, nullable=False),
    sa.Column("experiment_id", postgresql.UUID(as_uuid=True), nullable=False),
    sa.Column("key", TEXT, nullable=False),
    sa.Column("unit", TEXT, nullable=False),
    sa.Column("metric", TEXT, nullable=False),
    sa.Column("value", sa.Numeric(), nullable=False),
    sa.PrimaryKeyConstraint("tenant_id", "experiment_id", "key", name="pk_experiment_outcome_keys"),
    belonging_to(EXPERIMENTS, "experiment", "experiment_outcome_keys"),
)

# By which an erasure finds what there is of a unit.
for _table in (EXPERIMENT_ASSIGNMENTS, EXPERIMENT_OUTCOMES, EXPERIMENT_OUTCOME_KEYS):
    sa.Index(f"ix_{_table.name}_unit", _table.c.tenant_id, _table.c.unit)
