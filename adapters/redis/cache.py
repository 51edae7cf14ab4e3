"""The cache in Redis: an entry is a string, a lease is one, and a tag has a sorted set of keys."""

import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakKeyDictionary

import attrs

from adapters.json_codec import JSON
from adapters.redis.client import Client, Notices
from adapters.redis.keys import key as named
from adapters.redis.keys import kind_of, tenant_pattern
from adapters.redis.scripts import Script
from domain.identity import TenantId
from ports.cache import Cache
from ports.cache_entries import BRIEF, NONCE, Answer, CacheEntries, Changes, Found, Held
from ports.cache_loading import CacheState
from ports.gate import OPEN, Admission, Gate
from ports.together import together

ENTRY: Final = "cache"
LEASE: Final = "cache-lease"
PAGE: Final = 500

_LOOK = Script.named("cache_look", writes=False)
_PUT = Script.named("cache_put")
_DROP = Script.named("cache_drop")
_PROLONG = Script.named("cache_prolong")
_TAKE = Script.named("cache_take")
_SEIZE = Script.named("cache_seize")
_RENEW = Script.named("cache_renew")
_FILL = Script.named("cache_fill")
_RELEASE = Script.named("cache_release")
_NOTE = Script.named("cache_note")
_DOOM = Script.named("cache_doom")
_DONE = Script.named("cache_done")

_states: "WeakKeyDictionary[Client, dict[TenantId, CacheState]]" = WeakKeyDictionary()


def state_of(client: Client, tenant: TenantId) -> CacheState:
    """What this process knows of a tenant's cache through that client."""
    return _states.setdefault(client, {}).setdefault(tenant, CacheState())


async def end_loads(client: Client) -> None:
    """End what caches load in the background through a client; before it is closed."""
    await together(state.close() for state in _states.pop(client, {}).values())


class RedisCache(Cache):
    """Values in Redis."""

    def __init__(self, tenant: TenantId, client: Client, gate: Gate = OPEN) -> None:
        entries, admission = RedisCacheEntries(tenant, client), Admission(tenant, gate)
        super().__init__(entries, state_of(client, tenant), JSON, admission)


@attrs.frozen
class _Changes(Changes):
    notices: Notices

    async def wait(self, seconds: float) -> None:
        await self.notices.wait(seconds)


class RedisCacheEntries(CacheEntries):
    """Entry and lease of a key are in its own slot, what is noted under a tag in the tag's.

    A tag that is invalidated has its set renamed: nothing is noted in it any more, so that whoever
    works it off, be it several at once or one after another's death, comes to an end.

    A server that evicts may forget what is noted, and not what was stored: then an invalidation
    doesn't find it, and it is served until it ends. (As for locks and limits: `noeviction`.)
    A fail-over to a replica that lagged behind may do the same, or bring back what was dropped.
    """

    def __init__(self, tenant: TenantId, client: Client) -> None:
        self._tenant = tenant
        self._client = client

    def _keys(self, key: str) -> tuple[str, str]:
        entry = named(self._tenant, key, ENTRY)
        return entry, _lease_of(entry)

    async def read(self, key: str) -> bytes | None:
        name = named(self._tenant, key, ENTRY)
        raw: bytes | None = await self._client.execute("GET", name, key=name, writes=False)
        return raw

    async def look(self, key: str, size: int | None = None) -> Found | None:
        name = named(self._tenant, key, ENTRY)
        reply = await self._client.run(_LOOK, [name], [-1 if size is None else size - 1])
        return None if reply is None else Found(*reply)

    async def put(self, key: str, raw: bytes, lives_ms: int) -> None:
        entry, lease = self._keys(key)
        await self._client.run(_PUT, [entry, lease], [raw, lives_ms, lease])

    async def drop(self, key: str) -> bool:
        return await self._drop(named(self._tenant, key, ENTRY))

    async def _drop(self, entry: str) -> bool:
        lease = _lease_of(entry)
        reply = await self._client.run(_DROP, [entry, lease], [lease, BRIEF - 1])
        return reply is not None and Found(*reply).is_fresh

    async def prolong(self, key: str, nonce: bytes, lives_ms: int) -> bool:
        name = named(self._tenant, key, ENTRY)
        arguments = (nonce, lives_ms, NONCE.start, NONCE.stop - 1)
        return bool(await self._client.run(_PROLONG, [name], arguments))

    async def take(self, key: str, token: str, seen: bytes, lease_ms: int) -> Answer:
        arguments = (token, lease_ms, seen, NONCE.start, NONCE.stop - 1)
        reply = await self._client.run(_TAKE, self._keys(key), arguments)
        if reply is None:
            return None
        return Held(*reply) if len(reply) == 1 else Found(*reply)

    async def seize(self, key: str, token: str, lease_ms: int) -> bytes:
        arguments = (token, lease_ms, NONCE.start, NONCE.stop - 1)
        seen: bytes = await self._client.run(_SEIZE, self._keys(key), arguments)
        return seen

    async def holds(self, key: str, token: str) -> bool:
        lease = self._keys(key)[1]
        held = await self._client.execute("GET", lease, key=lease, writes=False)
        return bool(held == token.encode())

    async def renew(self, key: str, token: str, lease_ms: int) -> bool:
        return bool(await self._client.run(_RENEW, [self._keys(key)[1]], [token, lease_ms]))

    async def fill(self, key: str, token: str, raw: bytes, lives_ms: int) -> bool:
        entry, lease = self._keys(key)
        return bool(await self._client.run(_FILL, [entry, lease], [token, raw, lives_ms, lease]))

    async def release(self, key: str, token: str) -> None:
        lease = self._keys(key)[1]
        await self._client.run(_RELEASE, [lease], [token, lease])

    @asynccontextmanager
    async def changes(self, key: str) -> AsyncIterator[Changes]:
        async with self._client.listen(self._keys(key)[1]) as notices:
            yield _Changes(notices)

    async def register(self, tags: Sequence[str], key: str, lives_ms: int) -> None:
        names = [named(self._tenant, tag, "cache-tag") for tag in tags]
        await together(self._client.run(_NOTE, [name], [key, lives_ms]) for name in names)

    async def invalidate(self, tag: str) -> int:
        noted, dooming = (named(self._tenant, tag, f"cache-{what}") for what in ("tag", "dooming"))
        token, dropped = secrets.token_hex(8), 0
        # What others began, or left undone, belongs to what was noted before: work it off, too.
        for each in await self._client.run(
            _DOOM, [noted, dooming, self._doomed(tag, token)], [token]
        ):
            doomed = self._doomed(tag, each.decode())
            while page := await self._client.execute(
                "ZRANGE", doomed, 0, PAGE - 1, key=doomed, writes=False
            ):
                names = [named(self._tenant, member.decode(), ENTRY) for member in page]
                dropped += await self._drop_all(names)
                if not await self._client.run(_DONE, [doomed, dooming], [each, *page]):
                    break
            else:
                await self._client.run(_DONE, [doomed, dooming], [each])
        return dropped

    def _doomed(self, tag: str, token: str) -> str:
        return named(self._tenant, tag, "cache-doomed", token)

    async def clear(self) -> int:
        # Twice: a load that stores its value, and gives its lease up, while the names are read may
        # have neither found; but then it has stored it before they are read again.
        return await self._swept() + await self._swept()

    async def _swept(self) -> int:
        dropped = 0
        async for names in self._client.scan(tenant_pattern(self._tenant)):
            # Of an entry and its lease either may be found alone.
            entries = {_entry_of(name) for name in names if kind_of(name) in (ENTRY, LEASE)}
            dropped += await self._drop_all(entries)
        return dropped

    async def _drop_all(self, entries: Iterable[str]) -> int:
        waiting, dropped = list(entries), 0
        for start in range(0, len(waiting), PAGE):
            some = waiting[start : start + PAGE]
            dropped += sum(await together(map(self._drop, some)))
        return dropped


def _lease_of(entry: str) -> str:
    return f"{entry}-lease"


def _entry_of(name: str) -> str:
    return name.removesuffix("-lease")
