"""Conversations in MongoDB."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar, Final

from adapters.mongo.collections import CONTEXTS, CONVERSATIONS, MESSAGES, Collection
from adapters.mongo.executor import Document, Executor
from adapters.mongo.reading import writing
from adapters.mongo.repository import MongoRepository
from domain.conversations import Conversation, ConversationStatus
from domain.identity import TenantId
from ports.conversations import IDLE_REASON, ConversationRepository
from ports.errors import (
    EntityNotFoundError,
    OutcomeUnknownError,
    StoreTimeoutError,
    StoreUnavailableError,
)

_SECONDS_PER_MESSAGE: Final = 0.000_1
_MOST_SECONDS: Final = 45.0
"""Beyond a minute, the server itself ends a transaction."""
AT_ONCE: Final = 20_000
"""About how many messages are removed in one transaction."""


class MongoConversationRepository(MongoRepository[Conversation], ConversationRepository):
    """Conversations."""

    collection: ClassVar[Collection] = CONVERSATIONS

    @writing
    async def _touch(self, id: str, at: datetime) -> Conversation:
        latest = self._mapper.changes({"last_activity_at": at})
        touched = await self._executor.find_one_and_update(
            self._name, {"_id": self._key(id)}, {"$max": latest}, projection=self._shown
        )
        if touched is None:
            raise EntityNotFoundError(self.schema.name, id)
        return self._entity(touched)

    @writing
    async def _close_idle(self, before: datetime, now: datetime, limit: int) -> tuple[int, bool]:
        return await close_idle(self._executor, self._own, before, now, limit)

    async def _removed(self, id: Any, wanted: Document) -> int:
        found = await self._executor.find_one(self._name, wanted, projection={"last_sequence": 1})
        if found is None:
            return 0
        shortened, messages = False, found["last_sequence"]
        if self._executor.commits and messages > AT_ONCE:
            await shorten(self._executor, self._tenant, id, wanted)
            shortened, messages = True, AT_ONCE

        async def removed(executor: Executor) -> int:
            # The conversation first: an append that is under way then fails, or this does.
            if not await executor.delete_one(self._name, wanted):
                return 0
            await remove_what_belongs(executor, self._tenant, [id])
            return 1

        seconds = self._executor.deadline + seconds_to_remove(messages)
        with _begun(shortened):
            return await self._executor.atomically(removed, seconds=seconds)

    async def _removed_where(self, executor: Executor, wanted: Document) -> int:
        found = await executor.find(self._name, wanted, projection={"_id": 1})
        keys = [document["_id"] for document in found]
        if not keys:
            return 0
        await executor.delete_many(self._name, {"_id": {"$in": keys}})
        start = len(self._key(""))
        await remove_what_belongs(executor, self._tenant, [key[start:] for key in keys])
        return len(keys)


async def shorten(
    executor: Executor,
    tenant: TenantId,
    id: str,
    wanted: Document,
    told: Callable[[Executor, int], Awaitable[object]] | None = None,
) -> int:
    """Remove all but the last `AT_ONCE` messages of a conversation, from the oldest, as long as it
    is wanted: each step by itself, since they can be more than one transaction holds. As many steps
    as there are messages for, whatever number the head names. How many messages went; `told` is,
    within each step's transaction, how many go in it.

    Raises:
        OutcomeUnknownError: if the first steps are done, and another can't be.
    """
    owned: Document = {"tenant_id": tenant, "conversation_id": id}
    begun, total = False, 0
    while True:
        with _begun(begun):
            ahead = await executor.find(
                MESSAGES.name,
                owned,
                projection={"sequence": 1},
                sort=[("sequence", 1)],
                skip=AT_ONCE,
                limit=1,
            )
        if not ahead:
            return total
        oldest = {**owned, "sequence": {"$lt": ahead[0]["sequence"]}}

        async def removed(executor: Executor, oldest: Document = oldest) -> int:
            counted = await executor.count(MESSAGES.name, {**oldest, "deleted_at": None})
            left = {"$max": [0, {"$subtract": ["$message_count", counted]}]}
            fewer = [{"$set": {"message_count": left}}]
            if not await executor.update_many(CONVERSATIONS.name, wanted, fewer):
                return 0
            gone = await executor.delete_many(MESSAGES.name, oldest)
            if told is not None:
                await told(executor, gone)
            return gone

        seconds = executor.deadline + seconds_to_remove(AT_ONCE)
        with _begun(begun):
            gone = await executor.atomically(removed, seconds=seconds)
        if not gone:
            return total
        begun, total = True, total + gone


@contextmanager
def _begun(partly: bool) -> Iterator[None]:
    """If something is done already, what fails now can't have changed nothing."""
    try:
        yield
        return
    except (StoreTimeoutError, StoreUnavailableError):
        if not partly:
            raise
    raise OutcomeUnknownError("a long conversation lost its oldest messages only: delete it again")


def seconds_to_remove(messages: int) -> float:
    """What removing so many messages may take, on top of the deadline."""
    return min(messages * _SECONDS_PER_MESSAGE, _MOST_SECONDS)


async def remove_what_belongs(
    executor: Executor, tenant: TenantId, ids: Sequence[str]
) -> dict[str, int]:
    """Delete the messages and contexts of conversations; how many of each."""
    messages = await executor.delete_many(
        MESSAGES.name, {"tenant_id": tenant, "conversation_id": {"$in": list(ids)}}
    )
    contexts = [CONTEXTS.mapper.key(tenant, id) for id in ids]
    gone = await executor.delete_many(CONTEXTS.name, {"_id": {"$in": contexts}})
    return {"messages": messages, "contexts": gone}


def idle(before: datetime) -> Document:
    """What is active, and nothing happened in it since a time."""
    return {"status": ConversationStatus.ACTIVE.value, "last_activity_at": {"$lt": before}}


async def close_idle(
    executor: Executor, own: Document, before: datetime, now: datetime, limit: int
) -> tuple[int, bool]:
    """Close a batch of what is idle; each is judged anew at the moment in which it is closed."""
    wanted = {**own, **idle(before)}
    found = await executor.find(
        CONVERSATIONS.name,
        wanted,
        projection={"_id": 1},
        sort=[("last_activity_at", 1), ("_id", 1)],
        limit=limit,
    )
    if not found:
        return 0, False
    closed = {
        "status": ConversationStatus.TIMEOUT.value,
        "status_reason": IDLE_REASON,
        "completed_at": now,
        "updated_at": now,
    }
    done = await executor.update_many(
        CONVERSATIONS.name,
        {**wanted, "_id": {"$in": [document["_id"] for document in found]}},
        {"$set": closed, "$inc": {"revision": 1}},
    )
    return done, len(found) == limit
