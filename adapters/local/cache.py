"""A cache's values at hand in this process, for a moment each."""

import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Final

import attrs

from domain.durations import MILLISECOND, duration
from domain.rules import argument, whole
from ports.cache import Cache
from ports.cache_entries import Answer, CacheEntries, Changes, Found

_STALENESS: Final = duration(MILLISECOND, timedelta(hours=1))
_ENTRIES: Final = whole(1, 10_000_000)


def at_hand(
    cache: Cache,
    *,
    max_staleness: timedelta = timedelta(seconds=1),
    max_entries: int = 10_000,
    monotonic: Callable[[], float] = time.monotonic,
) -> Cache:
    """The same cache, which reads what this process has read lately from its own memory.

    A value is served from there for at most `max_staleness` (1 ms to an hour) after it was read,
    and never beyond its own end: what *others* write or invalidate is seen within that time. What
    is written or invalidated *through this cache* is seen through it at once; keep one for all who
    do either, for each tenant. Of `max_entries` values, those that nobody asked for longest go
    first. What isn't there isn't remembered. Loads, tags and the rest are the cache's own, but its
    statistics, in which every look-up counts, begin anew.

    `monotonic` gives the seconds of a clock that never goes back.

    Raises:
        ValidationError: for a bound that is none.
    """
    bound: timedelta = argument("cache", "max_staleness", max_staleness, _STALENESS)
    most: int = argument("cache", "max_entries", max_entries, _ENTRIES)
    return cache.through(lambda entries: LocalEntries(entries, bound, most, monotonic))


@attrs.frozen
class _Copy:
    """An entry as it was read, and when, in seconds of the process' clock."""

    found: Found
    at: float
    until: float


class LocalEntries(CacheEntries):
    """Entries, some of them at hand."""

    def __init__(
        self,
        entries: CacheEntries,
        max_staleness: timedelta,
        max_entries: int,
        monotonic: Callable[[], float],
    ) -> None:
        self._entries = entries
        self._bound = max_staleness.total_seconds()
        self._most = max_entries
        self._now = monotonic
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._reading: dict[str, object] = {}
        """The latest read under way of each key, unless a change began or ended since."""

    async def read(self, key: str) -> bytes | None:
        found = await self.look(key)
        return None if found is None else found.raw

    async def look(self, key: str, size: int | None = None) -> Found | None:
        now = self._now()
        copy = self._copies.get(key)
        if copy is not None and now < copy.until:
            self._copies.move_to_end(key)
            passed = math.ceil((now - copy.at) * 1000)
            return Found(copy.found.left_ms - passed, copy.found.raw[:size])
        if size is not None:
            return await self._entries.look(key, size)
        return await self._fetched(key, now)

    async def _fetched(self, key: str, now: float) -> Found | None:
        mark = self._reading[key] = object()
        try:
            found = await self._entries.look(key)
        finally:
            latest = self._reading.get(key) is mark
            if latest:
                del self._reading[key]
        if latest:
            self._copies.pop(key, None)
            if found is not None:
                # As of when it was asked for: the answer may have been long on its way.
                until = now + min(self._bound, found.left_ms / 1000)
                self._copies[key] = _Copy(found, now, until)
                if len(self._copies) > self._most:
                    self._copies.popitem(last=False)
        return found

    @asynccontextmanager
    async def _changing(self, key: str | None = None) -> AsyncIterator[None]:
        """Forget a key, or everything, before and after what changes it."""
        try:
            self._forget(key)
            yield
        finally:
            self._forget(key)

    def _forget(self, key: str | None) -> None:
        if key is None:
            self._copies.clear()
            self._reading.clear()
        else:
            self._copies.pop(key, None)
            self._reading.pop(key, None)

    async def put(self, key: str, raw: bytes, lives_ms: int) -> None:
        async with self._changing(key):
            await self._entries.put(key, raw, lives_ms)

    async def drop(self, key: str) -> bool:
        async with self._changing(key):
            return await self._entries.drop(key)

    async def prolong(self, key: str, nonce: bytes, lives_ms: int) -> bool:
        async with self._changing(key):
            return await self._entries.prolong(key, nonce, lives_ms)

    async def fill(self, key: str, token: str, raw: bytes, lives_ms: int) -> bool:
        async with self._changing(key):
            return await self._entries.fill(key, token, raw, lives_ms)

    async def invalidate(self, tag: str) -> int:
        async with self._changing():
            return await self._entries.invalidate(tag)

    async def clear(self) -> int:
        async with self._changing():
            return await self._entries.clear()

    async def take(self, key: str, token: str, seen: bytes, lease_ms: int) -> Answer:
        return await self._entries.take(key, token, seen, lease_ms)

    async def seize(self, key: str, token: str, lease_ms: int) -> bytes:
        return await self._entries.seize(key, token, lease_ms)

    async def holds(self, key: str, token: str) -> bool:
        return await self._entries.holds(key, token)

    async def renew(self, key: str, token: str, lease_ms: int) -> bool:
        return await self._entries.renew(key, token, lease_ms)

    async def release(self, key: str, token: str) -> None:
        await self._entries.release(key, token)

    def changes(self, key: str) -> AbstractAsyncContextManager[Changes]:
        return self._entries.changes(key)

    async def register(self, tags: Sequence[str], key: str, lives_ms: int) -> None:
        await self._entries.register(tags, key, lives_ms)
