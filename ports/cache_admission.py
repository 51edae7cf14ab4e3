"""A cache's entries behind the gate: nothing is cached for a tenant that was erased, or under the
tag of a user who was.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from ports.cache_entries import Answer, CacheEntries, Changes, Found
from ports.erasing import users_in
from ports.gate import Admission


class AdmittedEntries(CacheEntries):
    """Entries of which those methods that leave something ask first. A load that began before the
    tenant was erased so isn't stored after it. To renew a lease leaves nothing that wasn't there.
    """

    def __init__(self, entries: CacheEntries, admission: Admission) -> None:
        self._entries = entries
        self._admission = admission

    async def put(self, key: str, raw: bytes, lives_ms: int) -> None:
        await self._admission()
        await self._entries.put(key, raw, lives_ms)

    async def prolong(self, key: str, nonce: bytes, lives_ms: int) -> bool:
        if lives_ms >= 0:
            await self._admission()
        return await self._entries.prolong(key, nonce, lives_ms)

    async def take(self, key: str, token: str, seen: bytes, lease_ms: int) -> Answer:
        await self._admission()
        return await self._entries.take(key, token, seen, lease_ms)

    async def seize(self, key: str, token: str, lease_ms: int) -> bytes:
        await self._admission()
        return await self._entries.seize(key, token, lease_ms)

    async def fill(self, key: str, token: str, raw: bytes, lives_ms: int) -> bool:
        await self._admission()
        return await self._entries.fill(key, token, raw, lives_ms)

    async def register(self, tags: Sequence[str], key: str, lives_ms: int) -> None:
        await self._admission(users_in(tags))
        await self._entries.register(tags, key, lives_ms)

    async def read(self, key: str) -> bytes | None:
        return await self._entries.read(key)

    async def look(self, key: str, size: int | None = None) -> Found | None:
        return await self._entries.look(key, size)

    async def drop(self, key: str) -> bool:
        return await self._entries.drop(key)

    async def holds(self, key: str, token: str) -> bool:
        return await self._entries.holds(key, token)

    async def renew(self, key: str, token: str, lease_ms: int) -> bool:
        return await self._entries.renew(key, token, lease_ms)

    async def release(self, key: str, token: str) -> None:
        await self._entries.release(key, token)

    def changes(self, key: str) -> AbstractAsyncContextManager[Changes]:
        return self._entries.changes(key)

    async def invalidate(self, tag: str) -> int:
        return await self._entries.invalidate(tag)

    async def clear(self) -> int:
        return await self._entries.clear()
