"""The outbox in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from adapters.memory.session import SingleSession
from adapters.memory.tables import Table, Tables
from domain.identity import NO_TIME, TenantId
from domain.outbox import ChangeEvent
from ports.outbox import Backlog, ConsumerBacklog, Delivery, Outbox
from ports.time import Clock

EVENTS: Final = "outbox event"
"""The table, one a tenant, of what was changed and no dispatcher has looked at yet."""

DELIVERIES: Final = "outbox delivery"
"""The table, one a tenant, of what waits for a consumer."""

_MOMENT: Final = 0.01
_positions = count(1)
_FARTHEST: Final = 2**53

Queue: TypeAlias = tuple[str, str, UUID]
"""A consumer, and an entity by type and id: what is delivered one after the other."""


@attrs.frozen
class OutboxRow:
    """An event, and its place in the order in which events were written (not committed)."""

    position: int
    event: ChangeEvent


@attrs.frozen
class DeliveryRow:
    """An event that waits for a consumer. `due`: when it may come again, if it was refused."""

    consumer: str
    position: int
    event: ChangeEvent
    attempts: int = 0
    due: datetime | None = None
    error: str | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What it is found by."""
        return self.consumer, self.position

    @property
    def queue(self) -> Queue:
        """What it waits in."""
        return self.consumer, self.event.entity_type, self.event.entity_id


def outbox_row(event: ChangeEvent) -> OutboxRow:
    """The row of an event that is written now, within the transaction of its change."""
    return OutboxRow(next(_positions), event)


def after_position(position: int) -> None:
    """What is written from now on comes after that position, which was restored; unless it is so
    far that a forged trail would use all positions up.
    """
    global _positions
    if position < _FARTHEST:
        _positions = count(max(next(_positions), position + 1))


@attrs.define(eq=False)
class OutboxState:
    """What stores over the same data have in common beside the tenants' tables."""

    consumers: dict[str, None] = attrs.field(factory=dict)
    held: set[tuple[TenantId, Queue]] = attrs.field(factory=set)
    """What dispatchers are just delivering."""

    def tables(self) -> dict[str, Table]:
        """What a tenant's outbox is kept in, empty."""
        events = _Events(EVENTS, key=lambda row: row.position, ordered=True)
        events.consumers = self.consumers
        return {
            EVENTS: events,
            DELIVERIES: Table(DELIVERIES, key=lambda row: row.key, group=lambda row: row.queue),
        }


@attrs.define(eq=False)
class _Events(Table):
    """Keeps what somebody has subscribed to when it is committed: without a dispatcher, the rest
    would never go.
    """

    consumers: Mapping[str, None] = attrs.field(factory=dict)

    def put(self, row: OutboxRow) -> None:
        if self.consumers:
            super().put(row)


class MemoryOutbox(Outbox):
    """Over every tenant's tables; dispatchers of sibling stores share the work."""

    def __init__(self, tenants: dict[TenantId, Tables], state: OutboxState, clock: Clock) -> None:
        self._tenants = tenants
        self._state = state
        self._clock = clock

    async def _subscribe(self, name: str) -> bool:
        new = name not in self._state.consumers
        self._state.consumers[name] = None
        return new

    async def _unsubscribe(self, name: str) -> bool:
        known = name in self._state.consumers
        self._state.consumers.pop(name, None)
        for tables in self._tenants.values():
            with SingleSession(tables).writing() as transaction:
                for row in _waiting(tables, name):
                    transaction.remove(DELIVERIES, row.key)
        return known

    async def backlog(self) -> Backlog:
        every = self._tenants.values()
        events = [row.event for tables in every for row in tables.tables[EVENTS].rows.values()]
        return Backlog(
            undistributed=len(events),
            oldest=min((event.at for event in events), default=None),
            consumers=tuple(
                _backlog(name, [row for tables in every for row in _waiting(tables, name)])
                for name in sorted(self._state.consumers)
            ),
        )

    async def with_news(self, after: str, limit: int) -> Sequence[TenantId]:
        return self._next(after, limit, lambda _, tables: bool(tables.tables[EVENTS].rows))

    async def distribute(self, tenant: TenantId, limit: int) -> int:
        tables = self._tenants[tenant]
        with SingleSession(tables).writing() as transaction:
            events = tables.tables[EVENTS]
            keys = list(islice(events.keys_after(None, False), limit))
            for key in keys:
                row = events.rows[key]
                transaction.remove(EVENTS, key)
                for consumer in self._state.consumers:
                    waits = DeliveryRow(consumer, row.position, row.event)
                    transaction.insert(DELIVERIES, waits)
        return len(keys)

    async def with_work(
        self, consumer: str, *, again: bool, after: str, limit: int
    ) -> Sequence[TenantId]:
        return self._next(after, limit, lambda tenant, _: any(self._heads(tenant, consumer, again)))

    @asynccontextmanager
    async def deliver(
        self, tenant: TenantId, consumer: str, *, again: bool, limit: int, lasting: timedelta
    ) -> AsyncIterator[Delivery | None]:
        head = min(self._heads(tenant, consumer, again), key=_urgency, default=None)
        if head is None:
            yield None
            return
        held = tenant, head.queue
        self._state.held.add(held)
        try:
            yield MemoryDelivery(self._tenants[tenant], head, limit, self._clock)
        finally:
            self._state.held.discard(held)

    async def undisturbed(self, tenant: TenantId) -> None:
        """When nobody is being told of anything of a tenant's."""
        while any(held == tenant for held, _ in self._state.held):  # noqa: ASYNC110
            await asyncio.sleep(_MOMENT)

    def _next(
        self, after: str, limit: int, wanted: Callable[[TenantId, Tables], bool]
    ) -> list[TenantId]:
        named = sorted(tenant for tenant in self._tenants if tenant > after)
        found = (tenant for tenant in named if wanted(tenant, self._tenants[tenant]))
        return list(islice(found, limit))

    def _heads(self, tenant: TenantId, consumer: str, again: bool) -> Iterator[DeliveryRow]:
        """The first of every queue, if it is due and nobody is delivering it."""
        table = self._tenants[tenant].tables[DELIVERIES]
        now = self._clock.now()
        groups: Mapping[Any, Mapping[Any, None]] = table.groups
        for queue, keys in groups.items():
            if queue[0] == consumer and (tenant, queue) not in self._state.held:
                head: DeliveryRow = table.rows[min(keys)]
                if (head.attempts > 0) is again and (head.due is None or head.due <= now):
                    yield head


class MemoryDelivery(Delivery):
    """The head of a queue, and what follows it there."""

    def __init__(self, tables: Tables, head: DeliveryRow, limit: int, clock: Clock) -> None:
        self._tables = tables
        self._queue = head.queue
        self._rows = _queued(tables, head.queue)[:limit]
        self._clock = clock
        super().__init__([row.event for row in self._rows], head.attempts)

    async def taken(self) -> None:
        with SingleSession(self._tables).writing() as transaction:
            for row in self._rows:
                transaction.remove(DELIVERIES, row.key)

    async def refused(self, error: str, pause: timedelta) -> None:
        due = self._clock.now() + pause
        with SingleSession(self._tables).writing() as transaction:
            for row in _queued(self._tables, self._queue)[:1]:  # none, if the tenant was erased
                raised = attrs.evolve(row, attempts=self.attempts + 1, due=due, error=error)
                transaction.replace(DELIVERIES, raised)


def _queued(tables: Tables, queue: Queue) -> list[DeliveryRow]:
    table = tables.tables[DELIVERIES]
    keys: Iterable[Any] = table.groups.get(queue, ())
    return [table.rows[key] for key in sorted(keys)]


def _waiting(tables: Tables, consumer: str) -> list[DeliveryRow]:
    rows = tables.tables[DELIVERIES].rows.values()
    return [row for row in rows if row.consumer == consumer]


def _urgency(row: DeliveryRow) -> tuple[bool, datetime, int]:
    return row.due is not None, row.due or NO_TIME, row.position


def _backlog(name: str, waiting: Sequence[DeliveryRow]) -> ConsumerBacklog:
    failing = [row for row in waiting if row.attempts]
    worst = max(failing, key=lambda row: (row.attempts, row.position), default=None)
    return ConsumerBacklog(
        name=name,
        waiting=len(waiting),
        oldest=min((row.event.at for row in waiting), default=None),
        failing=len(failing),
        attempts=0 if worst is None else worst.attempts,
        last_error=None if worst is None else worst.error,
    )
