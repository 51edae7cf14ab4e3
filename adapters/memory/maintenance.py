"""What works across the tenants of a memory store."""

import heapq
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from adapters.memory.audit import UNSEALED, seal
from adapters.memory.conversations import MemoryConversationRepository, longest_idle, timed_out
from adapters.memory.outbox import MemoryOutbox
from adapters.memory.session import SingleSession
from adapters.memory.tables import Tables
from domain.conversations import Conversation
from domain.identity import TenantId, tenant_id
from domain.rules import checked
from ports.audit import SEAL_BATCH
from ports.conversations import CONVERSATION_SCHEMA
from ports.outbox import Outbox
from ports.paging import check_limit
from ports.reading import Context
from ports.statistics import CollectionStatistics
from ports.stores import AuthoringMaintenance, DialogueMaintenance, Maintenance
from ports.time import Clock, IdGenerator

CONVERSATIONS = CONVERSATION_SCHEMA.name


class MemoryMaintenance(Maintenance):
    """Maintenance of every tenant's tables."""

    def __init__(self, tenants: dict[TenantId, Tables]) -> None:
        self._tenants = tenants

    async def tenants(self) -> AsyncIterator[TenantId]:
        for tenant, tables in sorted(self._tenants.items()):
            if tables.has_entities:
                yield tenant

    async def erase_tenant(self, tenant: TenantId) -> int:
        tables = self._tenants.get(tenant_id(tenant))
        if tables is None:
            return 0
        erased = 0
        with SingleSession(tables).writing() as transaction:
            for name, table in tables.tables.items():
                keys = list(transaction.keys(name))
                erased += len(keys) if table.entities else 0
                for key in keys:
                    transaction.remove(name, key)
        return erased


class MemoryAuthoringMaintenance(MemoryMaintenance, AuthoringMaintenance):
    """Maintenance of authoring data."""

    def __init__(self, tenants: dict[TenantId, Tables], outbox: MemoryOutbox) -> None:
        super().__init__(tenants)
        self._outbox = outbox

    @property
    def outbox(self) -> Outbox:
        return self._outbox

    async def erase_tenant(self, tenant: TenantId) -> int:
        erased = await super().erase_tenant(tenant)
        await self._outbox.undisturbed(tenant)
        return erased

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


class MemoryDialogueMaintenance(MemoryMaintenance, DialogueMaintenance):
    """Maintenance of dialogue data."""

    def __init__(self, tenants: dict[TenantId, Tables], clock: Clock, ids: IdGenerator) -> None:
        super().__init__(tenants)
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
        expired = heapq.nsmallest(
            limit,
            (
                one
                for one in self._conversations()
                if one.retain_until is not None and one.retain_until <= now
            ),
            key=_retention,
        )
        for conversation in expired:
            await self._repository(conversation.tenant_id).delete(conversation.id)
        return len(expired), len(expired) == limit

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
