"""Faults in outboxes and their delivery: as real ones have had them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, ClassVar

from adapters.memory import MemoryAuthoringStore
from adapters.memory.maintenance import MemoryAuthoringMaintenance
from adapters.memory.outbox import DELIVERIES, EVENTS, DeliveryRow, MemoryOutbox, Queue
from adapters.memory.session import UnitSession
from adapters.memory.store import MemoryAuthoring
from adapters.memory.tables import Transaction
from domain.identity import NOBODY, Author, TenantId
from ports.outbox import Delivery
from ports.stores import AuthoringMaintenance


class _Store(MemoryAuthoringStore):
    outbox: ClassVar[type[MemoryOutbox]]

    def maintenance(self) -> AuthoringMaintenance:
        outbox = self.outbox(self._tenants, self._outbox, self._clock)
        return MemoryAuthoringMaintenance(self._tenants, outbox, self._tombstones)


class _Marking(MemoryOutbox):
    @asynccontextmanager
    async def deliver(
        self, tenant: TenantId, consumer: str, *, again: bool, limit: int, lasting: timedelta
    ) -> AsyncIterator[Delivery | None]:
        async with super().deliver(
            tenant, consumer, again=again, limit=limit, lasting=lasting
        ) as delivery:
            if delivery is not None:
                await delivery.taken()
            yield delivery


class MarksBeforeItPublishes(_Store):
    """Loses what the consumer then refuses, or what is cut off."""

    outbox = _Marking


class _Unlocked(MemoryOutbox):
    def _heads(self, tenant: TenantId, consumer: str, again: bool) -> Iterator[DeliveryRow]:
        held, self._state.held = self._state.held, set()
        try:
            yield from list(super()._heads(tenant, consumer, again))
        finally:
            self._state.held = held


class TakesWithoutALock(_Store):
    """Gives to two what is for one."""

    outbox = _Unlocked


class _Cursor(MemoryOutbox):
    seen: ClassVar[dict[TenantId, int]] = {}

    async def distribute(self, tenant: TenantId, limit: int) -> int:
        events = self._tenants[tenant].tables[EVENTS]
        last = self.seen.get(tenant, 0)
        for position in sorted(row.position for row in list(events.rows.values())):
            if position < last:
                events.remove(position)
            self.seen[tenant] = max(position, self.seen.get(tenant, 0))
        return await super().distribute(tenant, limit)


class HasACursorByPosition(_Store):
    """Loses what is committed later than what was written after it."""

    outbox = _Cursor


class _Stuck(MemoryOutbox):
    def _heads(self, tenant: TenantId, consumer: str, again: bool) -> Iterator[DeliveryRow]:
        now = self._clock.now()
        rows = self._tenants[tenant].tables[DELIVERIES].rows.values()
        if not any(row.due is not None and row.due > now for row in rows):
            yield from super()._heads(tenant, consumer, again)


class StopsAtAFailure(_Store):
    """Nothing goes on in a tenant while one of its events waits to come again."""

    outbox = _Stuck


class _Alone(DeliveryRow):
    @property
    def queue(self) -> Queue:
        return self.consumer, f"{self.event.entity_type} {self.position}", self.event.entity_id


class _Overtaking(MemoryOutbox):
    async def distribute(self, tenant: TenantId, limit: int) -> int:
        moved = await super().distribute(tenant, limit)
        waiting = self._tenants[tenant].tables[DELIVERIES]
        for row in list(waiting.rows.values()):
            if type(row) is DeliveryRow:
                waiting.remove(row.key)
                waiting.put(_Alone(row.consumer, row.position, row.event))
        return moved


class PutsOffOneEventAlone(_Store):
    """What follows it doesn't wait."""

    outbox = _Overtaking


class _Hoarding(MemoryOutbox):
    async def _unsubscribe(self, name: str) -> bool:
        known = name in self._state.consumers
        self._state.consumers.pop(name, None)
        return known


class KeepsWhatNobodyWantsAnyMore(_Store):
    """Who unsubscribed finds it all when they come back."""

    outbox = _Hoarding


class _Eager(Transaction):
    def append(self, name: str, key: Any, row: Any) -> None:
        if name == EVENTS:
            self.base.tables[name].put(row)
        else:
            super().append(name, key, row)


class WritesEventsBesideTheUnit(MemoryAuthoringStore):
    """At once, on a connection of their own."""

    @asynccontextmanager
    async def unit(
        self, tenant: TenantId, author: Author = NOBODY
    ) -> AsyncIterator[MemoryAuthoring]:
        session = UnitSession(self._tables(tenant))
        session._transaction = _Eager(session._transaction.base)
        try:
            yield self._repositories(tenant, author, session, self._tombstones.gate)
            session.commit()
        finally:
            session.end()


class KeepsWhatIsErased(MemoryAuthoringStore):
    """Deletes entities, and still tells of them."""

    def maintenance(self) -> AuthoringMaintenance:
        outbox = MemoryOutbox(self._tenants, self._outbox, self._clock)
        return _Maintenance(self._tenants, outbox, self._tombstones)


class _Maintenance(MemoryAuthoringMaintenance):
    async def erase_tenant(self, tenant: TenantId) -> int:
        tables = self._tenants[tenant].tables
        kept = {name: dict(tables[name].rows) for name in (EVENTS, DELIVERIES)}
        erased = await super().erase_tenant(tenant)
        for name, rows in kept.items():
            for row in rows.values():
                tables[name].put(row)
        return erased
