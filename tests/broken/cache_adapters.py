"""The cache in memory, broken in one way at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import attrs

from adapters.memory.cache import CachePart, MemoryCache, MemoryCacheEntries
from adapters.memory.runtime_data import TenantData
from domain.identity import TenantId
from ports.cache import HOUR, MISS, Json
from ports.cache_entries import Answer, CacheEntries, Entry, Found
from ports.cache_loading import Flight, Load, Loading
from ports.time import Clock


class SoundEntries(MemoryCacheEntries):
    """The entries as they should be; what is broken overrides a part of them."""


class SoundCache(MemoryCache):
    """The same for what is built on them."""

    entries: type[SoundEntries] = SoundEntries

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        super().__init__(tenant, data, clock)
        self._entries: CacheEntries = self.entries(data.part(CachePart), clock)
        self._loading = Loading(self._entries, self._state)


# Loading.


class FillsAnyway(SoundEntries):
    """Stores what was loaded, whatever happened meanwhile."""

    async def fill(self, key: str, token: str, raw: bytes, lives_ms: int) -> bool:
        await self.put(key, raw, lives_ms)
        return True


class DeletesTheEntryAlone(SoundEntries):
    """Leaves the lease, so that a load from before still stores its value."""

    async def drop(self, key: str) -> bool:
        found = await self.look(key)
        self._part.entries.pop(key)
        return found is not None and found.is_fresh


class _Stampeding(Loading):
    async def load(self, wanted: Load[Any], seen: bytes, began: int) -> bytes:
        with self._aboard(wanted, self._depart(wanted, seen)) as task:
            return await task


class Stampede(SoundCache):
    """Each miss loads: no flight is shared, and the lease is nobody's concern."""

    class entries(SoundEntries):  # noqa: N801  # overrides an attribute
        """Everybody has the lease."""

        async def take(self, key: str, token: str, seen: bytes, lease_ms: int) -> Answer:
            await self.seize(key, token, lease_ms)
            return None

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        super().__init__(tenant, data, clock)
        self._loading = _Stampeding(self._entries, self._state)


class _Joining(Loading):
    async def load(self, wanted: Load[Any], seen: bytes, began: int) -> bytes:
        return await super().load(wanted, seen, 0)


class JoinsWhateverIsLoaded(SoundCache):
    """Gives who comes after an invalidation what was loaded before it."""

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        super().__init__(tenant, data, clock)
        self._loading = _Joining(self._entries, self._state)


class NeverWakes(SoundEntries):
    """A load that failed tells nobody; who waits finds out when the lease would have ended."""

    async def release(self, key: str, token: str) -> None:
        return


class LeavesWithItsCaller(SoundCache):
    """Whoever leaves takes the load along."""

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        super().__init__(tenant, data, clock)

        class Leaving(Loading):
            @contextmanager
            def _aboard(self, wanted: Load[Any], flight: Flight) -> Iterator[asyncio.Task[bytes]]:
                assert flight.task is not None
                try:
                    yield flight.task
                finally:
                    flight.task.cancel()

        self._loading = Leaving(self._entries, self._state)


# Values.


class NoneIsAMiss(SoundCache):
    """Takes a cached None for nothing."""

    async def get_or_load(
        self, key: str, loader: Callable[[], Awaitable[Json]], *terms: Any, **named: Any
    ) -> Json:
        if await self.get(key) is None:
            await self.delete(key)
        return await super().get_or_load(key, loader, *terms, **named)


class NothingIsForEver(SoundCache):
    """Takes a time to live of nothing for none."""

    async def set(self, key: str, value: Json, ttl: timedelta = HOUR, **named: Any) -> None:
        await super().set(key, value, ttl or timedelta(days=3650), **named)


class JoinsByColon(SoundCache):
    """One dict for all tenants, whose keys are joined by colons."""

    parts: ClassVar[dict[int, CachePart]] = {}

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        super().__init__(tenant, data, clock)
        part = self.parts.setdefault(id(clock), CachePart())

        class Joined(SoundEntries):
            async def read(self, key: str) -> bytes | None:
                return await super().read(f"{tenant}:{key}")

            async def put(self, key: str, raw: bytes, lives_ms: int) -> None:
                await super().put(f"{tenant}:{key}", raw, lives_ms)

            async def drop(self, key: str) -> bool:
                return await super().drop(f"{tenant}:{key}")

            async def fill(self, key: str, token: str, raw: bytes, lives_ms: int) -> bool:
                await self.put(key, raw, lives_ms)
                return True

        self._entries = Joined(part, clock)


class Aliasing(SoundCache):
    """Keeps the very objects, beside what it should keep."""

    kept: ClassVar[dict[tuple[TenantId, str], Any]] = {}

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        super().__init__(tenant, data, clock)
        self._tenant = tenant

    async def set(self, key: str, value: Json, ttl: timedelta = HOUR, **named: Any) -> None:
        await super().set(key, value, ttl, **named)
        self.kept[self._tenant, key] = value

    async def get(self, key: str, default: Any = MISS) -> Any:
        found = await super().get(key, default)
        return found if found is default else self.kept.get((self._tenant, key), found)


class StaleIsFresh(SoundCache):
    """Forgets how much of an entry's life is its stale part."""

    def _entry(self, value: Json, kept: Any) -> Entry:
        return attrs.evolve(super()._entry(value, kept), stale_ms=0)


class NeverRefreshes(SoundCache):
    """Serves what is stale until it ends, and loads nothing meanwhile."""

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        super().__init__(tenant, data, clock)

        class Lazy(Loading):
            def refresh(self, wanted: Load[Any], found: Found) -> None:
                return

        self._loading = Lazy(self._entries, self._state)


# Tags.


class TagsEndFirst(SoundEntries):
    """Lets what is noted under a tag go with the first that was."""

    async def register(self, tags: Sequence[str], key: str, lives_ms: int) -> None:
        now = self._now()
        ends = {tag: self._part.tags.ends(tag) for tag in tags}
        await super().register(tags, key, lives_ms)
        for tag in tags:
            noted = self._part.tags.get(tag, now)
            if noted is not None and ends[tag] >= now:
                self._part.tags.put(tag, noted, ends[tag], now)


class NotesTooLate(SoundEntries):
    """Notes a key under its tags after it was stored: the load under way isn't found."""

    late: ClassVar[dict[str, tuple[Sequence[str], int]]] = {}

    async def register(self, tags: Sequence[str], key: str, lives_ms: int) -> None:
        self.late[key] = (tags, lives_ms)

    async def fill(self, key: str, token: str, raw: bytes, lives_ms: int) -> bool:
        stored = await super().fill(key, token, raw, lives_ms)
        await asyncio.sleep(0)
        if key in self.late:
            tags, lives = self.late.pop(key)
            await super().register(tags, key, lives)
        return stored


class ProlongsPastTheTag(SoundEntries):
    """Notes a key once, for as long as it was to live at first."""

    async def register(self, tags: Sequence[str], key: str, lives_ms: int) -> None:
        if self._part.entries.get(key, self._now()) is None:
            await super().register(tags, key, lives_ms)
