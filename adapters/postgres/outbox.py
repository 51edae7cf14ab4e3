"""The outbox in PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from adapters.postgres.columns import instant, uuid
from adapters.postgres.executor import Executor, Row
from adapters.postgres.outbox_statements import (
    BACKLOG_OF_ALL,
    DISTRIBUTE,
    EVERYONE,
    FORGET,
    REFUSED,
    STILL_SUBSCRIBED,
    SUBSCRIBE,
    SUBSCRIBED,
    TAKE_DUE,
    TAKE_NEW,
    TAKEN,
    TENANTS_WITH_DELIVERIES,
    TENANTS_WITH_NEWS,
    UNSUBSCRIBE,
    WITHDRAWN,
)
from adapters.postgres.pool import Pool
from adapters.postgres.statements import Statement
from adapters.postgres.transaction import TransactionExecutor, begin_bounded
from domain.audit import AuditAction
from domain.identity import TenantId
from domain.outbox import ChangeEvent
from ports.lanes import PAGE
from ports.outbox import Backlog, ConsumerBacklog, Delivery, Outbox
from ports.time import Clock

MOST_DELIVERIES: Final = 64
"""How many of a store's may be going on at a time; others wait for their turn."""

BATCH: Final = 1_000
_ALL_TIME: Final = datetime.max.replace(tzinfo=UTC)
_ACTIONS: Final = {action.value: action for action in AuditAction}


class PostgresOutbox(Outbox):
    """Works as each tenant by itself, but for names and numbers, which functions of the database
    find out (see `delivery_tables`).

    A delivery is a transaction, on a connection that nobody else needs. The server ends it, so that
    others go on with its events, as soon as its dispatcher is gone; should that be frozen, when
    `lasting` and the store's deadline have passed without a word of it. (Nothing is notified:
    PostgreSQL's NOTIFY has all commits of a database take turns.)
    """

    def __init__(self, executor: Executor, deliveries: Pool, clock: Clock) -> None:
        self._executor = executor
        self._deliveries = deliveries
        self._clock = clock

    async def _subscribe(self, name: str) -> bool:
        if await self._executor.read(SUBSCRIBED.sql, [name]):
            return False
        await self._forget(name)  # what an interrupted `unsubscribe` left
        return bool(await self._executor.write(SUBSCRIBE.sql, [name]))

    async def _unsubscribe(self, name: str) -> bool:
        known = bool(await self._executor.write(UNSUBSCRIBE.sql, [name]))
        return await self._forget(name) or known

    async def _forget(self, consumer: str) -> bool:
        """Take away what waits for a consumer; whether there was anything."""
        forgotten = False
        for until in (None, _ALL_TIME):
            after = ""
            while tenants := await self._with_deliveries(consumer, until, after, PAGE):
                for tenant in tenants:
                    values = {"tenant": tenant, "consumer": consumer, "limit": BATCH}
                    while await self._executor.affect(FORGET.sql, FORGET.arguments(values)):
                        forgotten = True
                after = tenants[-1]
        return forgotten

    async def backlog(self) -> Backlog:
        names = [row[0] for row in await self._executor.read(EVERYONE.sql, [])]
        rows = {row[0]: row for row in await self._executor.read(BACKLOG_OF_ALL.sql, [])}
        return Backlog(
            undistributed=rows[None][1],
            oldest=None if rows[None][2] is None else instant(rows[None][2]),
            consumers=tuple(_consumer_backlog(name, rows.get(name)) for name in names),
        )

    async def with_news(self, after: str, limit: int) -> Sequence[TenantId]:
        values = {"after": after, "limit": limit}
        return _named(await self._read(TENANTS_WITH_NEWS, values))

    async def distribute(self, tenant: TenantId, limit: int) -> int:
        values = {"tenant": tenant, "limit": limit}
        rows = await self._executor.write(DISTRIBUTE.sql, DISTRIBUTE.arguments(values))
        moved: int = rows[0][0]
        return moved

    async def with_work(
        self, consumer: str, *, again: bool, after: str, limit: int
    ) -> Sequence[TenantId]:
        until = self._clock.now() if again else None
        return await self._with_deliveries(consumer, until, after, limit)

    @asynccontextmanager
    async def deliver(
        self, tenant: TenantId, consumer: str, *, again: bool, limit: int, lasting: timedelta
    ) -> AsyncIterator[Delivery | None]:
        begin = begin_bounded(lasting.total_seconds() + self._deliveries.options.deadline)
        transaction = TransactionExecutor(self._deliveries, begin, tenant)
        async with transaction.whole():
            values = {"tenant": tenant, "consumer": consumer, "limit": limit}
            if again:
                values["due_at"] = self._clock.now()
            take = TAKE_DUE if again else TAKE_NEW
            rows = await transaction.write(take.sql, take.arguments(values))
            if rows:
                yield PostgresDelivery(transaction, tenant, consumer, rows, self._clock)
            else:
                yield None

    async def _with_deliveries(
        self, consumer: str, until: datetime | None, after: str, limit: int
    ) -> Sequence[TenantId]:
        values = {"consumer": consumer, "due_at": until, "after": after, "limit": limit}
        return _named(await self._read(TENANTS_WITH_DELIVERIES, values))

    async def _read(self, statement: Statement, values: dict[str, Any]) -> list[Row]:
        return await self._executor.read(statement.sql, statement.arguments(values))


class PostgresDelivery(Delivery):
    """Rows of one queue, the first of which is locked."""

    def __init__(
        self,
        executor: Executor,
        tenant: TenantId,
        consumer: str,
        rows: Sequence[Row],
        clock: Clock,
    ) -> None:
        super().__init__([_event(tenant, row) for row in rows], rows[0][1], more=rows[0][2])
        self._executor = executor
        self._clock = clock
        self._positions = [row[0] for row in rows]
        self._queue = {
            "tenant": tenant,
            "consumer": consumer,
            "entity_type": self.events[0].entity_type,
            "entity_id": self.events[0].entity_id,
        }

    async def taken(self) -> None:
        values = {**self._queue, "positions": self._positions}
        await self._executor.affect(TAKEN.sql, TAKEN.arguments(values))

    async def refused(self, error: str, pause: timedelta) -> None:
        values = {
            **self._queue,
            "position": self._positions[0],
            "error": error,
            "due_at": self._clock.now() + pause,
        }
        if await self._executor.read(STILL_SUBSCRIBED.sql, [self._queue["consumer"]]):
            await self._executor.affect(REFUSED.sql, REFUSED.arguments(values))
        else:  # who unsubscribed it has passed over what was held
            await self._executor.affect(WITHDRAWN.sql, WITHDRAWN.arguments(self._queue))


def _named(rows: Sequence[Row]) -> list[TenantId]:
    return [TenantId(row[0]) for row in rows]


def _event(tenant: TenantId, row: Row) -> ChangeEvent:
    _, _, _, id, at, actor, action, entity_type, entity_id, revision = row
    return ChangeEvent(
        id=uuid(id),
        tenant_id=tenant,
        at=instant(at),
        actor=actor,
        action=_ACTIONS[action],
        entity_type=entity_type,
        entity_id=uuid(entity_id),
        revision=revision,
    )


def _consumer_backlog(name: str, row: Row | None) -> ConsumerBacklog:
    if row is None:
        return ConsumerBacklog(name=name)
    _, waiting, oldest, failing, attempts, error = row
    return ConsumerBacklog(
        name=name,
        waiting=waiting,
        oldest=instant(oldest),
        failing=failing,
        attempts=attempts,
        last_error=error,
    )
