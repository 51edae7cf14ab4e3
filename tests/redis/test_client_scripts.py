"""Scripts, known to the server or not, and what it says when it can't or won't."""

import asyncio
import traceback
from collections.abc import Callable

import pytest
import redis

from adapters.redis.client import Client
from adapters.redis.scripts import Script
from ports.errors import RepositoryError, StoreUnavailableError
from tests.redis.opening import RAISED, READ, get, opened, outcome, put, unused
from tests.valkey import HOST, Node


def test_a_script_that_the_server_forgot_is_told_again(own: Node) -> None:
    """After a flush and after a restart, for one caller and for many; each runs once."""

    async def scenario() -> None:
        async with opened(own.url) as client:
            assert await client.run(RAISED, ["n"], [1]) == 1
            with own.client() as beside:
                beside.script_flush()
            raised = await asyncio.gather(*(client.run(RAISED, ["n"], [1]) for _ in range(20)))
            assert sorted(raised) == list(range(2, 22))
            own.kill()
            await outcome(client.check())
            own.start()
            assert await client.run(RAISED, ["n"], [1]) == 1
            assert await client.run(READ, ["n"]) == b"1"

    asyncio.run(scenario())


def test_a_script_is_sent_by_its_hash_once_the_server_knows_it(own: Node) -> None:
    """Its source went over the wire once."""

    async def scenario() -> None:
        async with opened(own.url) as client:
            for _ in range(10):
                await client.run(RAISED, ["n"], [1])
            with own.client() as beside:
                calls = beside.info("commandstats")
            assert calls["cmdstat_eval"]["calls"] == 1
            assert calls["cmdstat_evalsha"]["calls"] == 10

    asyncio.run(scenario())


def test_a_script_that_fails_half_way_is_an_error_without_its_text(shared: Node) -> None:
    """What it had done by then is done."""
    broken = Script("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('INCR', KEYS[1])")
    spoken = Script("return redis.error_reply(ARGV[1])")

    async def scenario() -> None:
        key, text = unused(), unused()
        async with opened(shared.url) as client:
            for script in (broken, spoken):
                with pytest.raises(RepositoryError) as raised:
                    await client.run(script, [key], [text])
                assert type(raised.value) is RepositoryError
                assert text not in "".join(traceback.format_exception(raised.value))
            assert await get(client, key) == text.encode()

    asyncio.run(scenario())


def _full(server: "redis.Redis") -> None:
    server.config_set("maxmemory", "1")


def _a_replica(server: "redis.Redis") -> None:
    server.replicaof(HOST, 1)


def _without_replicas(server: "redis.Redis") -> None:
    server.config_set("min-replicas-to-write", 1)


@pytest.mark.parametrize(
    ("state", "code"), [(_full, "OOM"), (_a_replica, "READONLY"), (_without_replicas, "NOREPLICAS")]
)
def test_a_server_that_takes_no_writes_is_unavailable_for_them(
    own: Node, state: Callable[["redis.Redis"], None], code: str
) -> None:
    """It can be read; nothing changed, and the code says why."""

    async def scenario() -> None:
        async with opened(own.url) as client:
            await client.run(RAISED, ["n"], [1])
            with own.client() as beside:
                state(beside)
            for call in (put(client, "n"), client.run(RAISED, ["n"], [1])):
                with pytest.raises(StoreUnavailableError, match=code):
                    await call
            assert await get(client, "n") == b"1"
            assert await client.run(READ, ["n"]) == b"1"

    asyncio.run(scenario())


def test_a_server_that_is_busy_with_a_script_is_unavailable(own: Node) -> None:
    """Until somebody ends the script; nobody hangs."""

    async def endless(client: Client) -> type[Exception] | None:
        return await outcome(client.run(Script("while true do end", writes=False), ["n"]))

    async def scenario() -> None:
        with own.client() as beside:
            beside.config_set("lua-time-limit", 1)
            async with opened(own.url) as client, opened(own.url) as other:
                looping = asyncio.create_task(endless(other))
                while (found := await outcome(get(client, "n"))) is None:
                    pass
                assert found is StoreUnavailableError
                beside.script_kill()
                assert await looping is RepositoryError
                assert await get(client, "n") is None

    asyncio.run(scenario())


def test_what_a_user_may_not_do_is_an_error(own: Node) -> None:
    """And what they may works."""

    async def scenario() -> None:
        with own.client() as beside:
            beside.execute_command("ACL", "SETUSER", "reader", "on", ">word", "~*", "+@read")
        async with opened(f"redis://reader:word@{HOST}:{own.port}/0") as client:
            assert await get(client, "n") is None
            with pytest.raises(RepositoryError, match="NOPERM"):
                await put(client, "n")

    asyncio.run(scenario())
