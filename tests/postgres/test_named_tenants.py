"""The tenant that a statement names to the server: it is forgotten with its transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from adapters.postgres.autocommit import PoolExecutor
from adapters.postgres.executor import Executor
from adapters.postgres.flow_statements import RELATION
from adapters.postgres.pool import Pool, PoolOptions
from adapters.postgres.transaction import SNAPSHOT, TransactionExecutor
from domain.flows import Flow
from domain.identity import TenantId
from tests.postgres.opening import new_tenant, store
from tests.servers import as_service


@pytest.fixture(scope="module")
def tenant(url: str) -> TenantId:
    """One with a row that others could see."""
    made = new_tenant()

    async def fill() -> None:
        async with store(url) as opened:
            await opened.repositories(made).flows.create(Flow.draft(name="told"))

    asyncio.run(fill())
    return made


async def _get(executor: Executor, tenant: TenantId) -> None:
    key = await executor.read("SELECT gen_random_uuid()", ())
    await executor.read(RELATION.get.sql, (tenant, key[0][0]))


async def _autocommit(pool: Pool, tenant: TenantId) -> None:
    await _get(PoolExecutor(pool, tenant), tenant)


async def _together(pool: Pool, tenant: TenantId) -> None:
    async def body(executor: Executor) -> None:
        await _get(executor, tenant)

    await PoolExecutor(pool, tenant).atomically(body)


async def _committed(pool: Pool, tenant: TenantId) -> None:
    transaction = TransactionExecutor(pool, SNAPSHOT, tenant)
    async with transaction.whole():
        await _get(transaction, tenant)


async def _rolled_back(pool: Pool, tenant: TenantId) -> None:
    transaction = TransactionExecutor(pool, SNAPSHOT, tenant)
    with suppress(LookupError):
        async with transaction.whole():
            await _get(transaction, tenant)
            raise LookupError


async def _failed(pool: Pool, tenant: TenantId) -> None:
    with pytest.raises(Exception, match="SQLSTATE 22012"):
        await PoolExecutor(pool, tenant).read(
            "SELECT 1 / 0 FROM flows WHERE (SELECT set_config('dialogbase.tenant', $1, true)) = $1",
            [tenant],
        )


async def _cancelled(pool: Pool, tenant: TenantId) -> None:
    connection = await pool.acquire()
    pid = connection.get_server_pid()
    pool.release(connection)
    sleeping = asyncio.create_task(
        PoolExecutor(pool, tenant).read(
            "SELECT pg_sleep(60) WHERE (SELECT set_config('dialogbase.tenant', $1, true)) = $1",
            [tenant],
        )
    )
    beside = await Pool.open(pool._url, PoolOptions(max_size=1))
    asleep = "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1"
    while not (await PoolExecutor(beside).read(asleep, [pid]))[0][0]:
        pass
    await beside.close()
    sleeping.cancel()
    with suppress(asyncio.CancelledError):
        await sleeping


_WAYS = [_autocommit, _together, _committed, _rolled_back, _failed, _cancelled]


@pytest.mark.parametrize("way", _WAYS, ids=[way.__name__.strip("_") for way in _WAYS])
@pytest.mark.parametrize("cached", [512, 0], ids=["prepared", "as behind PgBouncer"])
def test_a_tenant_ends_with_its_transaction(
    url: str, tenant: TenantId, way: Callable[[Pool, TenantId], Awaitable[None]], cached: int
) -> None:
    """Whoever is given the connection next has none."""

    async def scenario() -> None:
        options = PoolOptions(max_size=1, statement_cache_size=cached)
        pool = await Pool.open(as_service(url), options)
        try:
            await way(pool, tenant)
            connection = await pool.acquire()
            setting = "SELECT coalesce(current_setting('dialogbase.tenant', true), '')"
            assert await connection.fetchval(setting) == ""
            assert await connection.fetchval("SELECT count(*) FROM flows") == 0
            pool.release(connection)
        finally:
            await pool.close()

    asyncio.run(scenario())
