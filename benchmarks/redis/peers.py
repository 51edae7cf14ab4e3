"""Libraries that are used for the same, each as its documentation sets it up."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import aiocache
import attrs
import cashews
from limits import RateLimitItem
from limits.aio.storage import RedisStorage
from limits.aio.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)
from redis.asyncio import ConnectionPool

TTL = 3_600
Loading = Callable[[str], Awaitable[Any]]


async def _never(key: str) -> Any:
    """What is measured are hits."""
    raise AssertionError(f"{key} isn't in the cache")


@attrs.frozen
class Limits:
    """limits, on redis-py. One round trip each; the answer is yes or no.

    Its moving window keeps each hit's time, which it takes from the client; the sliding window
    counter weights two counts; the fixed window counts.
    """

    moving: RateLimiter
    sliding: RateLimiter
    fixed: RateLimiter

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, prefix: str) -> AsyncIterator[Self]:
        """On that server, for the block."""
        pool = ConnectionPool.from_url(url)
        options: dict[str, Any] = {"connection_pool": pool}
        storage = RedisStorage(url, implementation="redispy", key_prefix=prefix, **options)
        try:
            yield cls(
                MovingWindowRateLimiter(storage),
                SlidingWindowCounterRateLimiter(storage),
                FixedWindowRateLimiter(storage),
            )
        finally:
            await pool.aclose()

    @staticmethod
    def hit(limiter: RateLimiter, item: RateLimitItem) -> Loading:
        """Uses one permit of a key's."""

        async def hit(key: str) -> None:
            if not await limiter.hit(item, key):
                raise AssertionError(f"{key} has no permit left")

        return hit


@attrs.frozen
class Cashews:
    """cashews: values are pickled, commands pass its middlewares."""

    cache: cashews.Cache
    load: Loading

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        """On that server, for the block."""
        cache = cashews.Cache()
        cache.setup(url)
        load: Loading = cache(ttl=TTL, key="{key}")(_never)
        await cache.init()
        try:
            yield cls(cache, load)
        finally:
            await cache.close()


@attrs.frozen
class Aiocache:
    """aiocache: values are JSON, every call has a deadline."""

    cache: Any
    load: Loading

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        """On that server, for the block."""
        decorator = aiocache.cached(
            ttl=TTL,
            cache=aiocache.RedisCache,
            key_builder=lambda _, key: key,
            connection_pool_class=lambda **_: ConnectionPool.from_url(url),
        )
        load: Any = decorator(_never)
        try:
            yield cls(load.cache, load)
        finally:
            await load.cache.client.aclose()
