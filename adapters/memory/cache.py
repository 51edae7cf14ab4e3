"""The cache in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import attrs

from adapters.json_codec import JSON
from adapters.memory.cache_expiry import Expiring
from adapters.memory.runtime_data import Part, TenantData
from domain.durations import MILLISECOND
from domain.identity import TenantId
from ports.cache import Cache
from ports.cache_entries import (
    NONCE,
    Answer,
    CacheEntries,
    Changes,
    Found,
    Held,
)
from ports.cache_loading import CacheState
from ports.gate import OPEN, Admission, Gate
from ports.time import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CachePart(Part):
    """One tenant's entries and leases, which keys may have which tag, and who waits."""

    def __init__(self) -> None:
        self.entries: Expiring[bytes] = Expiring()
        self.leases: Expiring[str] = Expiring()
        self.tags: Expiring[Expiring[None]] = Expiring()
        self.waiting: dict[str, set[asyncio.Event]] = {}
        self.state = CacheState()

    def live(self, now: datetime) -> int:
        return sum(kept.live(_ms(now)) for kept in (self.entries, self.leases, self.tags))

    def clear(self) -> None:
        for kept in (self.entries, self.leases, self.tags):
            kept.clear()
        for key in [*self.waiting]:
            self.wake(key)

    def wake(self, key: str) -> None:
        """Let those know who listen to a key."""
        for event in self.waiting.get(key, ()):
            event.set()


class MemoryCache(Cache):
    """Values in memory. All stores over the same data count and load together."""

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock, gate: Gate = OPEN) -> None:
        part, admission = data.part(CachePart), Admission(tenant, gate)
        super().__init__(MemoryCacheEntries(part, clock), part.state, JSON, admission)


@attrs.frozen
class _Changes(Changes):
    event: asyncio.Event

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.event.wait()
        except TimeoutError:
            return
        self.event.clear()


class MemoryCacheEntries(CacheEntries):
    """Each method ends in the turn of the loop in which it began."""

    def __init__(self, part: CachePart, clock: Clock) -> None:
        self._part = part
        self._clock = clock

    def _now(self) -> int:
        return _ms(self._clock.now())

    async def read(self, key: str) -> bytes | None:
        return self._part.entries.get(key, self._now())

    async def look(self, key: str, size: int | None = None) -> Found | None:
        now = self._now()
        raw = self._part.entries.get(key, now)
        return None if raw is None else Found(self._part.entries.ends(key) - now, raw[:size])

    async def put(self, key: str, raw: bytes, lives_ms: int) -> None:
        now = self._now()
        self._part.entries.put(key, raw, now + lives_ms, now)
        self._end_lease(key)

    async def drop(self, key: str) -> bool:
        found = await self.look(key)
        self._part.entries.pop(key)
        self._end_lease(key)
        return found is not None and found.is_fresh

    async def prolong(self, key: str, nonce: bytes, lives_ms: int) -> bool:
        now = self._now()
        raw = self._part.entries.get(key, now)
        if raw is None or not _has(raw, nonce):
            return False
        self._part.entries.put(key, raw, now + lives_ms, now)
        return True

    async def take(self, key: str, token: str, seen: bytes, lease_ms: int) -> Answer:
        found = await self.look(key)
        if found is not None and not _has(found.raw, seen):
            return found
        now = self._now()
        if self._part.leases.get(key, now) is not None:
            return Held(self._part.leases.ends(key) - now)
        self._part.leases.put(key, token, now + lease_ms, now)
        return None

    async def seize(self, key: str, token: str, lease_ms: int) -> bytes:
        now = self._now()
        self._part.leases.put(key, token, now + lease_ms, now)
        return (self._part.entries.get(key, now) or b"")[NONCE]

    async def holds(self, key: str, token: str) -> bool:
        return self._part.leases.get(key, self._now()) == token

    async def renew(self, key: str, token: str, lease_ms: int) -> bool:
        if not await self.holds(key, token):
            return False
        await self.seize(key, token, lease_ms)
        return True

    async def fill(self, key: str, token: str, raw: bytes, lives_ms: int) -> bool:
        if not await self.holds(key, token):
            return False
        await self.put(key, raw, lives_ms)
        return True

    async def release(self, key: str, token: str) -> None:
        if await self.holds(key, token):
            self._end_lease(key)

    @asynccontextmanager
    async def changes(self, key: str) -> AsyncIterator[Changes]:
        event = asyncio.Event()
        waiting = self._part.waiting.setdefault(key, set())
        waiting.add(event)
        try:
            yield _Changes(event)
        finally:
            waiting.discard(event)
            if not waiting and self._part.waiting.get(key) is waiting:
                del self._part.waiting[key]

    async def register(self, tags: Sequence[str], key: str, lives_ms: int) -> None:
        now = self._now()
        for tag in tags:
            noted = self._part.tags.get(tag, now) or Expiring()
            noted.put(key, None, max(noted.ends(key), now + lives_ms), now)
            self._part.tags.put(tag, noted, max(self._part.tags.ends(tag), now + lives_ms), now)

    async def invalidate(self, tag: str) -> int:
        now = self._now()
        noted = self._part.tags.get(tag, now)
        self._part.tags.pop(tag)
        return 0 if noted is None else await self._drop_all(noted.keys(now))

    async def clear(self) -> int:
        now = self._now()
        return await self._drop_all({*self._part.entries.keys(now), *self._part.leases.keys(now)})

    async def _drop_all(self, keys: "Sequence[str] | set[str]") -> int:
        return sum([await self.drop(key) for key in keys])

    def _end_lease(self, key: str) -> None:
        self._part.leases.pop(key)
        self._part.wake(key)


def _ms(now: datetime) -> int:
    return (now - _EPOCH) // MILLISECOND


def _has(raw: bytes, nonce: bytes) -> bool:
    return raw[NONCE] == nonce
