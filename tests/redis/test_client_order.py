"""Whose reply is whose, and how many writes it takes."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from adapters.redis.client import Client
from adapters.redis.connection import pack
from adapters.redis.endpoint import Endpoint
from adapters.redis.node import Node as Connected
from ports.errors import RepositoryError, StoreUnavailableError
from tests.redis.opening import RAISED, READ, echo, get, opened, put, unused
from tests.valkey import Node
from tests.wire import Wire

_LARGE = 10 * 1024 * 1024


async def _at_work(client: Client, name: str, dice: random.Random) -> None:
    """Commands of every kind, each of which has one right answer."""
    count = 0
    await put(client, name, "0")
    for turn in range(20):
        said = f"{name}-{turn}"
        match dice.randrange(5):
            case 0:
                assert await echo(client, said) == said
            case 1:
                count += turn
                assert await client.run(RAISED, [name], [turn]) == count
            case 2:
                assert await client.run(READ, [name]) == str(count).encode()
            case 3:
                with pytest.raises(RepositoryError, match="ERR"):
                    await client.execute("INCRBY", name, said, key=name, writes=True)
            case 4:
                assert await client.execute("MGET", name, "-", key=name, writes=False) == [
                    str(count).encode(),
                    None,
                ]


@pytest.mark.parametrize("seed", range(3))
def test_each_caller_gets_their_own_reply_whoever_else_is_cancelled(
    shared: Node, seed: int
) -> None:
    """Fifty callers do what has one right answer, while as many others are cancelled at random."""

    async def scenario() -> None:
        dice = random.Random(seed)
        async with opened(shared.url) as client:
            workers = [
                asyncio.create_task(_at_work(client, unused(), random.Random(dice.random())))
                for _ in range(50)
            ]
            while not all(worker.done() for worker in workers):
                victims = [asyncio.create_task(echo(client, unused())) for _ in range(10)]
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
                for victim in dice.sample(victims, 8):
                    victim.cancel()
                await asyncio.wait(victims)
            await asyncio.gather(*workers)

    asyncio.run(scenario())


def test_nobody_gets_anothers_reply_however_often_the_wire_is_cut(shared: Node) -> None:
    """They get their own, or an error that fits."""

    async def ask(client: Client, text: str) -> bool:
        try:
            assert await echo(client, text) == text
        except StoreUnavailableError:
            return False
        return True

    async def scenario() -> None:
        dice = random.Random(1)
        answered = 0
        async with Wire.to(shared.url) as (wire, far), opened(far) as client:
            for turn in range(60):
                asking = [asyncio.create_task(ask(client, f"{turn}-{n}")) for n in range(20)]
                for _ in range(dice.randrange(12)):
                    await asyncio.sleep(0)
                dice.choice(asking).cancel()
                wire.cut()
                outcomes = await asyncio.gather(*asking, return_exceptions=True)
                assert {type(each) for each in outcomes} <= {bool, asyncio.CancelledError}
                answered += outcomes.count(True)
                assert await ask(client, "again") or await ask(client, "and again")
        assert answered

    asyncio.run(scenario())


def test_what_is_asked_in_one_turn_of_the_loop_leaves_in_one_write(shared: Node) -> None:
    """The server reads once for a hundred commands of fifty tasks."""

    async def scenario() -> None:
        async with opened(shared.url) as client:
            await client.check()
            with shared.client() as beside:
                before = beside.info("stats")["total_reads_processed"]
                said = await asyncio.gather(*(echo(client, str(n)) for n in range(100)))
                after = beside.info("stats")["total_reads_processed"]
        assert said == [str(n) for n in range(100)]
        # The second question was read as well.
        assert after - before == 2

    asyncio.run(scenario())


def test_a_command_whose_caller_is_cancelled_in_the_same_turn_is_not_sent(shared: Node) -> None:
    """Nothing was written, and whoever asked beside them is answered."""

    async def scenario() -> None:
        key = unused()
        async with opened(shared.url) as client:
            await client.check()
            writing = asyncio.create_task(put(client, key))
            asking = asyncio.create_task(echo(client, "beside"))
            await asyncio.sleep(0)
            writing.cancel()
            assert await asking == "beside"
            assert writing.cancelled()
            assert await get(client, key) is None

    asyncio.run(scenario())


def test_a_command_whose_caller_is_cancelled_later_is_carried_out(own: Node) -> None:
    """Its reply is nobody's, and the next caller's is their own."""

    async def scenario() -> None:
        async with opened(own.url) as client:
            await client.check()
            own.pause()
            writing = asyncio.create_task(put(client, "written", "yes"))
            asking = asyncio.create_task(echo(client, "next"))
            for _ in range(3):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.wait([writing])
            own.resume()
            assert await asking == "next"
            assert await get(client, "written") == b"yes"

    asyncio.run(scenario())


def test_a_caller_cancelled_while_it_is_connected_sends_nothing(own: Node) -> None:
    """Those who wait with them are sent, in their order."""

    async def scenario() -> None:
        async with opened(own.url) as client:
            await asyncio.gather(put(client, "a"), put(client, "b"))
            own.kill()
            own.start()
            calls = [asyncio.create_task(put(client, f"{n}")) for n in range(4)]
            await asyncio.sleep(0)
            calls[1].cancel()
            await asyncio.wait(calls)
            assert [await get(client, f"{n}") for n in range(4)] == [b"x", None, b"x", b"x"]

    asyncio.run(scenario())


def test_a_connection_that_is_retired_ends_though_its_last_caller_has_gone(shared: Node) -> None:
    """There is no reply to wait for."""

    async def scenario() -> None:
        connected = Connected(Endpoint.of(shared.url), 10)
        await connected.send(pack(("PING",)))
        calls = [asyncio.ensure_future(connected.send(pack(("PING",)))) for _ in range(3)]
        connected.renew()
        for call in calls:
            call.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert connected.idle
        await connected.close()

    asyncio.run(scenario())


def test_an_error_reply_reaches_only_its_own_caller(shared: Node) -> None:
    """Those before and after it in the same write have their replies."""

    async def scenario() -> None:
        key = unused()
        async with opened(shared.url) as client:
            results: Sequence[object] = await asyncio.gather(
                echo(client, "before"),
                client.execute("LPUSH", key, "a", key=key, writes=True),
                get(client, key),
                client.execute("NONSENSE", key=key, writes=False),
                echo(client, "after"),
                return_exceptions=True,
            )
        before, pushed, wrong, unknown, after = results
        assert (before, pushed, after) == ("before", 1, "after")
        assert isinstance(wrong, RepositoryError)
        assert str(wrong) == "Redis refused the operation (WRONGTYPE)"
        assert isinstance(unknown, RepositoryError)

    asyncio.run(scenario())


def test_large_values_go_and_come_whole(shared: Node) -> None:
    """Ten megabytes, beside small ones, of any bytes."""

    async def scenario() -> None:
        large = random.Random(1).randbytes(_LARGE)
        keys = [unused() for _ in range(3)]
        async with opened(shared.url) as client:
            await asyncio.gather(*(put(client, key, large) for key in keys), put(client, "small"))
            got = await asyncio.gather(
                echo(client, "before"), *(get(client, key) for key in keys), echo(client, "after")
            )
            assert got == ["before", large, large, large, "after"]
            await client.execute("DEL", *keys, key=keys[0], writes=True)

    asyncio.run(scenario())


def test_an_argument_that_cannot_be_sent_harms_nobody_else(shared: Node) -> None:
    """It is refused where it is given; others' replies are their own."""

    async def scenario() -> None:
        async with opened(shared.url) as client:
            results: Sequence[object] = await asyncio.gather(
                echo(client, "before"),
                echo(client, "\ud800"),
                echo(client, "after"),
                return_exceptions=True,
            )
        before, unsendable, after = results
        assert (before, after) == ("before", "after")
        assert isinstance(unsendable, UnicodeError)

    asyncio.run(scenario())


def test_every_key_that_matches_is_named(shared: Node) -> None:
    """In batches, and no other."""

    async def scenario() -> None:
        name = unused()
        async with opened(shared.url) as client:
            keys = {f"{name}:{n}" for n in range(2500)}
            await asyncio.gather(*(put(client, key) for key in keys))
            batches = [batch async for batch in client.scan(f"{name}:*")]
            await client.execute("UNLINK", *keys, key=name, writes=True)
        assert len(batches) > 1
        assert set().union(*batches) == keys

    asyncio.run(scenario())
