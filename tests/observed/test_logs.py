"""What is logged of operations, once that is asked for."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import ClassVar
from uuid import uuid4

import pytest

import bootstrap
from adapters.memory import MemoryDialogueStore
from adapters.memory.flows import MemoryFlowRepository
from adapters.observed.operations import Observation, Observer, Place
from adapters.observed.scope import ObservedScope
from bootstrap import Settings
from domain.flows import Flow
from domain.identity import TenantId
from ports.cache import MISS, Cache, TypedCache
from ports.codecs import Codec
from ports.errors import EntityNotFoundError, LockLostError, StoreUnavailableError
from ports.flows import FlowRepository
from ports.locks import Locks
from ports.stores import TenantScope
from ports.unit_of_work import AuthoringUnit
from tests.bootstrap.running import run

LOGGED = Settings(profile="memory", log_failures=True)
PLACE = Place("flows", "memory", TenantId("acme"))


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """A service that listens."""
    with caplog.at_level(logging.INFO, "dialogbase"):
        yield caplog


def told(logged: pytest.LogCaptureFixture) -> list[tuple[str, ...]]:
    """Level, event, port, operation and error of each record."""
    names = ("levelname", "event", "port", "operation", "error")
    return [tuple(getattr(record, name, "") for name in names) for record in logged.records]


@run
async def test_what_nobody_asked_to_observe_is_the_stores_own() -> None:
    """No object stands before it."""
    async with bootstrap.open(Settings.memory()) as platform:
        scope = platform.for_tenant("acme")
        assert type(scope) is TenantScope
        assert type(scope.flows) is MemoryFlowRepository


@run
async def test_what_is_observed_is_still_the_port() -> None:
    """In a scope, in a unit, and in views that a port makes of itself; with all that it is."""
    async with bootstrap.open(LOGGED) as platform:
        scope = platform.for_tenant("acme")
        assert isinstance(scope, TenantScope)
        assert isinstance(scope.flows, FlowRepository)
        assert isinstance(scope.locks, Locks)
        assert isinstance(scope.cache.through(lambda entries: entries), Cache)
        assert isinstance(scope.cache.typed(_Plain()), TypedCache)
        assert scope.flows is scope.flows
        assert scope.flows.where is not None
        async with scope.authoring() as work:
            assert isinstance(work, AuthoringUnit)
            await work.flows.create(Flow.draft(name="welcome"))
        assert [flow.name async for flow in scope.flows.stream()] == ["welcome"]


class _Plain(Codec[str]):
    name: ClassVar[str] = "plain"
    version: ClassVar[int] = 1

    def encode(self, value: str) -> bytes:
        return value.encode()

    def decode(self, data: bytes) -> str:
        return data.decode()


def test_an_operation_that_fails_is_told_once(logged: pytest.LogCaptureFixture) -> None:
    """Of what kind the error is, where, and how long it took; nothing that was asked with."""
    secret = uuid4()

    @run
    async def failing() -> None:
        async with bootstrap.open(LOGGED) as platform:
            scope = platform.for_tenant("acme")
            with pytest.raises(EntityNotFoundError):
                await scope.flows.publish(secret, by="ada")  # composed of others
            with pytest.raises(EntityNotFoundError):
                async with scope.authoring() as work:
                    await work.flows.require(secret)

    failing()
    assert told(logged) == [
        ("INFO", "an operation failed", "flows", "publish", "EntityNotFoundError"),
        ("INFO", "an operation failed", "flows", "require", "EntityNotFoundError"),
    ]
    record = logged.records[0]
    assert (record.__dict__["tenant"], record.__dict__["store"]) == ("acme", "memory")
    assert record.__dict__["seconds"] >= 0
    assert str(secret) not in logged.text
    assert "ada" not in logged.text


class _Gone(MemoryDialogueStore):
    def repositories(self, *args: object, **kwargs: object) -> "_GoneRepositories":  # type: ignore[override]  # all that is asked of it
        return _GoneRepositories()


class _GoneRepositories:
    class conversations:  # noqa: N801
        @staticmethod
        async def count() -> int:
            raise StoreUnavailableError("nobody answers at 10.0.0.1")


def test_trouble_is_a_warning(logged: pytest.LogCaptureFixture) -> None:
    """A store that is away, say; what is told of it is no text of its."""

    @run
    async def failing() -> None:
        async with bootstrap.open(LOGGED, dialogue=_Gone()) as platform:
            with pytest.raises(StoreUnavailableError):
                await platform.for_tenant("acme").conversations.count()

    failing()
    assert told(logged) == [
        ("WARNING", "an operation failed", "conversations", "count", "StoreUnavailableError")
    ]
    assert "10.0.0.1" not in logged.text


def test_a_caller_that_leaves_is_no_failure(logged: pytest.LogCaptureFixture) -> None:
    """Nor is one that has read enough of a stream."""

    @run
    async def leaving() -> None:
        async with bootstrap.open(LOGGED) as platform:
            scope = platform.for_tenant("acme")
            for name in "ab":
                await scope.flows.create(Flow.draft(name=name))
            async for _ in (stream := scope.flows.stream()):
                break
            await stream.aclose()  # type: ignore[attr-defined]  # as everywhere in Python
            async with scope.locks.hold("a"):
                waiting = asyncio.create_task(_hold(scope))
                await asyncio.sleep(0)
                waiting.cancel()
                with suppress(asyncio.CancelledError):
                    await waiting

    leaving()
    assert told(logged) == []


async def _hold(scope: TenantScope) -> None:
    async with scope.locks.hold("a"):
        raise AssertionError


def test_the_exit_of_a_block_that_fails_by_itself_is_told(
    logged: pytest.LogCaptureFixture,
) -> None:
    """A lock's, and not what its block raised."""

    @run
    async def losing() -> None:
        async with bootstrap.open(LOGGED) as platform:
            scope = platform.for_tenant("acme")
            with suppress(RuntimeError):
                async with scope.locks.hold("a", wait=timedelta()):
                    raise RuntimeError
            with pytest.raises(LockLostError):
                async with scope.locks.hold("a"):
                    await platform.maintenance.runtime.erase_tenant(scope.tenant)

    losing()
    assert told(logged) == [("WARNING", "an operation failed", "locks", "release", "LockLostError")]


def test_what_is_slow_is_told_without_telling_what_was_asked(
    logged: pytest.LogCaptureFixture,
) -> None:
    """If it took longer than it may; it need not have failed."""
    clock = Clock()
    observer = Observer(slow=1.0, monotonic=clock)
    for seconds in (1.0, 1.5):
        observation = Observation(observer, PLACE, "get_by_id")
        clock.now += seconds
        observation.ended()
    assert told(logged) == [("WARNING", "an operation was slow", "flows", "get_by_id", "")]
    assert logged.records[0].__dict__["seconds"] == 1.5
    assert logged.messages == [
        "an operation was slow: port=flows operation=get_by_id tenant=acme store=memory seconds=1.5"
    ]


def test_a_stream_is_as_slow_as_the_longest_wait_for_an_item(
    logged: pytest.LogCaptureFixture,
) -> None:
    """What its reader does in between doesn't count, nor does its length."""
    clock = Clock()
    observer = Observer(slow=1.0, monotonic=clock)
    for waits in ([0.6] * 10, [0.1, 1.1, 0.1]):
        observation = Observation(observer, PLACE, "stream")
        observation.suspend()
        for wait in waits:
            clock.now += 100
            observation.resume()
            clock.now += wait
            observation.suspend()
        observation.over()
    assert [round(record.__dict__["seconds"], 3) for record in logged.records] == [1.1]


@run
async def test_values_of_a_type_are_observed_as_well() -> None:
    """What a cache makes of itself goes on being observed."""
    async with bootstrap.open(LOGGED) as platform:
        scope = platform.for_tenant("acme")
        assert isinstance(scope, ObservedScope)
        view = scope.cache.through(lambda entries: entries)
        await scope.cache.set("a", 1)
        assert await view.get("a") == 1
        assert await view.get("b") is MISS
        assert (view.stats().hits, scope.cache.stats().hits) == (1, 0)


def test_nothing_is_printed_in_a_service_that_has_no_logging(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Libraries don't speak unasked: not by the last resort of Python's logging, either."""
    root, kept = logging.getLogger(), logging.getLogger().handlers[:]
    root.handlers.clear()
    try:
        Observation(Observer(slow=0.0), PLACE, "get").ended()
        Observation(Observer(log_failures=True), PLACE, "get").ended(StoreUnavailableError("x"))
    finally:
        root.handlers.extend(kept)
    assert capfd.readouterr() == ("", "")
