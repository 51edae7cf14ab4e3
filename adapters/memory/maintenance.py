"""What works across the tenants of a memory store."""

import heapq
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from adapters.memory.audit import ENTRIES, UNSEALED, old, purge, seal
from adapters.memory.conversations import MemoryConversationRepository, longest_idle, timed_out
from adapters.memory.erasing import TOLD, MemoryErasingAuthoring, MemoryErasingDialogues
from adapters.memory.flows import METRIC_KEYS
from adapters.memory.integrations import CALLS, old_calls
from adapters.memory.outbox import MemoryOutbox
from adapters.memory.session import SingleSession
from adapters.memory.tables import Tables
from adapters.memory.tombstones import MemoryTombstones
from domain.conversations import Conversation, ConversationStatus
from domain.identity import TenantId, tenant_id
from domain.retention import Swept
from domain.rules import checked
from ports.audit import SEAL_BATCH
from ports.conversations import CONVERSATION_SCHEMA
from ports.outbox import Outbox
from ports.paging import check_limit
from ports.reading import Context
from ports.statistics import CollectionStatistics
from ports.stores import AuthoringMaintenance, DialogueMaintenance, Maintenance
from ports.time import Clock, IdGenerator
from ports.tombstones import Tombstones

CONVERSATIONS = CONVERSATION_SCHEMA.name
Wanted: TypeAlias = Callable[[Conversation], bool]


class MemoryMaintenance(Maintenance):
    """Maintenance of every tenant's tables."""

    def __init__(self, tenants: dict[TenantId, Tables], tombstones: MemoryTombstones) -> None:
        self._tenants = tenants
        self._tombstones = tombstones

    @property
    def tombstones(self) -> Tombstones:
        return self._tombstones

    async def tenants(self) -> AsyncIterator[TenantId]:
        for tenant, tables in sorted(self._tenants.items()):
            if tables.has_entities:
                yield tenant

    async def erase_tenant(self, tenant: TenantId) -> int:
        tables = self._tenants.get(tenant_id(tenant))
        if tables is None:
            return 0
        erased, gone = 0, dict[str, int]()
        with SingleSession(tables).writing() as transaction:
            for name, table in tables.tables.items():
                keys = list(transaction.keys(name))
                erased += len(keys) if table.entities else 0
                if keys and name in TOLD:
                    gone[TOLD[name]] = len(keys)
                for key in keys:
                    transaction.remove(name, key)
        await self._noted(tenant, None, gone, await self._stands(tenant, None))
        return erased


class MemoryAuthoringMaintenance(MemoryErasingAuthoring, MemoryMaintenance, AuthoringMaintenance):
    """Maintenance of authoring data."""

    def __init__(
        self,
        tenants: dict[TenantId, Tables],
        outbox: MemoryOutbox,
        tombstones: MemoryTombstones,
    ) -> None:
        super().__init__(tenants, tombstones)
        self._outbox = outbox

    @property
    def outbox(self) -> Outbox:
        return self._outbox

    async def erase_tenant(self, tenant: TenantId) -> int:
        erased = await super().erase_tenant(tenant)
        await self._outbox.undisturbed(tenant)
        return erased

    async def _purge_metric_keys(
        self, tenant: TenantId, before: datetime, limit: int
    ) -> tuple[int, bool]:
        with SingleSession(self._tenants[tenant]).writing() as transaction:
            old = [row for row in transaction.values(METRIC_KEYS) if row.created_at < before]
            for row in heapq.nsmallest(limit, old, key=lambda row: row.created_at):
                transaction.remove(METRIC_KEYS, (row.flow_id, row.key))
        return min(len(old), limit), len(old) > limit

    async def seal_audit(self, tenant: TenantId, limit: int = SEAL_BATCH) -> int:
        size = check_limit(limit)
        tables = self._tenants.get(tenant_id(tenant))
        if tables is None:
            return 0
        with SingleSession(tables).writing() as transaction:
            return seal(transaction, size)

    async def unsealed(self, after: str, limit: int) -> Sequence[TenantId]:
        every = self._tenants.items()
        found = (name for name, held in every if name > after and held.tables[UNSEALED].rows)
        return heapq.nsmallest(limit, found)

    async def _with_old(self, kind: Swept, before: datetime) -> AsyncIterator[TenantId]:
        kept = CALLS if kind is Swept.INTEGRATION_CALLS else ENTRIES
        for tenant in sorted(self._tenants):
            rows = self._tenants[tenant].tables[kept].rows.values()
            if any(row.at < before for row in rows):
                yield tenant

    async def _old(self, kind: Swept, tenant: TenantId, before: datetime) -> int:
        tables = self._tenants[tenant].tables
        if kind is Swept.INTEGRATION_CALLS:
            return len(old_calls(tables[CALLS].rows.values(), before))
        return len(old(tables[ENTRIES].rows.values(), before))

    async def _purge_calls(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        with SingleSession(self._tenants[tenant]).writing() as transaction:
            gone = old_calls(transaction.values(CALLS), before)[:limit]
            for call in gone:
                transaction.remove(CALLS, call.id)
        return len(gone), len(gone) == limit

    async def _purge_audit(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        with SingleSession(self._tenants[tenant]).writing() as transaction:
            return purge(transaction, before, limit)


class MemoryDialogueMaintenance(MemoryErasingDialogues, MemoryMaintenance, DialogueMaintenance):
    """Maintenance of dialogue data."""

    def __init__(
        self,
        tenants: dict[TenantId, Tables],
        clock: Clock,
        ids: IdGenerator,
        tombstones: MemoryTombstones,
    ) -> None:
        super().__init__(tenants, tombstones)
        self._clock = clock
        self._ids = ids

    async def _close_idle(self, before: datetime, limit: int) -> tuple[int, bool]:
        now = checked(Conversation, "updated_at", self._clock.now())
        idle = longest_idle(self._conversations(), before, limit)
        for conversation in idle:
            tables = self._tenants[conversation.tenant_id]
            with SingleSession(tables).writing() as transaction:
                transaction.replace(CONVERSATIONS, timed_out(conversation, now))
        return len(idle), len(idle) == limit

    async def _purge_expired(self, now: datetime, limit: int) -> tuple[int, bool]:
        return await self._purged(_expired(now), _retention, limit)

    async def _purge_ended(self, before: datetime, limit: int) -> tuple[int, bool]:
        return await self._purged(_ended(before), _end, limit)

    async def _purged(
        self, wanted: Wanted, order: Callable[[Conversation], Any], limit: int
    ) -> tuple[int, bool]:
        gone = heapq.nsmallest(limit, filter(wanted, self._conversations()), key=order)
        for conversation in gone:
            await self._repository(conversation.tenant_id).delete(conversation.id)
        return len(gone), len(gone) == limit

    async def _due(self, kind: Swept, until: datetime) -> int:
        wanted = _DUE.get(kind)
        if wanted is None:
            return await super()._due(kind, until)
        return sum(map(wanted(until), self._conversations()))

    async def statistics(self) -> tuple[CollectionStatistics, ...]:
        kept: dict[str, int] = {}
        for tables in self._tenants.values():
            for name, table in tables.tables.items():
                kept[name] = kept.get(name, 0) + len(table.rows)
        return tuple(CollectionStatistics(name=name, documents=kept[name]) for name in kept)

    def _conversations(self) -> "list[Conversation]":
        return [
            row
            for tables in self._tenants.values()
            for row in tables.tables[CONVERSATIONS].rows.values()
        ]

    def _repository(self, tenant: TenantId) -> MemoryConversationRepository:
        context = Context(tenant=tenant, clock=self._clock, ids=self._ids)
        return MemoryConversationRepository(context, SingleSession(self._tenants[tenant]))


def _retention(conversation: Conversation) -> tuple[Any, ...]:
    return conversation.retain_until, conversation.tenant_id, conversation.id


def _end(conversation: Conversation) -> tuple[Any, ...]:
    return conversation.completed_at, conversation.tenant_id, conversation.id


def _expired(now: datetime) -> Wanted:
    return lambda one: one.retain_until is not None and one.retain_until <= now


def _ended(before: datetime) -> Wanted:
    return lambda one: (
        one.retain_until is None and one.completed_at is not None and one.completed_at < before
    )


def _idle(before: datetime) -> Wanted:
    return lambda one: one.status is ConversationStatus.ACTIVE and one.last_activity_at < before


_DUE: Mapping[Swept, Callable[[datetime], Wanted]] = {
    Swept.EXPIRED_CONVERSATIONS: _expired,
    Swept.ENDED_CONVERSATIONS: _ended,
    Swept.IDLE_CONVERSATIONS: _idle,
}
