"""Databases of our own on the server that is measured on."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import attrs

from adapters.postgres.migrations import migrate
from adapters.postgres.pool import PoolOptions
from adapters.postgres.store import PostgresStore
from adapters.system import SystemClock, Uuid7Generator
from benchmarks.bare import Bare, open_pool
from benchmarks.peer import Peer, open_peer
from domain.identity import tenant_id
from ports.flows import FlowRepository

CONNECTIONS = 10


@attrs.frozen
class Database:
    """One database, and everyone's way to it: as many connections each, all of them open."""

    url: str
    store: PostgresStore
    bare: Bare
    peer: Peer

    def flows(self, tenant: str) -> FlowRepository:
        """Our repository of a tenant's flows."""
        return self.store.repositories(tenant_id(tenant)).flows

    async def settle(self) -> None:
        """Have the server do its housekeeping now, not while something is timed."""
        await self.bare.pool.execute("VACUUM ANALYZE")


@asynccontextmanager
async def database(server_url: str) -> AsyncIterator[Database]:
    """A new database with our migrations on it; dropped in the end."""
    name = f"dialogbase_bench_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(server_url)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        try:
            async with _opened(urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))) as made:
                yield made
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    await migrate(url)
    clock = SystemClock()
    store = await PostgresStore.open(
        url,
        clock=clock,
        ids=Uuid7Generator(clock),
        options=PoolOptions(min_size=CONNECTIONS, max_size=CONNECTIONS),
    )
    try:
        pool = await open_pool(url, CONNECTIONS)
        try:
            async with open_peer(url, CONNECTIONS) as peer:
                yield Database(url, store, await Bare.of(pool), peer)
        finally:
            await pool.close()
    finally:
        await store.close()
