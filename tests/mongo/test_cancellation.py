"""A call that is cancelled, at any moment, costs its caller nothing but the call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pymongo.monitoring import ConnectionPoolListener

from adapters.mongo.driver import DriverName
from adapters.mongo.executor import Executor
from tests.mongo.opening import Opened, bare, open_transactions, opened, waiting_for_a_lock

Call = Callable[[Opened], Awaitable[object]]
_MOMENTS = (*range(24), *range(24, 80, 4), 100, 140, 200, 300, 500)
"""Turns of the event loop before the cancellation."""
_DELAYS = (0.0, 0.0003, 0.0006, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.008, 0.012)
"""Seconds before it: where an operation runs in a thread, there are few turns and long ones."""


class Lent(ConnectionPoolListener):
    """How many connections are checked out."""

    def __init__(self) -> None:
        self.number = 0

    def connection_checked_out(self, event: Any) -> None:
        self.number += 1

    def connection_checked_in(self, event: Any) -> None:
        self.number -= 1

    def _of_no_interest(self, event: Any) -> None: ...

    pool_created = pool_ready = pool_cleared = pool_closed = _of_no_interest
    connection_created = connection_ready = connection_closed = _of_no_interest
    connection_check_out_started = connection_check_out_failed = _of_no_interest


async def _read(client: Opened) -> object:
    return await client.single.find(client.name, {})


async def _insert(client: Opened) -> object:
    await client.single.insert(client.name, [{}])
    return None


async def _unit(client: Opened) -> object:
    unit = client.unit()
    async with unit.whole():
        await unit.insert(client.name, [{}])
        await unit.insert(client.name, [{}])
    return None


async def _atomic(client: Opened) -> object:
    async def body(executor: Executor) -> None:
        await executor.insert(client.name, [{}])
        await executor.insert(client.name, [{}])

    return await client.single.atomically(body)


@pytest.mark.parametrize(
    ("call", "whole"),
    [(_read, 1), (_insert, 1), (_unit, 2), (_atomic, 2)],
    ids=["read", "insert", "unit", "atomically"],
)
def test_whenever_a_call_is_cancelled_the_client_stays_good(
    shared: str, driver: DriverName, call: Call, whole: int
) -> None:
    """What it did it did whole, no transaction is left open and no connection checked out."""

    async def scenario() -> None:
        lent = Lent()
        async with bare(shared) as beside:
            async with opened(shared, driver, max_size=2, listeners=[lent]) as client:
                await client.single.insert(client.name, [{}, {}])
                for moment in _MOMENTS:
                    task = asyncio.ensure_future(call(client))
                    for _ in range(moment):
                        await asyncio.sleep(0)
                    await _cancelled(task)
                for delay in _DELAYS:
                    task = asyncio.ensure_future(call(client))
                    await asyncio.sleep(delay)
                    await _cancelled(task)
                assert await client.single.count(client.name, {}) % whole == 0
            assert lent.number == 0
            assert await beside[client.name].count_documents({}) % whole == 0
            assert await open_transactions(beside, client) == 0

    asyncio.run(scenario())


async def _cancelled(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_who_is_cancelled_again_and_again_leaves_the_client_good(
    shared: str, driver: DriverName
) -> None:
    """Also before the first connection."""

    async def scenario() -> None:
        for turns in range(12):
            async with opened(shared, driver, max_size=2) as client:
                calls = [
                    asyncio.ensure_future(call(client))
                    for call in (_read, _insert, _unit, _atomic)
                    for _ in range(5)
                ]
                for _ in range(3):
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    for call in calls:
                        call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
                assert await client.single.count(client.name, {}) >= 0
                await _unit(client)

    asyncio.run(scenario())


def test_a_unit_that_is_cancelled_while_it_writes_is_undone_after_that(
    shared: str, driver: DriverName
) -> None:
    """Its caller doesn't wait, and who wants what it had locked does so only for its end."""

    async def scenario() -> None:
        async with opened(shared, driver) as client:
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])

            async def work() -> None:
                unit = client.unit()
                async with unit.whole():
                    await unit.update_many(client.name, {"_id": 1}, {"$inc": {"n": 1}})
                    await unit.aggregate(client.name, [{"$match": {"$expr": {"$gt": [1, 2]}}}])

            for turns in range(0, 60, 3):
                task = asyncio.create_task(work())
                for _ in range(turns):
                    await asyncio.sleep(0)
                await _cancelled(task)
            kept = await client.single.find_one_and_update(
                client.name, {"_id": 1}, {"$inc": {"n": 100}}
            )
            assert kept is not None
            assert kept["n"] >= 100

    asyncio.run(scenario())


def test_waiting_callers_are_served_though_others_give_up(shared: str, driver: DriverName) -> None:
    """A cancelled one passes its turn on."""

    async def scenario() -> None:
        async with opened(shared, driver, max_size=2) as client:
            calls = [asyncio.ensure_future(client.single.count(client.name, {})) for _ in range(60)]
            await asyncio.sleep(0)
            for call in calls[::3]:
                call.cancel()
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert [answer for answer in answers if not isinstance(answer, BaseException)] == [
                0
            ] * 40

    asyncio.run(scenario())


def test_who_gave_up_waiting_for_a_lock_keeps_no_unit_from_its_commit(
    shared: str, driver: DriverName
) -> None:
    """However many did."""

    async def scenario() -> None:
        async with (
            opened(shared, driver, max_size=4, deadline=20.0) as client,
            bare(shared) as beside,
        ):
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])
            unit = client.unit()
            async with unit.whole():
                await unit.update_many(client.name, {"_id": 1}, {"$inc": {"n": 1}})
                for _ in range(8):
                    writing = asyncio.create_task(
                        client.single.update_many(client.name, {"_id": 1}, {"$inc": {"n": 1}})
                    )
                    await waiting_for_a_lock(beside, client)
                    await _cancelled(writing)
            assert await client.single.count(client.name, {"n": {"$gte": 1}}) == 1

    asyncio.run(scenario())


def test_closing_waits_for_what_runs_and_for_what_was_given_up(
    shared: str, driver: DriverName
) -> None:
    """Who comes later is refused."""

    async def scenario() -> None:
        async with bare(shared) as beside:
            async with opened(shared, driver) as client:
                await client.single.ping()
                running = asyncio.ensure_future(client.single.count(client.name, {}))
                given_up = [asyncio.ensure_future(_unit(client)) for _ in range(5)]
                for _ in range(5):
                    await asyncio.sleep(0)
                for task in given_up:
                    task.cancel()
            assert await running == 0
            await asyncio.gather(*given_up, return_exceptions=True)
            assert await open_transactions(beside, client) == 0
            assert await beside[client.name].count_documents({}) % 2 == 0

    asyncio.run(scenario())
