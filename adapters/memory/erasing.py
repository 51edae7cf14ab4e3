"""Erasing users from memory. Each batch is done before anyone else's turn."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import ClassVar

from adapters.memory.experiments import ASSIGNMENTS, KEYS, OUTCOMES
from adapters.memory.integrations import CALLS
from adapters.memory.messages import MESSAGES, MemoryMessageRepository
from adapters.memory.session import SingleSession
from adapters.memory.tables import Tables, Transaction
from domain.documents import EMPTY
from domain.identity import TenantId, UserId
from domain.integrations import Integration, IntegrationCall
from domain.rules import restored
from ports.contexts import CONTEXT_SCHEMA
from ports.conversations import CONVERSATION_SCHEMA
from ports.erasing import ErasingConversations, ErasingDialogues
from ports.experiments import EXPERIMENT_SCHEMA
from ports.flows import FLOW_SCHEMA
from ports.integrations import INTEGRATION_SCHEMA

CONVERSATIONS = CONVERSATION_SCHEMA.name
CONTEXTS = CONTEXT_SCHEMA.name
INTEGRATIONS = INTEGRATION_SCHEMA.name
TOLD = {
    CONVERSATIONS: "conversations",
    MESSAGES: "messages",
    CONTEXTS: "contexts",
    FLOW_SCHEMA.name: "flows",
    EXPERIMENT_SCHEMA.name: "experiments",
    INTEGRATION_SCHEMA.name: "integrations",
}
"""How a tenant's receipt calls what lies in a table."""


@contextmanager
def _writing(tables: Tables) -> Iterator[Transaction]:
    with SingleSession(tables).writing() as transaction:
        yield transaction


class MemoryErasingAuthoring(ErasingConversations):
    """Of what is authored: the units of experiments, and what calls say of conversations."""

    units: ClassVar[Mapping[str, str]] = {
        ASSIGNMENTS: "experiment_assignments",
        OUTCOMES: "experiment_outcomes",
        KEYS: "experiment_outcome_keys",
    }
    """The tables of what is a unit's, and how receipts call what lies there."""

    _tenants: dict[TenantId, Tables]

    async def _erase_user(self, tenant: TenantId, user: UserId, noting: bool) -> Mapping[str, int]:
        gone: dict[str, int] = {}
        if tenant not in self._tenants:
            return gone
        with _writing(self._tenants[tenant]) as transaction:
            for name, what in self.units.items():
                key = transaction.table(name).key
                rows = [row for row in transaction.values(name) if _unit(row) == user]
                for row in rows:
                    transaction.remove(name, key(row))
                gone[what] = len(rows)
        return await self._noted(tenant, user, gone, noting)

    async def _erase_conversations(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        if tenant not in self._tenants:
            return {}
        named, gone = frozenset(ids), dict[str, int]()
        nothing = {"conversation_id": None, "error": None, "metadata": EMPTY}
        with _writing(self._tenants[tenant]) as transaction:
            calls = [row for row in transaction.values(CALLS) if row.conversation_id in named]
            for call in calls:
                redacted = restored(IntegrationCall, {**vars(call), **nothing})
                transaction.replace(CALLS, redacted)
                of = transaction.get(INTEGRATIONS, call.integration_id)
                if call.error is not None and of.last_error == call.error:
                    forgetful = restored(Integration, {**vars(of), "last_error": None})
                    transaction.replace(INTEGRATIONS, forgetful)
            if calls:
                gone["integration_calls"] = len(calls)
        return await self._noted(tenant, user, gone, noting)


def _unit(row: object) -> str:
    unit: str = row.content[0] if hasattr(row, "content") else row.unit  # type: ignore[attr-defined]  # one of three
    return unit


class MemoryErasingDialogues(ErasingDialogues):
    """Of conversations, their messages and contexts."""

    _tenants: dict[TenantId, Tables]

    async def _conversations_of(self, tenant: TenantId, user: UserId, limit: int) -> Sequence[str]:
        return await self._of(CONVERSATIONS, tenant, user, limit)

    async def _contexts_of(self, tenant: TenantId, user: UserId, limit: int) -> Sequence[str]:
        return await self._of(CONTEXTS, tenant, user, limit)

    async def _of(self, name: str, tenant: TenantId, user: UserId, limit: int) -> Sequence[str]:
        await asyncio.sleep(0)  # others have their turn between batches
        if tenant not in self._tenants:
            return ()
        rows = self._tenants[tenant].tables[name].rows.values()
        return list(islice((row.id for row in rows if row.user_id == user), limit))

    async def _erase_dialogues(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        gone = {"conversations": 0, "messages": 0, "contexts": 0}
        with _writing(self._tenants[tenant]) as transaction:
            for id in ids:
                found = transaction.get(CONVERSATIONS, id)
                if found is None or found.user_id != user:
                    continue
                gone["conversations"] += 1
                gone["messages"] += len(transaction.members(MESSAGES, id))
                gone["contexts"] += transaction.get(CONTEXTS, id) is not None
                MemoryMessageRepository.forget(transaction, id)
                transaction.remove(CONTEXTS, id)
                transaction.remove(CONVERSATIONS, id)
        return await self._noted(tenant, user, gone, noting)

    async def _erase_contexts(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        gone = {"contexts": 0}
        with _writing(self._tenants[tenant]) as transaction:
            for id in ids:
                found = transaction.get(CONTEXTS, id)
                if found is not None and found.user_id == user:
                    gone["contexts"] += 1
                    transaction.remove(CONTEXTS, id)
        return await self._noted(tenant, user, gone, noting)
