"""The tables of integrations, and of the calls that were made to them."""

import sqlalchemy as sa

from adapters.postgres.tables import child_table, entity_table
from domain.integrations import IntegrationCall
from ports.integrations import INTEGRATION_SCHEMA

INTEGRATIONS = entity_table("integrations", INTEGRATION_SCHEMA)
"""No index on what calls change: to count one leaves every index as it is."""

INTEGRATION_CALLS = child_table(
    "integration_calls",
    IntegrationCall,
    sa.ForeignKeyConstraint(
        ("tenant_id", "integration_id"),
        (INTEGRATIONS.c.tenant_id, INTEGRATIONS.c.id),
        ondelete="CASCADE",
        name="fk_integration_calls_integration",
    ),
    key=("tenant_id", "integration_id", "sequence"),
)
"""Found by their place in their integration's log; nobody asks for one by its id."""

# What is old enough to be purged.
sa.Index("ix_integration_calls_at", INTEGRATION_CALLS.c.tenant_id, INTEGRATION_CALLS.c.at)
