"""A pool that is closed while connections change hands."""

import asyncio
import socket

import pytest

from adapters.postgres.pool import Pool, PoolOptions
from ports.errors import StoreUnavailableError


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


def test_callers_with_less_patience_than_a_connection_takes_have_one_in_the_end(url: str) -> None:
    """What one of them began goes on for the next; it isn't begun anew for each that left."""

    async def scenario() -> None:
        pool = await Pool.open(url, PoolOptions())
        try:
            for _ in range(50):
                impatient = asyncio.create_task(pool.acquire())
                await asyncio.sleep(0)
                impatient.cancel()
                await asyncio.gather(impatient, return_exceptions=True)
            # One, or another that was begun while the last caller of the first was leaving.
            assert 1 <= len(pool._open) + pool._opening <= 5
            connection = await pool.acquire()
            assert len(pool._waiting) == 0
            pool.release(connection)
        finally:
            await pool.close()
        assert connection.is_closed()

    asyncio.run(scenario())


def test_a_caller_who_waits_for_anothers_connection_is_told_that_it_failed() -> None:
    """By an attempt of its own, which nobody else takes part in."""

    async def scenario() -> None:
        pool = Pool("postgresql://nobody@127.0.0.1:9/nothing", PoolOptions())
        left = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        with pytest.raises(StoreUnavailableError):
            await pool.acquire()
        assert (len(pool._open), pool._opening, len(pool._waiting)) == (0, 0, 0)
        await pool.close()

    asyncio.run(scenario())


def test_closing_waits_for_no_connection_whose_caller_has_left() -> None:
    """The server doesn't answer, and the deadline is far."""

    async def scenario(port: int) -> None:
        pool = Pool(f"postgresql://nobody@127.0.0.1:{port}/nothing", PoolOptions(deadline=60))
        left = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        async with asyncio.timeout(30):
            await pool.close()
        assert pool._opening == 0

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asyncio.run(scenario(silent.getsockname()[1]))
