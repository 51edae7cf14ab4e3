"""The bare drivers: the same commands on the same collections, by hand, that give back dicts.

They map nothing; what they write are documents that our adapter wrote before. Same concerns, same
number of connections; no deadline.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from adapters.mongo.driver import DriverName

Document = dict[str, Any]
Sort = Sequence[tuple[str, int]]
_CODEC: CodecOptions[Document] = CodecOptions(uuid_representation=UuidRepresentation.STANDARD)
_SNAPSHOT = ReadConcern("snapshot")
_TRANSACTION = {
    "read_concern": _SNAPSHOT,
    "write_concern": WriteConcern("majority"),
    "read_preference": ReadPreference.PRIMARY,
}


class Bare(ABC):
    """A driver's client, and the collections that are compared on."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.database = client.get_default_database().with_options(
            codec_options=_CODEC,
            read_concern=ReadConcern("majority"),
            write_concern=WriteConcern("majority"),
        )
        self.conversations = self.database["conversations"]
        self.messages = self.database["messages"]
        self.events = self.database["events"]

    @abstractmethod
    async def aggregate(self, pipeline: Sequence[Document]) -> list[Document]:
        """What a pipeline makes of the events, as they stood at one moment."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """A session in a transaction of its own."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""

    async def find(
        self,
        collection: Any,
        wanted: Document,
        shown: Document,
        sort: Sort,
        limit: int,
    ) -> list[Document]:
        """What a `find` gives, in one batch."""
        cursor = collection.find(
            wanted, shown, sort=sort, limit=limit, batch_size=limit if limit > 101 else 0
        )
        found: list[Document] = await cursor.to_list(None)
        return found

    async def append(
        self,
        conversation: Document,
        raised: Document,
        messages: Sequence[Document],
    ) -> None:
        """The three commands of an append: the head gives the numbers, then all, then commit."""
        async with self.transaction() as session:
            head = await self.conversations.find_one_and_update(
                conversation,
                raised,
                projection={"last_sequence": 1, "status": 1},
                return_document=True,
                session=session,
            )
            first = head["last_sequence"] - len(messages) + 1
            for number, message in enumerate(messages, first):
                message["sequence"] = number
            if len(messages) == 1:
                await self.messages.insert_one(messages[0], session=session)
            else:
                await self.messages.insert_many(messages, session=session)

    async def restore(self, owners: Sequence[Document], messages: Sequence[Document]) -> None:
        """The commands of an import: conversations, their heads, the mark on them, messages."""
        keys = {"_id": {"$in": [owner["_id"] for owner in owners]}}
        async with self.transaction() as session:
            await self.conversations.insert_many(owners, session=session)
            heads = {"last_sequence": 1, "status": 1}
            await self.conversations.find(keys, heads, session=session).to_list(None)
            await self.conversations.update_many(keys, {"$inc": {"restored": 1}}, session=session)
            await self.messages.insert_many(messages, session=session)

    async def stored(self, tenant: str, collection: Any) -> list[Document]:
        """Every document of a tenant, as it is written."""
        found: list[Document] = await (
            collection.find({"tenant_id": tenant}).sort("_id", 1).to_list(None)
        )
        return found

    async def drop(self, tenant: str) -> None:
        """Delete what a tenant has."""
        for collection in (self.conversations, self.messages):
            await collection.delete_many({"tenant_id": tenant})


class BarePymongo(Bare):
    """PyMongo's asynchronous client."""

    async def aggregate(self, pipeline: Sequence[Document]) -> list[Document]:
        cursor = await self.events.with_options(read_concern=_SNAPSHOT).aggregate(pipeline)
        found: list[Document] = await cursor.to_list()
        return found

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with (
            self.client.start_session(causal_consistency=False) as session,
            await session.start_transaction(**_TRANSACTION),
        ):
            yield session

    async def close(self) -> None:
        await self.client.close()


class BareMotor(Bare):
    """Motor's client."""

    async def aggregate(self, pipeline: Sequence[Document]) -> list[Document]:
        cursor = self.events.with_options(read_concern=_SNAPSHOT).aggregate(pipeline)
        found: list[Document] = await cursor.to_list(None)
        return found

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with (
            await self.client.start_session(causal_consistency=False) as session,
            session.start_transaction(**_TRANSACTION),
        ):
            yield session

    async def close(self) -> None:
        self.client.close()


def open_bare(url: str, driver: DriverName, connections: int) -> Bare:
    """A client of its own."""
    if driver == "motor":
        from motor.motor_asyncio import AsyncIOMotorClient

        motor: Any = AsyncIOMotorClient(url, maxPoolSize=connections)
        return BareMotor(motor)
    from pymongo import AsyncMongoClient

    native: Any = AsyncMongoClient(url, maxPoolSize=connections)
    return BarePymongo(native)


def moved(document: Mapping[str, Any], tenant: str) -> Document:
    """The same document of another tenant."""
    _, _, id = document["_id"].partition("!")
    words = [f"{tenant}!{word.partition('!')[2]}" for word in document["words"]]
    return {**document, "_id": f"{tenant}!{id}", "tenant_id": tenant, "words": words}
