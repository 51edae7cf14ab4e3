"""What works across tenants."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from adapters.mongo.autocommit import ClientExecutor
from adapters.mongo.collections import ALL, CONVERSATIONS, MESSAGES, Collection
from adapters.mongo.conversations import (
    AT_ONCE,
    close_idle,
    idle,
    remove_what_belongs,
    seconds_to_remove,
    shorten,
)
from adapters.mongo.erasing import MongoErasing, MongoErasingDialogues, few
from adapters.mongo.executor import Document, Executor
from adapters.mongo.statistics import statistics
from adapters.mongo.tombstones import MongoTombstones
from domain.conversations import Conversation
from domain.identity import TenantId, tenant_id
from domain.retention import Swept
from domain.rules import checked
from ports.statistics import CollectionStatistics
from ports.stores import DialogueMaintenance, Maintenance
from ports.time import Clock

BATCH: Final = 1_000


class MongoTenants(MongoErasing, Maintenance):
    """What is done with whole tenants, in collections whose keys begin with them."""

    collections: ClassVar[tuple[Collection, ...]]

    def __init__(self, executor: ClientExecutor, tombstones: MongoTombstones) -> None:
        self._executor = executor
        self._tombstones = tombstones

    @property
    def tombstones(self) -> MongoTombstones:
        return self._tombstones

    async def tenants(self) -> AsyncIterator[TenantId]:
        following = {each.name: await self._following(each.name, "") for each in self.collections}
        while left := [found for found in following.values() if found is not None]:
            tenant = min(left)
            yield TenantId(tenant)
            for name, found in following.items():
                if found == tenant:
                    following[name] = await self._following(name, tenant)

    async def _following(self, collection: str, tenant: str) -> str | None:
        """The least tenant after one: one step down the index of keys, however many it has."""
        found = await self._executor.find(
            collection,
            {"_id": {"$gt": _end(tenant)}},
            projection={"tenant_id": 1},
            sort=[("_id", 1)],
            limit=1,
        )
        return found[0]["tenant_id"] if found else None

    async def _some(self, collection: str, tenant: TenantId) -> list[str]:
        found = await self._executor.find(
            collection,
            {"_id": {"$gt": f"{tenant}!", "$lt": _end(tenant)}},
            projection={"_id": 1},
            limit=BATCH,
        )
        return [document["_id"] for document in found]


class MongoMaintenance(MongoErasingDialogues, MongoTenants, DialogueMaintenance):
    """Maintenance of the collections of dialogue data."""

    collections: ClassVar[tuple[Collection, ...]] = ALL

    def __init__(self, executor: ClientExecutor, tombstones: MongoTombstones, clock: Clock) -> None:
        super().__init__(executor, tombstones)
        self._clock = clock

    async def erase_tenant(self, tenant: TenantId) -> int:
        named, erased = tenant_id(tenant), 0
        noting = await self._stands(named, None)
        # Conversations before messages: without them, nothing more is appended.
        collections = sorted(ALL, key=lambda each: each.name != CONVERSATIONS.name)
        more = True
        while more:
            more = False
            for each in collections:
                while keys := await self._some(each.name, named):
                    more = True
                    gone = await self._erase_keys(named, each.name, keys, noting)
                    erased += gone if each.name != MESSAGES.name else 0
        return erased

    async def statistics(self) -> tuple[CollectionStatistics, ...]:
        return await statistics(self._executor, self.collections)

    async def _close_idle(self, before: datetime, limit: int) -> tuple[int, bool]:
        now = checked(Conversation, "updated_at", self._clock.now())
        return await close_idle(self._executor, {}, before, now, limit)

    async def _purge_expired(self, now: datetime, limit: int) -> tuple[int, bool]:
        return await self._purged(_expired(now), "retain_until", limit)

    async def _purge_ended(self, before: datetime, limit: int) -> tuple[int, bool]:
        return await self._purged(_ended(before), "completed_at", limit)

    async def _purged(self, due: Document, order: str, limit: int) -> tuple[int, bool]:
        """Some of the conversations that are due, whole; each is judged anew as it goes."""
        found = await self._executor.find(
            CONVERSATIONS.name,
            due,
            projection={"tenant_id": 1, "last_sequence": 1},
            sort=[(order, 1)],
            limit=limit,
        )
        chosen = few(found)
        keys = {"_id": {"$in": [document["_id"] for document in chosen]}}

        async def purged(executor: Executor) -> int:
            # Some may be kept longer by now.
            still = await executor.find(CONVERSATIONS.name, {**due, **keys}, projection=_TENANT)
            gone = {"_id": {"$in": [document["_id"] for document in still]}}
            await executor.delete_many(CONVERSATIONS.name, gone)
            for tenant, ids in _by_tenant(still).items():
                await remove_what_belongs(executor, tenant, ids)
            return len(still)

        if not chosen:
            return 0, False
        messages = sum(document["last_sequence"] for document in chosen)
        if messages > AT_ONCE:  # then it is one
            for tenant, (id,) in _by_tenant(chosen).items():
                await shorten(self._executor, tenant, id, {**due, **keys})
            messages = AT_ONCE
        seconds = self._executor.deadline + seconds_to_remove(messages)
        done = await self._executor.atomically(purged, seconds=seconds)
        return done, len(found) == limit or len(chosen) < len(found)

    async def _due(self, kind: Swept, until: datetime) -> int:
        due = _DUE.get(kind)
        if due is None:
            return await super()._due(kind, until)
        return await self._executor.count(CONVERSATIONS.name, due(until))


def _expired(now: datetime) -> Document:
    return {"retain_until": {"$lte": now}}


def _ended(before: datetime) -> Document:
    return {"retain_until": None, "completed_at": {"$lt": before}}


_TENANT: Final = {"tenant_id": 1}
_DUE: Final[Mapping[Swept, Callable[[datetime], Document]]] = {
    Swept.EXPIRED_CONVERSATIONS: _expired,
    Swept.ENDED_CONVERSATIONS: _ended,
    Swept.IDLE_CONVERSATIONS: idle,
}


def _end(tenant: str) -> str:
    """The end of a tenant's keys."""
    return f'{tenant}"' if tenant else ""


def _by_tenant(found: Sequence[Mapping[str, Any]]) -> dict[TenantId, list[str]]:
    ids: dict[TenantId, list[str]] = {}
    for document in found:
        tenant = TenantId(document["tenant_id"])
        ids.setdefault(tenant, []).append(document["_id"][len(tenant) + 1 :])
    return ids
