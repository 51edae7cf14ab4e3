"""A pool that is closed while connections change hands."""

import asyncio

from adapters.postgres.pool import Pool, PoolOptions


def test_a_connection_that_nobody_took_over_is_closed_with_the_pool(url: str) -> None:
    """Its next user was cancelled as it was handed over. Nobody waits for the deadline."""

    async def scenario() -> None:
        pool = await Pool.open(url, PoolOptions(max_size=1))
        connection = await pool.acquire()
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        closing = asyncio.create_task(pool.close())
        pool.release(connection)
        waiting.cancel()
        async with asyncio.timeout(pool.options.deadline / 2):
            await closing
        assert connection.is_closed()

    asyncio.run(scenario())


def test_closing_waits_for_a_connection_that_is_still_being_opened(url: str) -> None:
    """It is closed when its user gives it back."""

    async def scenario() -> None:
        pool = await Pool.open(url, PoolOptions())
        opening = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        closing = asyncio.create_task(pool.close())
        connection = await opening
        assert not closing.done()
        pool.release(connection)
        await closing
        assert connection.is_closed()

    asyncio.run(scenario())
