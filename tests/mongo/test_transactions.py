"""Units of work and what happens atomically: all of it or nothing, seen by nobody before."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from pymongo.monitoring import CommandListener

from adapters.mongo.driver import DriverName
from adapters.mongo.errors import DuplicateKey
from adapters.mongo.executor import Executor
from ports.errors import RepositoryError, StoreTimeoutError, TransactionError
from tests.mongo.opening import bare, open_transactions, opened, waiting_for_a_lock


class Heard(CommandListener):
    """The commands that were sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def started(self, event: Any) -> None:
        self.sent.append(event.command_name)

    def succeeded(self, event: Any) -> None:
        """Of no interest."""

    def failed(self, event: Any) -> None:
        """Of no interest."""


def test_a_unit_is_kept_whole_and_seen_by_nobody_before(shared: str, driver: DriverName) -> None:
    """It sees its own writes."""

    async def scenario() -> None:
        async with opened(shared, driver) as client:
            unit = client.unit()
            async with unit.whole():
                await unit.insert(client.name, [{"_id": 1}])
                await unit.insert(client.name, [{"_id": 2}, {"_id": 3}])
                assert await unit.count(client.name, {}) == 3
                assert await client.single.count(client.name, {}) == 0
            assert await client.single.count(client.name, {}) == 3

    asyncio.run(scenario())


def test_a_unit_sees_the_store_as_it_stood_at_its_first_operation(
    shared: str, driver: DriverName
) -> None:
    """Whatever others commit meanwhile."""

    async def scenario() -> None:
        async with opened(shared, driver) as client:
            await client.single.insert(client.name, [{"_id": 1}])
            unit = client.unit()
            async with unit.whole():
                await client.single.insert(client.name, [{"_id": 2}])
                assert await unit.count(client.name, {}) == 2
                await client.single.insert(client.name, [{"_id": 3}])
                assert await unit.count(client.name, {}) == 2
                assert await unit.aggregate(client.name, [{"$count": "n"}]) == [{"n": 2}]

    asyncio.run(scenario())


def test_two_statements_and_their_commit_are_three_round_trips(
    shared: str, driver: DriverName
) -> None:
    """Begin and the session's end cost none, and a unit in which nothing happens none at all."""

    async def scenario() -> None:
        heard = Heard()
        async with opened(shared, driver, listeners=[heard]) as client:
            await client.single.insert(client.name, [{"_id": 1}])
            heard.sent.clear()
            unit = client.unit()
            async with unit.whole():
                await unit.find_one(client.name, {"_id": 1})
                await unit.find_one_and_update(client.name, {"_id": 1}, {"$inc": {"n": 1}})
            assert heard.sent == ["find", "findAndModify", "commitTransaction"]
            heard.sent.clear()
            async with client.unit().whole():
                pass
            assert heard.sent == []
            large = [{"_id": n} for n in range(2, 700)]
            await client.single.insert(client.name, large)
            heard.sent.clear()
            assert len(await client.single.find(client.name, {}, limit=501)) == 501
            assert heard.sent == ["find"]

    asyncio.run(scenario())


def test_an_exception_undoes_the_unit(shared: str, driver: DriverName) -> None:
    """And is what its caller gets."""

    async def scenario() -> None:
        async with opened(shared, driver) as client, bare(shared) as beside:
            unit = client.unit()

            async def work() -> None:
                async with unit.whole():
                    await unit.insert(client.name, [{"_id": 1}])
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await work()
            assert await client.single.count(client.name, {}) == 0
            assert await open_transactions(beside, client) == 0

    asyncio.run(scenario())


def test_after_its_end_a_unit_refuses(shared: str, driver: DriverName) -> None:
    """However it ended, and whether or not it did anything."""

    async def scenario() -> None:
        async with opened(shared, driver) as client:
            for statements in (0, 1):
                unit = client.unit()
                async with unit.whole():
                    for _ in range(statements):
                        await unit.count(client.name, {})
                with pytest.raises(TransactionError, match="ended"):
                    await unit.count(client.name, {})

    asyncio.run(scenario())


def test_a_failed_write_dooms_the_unit(shared: str, driver: DriverName) -> None:
    """Also if the caller catches the error."""

    async def scenario() -> None:
        async with opened(shared, driver) as client, bare(shared) as beside:
            await client.single.insert(client.name, [{"_id": 1}])
            unit = client.unit()

            async def work() -> None:
                async with unit.whole():
                    await unit.insert(client.name, [{"_id": 2}])
                    with pytest.raises(DuplicateKey) as refused:
                        await unit.insert(client.name, [{"_id": 1}])
                    assert refused.value.key == ("_id",)
                    with pytest.raises(TransactionError, match="failed"):
                        await unit.count(client.name, {})

            with pytest.raises(TransactionError, match="failed"):
                await work()
            assert await client.single.count(client.name, {}) == 1
            assert await open_transactions(beside, client) == 0

    asyncio.run(scenario())


def test_a_doomed_unit_is_not_committed(shared: str, driver: DriverName) -> None:
    """Nobody need have seen an error of the server's."""

    async def scenario() -> None:
        async with opened(shared, driver) as client:
            unit = client.unit()

            async def work() -> None:
                async with unit.whole():
                    await unit.insert(client.name, [{"_id": 1}])
                    unit.doom()

            with pytest.raises(TransactionError):
                await work()
            assert await client.single.count(client.name, {}) == 0

    asyncio.run(scenario())


def test_of_two_units_that_change_the_same_the_first_wins(shared: str, driver: DriverName) -> None:
    """The other is told at its write, though it might have waited."""

    async def scenario() -> None:
        async with opened(shared, driver) as client, bare(shared) as beside:
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])
            first, second = client.unit(), client.unit()

            async def work() -> None:
                async with first.whole(), second.whole():
                    await first.update_many(client.name, {"_id": 1}, {"$inc": {"n": 1}})
                    with pytest.raises(TransactionError):
                        await second.update_many(client.name, {"_id": 1}, {"$inc": {"n": 1}})

            with pytest.raises(TransactionError):
                await work()
            assert await open_transactions(beside, client) == 0

    asyncio.run(scenario())


def test_operations_of_a_unit_run_one_after_the_other(shared: str, driver: DriverName) -> None:
    """Whichever task asks."""

    async def scenario() -> None:
        async with opened(shared, driver) as client:
            unit = client.unit()
            async with unit.whole():
                await asyncio.gather(*(unit.insert(client.name, [{"_id": n}]) for n in range(20)))
            assert await client.single.count(client.name, {}) == 20

    asyncio.run(scenario())


def test_fifty_who_change_one_document_atomically_all_succeed(
    shared: str, driver: DriverName
) -> None:
    """Each is run again until nobody came first."""

    async def scenario() -> None:
        async with opened(shared, driver, deadline=60.0) as client, bare(shared) as beside:
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])

            async def raised(executor: Executor) -> int:
                standing = await executor.find_one(client.name, {"_id": 1})
                assert standing is not None
                number = int(standing["n"]) + 1
                assert await executor.update_many(
                    client.name, {"_id": 1, "n": number - 1}, {"$set": {"n": number}}
                )
                return number

            numbers = await asyncio.gather(*(client.single.atomically(raised) for _ in range(50)))
            assert Counter(numbers) == Counter(range(1, 51))
            assert await open_transactions(beside, client) == 0

    asyncio.run(scenario())


def test_within_a_unit_what_is_atomic_is_part_of_it(shared: str, driver: DriverName) -> None:
    """Nothing is kept before the unit's end."""

    async def scenario() -> None:
        async with opened(shared, driver) as client:
            unit = client.unit()
            async with unit.whole():
                await unit.atomically(lambda executor: executor.insert(client.name, [{"_id": 1}]))
                assert await client.single.count(client.name, {}) == 0
            assert await client.single.count(client.name, {}) == 1

    asyncio.run(scenario())


def test_what_fails_for_good_is_not_tried_again(shared: str, driver: DriverName) -> None:
    """Nothing of it is kept."""

    async def scenario() -> None:
        async with opened(shared, driver) as client:
            runs = []

            async def body(executor: Executor) -> None:
                runs.append(executor)
                await executor.insert(client.name, [{"_id": 1}, {"_id": 2}, {"_id": 1}])

            with pytest.raises(DuplicateKey):
                await client.single.atomically(body)
            assert len(runs) == 1
            assert await client.single.count(client.name, {}) == 0

    asyncio.run(scenario())


def test_what_never_gets_its_turn_is_told_by_the_deadline(shared: str, driver: DriverName) -> None:
    """And kept nothing."""

    async def scenario() -> None:
        async with opened(shared, driver, deadline=0.5) as client:
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])

            async def body(executor: Executor) -> None:
                await executor.update_many(client.name, {"_id": 1}, {"$inc": {"n": 1}})

            holder = client.unit()
            async with holder.whole():
                await body(holder)
                with pytest.raises((StoreTimeoutError, TransactionError)):
                    await client.single.atomically(body)
            assert await client.single.find_one(client.name, {"_id": 1}) == {"_id": 1, "n": 1}

    asyncio.run(scenario())


def test_who_waits_for_a_unit_does_not_keep_it_from_its_commit(
    shared: str, driver: DriverName
) -> None:
    """However many they are, a connection is left for the unit that they wait for."""

    async def scenario() -> None:
        async with (
            opened(shared, driver, max_size=4, deadline=60.0) as client,
            bare(shared) as beside,
        ):
            await client.single.insert(client.name, [{"_id": 1, "n": 0}])
            unit = client.unit()
            async with unit.whole():
                await unit.update_many(client.name, {"_id": 1}, {"$inc": {"n": 1}})
                waiting = [
                    asyncio.create_task(
                        client.single.update_many(client.name, {"_id": 1}, {"$inc": {"n": 1}})
                    )
                    for _ in range(20)
                ]
                await waiting_for_a_lock(beside, client)
                await unit.count(client.name, {})
            await asyncio.gather(*waiting)
            assert await client.single.find_one(client.name, {"_id": 1}) == {"_id": 1, "n": 21}

    asyncio.run(scenario())


def test_a_unit_that_is_open_when_the_client_is_closed_is_undone(
    shared: str, driver: DriverName
) -> None:
    """It doesn't hang, its error is a port's, and the server keeps no lock for it."""

    async def scenario() -> None:
        async with opened(shared, driver, deadline=0.5) as client, bare(shared) as beside:
            begun = client.unit()

            async def work() -> None:
                async with begun.whole():
                    await begun.insert(client.name, [{"_id": 1}])
                    await client.client.close()
                    await begun.count(client.name, {})

            with pytest.raises(RepositoryError):
                await work()
            fresh = client.unit()
            with pytest.raises(RepositoryError, match="closed"):
                async with fresh.whole():
                    await fresh.count(client.name, {})
            assert await open_transactions(beside, client) == 0

    asyncio.run(scenario())
