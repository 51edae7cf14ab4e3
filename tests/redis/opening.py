"""Clients, and keys and channels that nobody else has."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from adapters.redis.client import Client, RedisOptions
from adapters.redis.opening import open_client
from adapters.redis.scripts import Script
from ports.errors import StoreTimeoutError, StoreUnavailableError
from tests.valkey import HOST

RAISED = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
"""A script that writes."""

READ = Script("return redis.call('GET', KEYS[1])", writes=False)
"""A script that doesn't."""


@asynccontextmanager
async def opened(url: str, *, deadline: float = 10.0) -> AsyncIterator[Client]:
    """A client, closed at the end."""
    client = await open_client(url, RedisOptions(deadline=deadline))
    try:
        yield client
    finally:
        await client.close()


def unused() -> str:
    """A name that nobody else has."""
    return f"test-{uuid4()}"


async def get(client: Client, key: str) -> bytes | None:
    """A read."""
    value: bytes | None = await client.execute("GET", key, key=key, writes=False)
    return value


async def put(client: Client, key: str, value: bytes | str = "x") -> bytes:
    """A write."""
    done: bytes = await client.execute("SET", key, value, key=key, writes=True)
    return done


async def echo(client: Client, text: str) -> str:
    """What was said, as the server heard it."""
    said: bytes = await client.execute("ECHO", text, key="any", writes=False)
    return said.decode()


async def outcome(call: Awaitable[object]) -> type[Exception] | None:
    """Of what class the error was; None if there was none."""
    try:
        await call
    except Exception as error:  # noqa: BLE001 - which one is the question
        return type(error)
    return None


async def until_it_answers(call: Callable[[], Awaitable[object]]) -> None:
    """Return once a read finds the server back."""
    while True:
        try:
            await call()
        except (StoreUnavailableError, StoreTimeoutError):
            continue
        return


@asynccontextmanager
async def impostor(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """The URL of a server of one's own."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield f"redis://{HOST}:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()
