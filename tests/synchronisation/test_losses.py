"""The hot store's server is killed and comes back with nothing; processes are killed, too."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import pytest

from domain.conversations import Conversation
from domain.executions import ExecutionState
from ports.errors import ConflictError, StoreTimeoutError, StoreUnavailableError
from ports.stores import TenantScope
from tests.servers import servers
from tests.synchronisation.process import TALKS, opened
from tests.valkey import Node, real_server

DELAYS = [0.3, 0.1]
"""Seconds after which somebody is killed; any will do."""


@pytest.fixture(scope="module")
def mongo() -> Iterator[str]:
    """A database that loses nothing."""
    # Drivers are for those who ask for them.
    from adapters.mongo.migrations import migrate

    with servers("mongo") as urls:
        asyncio.run(migrate(urls["mongo"]))
        yield urls["mongo"]


@pytest.fixture
def hot() -> Iterator[Node]:
    """A server that keeps nothing."""
    with real_server() as node:
        yield node


@contextmanager
def process(role: str, hot: Node, mongo: str, tenant: str) -> Iterator["subprocess.Popen[str]"]:
    """One process."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.synchronisation.process", role, hot.url, mongo, tenant],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def lose_everything(hot: Node) -> None:
    """By SIGKILL; it comes back with nothing."""
    hot.kill()
    hot.start()
    with hot.client() as client:
        assert client.dbsize() == 0


def run(hot: Node, mongo: str, body: Callable[[Any, TenantScope], Awaitable[None]]) -> None:
    """With a platform and an unused tenant's scope."""

    async def within() -> None:
        async with opened(hot.url, mongo) as platform:
            await body(platform, platform.for_tenant(f"t-{uuid4()}"))

    asyncio.run(within())


async def back(scope: TenantScope, talk: str) -> ExecutionState | None:
    """What there is, once the server is back."""
    while True:
        try:
            return await scope.executions.get(talk)
        except (StoreUnavailableError, StoreTimeoutError):
            await asyncio.sleep(0.02)


def test_states_come_back_as_last_synchronised(hot: Node, mongo: str) -> None:
    """What was changed since is lost, what was deleted stays so, and who holds it is told."""

    async def body(_: Any, scope: TenantScope) -> None:
        for talk in ("kept", "deleted"):
            await scope.conversations.create(Conversation.draft(user_id="ada", id=talk))
            await scope.executions.save(ExecutionState.draft(talk, slots={"n": 1}))
            await scope.executions.sync_to_context(talk)
        lost = await scope.executions.update_slots("kept", {"n": 2})
        await scope.executions.delete("deleted")
        lose_everything(hot)
        found = await back(scope, "kept")
        assert found is not None
        assert found.slots == {"n": 1}
        assert await scope.executions.get("deleted") is None
        with pytest.raises(ConflictError):
            await scope.executions.save(lost.entered("x"))

    run(hot, mongo, body)


def test_nothing_acknowledged_is_lost_once_a_worker_was_through(hot: Node, mongo: str) -> None:
    """Whichever writers and workers were killed before, in the middle of whatever they did."""

    async def body(platform: Any, scope: TenantScope) -> None:
        for talk in TALKS:
            await scope.conversations.create(Conversation.draft(user_id="ada", id=talk))
            await scope.executions.save(ExecutionState.draft(talk, slots={"n": 0}))
        for delay in DELAYS:
            told = await asyncio.to_thread(killed_after, delay, scope.tenant)
            await platform.synchroniser().once()
            lose_everything(hot)
            for place, talk in enumerate(TALKS):
                found = await back(scope, talk)
                assert found is not None
                # One more may have been written, and its acknowledgement lost with the writer.
                assert found.slots["n"] in (told.get(place, 0), told.get(place, 0) + 1)
            await asyncio.gather(*(scope.executions.update_slots(talk, {"n": 0}) for talk in TALKS))

    def killed_after(delay: float, tenant: str) -> dict[int, int]:
        with ExitStack() as started:
            worker = started.enter_context(process("work", hot, mongo, tenant))
            writer = started.enter_context(process("write", hot, mongo, tenant))
            assert worker.stdout is not None
            assert writer.stdout is not None
            assert worker.stdout.readline() == "ready\n"
            told = dict([json.loads(writer.stdout.readline())])
            time.sleep(delay)
            worker.kill()
            time.sleep(delay / 4)
            writer.kill()
            told |= dict(json.loads(line) for line in writer.stdout if line.endswith("]\n"))
        return told

    run(hot, mongo, body)


def test_a_worker_keeps_its_lag(hot: Node, mongo: str) -> None:
    """It writes what others change, and sweeps up what those hinted at nobody who lived."""

    async def body(_: Any, scope: TenantScope) -> None:
        for talk in TALKS:
            await scope.conversations.create(Conversation.draft(user_id="ada", id=talk))
            await scope.executions.save(ExecutionState.draft(talk, slots={"n": 1}))
        with process("work", hot, mongo, scope.tenant):
            async with asyncio.timeout(30):
                waiting = set(TALKS)
                while waiting:
                    async for context in scope.contexts.stream():
                        if context.slots:
                            waiting.discard(context.id)
        lose_everything(hot)
        for talk in TALKS:
            found = await back(scope, talk)
            assert found is not None
            assert found.slots == {"n": 1}

    run(hot, mongo, body)


def test_processes_that_restore_at_once_have_the_same(hot: Node, mongo: str) -> None:
    """All of them, of every conversation, and what went on since is nobody's to replace."""

    async def body(_: Any, scope: TenantScope) -> None:
        for number, talk in enumerate(TALKS):
            await scope.conversations.create(Conversation.draft(user_id="ada", id=talk))
            await scope.executions.save(ExecutionState.draft(talk, slots={"n": number}))
            await scope.executions.sync_to_context(talk)
        answers = await asyncio.to_thread(read_at_once, scope.tenant)
        assert answers == [list(range(len(TALKS)))] * len(answers)

    def read_at_once(tenant: str) -> list[object]:
        with ExitStack() as started:
            readers = [started.enter_context(process("read", hot, mongo, tenant)) for _ in range(2)]
            for reader in readers:
                assert reader.stdout is not None
                assert reader.stdout.readline() == "ready\n"
            with hot.client() as client:
                client.flushall()
            for reader in readers:
                assert reader.stdin is not None
                reader.stdin.write("go\n")
                reader.stdin.flush()
            return [json.loads(reader.communicate()[0]) for reader in readers]

    run(hot, mongo, body)
