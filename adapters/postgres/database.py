"""The whole database: the tables of every aggregate, as migrations, `doctor` and erasure see it.

Whoever needs all tables takes them from here, for a table is declared by the import of its module.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from adapters.postgres.audit_tables import AUDIT_ANCHORS, AUDIT_ENTRIES, AUDIT_HEADS
from adapters.postgres.delivery_tables import DELIVERIES
from adapters.postgres.experiment_tables import EXPERIMENTS
from adapters.postgres.flow_tables import FLOWS
from adapters.postgres.integration_tables import INTEGRATIONS
from adapters.postgres.outbox_tables import OUTBOX
from adapters.postgres.tables import METADATA
from adapters.postgres.tombstone_tables import TOMBSTONES

__all__ = ["ENTITIES", "METADATA", "TENANT_TABLES", "TOMBSTONES"]

ENTITIES: Sequence[sa.Table] = (FLOWS, EXPERIMENTS, INTEGRATIONS)
"""The tables of entities; what belongs to an entity alone is deleted with it."""

TENANT_TABLES: Sequence[sa.Table] = (OUTBOX, DELIVERIES, AUDIT_ENTRIES, AUDIT_HEADS, AUDIT_ANCHORS)
"""What else is a tenant's and no entity's: an erasure empties these after the entities, and counts
nothing of it."""
