"""Stores and bare connections to look behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg

from adapters.postgres.pool import PoolOptions
from adapters.postgres.store import PostgresStore
from adapters.system import SystemClock, Uuid7Generator
from domain.identity import TenantId
from tests.servers import as_service

_CLOCK = SystemClock()


def new_tenant() -> TenantId:
    """One that no other test uses."""
    return TenantId(f"t-{uuid4()}")


@asynccontextmanager
async def store(url: str, **options: Any) -> AsyncIterator[PostgresStore]:
    """A store that connects as services do, closed at the end."""
    async with opened(as_service(url), **options) as made:
        yield made


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[PostgresStore]:
    """A store at that very URL."""
    made = await PostgresStore.open(
        url, clock=_CLOCK, ids=Uuid7Generator(_CLOCK), options=PoolOptions(**options)
    )
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def bare(url: str, tenant: TenantId | None = None) -> AsyncIterator[Any]:
    """A connection of the driver's own, as the tables' owner, who sees that tenant's rows."""
    connection = await asyncpg.connect(url)
    try:
        if tenant is not None:
            await see(connection, tenant)
        yield connection
    finally:
        await connection.close()


async def see(connection: Any, tenant: TenantId) -> None:
    """From now on, row-level security shows that tenant's rows to the connection."""
    await connection.execute("SELECT set_config('dialogbase.tenant', $1, false)", tenant)


async def waiting_for_a_lock(connection: Any) -> int:
    """The backend in this database that waits for a lock, as soon as there is one."""
    while True:
        pid: int | None = await connection.fetchval(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        if pid is not None:
            return pid


async def open_transactions(connection: Any) -> int:
    """How many sessions of stores in this database are within a transaction."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'dialogbase' AND state LIKE 'idle in transaction%'"
    )
    return count
