"""Erasing users from Redis.

Nothing of a user lies in one slot with the tombstones, so that what went is noted after it went: a
process that is killed in between leaves that batch out of the receipt.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.redis.cache import RedisCacheEntries
from adapters.redis.client import Client
from adapters.redis.keyed import milliseconds_of
from adapters.redis.rate_limits import counts_of
from adapters.redis.scripts import Script
from adapters.redis.sessions import RedisSessionStore
from adapters.redis.tracking import RedisUnsynchronised, all_keys
from domain.identity import TenantId, UserId
from ports.erasing import ErasingConversations, added, key_of, tag_of
from ports.executions import ERASED_FOR
from ports.reading import back_off
from ports.together import together

_ERASE: Final = Script.named("execution_erase")
_AT_ONCE: Final = 100


class RedisErasing(ErasingConversations):
    """Of sessions, what is cached and counted, and execution states."""

    _client: Client
    _queue: RedisUnsynchronised

    async def _erase_user(self, tenant: TenantId, user: UserId, noting: bool) -> Mapping[str, int]:
        gone: dict[str, int] = {}
        added(gone, await self._noted(tenant, user, await self._sessions(tenant, user), noting))
        tag = tag_of(user)
        if tag is not None:
            values = await RedisCacheEntries(tenant, self._client).invalidate(tag)
            added(gone, await self._noted(tenant, user, {"cached_values": values}, noting))
        limits = {"rate_limits": await self._limits(tenant, user)}
        return added(gone, await self._noted(tenant, user, limits, noting))

    async def _sessions(self, tenant: TenantId, user: UserId) -> Mapping[str, int]:
        # As often as it takes: once the tombstone is seen, nobody logs in any more.
        sessions, ended, rounds = RedisSessionStore(tenant, self._client), 0, 0
        while True:
            gone, more = await sessions._remove_all(user, None)
            ended += gone
            if not more:
                return {"sessions": ended}
            rounds += 1
            await back_off(rounds)

    async def _limits(self, tenant: TenantId, user: UserId) -> int:
        """All that is counted under the user's key, by whatever rules the tenant has."""
        names = await counts_of(self._client, tenant, key_of(user))
        gone = await together(
            (self._client.execute("UNLINK", name, key=name, writes=True) for name in names),
            at_once=_AT_ONCE,
        )
        return sum(gone)

    async def _erase_conversations(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        kept = milliseconds_of(ERASED_FOR)
        erased = await together(
            (self._client.run(_ERASE, all_keys(tenant, id), [kept]) for id in ids),
            at_once=_AT_ONCE,
        )
        await self._queue.forget(tenant, ids)
        return await self._noted(tenant, user, {"executions": sum(erased)}, noting)
