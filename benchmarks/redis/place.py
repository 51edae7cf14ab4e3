"""Everyone's way to the server that is measured on."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
from redis.asyncio import Redis

from adapters.redis.store import RedisStore
from benchmarks.redis.peers import Aiocache, Cashews, Limits
from domain.identity import tenant_id
from ports.runtime import RuntimePorts

_BATCH = 1_000


@attrs.frozen
class Place:
    """Our store, redis-py as its users have it (with hiredis and its own pool, whose size is its
    default), and the peers, on one server. `prefix` is what everybody's keys begin with but ours,
    which are a tenant's of that name.
    """

    url: str
    prefix: str
    store: RedisStore
    plain: "Redis"
    limits: Limits
    cashews: Cashews
    aiocache: Aiocache

    @property
    def ours(self) -> RuntimePorts:
        """Our ports."""
        return self.store.repositories(tenant_id(self.prefix))

    def key(self, *parts: object) -> str:
        """A key for the others."""
        return ":".join([self.prefix, *map(str, parts)])


@asynccontextmanager
async def open_place(url: str) -> AsyncIterator[Place]:
    """All of them, with names that nobody used yet; what they stored is removed at the end."""
    prefix = f"dialogbase-bench-{secrets.token_hex(4)}"
    async with AsyncExitStack() as stack:
        plain = Redis.from_url(url)
        stack.push_async_callback(plain.aclose)
        store = await RedisStore.open(url)
        stack.push_async_callback(store.close)
        limits = await stack.enter_async_context(Limits.at(url, prefix))
        cashews = await stack.enter_async_context(Cashews.at(url))
        aiocache = await stack.enter_async_context(Aiocache.at(url))
        made = Place(url, prefix, store, plain, limits, cashews, aiocache)
        try:
            yield made
        finally:
            await store.maintenance().erase_tenant(tenant_id(prefix))
            await _drop(plain, prefix)


async def _drop(plain: "Redis", prefix: str) -> None:
    names = [name async for name in plain.scan_iter(f"{prefix}*", count=_BATCH)]
    for start in range(0, len(names), _BATCH):
        await plain.unlink(*names[start : start + _BATCH])
