"""A service's life: opened, healthy or not, streaming, closed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

import bootstrap
from adapters.local.callbacks import CallbackConsumer
from adapters.memory import MemoryDialogueStore
from bootstrap import Settings, Stores
from bootstrap.fastapi import CurrentPlatform, health, json_lines, lifespan
from bootstrap.platform import Platform
from domain.flows import Flow
from domain.outbox import ChangeEvent
from ports.errors import StoreUnavailableError
from tests.bootstrap.running import run
from tests.fastapi.services import client_of, service

ONLY_REDIS = Stores(authoring="memory", dialogue="memory")


class _Gone(MemoryDialogueStore):
    async def check(self) -> None:
        raise StoreUnavailableError("nobody answers")


@asynccontextmanager
async def _half() -> AsyncIterator[Platform]:
    async with bootstrap.open(Settings.memory(), dialogue=_Gone()) as platform:
        yield platform


def _healthy(app: FastAPI) -> None:
    app.include_router(health())


async def _failing(after: int) -> AsyncIterator[int]:
    for number in range(after):
        yield number
    raise StoreUnavailableError("gone")


def _streams(app: FastAPI) -> None:
    @app.get("/numbers/{count}")
    async def numbers(count: int) -> StreamingResponse:
        async def counted() -> AsyncIterator[int]:
            for number in range(count):
                yield number

        return await json_lines(counted(), lambda number: b"%d" % number)

    @app.get("/failing/{after}")
    async def failing(after: int) -> StreamingResponse:
        return await json_lines(_failing(after), lambda number: b"%d" % number)

    @app.get("/profile")
    async def profile(platform: CurrentPlatform) -> str:
        return platform.settings.profile


@run
async def test_a_service_lives_and_is_ready() -> None:
    """Without a tenant."""
    async with client_of(service(_healthy), headers={}) as client:
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


@run
async def test_a_service_whose_store_is_gone_lives_and_is_not_ready() -> None:
    """So that it is sent no requests, and isn't restarted."""
    async with client_of(service(_healthy, _half), headers={}) as client:
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
    assert alive.status_code == 200
    assert (ready.status_code, ready.headers["retry-after"]) == (503, "1")
    assert ready.json()["errors"] == [{"path": "memory", "message": "nobody answers"}]


@run
async def test_a_platform_is_open_while_the_service_runs_and_no_longer() -> None:
    """Handlers get it; afterwards there is none."""
    app = service(_streams)
    async with client_of(app) as client:
        assert (await client.get("/profile")).json() == "memory"
    assert not hasattr(app.state, "platform")


@run
async def test_a_platform_that_cannot_be_opened_keeps_the_service_from_starting() -> None:
    """With the error that opening it raised."""

    settings = Settings(profile="servers", redis_url="redis://127.0.0.1:1/0", stores=ONLY_REDIS)
    app = service(_streams, settings)
    with pytest.raises(StoreUnavailableError):
        async with app.router.lifespan_context(app):
            pass


@run
async def test_in_the_background_consumers_are_told_of_changes() -> None:
    """By any process of the service."""
    told = asyncio.Event()

    async def heard(_: Sequence[ChangeEvent]) -> None:
        told.set()

    settings = attrs.evolve(Settings.memory(), synchronise=True)
    app = FastAPI(lifespan=lifespan(settings, consumers=[CallbackConsumer("test", heard)]))
    async with app.router.lifespan_context(app):
        await app.state.platform.for_tenant("acme").flows.create(Flow.draft(name="welcome"))
        await asyncio.wait_for(told.wait(), 60)


@pytest.mark.parametrize("count", [0, 1, 20_000])
@run
async def test_a_stream_has_a_line_for_each_item(count: int) -> None:
    """In their order, and nothing for none."""
    async with client_of(service(_streams)) as client:
        answer = await client.get(f"/numbers/{count}")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.text.splitlines() == [str(number) for number in range(count)]


@run
async def test_a_stream_that_fails_from_the_start_is_answered_as_any_error() -> None:
    """Nothing was sent yet."""
    async with client_of(service(_streams)) as client:
        answer = await client.get("/failing/0")
    assert answer.status_code == 503


@run
async def test_a_stream_that_fails_later_is_broken_off() -> None:
    """The server sees the error, and doesn't end the body as if it were whole."""
    app = service(_streams)
    ended: list[bool] = []

    async def receive() -> dict[str, object]:
        return await asyncio.Future()  # the client stays

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.body":
            ended.append(not message.get("more_body", False))

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/failing/20000",
        "headers": [],
        "query_string": b"",
    }
    async with app.router.lifespan_context(app):
        with pytest.raises((RuntimeError, StoreUnavailableError)):
            await app(scope, receive, send)  # type: ignore[arg-type]  # plain dicts are messages
    assert ended, "nothing was sent before it failed"
    assert not any(ended)
