"""Tombstones in MongoDB, a document each; the server removes what is past.

Each burial gives its tombstone the next number, in a transaction: numbers so come in the order of
commits, and whoever has read up to the counter has missed none.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from adapters.mongo.autocommit import ClientExecutor
from adapters.mongo.collections import COUNTER, UNFINISHED, Plain
from adapters.mongo.executor import Document, Executor
from domain.erasure import Tombstone
from domain.frozen import FrozenDict
from domain.identity import TenantId, UserId
from domain.rules import restored
from ports.time import Clock
from ports.tombstones import STALENESS
from ports.view import BITS, Changes, ViewedTombstones

_PAGE: Final = 500


class MongoTombstones(ViewedTombstones):
    """Of every tenant, in one collection."""

    def __init__(
        self,
        executor: ClientExecutor,
        collection: Plain,
        clock: Clock,
        *,
        staleness: timedelta = STALENESS,
    ) -> None:
        super().__init__(executor.deadline, staleness)
        self._client = executor
        self._executor: Executor = executor
        self._asking = executor.beside()
        self._collection = collection
        self._name = collection.name
        self._clock = clock

    def within(self, executor: Executor) -> "MongoTombstones":
        """The same in a transaction: to note what went where it goes."""
        made = MongoTombstones(self._client, self._collection, self._clock)
        made._executor = executor
        return made

    async def _bury(self, tombstone: Tombstone) -> Tombstone:
        while True:
            kept = await self._client.atomically(lambda executor: self._buried(executor, tombstone))
            if kept is not None:
                return _tombstone(kept)
            await self._client.insert_new(self._name, [{"_id": COUNTER, "number": 0}])

    async def _buried(self, executor: Executor, tombstone: Tombstone) -> Document | None:
        """The document as it is afterwards; None without a counter."""
        counter = await executor.find_one_and_update(
            self._name, {"_id": COUNTER}, {"$inc": {"number": 1}}
        )
        if counter is None:
            return None
        document = _document(tombstone, counter["number"])
        key: Document = {"_id": document["_id"]}
        found = await executor.find_one(self._name, {**key, **self._present()})
        if found is not None:
            later = {"$max": {"until": tombstone.until}, "$set": {"number": counter["number"]}}
            return await executor.find_one_and_update(self._name, key, later)
        await executor.delete_one(self._name, key)  # one that is past
        await executor.insert(self._name, [document])
        return document

    async def _find(self, tenant: TenantId, user: str | None) -> Tombstone | None:
        wanted = {"_id": _key(tenant, user), **self._present()}
        found = await self._executor.find_one(self._name, wanted)
        return None if found is None else _tombstone(found)

    async def _note(
        self,
        tenant: TenantId,
        user: str | None,
        erased: Mapping[str, int],
        finished_at: datetime | None,
    ) -> Tombstone | None:
        update: Document = {}
        if erased:
            update["$inc"] = {f"erased.{kind}": count for kind, count in erased.items()}
        if finished_at is not None:
            update["$set"] = {"finished_at": finished_at, "user_id": None}
            update["$unset"] = {UNFINISHED: ""}
        if not update:
            return await self._find(tenant, user)
        wanted = {"_id": _key(tenant, user), **self._present()}
        noted = await self._executor.find_one_and_update(self._name, wanted, update)
        return None if noted is None else _tombstone(noted)

    async def _lift(self, tenant: TenantId, user: str | None) -> bool:
        key: Document = {"_id": _key(tenant, user)}
        stood = await self._executor.delete_one(self._name, {**key, **self._present()})
        if not stood:
            await self._executor.delete_one(self._name, key)
        return stood > 0

    async def _standing(
        self, tenant: TenantId | None, unfinished: bool
    ) -> AsyncIterator[Tombstone]:
        wanted: Document = {UNFINISHED: True} if unfinished else {}
        if tenant is not None:
            wanted["tenant_id"] = tenant
        after = COUNTER
        while True:
            page = await self._executor.find(
                self._name,
                {**wanted, **self._present(), "_id": {"$gt": after}},
                sort=[("_id", 1)],
                limit=_PAGE,
            )
            for document in page:
                yield _tombstone(document)
            if len(page) < _PAGE:
                return
            after = page[-1]["_id"]

    async def _forget_users(self, tenant: TenantId, limit: int) -> tuple[int, bool]:
        users: Document = {"tenant_id": tenant, "_id": {"$gt": _key(tenant, None)}}
        return await self._remove(users, limit)

    async def _purge(self, now: datetime, limit: int) -> tuple[int, bool]:
        return await self._remove({"until": {"$lte": now}}, limit)

    async def _remove(self, wanted: Document, limit: int) -> tuple[int, bool]:
        found = await self._executor.find(self._name, wanted, projection={"_id": 1}, limit=limit)
        keys = {"_id": {"$in": [document["_id"] for document in found]}}
        gone = await self._executor.delete_many(self._name, {**wanted, **keys}) if found else 0
        return gone, len(found) == limit

    def _present(self) -> Document:
        return {"until": {"$gt": self._clock.now()}}

    # What the gate asks, and a unit of work before its commit.

    async def changes(self, place: Any, limit: int) -> Changes:
        counter = await self._asking.find_one(self._name, {"_id": COUNTER})
        last = 0 if counter is None else counter["number"]
        found: list[Document] = []
        if last != place:
            found = await self._asking.find(
                self._name,
                {"number": {"$gt": place or 0, "$lte": last}, "_id": {"$ne": COUNTER}},
                projection={"tenant_id": 1, "user_hash": 1, "number": 1},
                sort=[("number", 1)],
                limit=limit,
            )
        more = len(found) == limit
        return Changes(
            place=found[-1]["number"] if more else last,
            tenants=[each["tenant_id"] for each in found if not each["user_hash"]],
            users=[each["user_hash"][:BITS] for each in found if each["user_hash"]],
            more=more,
        )

    async def stand(
        self, tenant: TenantId, users: Sequence[str], *, own: bool
    ) -> Collection[str | None]:
        asked: list[str | None] = [None, *users] if own else [*users]
        keys = {"$in": [_key(tenant, user) for user in asked]}
        found = await self._asking.find(
            self._name, {"_id": keys, **self._present()}, projection={"user_hash": 1}
        )
        return {each["user_hash"] or None for each in found}


def _key(tenant: TenantId, user: str | None) -> str:
    return f"{tenant}!{user or ''}"


def _document(tombstone: Tombstone, number: int) -> Document:
    made: Document = {
        "_id": _key(tombstone.tenant_id, tombstone.user_hash),
        "tenant_id": tombstone.tenant_id,
        "user_hash": tombstone.user_hash or "",
        "user_id": tombstone.user_id,
        "at": tombstone.at,
        "until": tombstone.until,
        "erased": dict(tombstone.erased),
        "finished_at": tombstone.finished_at,
        "number": number,
    }
    return made if tombstone.finished_at else {**made, UNFINISHED: True}


def _tombstone(document: Mapping[str, Any]) -> Tombstone:
    user = document["user_id"]
    return restored(
        Tombstone,
        {
            "tenant_id": TenantId(document["tenant_id"]),
            "user_id": None if user is None else UserId(user),
            "user_hash": document["user_hash"] or None,
            "at": _utc(document["at"]),
            "until": _utc(document["until"]),
            "erased": FrozenDict.holding({k: int(n) for k, n in document["erased"].items()}),
            "finished_at": _utc(document["finished_at"]),
        },
    )


def _utc(time: datetime | None) -> datetime | None:
    """As the driver reads it, or as it was given."""
    return time if time is None else time.replace(tzinfo=UTC)
