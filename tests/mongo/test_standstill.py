"""A server that stands still, or is killed."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.mongo.driver import DriverName
from ports.errors import (
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
    TransactionError,
)
from tests.mongo.opening import (
    Server,
    bare,
    everything,
    open_transactions,
    opened,
    raised_by_one,
)
from tests.mongo.opening import (
    server as private_server,
)

# A connection that PyMongo's asynchronous client (4.20) was making when it was closed is left to
# the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
_NOT_HEARD = (StoreTimeoutError, StoreUnavailableError)


@pytest.fixture(autouse=True)
def nothing_left_to_the_next() -> Iterator[None]:
    """What a test leaves to the garbage collector is its own."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that may be stopped, which goes on afterwards."""
    with private_server(tmp_path_factory.mktemp("mongo")) as running:
        yield running


def test_a_server_that_stands_still_is_told_by_the_deadline(
    private: Server, driver: DriverName
) -> None:
    """Whatever was asked of it, by however many; afterwards it is as if nothing had been."""

    async def scenario() -> None:
        async with opened(private.url, driver, deadline=0.5) as client:
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])
            with private.stopped():
                asked = [
                    asyncio.ensure_future(call()) for call in everything(client) for _ in range(8)
                ]
                answers = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(answer) for answer in answers} <= {
            StoreTimeoutError,
            StoreUnavailableError,
            OutcomeUnknownError,
            TransactionError,
        }
        async with opened(private.url, driver) as client, bare(private.url) as beside:
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])
            assert await raised_by_one(client) == 1
            assert await open_transactions(beside, client) == 0

    asyncio.run(scenario())


def test_who_comes_while_a_server_stands_still_is_told_by_the_deadline(
    private: Server, driver: DriverName
) -> None:
    """Also with no connection yet."""

    async def scenario() -> None:
        with private.stopped():
            async with opened(private.url, driver, deadline=0.3) as client:
                with pytest.raises(_NOT_HEARD):
                    await client.single.count(client.name, {})

    asyncio.run(scenario())


def test_a_unit_that_a_standstill_ended_leaves_no_lock(private: Server, driver: DriverName) -> None:
    """Though its first write reaches the server only after its end."""

    async def scenario() -> None:
        async with opened(private.url, driver) as steady, bare(private.url) as beside:
            await steady.single.insert(steady.name, [{"_id": 1, "n": 0}])
            async with opened(private.url, driver, deadline=0.5) as client:
                await client.single.ping()

                async def work() -> None:
                    unit = client.unit()
                    async with unit.whole():
                        await unit.update_many(steady.name, {"_id": 1}, {"$inc": {"n": 1}})

                with private.stopped(), pytest.raises(RepositoryError):
                    await work()
                assert await raised_by_one(steady) == 1
            assert await open_transactions(beside, client) == 0

    asyncio.run(scenario())


def test_a_server_that_is_killed_is_told(tmp_path: Path, driver: DriverName) -> None:
    """A unit that was open is gone, and whoever comes then finds nobody."""

    async def scenario(running: Server) -> None:
        async with opened(running.url, driver, deadline=1.0) as client:
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])

            async def work() -> None:
                unit = client.unit()
                async with unit.whole():
                    await unit.insert(client.name, [{"_id": 2}])
                    running.killed()
                    await unit.insert(client.name, [{"_id": 3}])

            with pytest.raises(_NOT_HEARD):
                await work()
            with pytest.raises(_NOT_HEARD):
                await client.single.count(client.name, {})
            with pytest.raises(RepositoryError):
                await raised_by_one(client)

    with private_server(tmp_path) as running:
        asyncio.run(scenario(running))
