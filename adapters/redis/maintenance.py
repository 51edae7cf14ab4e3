"""What works across tenants, in Redis."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from adapters.redis.client import Client, RedisOptions
from adapters.redis.erasing import RedisErasing
from adapters.redis.keys import PREFIX, kind_of, parsed, tenant_of, tenant_pattern
from adapters.redis.rate_limits import RULES
from adapters.redis.tombstones import KIND as TOMBSTONES
from adapters.redis.tombstones import RedisTombstones
from adapters.redis.tracking import RedisUnsynchronised
from domain.identity import TenantId
from ports.erasing import added
from ports.stores import RuntimeMaintenance
from ports.together import together
from ports.tracking import Unsynchronised

COUNTED: Final[Mapping[str, str]] = {"session": "sessions", "execution": "executions"}
"""The kinds of keys that hold an entity, and how receipts call these."""

_BESIDE: Final = {TOMBSTONES, RULES}
"""The kinds of keys that are none of a tenant's data."""


class RedisRuntimeMaintenance(RedisErasing, RuntimeMaintenance):
    """Maintenance by the names of keys, on every node of a cluster."""

    def __init__(
        self,
        client: Client,
        queue: RedisUnsynchronised | None = None,
        tombstones: RedisTombstones | None = None,
    ) -> None:
        self._client = client
        self._queue = RedisUnsynchronised(client) if queue is None else queue
        self._tombstones = tombstones or RedisTombstones(client, deadline=RedisOptions().deadline)

    @property
    def tombstones(self) -> RedisTombstones:
        return self._tombstones

    @property
    def unsynchronised(self) -> Unsynchronised:
        return self._queue

    async def tenants(self) -> AsyncIterator[TenantId]:
        found: set[TenantId] = set()
        async for names in self._client.scan(f"{PREFIX}{{*"):
            for name in names:
                tenant = tenant_of(name)
                # To take a name apart takes longer than all else: once a tenant, not once a key.
                if tenant is None or tenant in found or kind_of(name) in _BESIDE:
                    continue
                if parsed(name):
                    found.add(tenant)
        for tenant in sorted(found):
            yield tenant

    async def erase_tenant(self, tenant: TenantId) -> int:
        # Twice: a key whose slot moves while the names are read may be on neither node when its
        # are; but then it is where it moved to when they are read again.
        noting = await self._stands(tenant, None)
        erased = await self._swept(tenant, noting) + await self._swept(tenant, noting)
        await self._queue.forget(tenant)
        return erased

    async def _swept(self, tenant: TenantId, noting: bool) -> int:
        erased = 0
        async for every in self._client.scan(tenant_pattern(tenant)):
            names = [name for name in every if kind_of(name) != TOMBSTONES]
            # One key a command, for each may lie on another node; a batch leaves in one write.
            gone = await together(
                self._client.execute("UNLINK", name, key=name, writes=True) for name in names
            )
            counts: dict[str, int] = {}
            for name, count in zip(names, gone, strict=True):
                if (what := COUNTED.get(kind_of(name))) is not None:
                    added(counts, {what: count})
            erased += sum(counts.values())
            await self._noted(tenant, None, counts, noting)
        return erased
