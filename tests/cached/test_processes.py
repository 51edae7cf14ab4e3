"""Processes that share a PostgreSQL and a Valkey, in real time: what is late is so by the bound."""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import attrs
import pytest

import bootstrap
from adapters.cached.shared import SharedFlows
from adapters.postgres.flows import PostgresFlowRepository
from bootstrap import Settings
from domain.flows import Flow
from ports.errors import StoreUnavailableError
from ports.flows import FlowRepository
from tests.bootstrap.running import run
from tests.cached.parts import PATIENCE, a_draft, until
from tests.valkey import Node

CHANGES = 60
CALLERS = 20
_spawn = multiprocessing.get_context("spawn")


def _settings(settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in vars(settings).items() if value is not None}


@asynccontextmanager
async def flows_of(settings: Settings, tenant: str) -> AsyncIterator[FlowRepository]:
    """A tenant's flows, as one process has them."""
    async with bootstrap.open(settings) as platform:
        yield platform.for_tenant(tenant).flows


@contextmanager
def child(target: Any, *arguments: Any) -> Iterator[Any]:
    """A process for the block; it is killed at its end."""
    process = _spawn.Process(target=target, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(PATIENCE)


async def reading(flows: FlowRepository, id: UUID) -> None:
    """Read on and on."""
    while True:
        await flows.require(id)
        await asyncio.sleep(0)


# Two processes.


async def _write(settings: Settings, tenant: str, id: UUID, told: Any) -> None:
    async with flows_of(settings, tenant) as flows:
        for number in range(CHANGES):
            await flows.patch(id, category=f"{number}")
            told.put((number, time.monotonic()))
            await asyncio.sleep(0.01)


def write(settings: dict[str, Any], tenant: str, id: UUID, told: Any) -> None:
    """What the other process does."""
    asyncio.run(_write(Settings(**settings), tenant, id, told))


@run
async def test_what_another_process_wrote_is_read_within_the_bound(
    settings: Settings, tenant: str
) -> None:
    """Each read that begins later than that shows it, or what came after it."""
    told: Any = _spawn.Queue()
    seen: list[tuple[float, int]] = []
    async with flows_of(settings, tenant) as flows:
        flow = await flows.create(a_draft(category="-1"))
        with child(write, _settings(settings), tenant, flow.id, told):
            while not seen or seen[-1][1] < CHANGES - 1:
                began = time.monotonic()
                seen.append((began, int((await flows.require(flow.id)).category or "")))
                await asyncio.sleep(0.0005)
            written = [told.get(timeout=PATIENCE) for _ in range(CHANGES)]
    for number, at in written:
        late = [n for began, n in seen if began > at + settings.flow_cache_staleness_seconds]
        assert all(n >= number for n in late)
    assert len({n for _, n in seen}) > CHANGES / 10


async def _write_and_hang(settings: Settings, tenant: str, id: UUID, committed: Any) -> None:
    async def hang(*_: object, **__: object) -> None:
        committed.set()
        await asyncio.Event().wait()

    SharedFlows.drop = hang  # type: ignore[method-assign]  # it never gets to it
    async with flows_of(settings, tenant) as flows:
        await flows.patch(id, category="new")


def write_and_hang(settings: dict[str, Any], tenant: str, id: UUID, committed: Any) -> None:
    """Commit, and never tell the shared cache."""
    asyncio.run(_write_and_hang(Settings(**settings), tenant, id, committed))


@run
async def test_the_dispatcher_tells_what_a_killed_writer_could_not(
    settings: Settings, tenant: str
) -> None:
    """It had committed, and died before it dropped anything."""
    committed: Any = _spawn.Event()
    async with bootstrap.open(settings) as platform, bootstrap.open(settings) as elsewhere:
        flows = platform.for_tenant(tenant).flows
        dispatcher = elsewhere.maintenance.authoring.dispatcher(elsewhere.consumers)
        await dispatcher.once()
        flow = await flows.create(a_draft())
        await dispatcher.once()
        await flows.require(flow.id)
        with child(write_and_hang, _settings(settings), tenant, flow.id, committed):
            assert await asyncio.to_thread(committed.wait, PATIENCE)
        await asyncio.sleep(settings.flow_cache_staleness_seconds)
        assert (await flows.require(flow.id)).category is None
        await dispatcher.once()
        await asyncio.sleep(settings.flow_cache_staleness_seconds)
        assert (await flows.require(flow.id)).category == "new"


@run
async def test_no_read_that_was_overtaken_fills_the_shared_cache(
    settings: Settings, tenant: str
) -> None:
    """Whatever fills it while a writer drops it: after the bound, what was written is read."""
    brief = attrs.evolve(settings, flow_cache_staleness_seconds=0.001)
    async with flows_of(brief, tenant) as here, flows_of(brief, tenant) as there:
        flow = await here.create(a_draft())
        readers = [asyncio.create_task(reading(one, flow.id)) for one in (here, there, there)]
        for number in range(CHANGES):
            await here.patch(flow.id, category=f"{number}")
            assert (await here.require(flow.id)).category == f"{number}"
            await asyncio.sleep(0.002)
            assert (await there.require(flow.id)).category == f"{number}"
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)


# The server fails.


class Reads:
    """How often the origin was asked for a flow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        get = PostgresFlowRepository._get

        async def counted(repository: Any, id: UUID) -> Flow | None:
            self.count += 1
            return await get(repository, id)

        monkeypatch.setattr(PostgresFlowRepository, "_get", counted)


@run
async def test_reads_and_writes_go_on_while_the_server_hangs(
    settings: Settings, valkey: Node, tenant: str
) -> None:
    """Nobody waits for its deadline; and what couldn't be dropped is, once it is back."""
    async with bootstrap.open(settings) as platform:
        flows, cache = platform.for_tenant(tenant).flows, platform.flow_cache
        assert cache is not None
        flow = await flows.create(a_draft())
        await flows.require(flow.id)
        valkey.pause()
        async with asyncio.timeout(settings.deadline_seconds / 2):
            for number in range(20):
                await flows.patch(flow.id, category=f"{number}")
                assert (await flows.require(flow.id)).category == f"{number}"
        assert cache.stats().owing == 1
        valkey.resume()
        await until(lambda: cache.stats().owing == 0)
        async with flows_of(settings, tenant) as elsewhere:
            assert (await elsewhere.require(flow.id)).category == "19"


@run
async def test_a_server_that_flaps_lets_no_crowd_at_the_origin(
    settings: Settings, valkey: Node, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The origin is asked once for each time that the bound has passed, by all callers together."""
    reads = Reads(monkeypatch)
    async with flows_of(settings, tenant) as flows:
        flow = await flows.create(a_draft())
        began, before = time.monotonic(), reads.count
        readers = [asyncio.create_task(reading(flows, flow.id)) for _ in range(CALLERS)]
        for _ in range(4):
            await asyncio.sleep(0.1)
            valkey.kill()
            await asyncio.sleep(0.1)
            await asyncio.to_thread(valkey.start)
        assert not any(reader.done() for reader in readers)
        for reader in readers:
            reader.cancel()
        await asyncio.wait(readers)
        passed = time.monotonic() - began
        assert reads.count - before <= passed / settings.flow_cache_staleness_seconds + 1


@run
async def test_an_origin_that_is_away_is_told_though_the_cache_is_there(
    settings: Settings, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ever: it is nothing that the cache would hide."""

    async def fails(*_: object) -> None:
        raise StoreUnavailableError("the origin is away")

    async with flows_of(settings, tenant) as flows:
        flow = await flows.create(a_draft())
        monkeypatch.setattr(PostgresFlowRepository, "_get", fails)
        with pytest.raises(StoreUnavailableError):
            await flows.require(flow.id)
