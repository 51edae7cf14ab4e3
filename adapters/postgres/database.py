"""The whole database: the tables of every aggregate, as migrations, `doctor` and erasure see it.

Whoever needs all tables takes them from here, for a table is declared by the import of its module.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from adapters.postgres.flow_tables import FLOWS
from adapters.postgres.tables import METADATA

__all__ = ["ENTITIES", "METADATA"]

ENTITIES: Sequence[sa.Table] = (FLOWS,)
"""The tables of entities; what belongs to an entity alone is deleted with it."""
