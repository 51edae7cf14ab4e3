"""The tables of integrations, and of the calls that were made to them."""

import sqlalchemy as sa

from adapters.postgres.tables import belonging_to, child_table, entity_table
from domain.integrations import IntegrationCall
from ports.integrations import INTEGRATION_SCHEMA

INTEGRATIONS = entity_table("integrations", INTEGRATION_SCHEMA)
"""No index on what calls change: to count one leaves every index as it is."""

INTEGRATION_CALLS = child_table(
    "integration_calls",
    IntegrationCall,
    belonging_to(INTEGRATIONS, "integration", "integration_calls"),
    key=("tenant_id", "integration_id", "sequence"),
)
"""Found by their place in their integration's log; nobody asks for one by its id."""

# What is old enough to be purged.
sa.Index("ix_integration_calls_at", INTEGRATION_CALLS.c.tenant_id, INTEGRATION_CALLS.c.at)

# By which an erasure finds what calls say of a conversation.
sa.Index(
    "ix_integration_calls_conversation",
    INTEGRATION_CALLS.c.tenant_id,
    INTEGRATION_CALLS.c.conversation_id,
    postgresql_where=INTEGRATION_CALLS.c.conversation_id.is_not(None),
)
