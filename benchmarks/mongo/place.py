"""A database of our own on the server that is measured on, and everyone's way to it."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import Any, get_args
from urllib.parse import urlsplit, urlunsplit

import attrs
from pymongo import AsyncMongoClient

from adapters.mongo.analytics import MongoAnalyticsStore
from adapters.mongo.driver import Client, DriverName, MongoOptions
from adapters.mongo.migrations import migrate
from adapters.mongo.store import MongoStore
from adapters.system import SystemClock, Uuid7Generator
from benchmarks.mongo.bare import Bare, open_bare
from benchmarks.mongo.peer import Peer, open_peer
from domain.identity import TenantId, tenant_id
from ports.unit_of_work import DialogueRepositories

CONNECTIONS = 10
DRIVERS: tuple[DriverName, ...] = get_args(DriverName)
_numbers = count()


def new_tenant() -> TenantId:
    """A tenant that nobody wrote to yet."""
    return tenant_id(f"tenant-{next(_numbers)}")


@attrs.frozen
class Place:
    """One driver on one database: our store, the driver bare, and the peer (on its own driver);
    as many connections each.
    """

    url: str
    driver: DriverName
    store: MongoStore
    analytics: MongoAnalyticsStore
    bare: Bare
    peer: Peer

    @property
    def bare_name(self) -> str:
        """What is compared with first."""
        return f"bare {self.driver}"

    def of(self, tenant: str) -> DialogueRepositories:
        """Our repositories of a tenant."""
        return self.store.repositories(tenant_id(tenant))


def open_client(url: str, driver: DriverName, **more: Any) -> Client:
    """Our client; `more` is for the driver's."""
    return Client.open(url, MongoOptions(driver=driver, max_size=CONNECTIONS), **more)


def open_store(client: Client) -> MongoStore:
    """Our store on a client."""
    clock = SystemClock()
    return MongoStore(client, clock, Uuid7Generator(clock))


def open_analytics(client: Client) -> MongoAnalyticsStore:
    """Our store of analytics events on a client."""
    clock = SystemClock()
    return MongoAnalyticsStore(client, clock, Uuid7Generator(clock))


@asynccontextmanager
async def database(server_url: str) -> AsyncIterator[Mapping[DriverName, Place]]:
    """A new database with our migrations on it, and a place for each driver; dropped at the end."""
    name = f"dialogbase_bench_{secrets.token_hex(4)}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    admin: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url)
    try:
        try:
            await migrate(url)
            async with AsyncExitStack() as stack:
                peer = await stack.enter_async_context(open_peer(url, CONNECTIONS))
                places = {}
                for driver in DRIVERS:
                    client = open_client(url, driver)
                    stack.push_async_callback(client.close)
                    store, analytics = open_store(client), open_analytics(client)
                    bare = open_bare(url, driver, CONNECTIONS)
                    stack.push_async_callback(bare.close)
                    places[driver] = Place(url, driver, store, analytics, bare, peer)
                yield places
        finally:
            await admin.drop_database(name)
    finally:
        await admin.close()
