"""Clients of both drivers, and bare ones to look behind them."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from os import kill
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import attrs
from pymongo import AsyncMongoClient

from adapters.mongo.autocommit import ClientExecutor
from adapters.mongo.driver import Client, DriverName, MongoOptions
from adapters.mongo.transaction import TransactionExecutor
from bootstrap import embedded
from tests.embedded.processes import pid_of


def direct(url: str) -> str:
    """The URL whose user stays where it points, whatever address the replica set has for itself."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {"directConnection": "true"}
    query.pop("replicaSet", None)
    return parts._replace(query=urlencode(query)).geturl()


@attrs.frozen
class Opened:
    """A client, its executor, and a collection that nobody else has."""

    client: Client
    single: ClientExecutor
    name: str
    application: str

    def unit(self) -> TransactionExecutor:
        """A transaction; use it within `whole`."""
        return TransactionExecutor(self.client)


@asynccontextmanager
async def opened(
    url: str, driver: DriverName, *, listeners: Any = (), **options: Any
) -> AsyncIterator[Opened]:
    """A client, closed at the end."""
    application = f"test-{uuid4()}"
    client = Client.open(
        url,
        MongoOptions(driver=driver, **options),
        appname=application,
        event_listeners=list(listeners),
    )
    try:
        yield Opened(client, ClientExecutor(client), f"c{uuid4().hex}", application)
    finally:
        await client.close()


@asynccontextmanager
async def bare(url: str) -> AsyncIterator[Any]:
    """The database, by a client of the driver's own."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url)
    try:
        yield client.get_default_database()
    finally:
        await client.close()


async def open_transactions(database: Any, of: Opened) -> int:
    """How many transactions of a client are open at the server."""
    stages = [
        {"$currentOp": {"allUsers": True, "idleSessions": True}},
        {"$match": {"transaction": {"$exists": True}, "appName": of.application}},
    ]
    cursor = await database.client.admin.aggregate(stages)
    return len(await cursor.to_list())


async def waiting_for_a_lock(database: Any, of: Opened) -> None:
    """Return once a write of this client's met what a transaction has locked."""
    stages = [
        {"$currentOp": {"allUsers": True}},
        {"$match": {"appName": of.application, "writeConflicts": {"$gt": 0}}},
    ]
    while not await (await database.client.admin.aggregate(stages)).to_list():
        pass


async def raised_by_one(client: Opened) -> int:
    """What a counter stands at after it was raised by one."""
    found = await client.single.find_one_and_update(client.name, {"_id": 1}, {"$inc": {"n": 1}})
    assert found is not None
    return int(found["n"])


async def two_in_a_unit(client: Opened) -> None:
    """Two inserts, atomically."""
    unit = client.unit()
    async with unit.whole():
        await unit.insert(client.name, [{"_id": "first"}])
        await unit.insert(client.name, [{"_id": "second"}])


def everything(client: Opened) -> list[Callable[[], Awaitable[Any]]]:
    """What can be asked of a client, of each kind one."""
    single, name = client.single, client.name
    return [
        single.ping,
        lambda: single.find(name, {}),
        lambda: single.aggregate(name, []),
        lambda: single.insert(name, [{}]),
        lambda: single.update_many(name, {}, {"$set": {"x": 1}}),
        lambda: single.atomically(lambda executor: executor.insert(name, [{}])),
        lambda: two_in_a_unit(client),
    ]


@attrs.frozen
class Server:
    """A server of one's own, which may be stopped and killed."""

    url: str
    pid: int

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It hears nothing for the block."""
        kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            kill(self.pid, signal.SIGCONT)

    def killed(self) -> None:
        """It ends at once."""
        kill(self.pid, signal.SIGKILL)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A server of one's own."""
    with embedded.servers_sync({"mongo"}, data=folder) as urls:
        yield Server(urls.mongo, pid_of(folder, "mongo"))
