"""One load for all processes, on a real server with a real clock."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from adapters.redis.cache import RedisCache, end_loads
from adapters.redis.client import Client
from domain.identity import tenant_id
from ports import cache_loading
from ports.cache import MISS, Cache
from ports.cache_entries import LEASE
from ports.errors import RepositoryError
from tests.redis.opening import opened, unused
from tests.valkey import Node

PROCESSES = 4
TASKS = 200
PATIENCE = 60.0
_processes = multiprocessing.get_context("spawn")


@asynccontextmanager
async def cached(url: str, tenant: str) -> AsyncIterator[tuple[Cache, Client]]:
    """A tenant's cache as one process has it, and what it goes through."""
    async with opened(url) as client:
        try:
            yield RedisCache(tenant_id(tenant), client), client
        finally:
            await end_loads(client)


async def _crowd(url: str, tenant: str, begin: Any) -> list[Any]:
    async with cached(url, tenant) as (cache, client):

        async def count(name: str, by: int = 1) -> int:
            key = f"{tenant}:{name}"
            counted: int = await client.execute("INCRBY", key, by, key=key, writes=True)
            return counted

        async def load() -> str:
            number = await count("loads")
            # Until all have come, so that nobody finds it there.
            while await count("begun", 0) < PROCESSES * TASKS:  # noqa: ASYNC110  # elsewhere
                await asyncio.sleep(0.01)
            return f"load {number}"

        async def call() -> Any:
            await count("begun")
            return await cache.get_or_load("key", load, tags=["tag"])

        await client.check()
        await asyncio.to_thread(begin.wait, PATIENCE)
        return await asyncio.gather(*(call() for _ in range(TASKS)))


def crowd(url: str, tenant: str, begin: Any, results: Any) -> None:
    """What one of the processes does."""
    results.put(asyncio.run(_crowd(url, tenant, begin)))


def test_all_callers_in_all_processes_are_one_load(shared: Node) -> None:
    """However they share the work among processes and tasks."""
    tenant, begin, results = unused(), _processes.Barrier(PROCESSES), _processes.Queue()
    arguments = (shared.url, tenant, begin, results)
    crowds = [_processes.Process(target=crowd, args=arguments) for _ in range(PROCESSES)]
    for process in crowds:
        process.start()
    found = [result for _ in crowds for result in results.get(timeout=PATIENCE)]
    for process in crowds:
        process.join(PATIENCE)
    assert found == ["load 1"] * (PROCESSES * TASKS)


async def _hang(url: str, tenant: str, began: Any) -> None:
    async with cached(url, tenant) as (cache, _):

        async def load() -> None:
            began.set()
            await asyncio.Event().wait()

        await cache.get_or_load("key", load)


def hang(url: str, tenant: str, began: Any) -> None:
    """A process that loads and comes to no end."""
    asyncio.run(_hang(url, tenant, began))


def test_a_load_whose_process_was_killed_is_taken_over(shared: Node) -> None:
    """By who waited for it, as soon as its lease has ended."""
    tenant, began = unused(), _processes.Event()
    victim = _processes.Process(target=hang, args=(shared.url, tenant, began))
    victim.start()
    assert began.wait(PATIENCE)

    async def survive() -> Any:
        async with cached(shared.url, tenant) as (cache, _):

            async def load() -> str:
                return "taken over"

            waiting = asyncio.create_task(cache.get_or_load("key", load))
            while cache.stats().loads_awaited == 0:  # noqa: ASYNC110  # it has to wait first
                await asyncio.sleep(0.01)
            assert victim.pid is not None
            os.kill(victim.pid, signal.SIGKILL)
            async with asyncio.timeout(LEASE.total_seconds() + 5):
                return await waiting

    assert asyncio.run(survive()) == "taken over"
    victim.join(PATIENCE)
    assert victim.exitcode == -signal.SIGKILL


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> timedelta:
    """A lease that ends while a test waits for it."""
    lease = timedelta(milliseconds=300)
    monkeypatch.setattr(cache_loading, "LEASE", lease)
    monkeypatch.setattr(cache_loading, "LEASE_MS", 300)
    return lease


def test_a_load_may_take_longer_than_its_lease(shared: Node, brief: timedelta) -> None:
    """It is renewed meanwhile; nobody else loads."""

    async def both() -> tuple[Any, ...]:
        tenant = unused()
        async with cached(shared.url, tenant) as (one, _), cached(shared.url, tenant) as (other, _):
            loads = []

            async def load() -> str:
                loads.append(1)
                await asyncio.sleep(4 * brief.total_seconds())
                return "slow"

            calls = (cache.get_or_load("key", load, tags=["tag"]) for cache in (one, other))
            found = await asyncio.gather(*calls)
            await one.invalidate_tag("tag")
            return (*found, len(loads), await other.get("key"))

    assert asyncio.run(both()) == ("slow", "slow", 1, MISS)


def test_refreshes_end_with_their_client(shared: Node) -> None:
    """What loads in the background is cancelled, and is over, when the loads are ended."""

    async def close() -> bool:
        ended = False
        began = asyncio.Event()

        async def load() -> None:
            nonlocal ended
            began.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended = True

        async with cached(shared.url, unused()) as (cache, _):
            await cache.set("key", 1, timedelta(milliseconds=1), stale=timedelta(hours=1))
            while await cache.exists("key"):
                pass
            assert await cache.get_or_load("key", load, stale=timedelta(hours=1)) == 1
            await began.wait()
        return ended and len(asyncio.all_tasks()) == 1

    assert asyncio.run(close())


def test_a_server_that_is_gone_is_an_error_and_no_miss(own: Node) -> None:
    """Nothing is loaded in its stead."""

    async def ask() -> list[Any]:
        async with cached(own.url, unused()) as (cache, _):
            await cache.set("key", 1)
            own.kill()
            loads = []

            async def load() -> None:
                loads.append(1)

            async with asyncio.timeout(PATIENCE):
                errors = await asyncio.gather(
                    *(cache.get("key"), cache.get_or_load("key", load), cache.set("key", 2)),
                    *(cache.clear(), cache.invalidate_tag("tag")),
                    return_exceptions=True,
                )
            return [*loads, *(isinstance(error, RepositoryError) for error in errors)]

    assert asyncio.run(ask()) == [True] * 5
