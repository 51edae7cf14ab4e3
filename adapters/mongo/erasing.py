"""Erasing users from MongoDB: what goes, and what the receipt says of it, in one transaction."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final

from adapters.mongo.autocommit import ClientExecutor
from adapters.mongo.collections import CONTEXTS, CONVERSATIONS, EVENTS, Collection
from adapters.mongo.conversations import AT_ONCE, remove_what_belongs, seconds_to_remove, shorten
from adapters.mongo.executor import Document, Executor
from adapters.mongo.tombstones import MongoTombstones
from domain.identity import TenantId, UserId
from ports.erasing import Erasing, ErasingByUser, ErasingDialogues, added, added_to

EVENT_BATCH: Final = 1_000


class MongoErasing(Erasing):
    """The part that notes what went in the transaction in which it goes."""

    _executor: ClientExecutor

    @property
    @abstractmethod
    def tombstones(self) -> MongoTombstones:
        """The tombstones of this store."""

    async def _note_in(
        self, executor: Executor, tenant: TenantId, user: UserId | None, gone: Mapping[str, int]
    ) -> None:
        there = added({}, gone)
        if there:
            await added_to(self.tombstones.within(executor), tenant, user, there)

    async def _erase_keys(
        self, tenant: TenantId, collection: str, keys: Sequence[str], noting: bool
    ) -> int:
        """Delete these documents of a tenant who is being erased; how many went."""
        theirs: Document = {"_id": {"$in": list(keys)}}
        if not noting:
            return await self._executor.delete_many(collection, theirs)

        async def erased(executor: Executor) -> int:
            gone = await executor.delete_many(collection, theirs)
            await self._note_in(executor, tenant, None, {collection: gone})
            return gone

        return await self._executor.atomically(erased)


class MongoErasingDialogues(MongoErasing, ErasingDialogues):
    """Of conversations, their messages and contexts."""

    async def _conversations_of(self, tenant: TenantId, user: UserId, limit: int) -> Sequence[str]:
        return await self._of(CONVERSATIONS, tenant, user, limit)

    async def _contexts_of(self, tenant: TenantId, user: UserId, limit: int) -> Sequence[str]:
        return await self._of(CONTEXTS, tenant, user, limit)

    async def _of(
        self, collection: Collection, tenant: TenantId, user: UserId, limit: int
    ) -> Sequence[str]:
        found = await self._executor.find(
            collection.name,
            {"tenant_id": tenant, "user_id": user},
            projection={"_id": 1},
            limit=limit,
        )
        start = len(collection.mapper.key(tenant, ""))
        return [document["_id"][start:] for document in found]

    async def _erase_dialogues(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        gone: dict[str, int] = {}
        left = [CONVERSATIONS.mapper.key(tenant, id) for id in ids]
        while left:
            wanted: Document = {"_id": {"$in": left}, "user_id": user}
            found = await self._executor.find(
                CONVERSATIONS.name, wanted, projection={"last_sequence": 1}
            )
            chosen = few(found)
            if not chosen:
                break
            keys = [document["_id"] for document in chosen]
            messages = sum(document["last_sequence"] for document in chosen)
            if messages > AT_ONCE:  # then it is one
                added(gone, await self._shortened(tenant, user, keys[0], noting))
                messages = AT_ONCE
            added(gone, await self._erased(tenant, user, keys, messages, noting))
            left = [document["_id"] for document in found[len(chosen) :]]
        return gone

    async def _erased(
        self, tenant: TenantId, user: UserId, keys: Sequence[str], messages: int, noting: bool
    ) -> Mapping[str, int]:
        start = len(CONVERSATIONS.mapper.key(tenant, ""))
        theirs: Document = {"_id": {"$in": list(keys)}, "user_id": user}

        async def erased(executor: Executor) -> Mapping[str, int]:
            # Some may be another user's by now.
            still = await executor.find(CONVERSATIONS.name, theirs, projection={"_id": 1})
            ids = [document["_id"] for document in still]
            if not ids:
                return {}
            count = await executor.delete_many(CONVERSATIONS.name, {"_id": {"$in": ids}})
            theirs_too = await remove_what_belongs(executor, tenant, [id[start:] for id in ids])
            gone = {"conversations": count, **theirs_too}
            if noting:
                await self._note_in(executor, tenant, user, gone)
            return gone

        seconds = self._executor.deadline + seconds_to_remove(messages)
        return await self._executor.atomically(erased, seconds=seconds)

    async def _shortened(
        self, tenant: TenantId, user: UserId, key: str, noting: bool
    ) -> Mapping[str, int]:
        gone: dict[str, int] = {}

        async def told(executor: Executor, messages: int) -> None:
            if noting:
                await self._note_in(executor, tenant, user, {"messages": messages})

        id = key[len(CONVERSATIONS.mapper.key(tenant, "")) :]
        wanted: Document = {"_id": key, "user_id": user}
        gone["messages"] = await shorten(self._executor, tenant, id, wanted, told)
        return gone

    async def _erase_contexts(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        keys = [CONTEXTS.mapper.key(tenant, id) for id in ids]
        theirs: Document = {"_id": {"$in": keys}, "user_id": user}

        async def erased(executor: Executor) -> Mapping[str, int]:
            gone = {"contexts": await executor.delete_many(CONTEXTS.name, theirs)}
            if noting:
                await self._note_in(executor, tenant, user, gone)
            return gone

        return await self._executor.atomically(erased)


class MongoErasingEvents(MongoErasing, ErasingByUser):
    """Of analytics events."""

    async def _erase_user(self, tenant: TenantId, user: UserId, noting: bool) -> Mapping[str, int]:
        theirs: Document = {"tenant_id": tenant, "user_id": user}
        total: dict[str, int] = {}

        async def erased(executor: Executor) -> Mapping[str, int]:
            gone = {"events": await executor.delete_many(EVENTS.name, {"_id": {"$in": keys}})}
            if noting:
                await self._note_in(executor, tenant, user, gone)
            return gone

        while True:
            found = await self._executor.find(
                EVENTS.name, theirs, projection={"_id": 1}, limit=EVENT_BATCH
            )
            keys = [document["_id"] for document in found]
            if not keys:
                return total
            added(total, await self._executor.atomically(erased))


def few(found: Sequence[Document]) -> Sequence[Document]:
    """The first of them, as many as have few enough messages together; one at least."""
    messages = 0
    for place, document in enumerate(found):
        messages += document["last_sequence"]
        if place and messages > AT_ONCE:
            return found[:place]
    return found
