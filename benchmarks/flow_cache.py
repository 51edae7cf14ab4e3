"""Rows of flows kept at hand: read from this process's memory, and from the cache that processes
share, against ours without either.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import attrs

from adapters.cached import CachedAuthoringStore, FlowCache
from adapters.cached.shared import TTL
from adapters.redis.store import RedisStore
from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import One, in_turns
from benchmarks.reading import TENANT, fill, getting
from benchmarks.scale import Scale
from domain.identity import tenant_id
from ports.flows import FlowRepository

GOAL = 1 / 20
_MEMORY, _SHARED = "from memory", "from the shared cache"
_ORIGIN, _AGAIN = "uncached", "uncached again"
_READ = 100
"""Flows that are read, in turn."""
_HOUR, _MOMENT = timedelta(hours=1), timedelta(milliseconds=1)


def _hurried() -> float:
    """A clock by which a moment has passed before the shared cache can have answered, so that what
    it answers isn't served again.
    """
    return 100 * time.monotonic()


async def rows(database: Database, redis_url: str, scale: Scale) -> list[Figure]:
    """By id and the default; one caller, then many."""
    ids = (await fill(database))[:_READ]
    origin = database.flows(TENANT)
    if await origin.get_default() is None:
        await origin.publish(ids[0])
        await origin.set_default(ids[0])
    figures: list[Figure] = []
    async with AsyncExitStack() as stack:
        runtime = await RedisStore.open(redis_url)
        stack.push_async_callback(runtime.close)
        stack.push_async_callback(runtime.maintenance().erase_tenant, tenant_id(TENANT))
        memory = await stack.enter_async_context(_cached(database, FlowCache(max_staleness=_HOUR)))
        cache = FlowCache(runtime, max_staleness=_MOMENT, monotonic=_hurried)
        shared = await stack.enter_async_context(_cached(database, cache))
        warm = _Warm(cache, shared, ids)
        repositories = {_MEMORY: memory, _SHARED: shared, _ORIGIN: origin, _AGAIN: origin}
        for title, read in (("get by id", _by_id), ("get the default", _default)):
            ways = {name: read(flows) for name, flows in repositories.items()}
            for callers in (1, scale.callers):
                await warm()
                figures += await _measured(scale, title, callers, ways, ids, warm)
    return figures


@asynccontextmanager
async def _cached(database: Database, cache: FlowCache) -> AsyncIterator[FlowRepository]:
    try:
        yield CachedAuthoringStore(database.store, cache).repositories(tenant_id(TENANT)).flows
    finally:
        await cache.close()


def _by_id(flows: FlowRepository) -> One:
    return flows.get_by_id


def _default(flows: FlowRepository) -> One:
    async def read(_: UUID) -> Any:
        return await flows.get_default()

    return read


@attrs.define
class _Warm:
    """Has everything in the shared cache, and anew before the first of it ends there."""

    cache: FlowCache
    flows: FlowRepository
    ids: Sequence[UUID]
    _until: float = 0.0

    async def __call__(self) -> None:
        if time.monotonic() < self._until:
            return
        await self.cache.dropped_elsewhere(tenant_id(TENANT), None)
        for id in self.ids:
            await self.flows.get_by_id(id)
        await self.flows.get_default()
        self._until = time.monotonic() + TTL.total_seconds() / 2


async def _measured(
    scale: Scale,
    title: str,
    callers: int,
    ways: Mapping[str, One],
    ids: Sequence[UUID],
    between: Callable[[], Awaitable[object]],
) -> list[Figure]:
    operations = scale.operations(25) if callers == 1 else 2 * callers
    contenders = getting(dict(ways), ids, operations, callers)
    rounds = await in_turns(
        contenders, scale.rounds if callers == 1 else scale.few, between=between
    )
    name = f"flow-cache: {title}" + ("" if callers == 1 else f", {callers} callers")
    return [
        Figure.of(
            rounds,
            name=f"{name}, {way}",
            of=way,
            to=_ORIGIN,
            against="ours, uncached",
            goal=goal,
            noise=(_AGAIN, _ORIGIN),
        )
        for way, goal in ((_MEMORY, GOAL), (_SHARED, None))
    ]
