"""A cache's entries for who can do without them: no call waits for long, and failures are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeVar

from adapters.cached.breaker import Breaker
from ports.cache_entries import Answer, CacheEntries, Changes, Found
from ports.errors import ErasedError, RepositoryError, StoreUnavailableError

T = TypeVar("T")

PATIENCE: Final = 0.25
"""Seconds that the cache has for one answer: whoever waits longer had better asked the origin."""

LOAD_PATIENCE: Final = 1.0
"""Seconds to wait for what another process loads: it may be slow, or dead."""


class CacheAwayError(StoreUnavailableError):
    """The cache doesn't answer, or not soon enough. Never leaves this package."""


class GuardedEntries(CacheEntries):
    """Entries of which nothing is waited for beyond `PATIENCE`; a breaker is told of each answer.

    Raises, everywhere: CacheAwayError alone.
    """

    def __init__(self, entries: CacheEntries, breaker: Breaker) -> None:
        self._entries = entries
        self._breaker = breaker

    async def _soon(self, answer: Awaitable[T], *, large: bool = False) -> T:
        try:
            async with asyncio.timeout(PATIENCE):
                answered = await answer
        except TimeoutError:
            # What takes its time by its size says nothing about the server.
            if not large:
                self._breaker.failed()
        except ErasedError:
            self._breaker.succeeded()
        except RepositoryError:
            self._breaker.failed()
        else:
            self._breaker.succeeded()
            return answered
        raise CacheAwayError("the cache gave no answer in time")

    async def read(self, key: str) -> bytes | None:
        return await self._soon(self._entries.read(key))

    async def look(self, key: str, size: int | None = None) -> Found | None:
        return await self._soon(self._entries.look(key, size))

    async def put(self, key: str, raw: bytes, lives_ms: int) -> None:
        await self._soon(self._entries.put(key, raw, lives_ms))

    async def drop(self, key: str) -> bool:
        return await self._soon(self._entries.drop(key))

    async def prolong(self, key: str, nonce: bytes, lives_ms: int) -> bool:
        return await self._soon(self._entries.prolong(key, nonce, lives_ms))

    async def take(self, key: str, token: str, seen: bytes, lease_ms: int) -> Answer:
        return await self._soon(self._entries.take(key, token, seen, lease_ms))

    async def seize(self, key: str, token: str, lease_ms: int) -> bytes:
        return await self._soon(self._entries.seize(key, token, lease_ms))

    async def holds(self, key: str, token: str) -> bool:
        return await self._soon(self._entries.holds(key, token))

    async def renew(self, key: str, token: str, lease_ms: int) -> bool:
        return await self._soon(self._entries.renew(key, token, lease_ms))

    async def fill(self, key: str, token: str, raw: bytes, lives_ms: int) -> bool:
        return await self._soon(self._entries.fill(key, token, raw, lives_ms))

    async def release(self, key: str, token: str) -> None:
        await self._soon(self._entries.release(key, token))

    async def register(self, tags: Sequence[str], key: str, lives_ms: int) -> None:
        await self._soon(self._entries.register(tags, key, lives_ms))

    async def invalidate(self, tag: str) -> int:
        return await self._soon(self._entries.invalidate(tag), large=True)

    async def clear(self) -> int:
        return await self._soon(self._entries.clear(), large=True)

    def changes(self, key: str) -> AbstractAsyncContextManager[Changes]:
        return self._changes(key)

    @asynccontextmanager
    async def _changes(self, key: str) -> AsyncIterator[Changes]:
        changes = self._entries.changes(key)
        heard = await self._soon(changes.__aenter__())
        try:
            yield _Brief(heard)
        finally:
            await self._soon(changes.__aexit__(None, None, None))


class _Brief(Changes):
    """Word of changes, awaited for `LOAD_PATIENCE` in all."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._until = asyncio.get_running_loop().time() + LOAD_PATIENCE

    async def wait(self, seconds: float) -> None:
        left = self._until - asyncio.get_running_loop().time()
        if left <= 0:
            raise CacheAwayError("another process takes too long to load")
        await self._changes.wait(min(seconds, left))
