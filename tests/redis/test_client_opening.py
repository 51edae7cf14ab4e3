"""What a URL says, and who is let in."""

import asyncio
import traceback
from pathlib import Path

import pytest

from adapters.redis.store import RedisStore
from ports.errors import StoreUnavailableError
from tests.redis.opening import echo, get, opened, put
from tests.valkey import HOST, Node, real_server


@pytest.mark.parametrize(
    ("given", "userinfo", "database"),
    [
        ({"requirepass": "right"}, ":wrong@", "0"),
        ({"requirepass": "right"}, "", "0"),
        ({"requirepass": "right"}, "nobody:right@", "0"),
        ({}, "", "999"),
        ({}, ":needless@", "999"),
    ],
)
def test_who_is_not_let_in_is_told_and_no_secret_with_it(
    given: dict[str, str], userinfo: str, database: str
) -> None:
    """By user, password or the database's number."""

    async def scenario(node: Node) -> None:
        url = f"redis://{userinfo}{HOST}:{node.port}/{database}"
        with pytest.raises(StoreUnavailableError, match="refused") as raised:
            await RedisStore.open(url)
        shown = "".join(traceback.format_exception(raised.value))
        assert "wrong" not in shown
        assert raised.value.__context__ is None

    with real_server(**given) as node:
        asyncio.run(scenario(node))


def test_a_password_and_a_database_are_taken_from_the_url() -> None:
    """And used again whenever it connects."""

    async def scenario(node: Node) -> None:
        base = f"redis://default:right%2F@{HOST}:{node.port}"
        async with opened(f"{base}/3") as third, opened(f"{base}/0") as first:
            await put(third, "here")
            assert await get(first, "here") is None
            node.kill()
            node.start()
            await put(third, "here")
            assert await get(third, "here") == b"x"
            assert await get(first, "here") is None

    with real_server(requirepass="right/") as node:
        asyncio.run(scenario(node))


def test_a_unix_socket_will_do(tmp_path: Path) -> None:
    """As the URL names it."""

    async def scenario(path: Path) -> None:
        async with opened(f"unix://{path}?db=2") as client:
            assert await echo(client, "near") == "near"

    path = tmp_path / "socket"
    with real_server(unixsocket=path):
        asyncio.run(scenario(path))


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:6379/0",
        "localhost",
        "redis://localhost:port/0",
        "redis://localhost:6379/first",
        "redis://localhost:6379/0?db=first",
        "redis://localhost:6379/0?unheard_of=1",
        "redis://:secret@[::1/0",
    ],
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    """Without its contents, which may be secret."""

    async def scenario() -> None:
        with pytest.raises(StoreUnavailableError, match="isn't one for Redis") as raised:
            await RedisStore.open(url)
        assert "secret" not in "".join(traceback.format_exception(raised.value))

    asyncio.run(scenario())


def test_nobody_there_is_a_typed_error() -> None:
    """At once."""

    async def scenario() -> None:
        with pytest.raises(StoreUnavailableError, match="reached"):
            await RedisStore.open(f"redis://{HOST}:1/0")

    asyncio.run(scenario())
