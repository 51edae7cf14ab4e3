"""What sessions and execution states ask of a server, and leave in it."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from adapters.redis.executions import RedisExecutionStore
from adapters.redis.keys import tenant_pattern
from adapters.redis.sessions import RedisSessionStore
from domain.executions import ExecutionState
from domain.identity import TenantId
from domain.sessions import handle_of
from ports.contracts.harness import raised_by
from ports.errors import CorruptRecordError
from tests.redis.opening import opened
from tests.redis.test_locks import CountingClient
from tests.valkey import Node


class Stores:
    """Both stores of an unused tenant, on one client."""

    def __init__(self, client: CountingClient) -> None:
        self.client = client
        self.tenant = TenantId(f"t-{uuid4()}")
        self.sessions = RedisSessionStore(self.tenant, client)
        self.executions = RedisExecutionStore(self.tenant, client)

    async def keys(self) -> list[str]:
        """The names of all of the tenant's keys."""
        found = self.client._client.scan(tenant_pattern(self.tenant))
        return sorted([name async for names in found for name in names])

    async def raw(self, *command: str | bytes | int, key: str) -> Any:
        """A command, past the adapter and uncounted."""
        return await self.client._client.execute(*command, key=key, writes=True)

    async def trips(self) -> int:
        """How many round trips there were since this was asked."""
        asked = self.client.asked.total()
        self.client.asked.clear()
        return asked


def on_a_loop(body: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test of an async function."""

    @functools.wraps(body)
    def run(*positional: Any, **named: Any) -> None:
        asyncio.run(body(*positional, **named))

    return run


@asynccontextmanager
async def stores(node: Node) -> AsyncIterator[Stores]:
    """Stores on a client that counts."""
    async with opened(node.url) as client:
        yield Stores(CountingClient(client))


@on_a_loop
async def test_each_operation_takes_as_many_round_trips_as_it_says(shared: Node) -> None:
    """Whatever number of sessions a user has."""
    async with stores(shared) as at:
        issued = [await at.sessions.create("ada") for _ in range(40)]
        one = issued[0]
        assert await at.trips() == 40
        for operation, trips in (
            (at.sessions.get(one.token), 1),
            (at.sessions.update(one.session), 1),
            (at.sessions.patch(one.token, conversation_id="x"), 2),
            (at.sessions.merge(one.token, context={"a": 1}), 2),
            (at.sessions.extend(one.token, lifetime=timedelta(hours=1)), 2),
            (at.sessions.rotate(one.token), 2),
            (at.sessions.for_user("ada"), 2),
            (at.sessions.delete(issued[1].token), 2),
            (at.sessions.revoke(issued[2].session.id), 2),
            (at.sessions.delete_for_user("ada"), 2),
            (at.executions.save(ExecutionState.draft("talk")), 1),
            (at.executions.get("talk"), 1),
            (at.executions.enter_state("talk", "ask"), 2),
            (at.executions.delete("talk"), 1),
        ):
            await operation
            assert await at.trips() == trips, operation


@on_a_loop
async def test_no_token_is_in_the_store(shared: Node) -> None:
    """Neither in a name nor in a value; who reads the store can act as nobody."""
    async with stores(shared) as at:
        first = await at.sessions.create("ada")
        second = await at.sessions.rotate(first.token)
        held: list[bytes] = []
        for name in await at.keys():
            held += [name.encode(), await at.raw("DUMP", name, key=name)]
        assert len(held) == 4
        for token in (first.token, second.token):
            assert not any(token[4:].encode() in value for value in held)
        assert any(second.session.id.encode() in value for value in held)


@on_a_loop
async def test_a_read_writes_nothing_but_the_idle_expiry(shared: Node) -> None:
    """The record stays as it is, and so does the list."""
    async with stores(shared) as at:
        issued = await at.sessions.create("ada", idle_timeout=timedelta(minutes=1))
        (name,) = [key for key in await at.keys() if ":session:" in key]
        before = await at.raw("GET", name, key=name)
        await at.raw("PEXPIRE", name, 30_000, key=name)
        await at.sessions.get(issued.token, touch=False)
        left: int = await at.raw("PTTL", name, key=name)
        assert left <= 30_000
        await at.sessions.get(issued.token)
        left = await at.raw("PTTL", name, key=name)
        assert 50_000 < left <= 60_000
        assert await at.raw("GET", name, key=name) == before


@on_a_loop
async def test_a_list_lives_until_its_last_session_must_end(shared: Node) -> None:
    """Not as long as sessions might be used, and not for ever."""
    async with stores(shared) as at:
        long = await at.sessions.create("ada", lifetime=timedelta(hours=9))
        await at.sessions.create("ada", lifetime=timedelta(hours=1))
        (name,) = [key for key in await at.keys() if ":sessions:" in key]

        async def hours() -> float:
            left: int = await at.raw("PTTL", name, key=name)
            return round(left / 3_600_000, 1)

        assert await hours() == 9
        extended = await at.sessions.extend(long.token, lifetime=timedelta(hours=20))
        assert await hours() == 20
        assert extended.id == handle_of(long.token)
        await at.sessions.extend(long.token, lifetime=timedelta(hours=2))
        assert await hours() == 2
        assert await at.sessions.delete_for_user("ada") == 2
        assert await at.keys() == []


@pytest.mark.parametrize("content", [b"", b"secret", b"\x02" + b"\x00" * 52 + b"{}"], ids=len)
@on_a_loop
async def test_a_record_that_can_not_be_read_is_named_and_not_quoted(
    shared: Node, content: bytes
) -> None:
    """Neither is it taken for something else."""
    async with stores(shared) as at:
        issued = await at.sessions.create("ada")
        (name,) = [key for key in await at.keys() if ":session:" in key]
        header: bytes = await at.raw("GETRANGE", name, 0, 52, key=name)
        absurd = header[:1] + b"\x7f" * 48 + header[49:] + b"ada{}"
        for value in (content, header + b"ada" + content, header + b"ada[]", absurd):
            await at.raw("SET", name, value, "PX", 60_000, key=name)
            error = await raised_by(at.sessions.get(issued.token, touch=False))
            assert isinstance(error, CorruptRecordError)
            assert (error.entity_type, error.entity_id) == ("session", issued.session.id)
            assert "secret" not in f"{error!r} {error.__cause__!r}"


@on_a_loop
async def test_a_session_that_can_not_be_read_can_be_ended(shared: Node) -> None:
    """By its token or its id, and its user's others are listed again."""
    async with stores(shared) as at:
        kept = await at.sessions.create("ada")
        for end in ("delete", "revoke"):
            issued = await at.sessions.create("ada")
            (name,) = [key for key in await at.keys() if issued.session.id in key]
            await at.raw("SET", name, b"secret", "PX", 60_000, key=name)
            assert isinstance(await raised_by(at.sessions.for_user("ada")), CorruptRecordError)
            named = issued.token if end == "delete" else issued.session.id
            assert await getattr(at.sessions, end)(named) is True
            assert await getattr(at.sessions, end)(named) is False
            assert await at.sessions.for_user("ada") == (kept.session,)
