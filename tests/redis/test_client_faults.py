"""Servers that die, stop and come back, wires that are cut, doors that stay shut."""

import asyncio
import time
from collections.abc import Awaitable

import pytest

from adapters.redis.client import Client, RedisOptions
from adapters.redis.endpoint import Endpoint
from adapters.redis.errors import Failure
from adapters.redis.node import Node as Connected
from adapters.redis.store import RedisStore
from ports.errors import OutcomeUnknownError, StoreTimeoutError, StoreUnavailableError
from tests.redis.opening import (
    RAISED,
    READ,
    echo,
    get,
    impostor,
    opened,
    outcome,
    put,
    until_it_answers,
    unused,
)
from tests.valkey import HOST, Node
from tests.wire import Wire

_SHORT = 0.3
"""A deadline for what is to run into it."""


async def _on_their_way(*calls: Awaitable[object]) -> list["asyncio.Task[type | None]"]:
    """Calls that were written, and whose outcome is to come."""
    tasks = [asyncio.create_task(outcome(call)) for call in calls]
    for _ in range(4):
        await asyncio.sleep(0)
    return tasks


def _each_kind(client: Client) -> list[Awaitable[object]]:
    """A read and a write, as commands and as scripts."""
    key = unused()
    return [get(client, key), client.run(READ, [key]), put(client, key), client.run(RAISED, [key])]


def test_callers_in_flight_are_told_when_the_server_is_killed(own: Node) -> None:
    """A read changed nothing; whether a write happened isn't known."""

    async def scenario() -> None:
        async with opened(own.url) as client:
            await client.check()
            own.pause()
            calls = await _on_their_way(*_each_kind(client))
            own.kill()
            assert await asyncio.gather(*calls) == [
                *(StoreUnavailableError, StoreUnavailableError),
                *(OutcomeUnknownError, OutcomeUnknownError),
            ]
            assert await outcome(put(client, "x")) is StoreUnavailableError
            own.start()
            assert await put(client, "x") == b"OK"

    asyncio.run(scenario())


def test_what_a_process_that_stood_still_was_about_to_send_is_not_sent(own: Node) -> None:
    """It is too late for that: whatever its callers went by may be so no more."""

    async def scenario() -> None:
        async with opened(own.url, deadline=_SHORT) as client:
            await client.check()
            key = unused()
            calls = [asyncio.create_task(outcome(client.run(RAISED, [key], [1]))) for _ in range(3)]
            asyncio.get_running_loop().call_soon(time.sleep, _SHORT)  # before they are flushed
            assert await asyncio.gather(*calls) == [StoreTimeoutError] * 3
            assert await get(client, key) is None

    asyncio.run(scenario())


def test_nobody_waits_longer_than_the_deadline_for_a_server_that_stands_still(own: Node) -> None:
    """Nor does who comes later, and finds no connection; all is well once it goes on."""

    async def scenario() -> None:
        async with opened(own.url, deadline=_SHORT) as client:
            await client.check()
            own.pause()
            calls = await _on_their_way(*_each_kind(client))
            assert await asyncio.gather(*calls) == [
                *(StoreTimeoutError, StoreTimeoutError),
                *(OutcomeUnknownError, OutcomeUnknownError),
            ]
            later = await asyncio.gather(*map(outcome, _each_kind(client)))
            assert set(later) <= {StoreTimeoutError, StoreUnavailableError}
            own.resume()
            await until_it_answers(client.check)
            said = await asyncio.gather(*(echo(client, str(n)) for n in range(20)))
            assert said == [str(n) for n in range(20)]

    asyncio.run(scenario())


async def cut(wire: Wire) -> None:
    """Cut it, and let its ends be closed, which the loop does in its next turn."""
    wire.cut()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_a_connection_that_died_while_idle_is_replaced(shared: Node) -> None:
    """Nobody is told of it, neither who reads nor who writes."""

    async def scenario() -> None:
        async with Wire.to(shared.url) as (wire, far), opened(far) as client:
            for _ in range(3):
                assert await put(client, unused()) == b"OK"
                await cut(wire)
                assert await echo(client, "again") == "again"
                await cut(wire)

    asyncio.run(scenario())


def test_a_cut_connection_fails_who_was_in_flight_and_nobody_else(shared: Node) -> None:
    """The write had happened; who comes next is answered on a new connection."""

    async def scenario() -> None:
        key = unused()
        async with Wire.to(shared.url) as (wire, far), opened(far) as client:
            await client.check()
            wire.losing = True
            calls = await _on_their_way(put(client, key, "done"), get(client, key))
            await wire.lost.wait()
            wire.losing = False
            wire.cut()
            assert await asyncio.gather(*calls) == [OutcomeUnknownError, StoreUnavailableError]
            assert await get(client, key) == b"done"

    asyncio.run(scenario())


def test_a_connection_whose_reply_is_overdue_is_given_up(shared: Node) -> None:
    """What it still brings is nobody's."""

    async def scenario() -> None:
        async with Wire.to(shared.url) as (wire, far), opened(far, deadline=_SHORT) as client:
            await client.check()
            wire.losing = True
            calls = await _on_their_way(echo(client, "lost"), put(client, unused()))
            await wire.lost.wait()
            wire.losing = False
            assert await asyncio.gather(*calls) == [StoreTimeoutError, OutcomeUnknownError]
            assert await echo(client, "next") == "next"

    asyncio.run(scenario())


def test_who_never_answers_is_waited_for_until_the_deadline(shared: Node) -> None:
    """A port that takes connections and says nothing."""

    async def scenario() -> None:
        async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(-1)

        async with impostor(nothing) as url:
            with pytest.raises((StoreTimeoutError, StoreUnavailableError)):
                await RedisStore.open(url.replace("/0", "/1"), options=_options(_SHORT))

    asyncio.run(scenario())


def _options(deadline: float) -> RedisOptions:
    return RedisOptions(deadline=deadline)


def test_what_is_not_redis_is_a_typed_error(shared: Node) -> None:
    """However it answers."""

    async def scenario() -> None:
        async def something(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()

        async with impostor(something) as url:
            with pytest.raises(StoreUnavailableError):
                await RedisStore.open(url, options=_options(5))

    asyncio.run(scenario())


@pytest.mark.parametrize("greeting", [b":1", b"+OK", b"$-1"], ids=["number", "text", "nothing"])
def test_who_greets_as_redis_does_not_is_a_typed_error(greeting: bytes) -> None:
    """Though it speaks the protocol."""

    async def scenario() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while asked := await reader.read(4096):
                writer.write((greeting + b"\r\n" if b"HELLO" in asked else b"+OK\r\n") * 2)

        async with impostor(answer) as url:
            with pytest.raises(StoreUnavailableError, match="isn't Redis"):
                await RedisStore.open(url, options=_options(5))

    asyncio.run(scenario())


def test_a_dead_server_is_not_hammered(own: Node) -> None:
    """However many call, and however often: each attempt waits twice as long as the last."""

    async def scenario() -> None:
        attempts = 0

        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal attempts
            attempts += 1

        async with impostor(count) as dead:
            node = Connected(Endpoint.of(dead), 10)
            for _ in range(6):
                failed = await asyncio.gather(*(node.send(b"") for _ in range(100)))
                assert {type(each) for each in failed} == {Failure}
            assert attempts == 6
            loop = asyncio.get_running_loop()
            until = loop.time() + 0.5
            while loop.time() < until:
                await node.send(b"")
            await node.close()
        assert attempts < 12

    asyncio.run(scenario())


def test_a_server_that_is_no_primary_any_more_is_looked_for_again(own: Node, shared: Node) -> None:
    """Its name may stand for another by now; reads that are under way are answered."""

    async def scenario() -> None:
        key = unused()
        async with Wire.to(own.url) as (wire, far), opened(far) as client:
            await put(client, key, "old")
            with own.client() as beside:
                beside.replicaof(HOST, 1)
            wire.port = shared.port
            results = await asyncio.gather(
                outcome(put(client, key)), get(client, key), echo(client, "beside")
            )
            assert list(results) == [StoreUnavailableError, b"old", "beside"]
            assert await get(client, key) is None
            assert await put(client, key) == b"OK"

    asyncio.run(scenario())


def test_a_call_made_when_the_server_is_back_succeeds(own: Node) -> None:
    """However often it failed before."""

    async def scenario() -> None:
        async with opened(own.url) as client:
            own.kill()
            for _ in range(8):
                assert await outcome(put(client, "x")) is StoreUnavailableError
            own.start()
            assert await put(client, "x") == b"OK"

    asyncio.run(scenario())


def test_closing_tells_who_is_in_flight_and_who_comes_after(own: Node) -> None:
    """Nobody is left waiting, also for a server that stands still."""

    async def scenario() -> None:
        async with opened(own.url) as client:
            await client.check()
            own.pause()
            calls = await _on_their_way(*_each_kind(client))
            started = time.monotonic()
            await client.close()
            assert await asyncio.gather(*calls) == [
                *(StoreUnavailableError, StoreUnavailableError),
                *(OutcomeUnknownError, OutcomeUnknownError),
            ]
            for call in _each_kind(client):
                assert await outcome(call) is StoreUnavailableError
            await client.close()
            assert time.monotonic() - started < 10

    asyncio.run(scenario())


def test_closing_while_it_connects_tells_who_waits_for_it(own: Node) -> None:
    """And nothing of it is left."""

    async def scenario() -> None:
        async with opened(own.url) as client:
            own.kill()
            await outcome(client.check())
            own.start()
            own.pause()
            calls = [asyncio.create_task(outcome(call)) for call in _each_kind(client)]
            await asyncio.sleep(0)
            await client.close()
            assert set(await asyncio.gather(*calls)) == {StoreUnavailableError}

    asyncio.run(scenario())
