"""Conversations in memory."""

import heapq
from collections.abc import Iterable
from datetime import datetime

from adapters.memory.contexts import MemoryContextRepository
from adapters.memory.messages import MemoryMessageRepository
from adapters.memory.repository import MemoryRepository, next_number
from adapters.memory.tables import Transaction
from domain.conversations import Conversation, ConversationStatus
from domain.rules import restored
from ports.conversations import IDLE_REASON, ConversationRepository
from ports.errors import EntityNotFoundError


class MemoryConversationRepository(MemoryRepository[Conversation], ConversationRepository):
    """Conversations."""

    async def _touch(self, id: str, at: datetime) -> Conversation:
        with self._session.writing() as transaction:
            stored: Conversation | None = transaction.get(self._name, id)
            if stored is None:
                raise EntityNotFoundError(self._name, id)
            latest = max(stored.last_activity_at, at)
            touched = restored(Conversation, {**vars(stored), "last_activity_at": latest})
            transaction.replace(self._name, touched)
            return touched

    async def _close_idle(self, before: datetime, now: datetime, limit: int) -> tuple[int, bool]:
        with self._session.writing() as transaction:
            idle = longest_idle(transaction.values(self._name), before, limit)
            for conversation in idle:
                transaction.replace(self._name, timed_out(conversation, now))
            return len(idle), len(idle) == limit

    def _forget(self, transaction: Transaction, id: str) -> None:
        super()._forget(transaction, id)
        MemoryMessageRepository.forget(transaction, id)
        transaction.remove(MemoryContextRepository.schema.name, id)


def longest_idle(
    conversations: Iterable[Conversation], before: datetime, limit: int
) -> list[Conversation]:
    """The active ones in which nothing happened since, those idle for longest first."""
    idle = (
        one
        for one in conversations
        if one.status is ConversationStatus.ACTIVE and one.last_activity_at < before
    )
    return heapq.nsmallest(limit, idle, key=lambda one: (one.last_activity_at, one.id))


def timed_out(conversation: Conversation, now: datetime) -> Conversation:
    """The conversation, closed for idleness, as a write leaves it."""
    closed = conversation.moved_to(ConversationStatus.TIMEOUT, at=now, reason=IDLE_REASON)
    fields = {**vars(closed), "updated_at": now, "revision": next_number(closed.revision)}
    return restored(Conversation, fields)
