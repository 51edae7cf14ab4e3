"""Connections that die, servers that don't answer, locks that aren't given back."""

import asyncio
import gc
import socket
import traceback
from collections.abc import Iterator

import pytest

from adapters.mongo.driver import Client, DriverName, MongoOptions
from ports.errors import (
    OutcomeUnknownError,
    StoreTimeoutError,
    StoreUnavailableError,
    TransactionError,
)
from tests.mongo.opening import (
    Opened,
    bare,
    direct,
    everything,
    open_transactions,
    opened,
    raised_by_one,
    two_in_a_unit,
)
from tests.wire import Wire

# A connection that PyMongo's asynchronous client (4.20) was making when it was closed is left to
# the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
_NOT_HEARD = (StoreTimeoutError, StoreUnavailableError)


@pytest.fixture(autouse=True)
def nothing_left_to_the_next() -> Iterator[None]:
    """What a test leaves to the garbage collector is its own."""
    yield
    gc.collect()


def test_a_connection_that_died_while_idle_is_replaced(shared: str, driver: DriverName) -> None:
    """Nobody is told of it: neither who reads, nor who writes, nor who begins a unit."""

    async def scenario() -> None:
        async with (
            Wire.to(direct(shared)) as (wire, far),
            opened(far, driver, max_size=2) as client,
        ):
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])
            wire.cut()
            assert await client.single.count(client.name, {}) == 1
            wire.cut()
            assert await raised_by_one(client) == 1
            wire.cut()
            await two_in_a_unit(client)
            assert await client.single.count(client.name, {}) == 3

    asyncio.run(scenario())


def test_a_read_whose_answer_is_lost_is_repeated(shared: str, driver: DriverName) -> None:
    """Its caller gets the answer."""

    async def scenario() -> None:
        async with Wire.to(direct(shared)) as (wire, far), opened(far, driver) as client:
            await client.single.insert(client.name, [{"_id": 1}])
            wire.losing = True
            reading = asyncio.create_task(client.single.find_one(client.name, {"_id": 1}))
            await wire.lost.wait()
            wire.losing = False
            wire.cut()
            assert await reading == {"_id": 1}

    asyncio.run(scenario())


def test_a_write_whose_acknowledgement_is_lost_happens_once(
    shared: str, driver: DriverName
) -> None:
    """The server recognises it when it comes again."""

    async def scenario() -> None:
        async with Wire.to(direct(shared)) as (wire, far), opened(far, driver) as client:
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])
            wire.losing = True
            writing = asyncio.create_task(raised_by_one(client))
            await wire.lost.wait()
            wire.losing = False
            wire.cut()
            assert await writing == 1
            assert await client.single.find_one(client.name, {"_id": 1}) == {"_id": 1, "n": 1}

    asyncio.run(scenario())


def test_a_write_of_several_whose_acknowledgement_is_lost_has_an_unknown_outcome(
    shared: str, driver: DriverName
) -> None:
    """The server wouldn't recognise it; it may have happened, as it did here."""

    async def scenario() -> None:
        async with (
            Wire.to(direct(shared)) as (wire, far),
            opened(far, driver) as client,
            bare(shared) as beside,
        ):
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])
            wire.losing = True
            writing = asyncio.create_task(
                client.single.update_many(client.name, {}, {"$set": {"n": 7}})
            )
            while (await beside[client.name].find_one({"_id": 1}))["n"] != 7:
                pass
            await wire.lost.wait()
            wire.losing = False
            wire.cut()
            with pytest.raises(OutcomeUnknownError):
                await writing

    asyncio.run(scenario())


async def _committed_unheard(wire: Wire, client: Opened) -> "asyncio.Task[None]":
    """A unit whose commit was sent, and what the server says to it lost."""

    async def work() -> None:
        unit = client.unit()
        async with unit.whole():
            await unit.insert(client.name, [{"_id": 1}, {"_id": 2}])
            wire.losing = True

    running = asyncio.create_task(work())
    await wire.lost.wait()
    return running


def test_a_commit_whose_acknowledgement_is_lost_is_asked_for_again(
    shared: str, driver: DriverName
) -> None:
    """So that its outcome is known after all."""

    async def scenario() -> None:
        async with Wire.to(direct(shared)) as (wire, far), opened(far, driver) as client:
            await client.single.count(client.name, {})
            running = await _committed_unheard(wire, client)
            wire.losing = False
            wire.cut()
            await running
            assert await client.single.count(client.name, {}) == 2

    asyncio.run(scenario())


def test_a_commit_that_is_never_acknowledged_has_an_unknown_outcome(
    shared: str, driver: DriverName
) -> None:
    """All of the unit was kept here, and the caller is told to look."""

    async def scenario() -> None:
        async with (
            Wire.to(direct(shared)) as (wire, far),
            opened(far, driver, deadline=1.0) as client,
            bare(shared) as beside,
        ):
            await client.single.count(client.name, {})
            running = await _committed_unheard(wire, client)
            with pytest.raises(OutcomeUnknownError):
                await running
            assert await beside[client.name].count_documents({}) == 2
            wire.losing = False
            wire.cut()

    asyncio.run(scenario())


def test_a_unit_whose_connection_breaks_keeps_nothing(shared: str, driver: DriverName) -> None:
    """Its next operation tells, its end refuses, and the server keeps no lock for it."""

    async def scenario() -> None:
        async with Wire.to(direct(shared)) as (wire, far), bare(shared) as beside:
            async with opened(far, driver) as client:

                async def work() -> None:
                    unit = client.unit()
                    async with unit.whole():
                        await unit.insert(client.name, [{"_id": 1}])
                        wire.losing = True
                        counting = asyncio.create_task(unit.count(client.name, {}))
                        await wire.lost.wait()
                        wire.losing = False
                        wire.cut()
                        with pytest.raises(StoreUnavailableError):
                            await counting

                with pytest.raises(TransactionError):
                    await work()
                assert await client.single.count(client.name, {}) == 0
            assert await open_transactions(beside, client) == 0

    asyncio.run(scenario())


def test_a_server_that_refuses_is_unavailable(driver: DriverName) -> None:
    """Whoever reads, writes, begins a unit or checks is told so, without a URL or a password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"mongodb://ada:hunter2@127.0.0.1:{taken.getsockname()[1]}/x?authSource=admin"

        async def scenario() -> None:
            async with opened(nowhere, driver, deadline=0.3) as client:
                for asked in everything(client):
                    with pytest.raises(_NOT_HEARD) as told:
                        await asked()
                    assert "hunter2" not in "".join(traceback.format_exception(told.value))

        asyncio.run(scenario())


def test_who_is_not_let_in_is_told_so(shared: str, driver: DriverName) -> None:
    """Without the password that was wrong."""
    wrong = shared.replace(":", "\0", 1).replace(":", ":hunter2", 1).replace("\0", ":")

    async def scenario() -> None:
        async with opened(wrong, driver) as client:
            with pytest.raises(StoreUnavailableError, match="refused") as told:
                await client.single.count(client.name, {})
            assert "hunter2" not in "".join(traceback.format_exception(told.value))

    asyncio.run(scenario())


def test_what_is_no_url_is_told_so(driver: DriverName) -> None:
    """At once, and without what may be a password in it."""

    async def scenario() -> None:
        for wrong in ("http://ada:hunter2@x/", "mongodb://ada:hunter2@x:y/", "mongodb://"):
            with pytest.raises(StoreUnavailableError, match="URL") as told:
                Client.open(wrong, MongoOptions(driver=driver))
            assert "hunter2" not in "".join(traceback.format_exception(told.value))

    asyncio.run(scenario())


def test_a_caller_for_whom_no_connection_becomes_free_is_told_by_the_deadline(
    shared: str, driver: DriverName
) -> None:
    """What it wanted has not happened."""

    async def scenario() -> None:
        async with (
            opened(shared, driver, max_size=2, deadline=60.0) as client,
            opened(shared, driver) as holder,
        ):
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])
            unit = holder.unit()
            async with unit.whole():
                await unit.update_many(client.name, {"_id": 1}, {"$inc": {"n": 1}})
                writing = asyncio.create_task(raised_by_one(client))
                await asyncio.sleep(0)
                call = client.client.collection(client.name).insert_one
                with pytest.raises(StoreTimeoutError, match="free"):
                    await client.client.alone(True, 0.2, call, {"_id": 2})
            assert await writing == 2
            assert await client.single.count(client.name, {}) == 1

    asyncio.run(scenario())


def test_a_write_that_waits_for_a_lock_too_long_is_told_by_the_deadline(
    shared: str, driver: DriverName
) -> None:
    """Reads don't wait."""

    async def scenario() -> None:
        async with opened(shared, driver, deadline=0.5) as client:
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])
            unit = client.unit()
            async with unit.whole():
                await unit.update_many(client.name, {"_id": 1}, {"$inc": {"n": 1}})
                with pytest.raises((StoreTimeoutError, OutcomeUnknownError)):
                    await raised_by_one(client)
                assert await client.single.find_one(client.name, {"_id": 1}) == {"_id": 1, "n": 0}

    asyncio.run(scenario())


def test_a_closed_client_says_so(shared: str, driver: DriverName) -> None:
    """Also to who waited when it was closed, and closing again is nothing."""

    async def scenario() -> None:
        async with opened(shared, driver) as client:
            await client.single.ping()
        await client.client.close()
        for asked in everything(client):
            with pytest.raises(StoreUnavailableError, match="closed"):
                await asked()

    asyncio.run(scenario())
