"""Erasing users from PostgreSQL: the units of experiments, and what calls say of conversations.

What goes, and what the receipt says of it, is one transaction.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.executor import Executor
from adapters.postgres.experiment_tables import (
    EXPERIMENT_ASSIGNMENTS,
    EXPERIMENT_OUTCOME_KEYS,
    EXPERIMENT_OUTCOMES,
)
from adapters.postgres.integration_tables import INTEGRATION_CALLS, INTEGRATIONS
from adapters.postgres.statements import Statement, compiled
from adapters.postgres.tables import as_tenant
from adapters.postgres.tombstones import PostgresTombstones
from domain.identity import TenantId, UserId
from ports.erasing import ErasingConversations, added, added_to

Batch: TypeAlias = Callable[[Executor], Awaitable[Mapping[str, int]]]
"""Deletes some; how many of what."""

ROWS: Final = 1_000
"""In one batch."""

_A, _O, _K = EXPERIMENT_ASSIGNMENTS, EXPERIMENT_OUTCOMES, EXPERIMENT_OUTCOME_KEYS
_C, _I = INTEGRATION_CALLS, INTEGRATIONS
_LIMIT = sa.bindparam("limit", type_=sa.BigInteger())


def _of_unit(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(
        table.c.tenant_id == sa.bindparam("tenant", type_=TEXT),
        as_tenant(),
        table.c.unit == sa.bindparam("unit", type_=TEXT),
    )


def _some(table: sa.Table, wanted: sa.ColumnElement[bool]) -> Any:
    """The condition that a row is one of the first that are wanted."""
    keys = [column for column in table.primary_key if column.name != "tenant_id"]
    key = keys[0] if len(keys) == 1 else sa.tuple_(*keys)
    return key.in_(sa.select(*keys).where(wanted).limit(_LIMIT))


def _units() -> Any:
    first = (
        sa.select(_A.c.experiment_id).where(_of_unit(_A)).order_by(_A.c.experiment_id).limit(_LIMIT)
    )
    assignments = (
        sa.delete(_A)
        .where(_of_unit(_A), _A.c.experiment_id.in_(first))
        .returning(_A.c.experiment_id)
        .cte("assignments")
    )
    outcomes = (
        sa.delete(_O)
        .where(_of_unit(_O), _O.c.experiment_id.in_(sa.select(assignments.c.experiment_id)))
        .returning(_O.c.experiment_id)
        .cte("outcomes")
    )
    return sa.select(
        sa.select(sa.func.count()).select_from(assignments).scalar_subquery(),
        sa.select(sa.func.count()).select_from(outcomes).scalar_subquery(),
    )


ERASE_UNIT: Final = compiled(_units())
"""A unit's variant of an experiment goes with its outcomes: at no moment are there outcomes of more
units than were assigned."""

ERASE_OUTCOMES: Final = compiled(sa.delete(_O).where(_of_unit(_O), _some(_O, _of_unit(_O))))
"""Those that were being recorded while the assignment went."""

ERASE_KEYS: Final = compiled(sa.delete(_K).where(_of_unit(_K), _some(_K, _of_unit(_K))))


def _is_tenants(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.tenant_id == sa.bindparam("tenant", type_=TEXT), as_tenant())


def _redacting() -> Any:
    ids = sa.bindparam("conversations", type_=postgresql.ARRAY(TEXT))
    said = (
        sa.select(_C.c.integration_id, _C.c.sequence, _C.c.error)
        .where(_is_tenants(_C), _C.c.conversation_id == sa.any_(ids))
        .limit(_LIMIT)
        .cte("said")
    )
    redacted = (
        sa.update(_C)
        .where(
            _is_tenants(_C),
            _C.c.integration_id == said.c.integration_id,
            _C.c.sequence == said.c.sequence,
            _C.c.conversation_id == sa.any_(ids),
        )
        .values(
            conversation_id=sa.null(),
            error=sa.null(),
            metadata=sa.literal_column("'{}'", _C.c.metadata.type),
        )
        .returning(_C.c.sequence)
        .cte("redacted")
    )
    repeated = (
        sa.update(_I)
        .where(_is_tenants(_I), _I.c.id == said.c.integration_id, _I.c.last_error == said.c.error)
        .values(last_error=sa.null())
        .returning(_I.c.id)
        .cte("repeated")
    )
    number = sa.select(sa.func.count()).select_from(redacted).scalar_subquery()
    return sa.select(number).add_cte(repeated)


REDACT_CALLS: Final = compiled(_redacting())
"""What a call says of a conversation goes, also where its integration repeats it as the last error;
how many calls."""


class PostgresErasing(ErasingConversations):
    """Of authoring data."""

    _executor: Executor

    @property
    @abstractmethod
    def tombstones(self) -> PostgresTombstones:
        """The tombstones of this database."""

    async def _erase_user(self, tenant: TenantId, user: UserId, noting: bool) -> Mapping[str, int]:
        values = {"tenant": tenant, "unit": user, "limit": ROWS}

        async def units(executor: Executor) -> Mapping[str, int]:
            ((assignments, outcomes),) = await executor.write(
                ERASE_UNIT.sql, ERASE_UNIT.arguments({**values, "limit": 100})
            )
            return {"experiment_assignments": assignments, "experiment_outcomes": outcomes}

        gone: dict[str, int] = {}
        for batch in (
            units,
            each_time(ERASE_OUTCOMES, values, "experiment_outcomes"),
            each_time(ERASE_KEYS, values, "experiment_outcome_keys"),
        ):
            added(gone, await self._all(batch, tenant, user, noting))
        return gone

    async def _erase_conversations(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        values = {"tenant": tenant, "conversations": list(ids), "limit": ROWS}

        async def redacted(executor: Executor) -> Mapping[str, int]:
            rows = await executor.write(REDACT_CALLS.sql, REDACT_CALLS.arguments(values))
            return {"integration_calls": rows[0][0]}

        return await self._all(redacted, tenant, user, noting)

    async def _all(
        self, batch: Batch, tenant: TenantId, user: UserId, noting: bool
    ) -> Mapping[str, int]:
        """A batch again and again until nothing goes."""
        total: dict[str, int] = {}
        while gone := await self._once(batch, tenant, user, noting):
            added(total, gone)
        return total

    async def _once(
        self, batch: Batch, tenant: TenantId, user: UserId | None, noting: bool
    ) -> Mapping[str, int]:
        """A batch, and its note: what went."""
        if not noting:
            return added({}, await batch(self._executor))

        async def noted(executor: Executor) -> Mapping[str, int]:
            gone = added({}, await batch(executor))
            if gone:
                await added_to(self.tombstones.within(executor), tenant, user, gone)
            return gone

        return await self._executor.atomically(noted)


def each_time(statement: Statement, values: Mapping[str, Any], what: str) -> Batch:
    """A batch that is one statement."""

    async def done(executor: Executor) -> Mapping[str, int]:
        return {what: await executor.affect(statement.sql, statement.arguments(values))}

    return done
