"""Databases of our own on the server that is measured on."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import asyncpg
import attrs

from adapters.encryption import KeyRing
from adapters.postgres.database import METADATA
from adapters.postgres.migrations import migrate
from adapters.postgres.pool import PoolOptions
from adapters.postgres.store import PostgresStore
from adapters.system import SystemClock, Uuid7Generator
from benchmarks.bare import Bare, open_pool
from benchmarks.peer import Peer, open_peer
from benchmarks.untold import UntoldStore
from domain.identity import tenant_id
from ports.flows import FlowRepository

CONNECTIONS = 10
_SERVICES = "dialogbase_app"

S = TypeVar("S", bound=PostgresStore)


@attrs.frozen
class Database:
    """One database, and everyone's way to it: as many connections each, all of them open.

    Our store connects as services do, so that row-level security holds for it. All others connect
    as the owner, for whom it doesn't: see `unbound`.
    """

    url: str
    """The owner's."""
    service_url: str
    store: PostgresStore
    untold: UntoldStore
    """Like `store`, but without audit and outbox."""
    bare: Bare
    peer: Peer

    def flows(self, tenant: str) -> FlowRepository:
        """Our repository of a tenant's flows."""
        return self.store.repositories(tenant_id(tenant)).flows

    async def settle(self) -> None:
        """Have the server do its housekeeping now, not while something is timed."""
        # All of our tables: those of the catalogue are neither ours to vacuum nor few.
        await self.bare.pool.execute(f"VACUUM ANALYZE {', '.join(METADATA.tables)}")


@asynccontextmanager
async def database(server_url: str) -> AsyncIterator[Database]:
    """A new database with our migrations on it; dropped in the end, with the login of its services.

    `server_url` is that of a role which may create databases and roles.
    """
    name = f"dialogbase_bench_{secrets.token_hex(4)}"
    password = secrets.token_hex(16)
    owners = urlsplit(server_url)._replace(path=f"/{name}")
    place = owners.netloc.rpartition("@")[2]
    services = owners._replace(netloc=f"{name}:{password}@{place}")
    admin = await asyncpg.connect(server_url)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        try:
            await migrate(owners.geturl())
            await unbound(owners.geturl())
            await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
            await admin.execute(f"GRANT {_SERVICES} TO {name}")
            async with _opened(owners.geturl(), services.geturl()) as made:
                yield made
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await admin.execute(f"DROP ROLE IF EXISTS {name}")
    finally:
        await admin.close()


async def unbound(url: str) -> None:
    """Let row-level security no longer hold for the owner of the tables, who connects at `url`; it
    goes on to hold for services.
    """
    owner = await asyncpg.connect(url)
    try:
        tables = await owner.fetch("SELECT relname FROM pg_class WHERE relforcerowsecurity")
        for (table,) in tables:
            await owner.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    finally:
        await owner.close()


@asynccontextmanager
async def opened(kind: type[S], url: str) -> AsyncIterator[S]:
    """A store of ours, all of its connections open."""
    clock = SystemClock()
    store = await kind.open(
        url,
        clock=clock,
        ids=Uuid7Generator(clock),
        options=PoolOptions(min_size=CONNECTIONS, max_size=CONNECTIONS),
        secrets=KeyRing.generated(),
    )
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _opened(url: str, service_url: str) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened(PostgresStore, service_url))
        untold = await stack.enter_async_context(opened(UntoldStore, service_url))
        pool = await open_pool(url, CONNECTIONS)
        stack.push_async_callback(pool.close)
        peer = await stack.enter_async_context(open_peer(url, CONNECTIONS))
        yield Database(url, service_url, store, untold, await Bare.of(pool), peer)
