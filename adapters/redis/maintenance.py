"""What works across tenants, in Redis."""

from collections.abc import AsyncIterator
from typing import Final

from adapters.redis.client import Client
from adapters.redis.keys import PREFIX, kind_of, parsed, tenant_of, tenant_pattern
from adapters.redis.tracking import RedisUnsynchronised
from domain.identity import TenantId
from ports.stores import RuntimeMaintenance
from ports.together import together
from ports.tracking import Unsynchronised

COUNTED: Final = frozenset({"session", "execution"})
"""The kinds of keys that hold an entity."""


class RedisRuntimeMaintenance(RuntimeMaintenance):
    """Maintenance by the names of keys, on every node of a cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def unsynchronised(self) -> Unsynchronised:
        return RedisUnsynchronised(self._client)

    async def tenants(self) -> AsyncIterator[TenantId]:
        found: set[TenantId] = set()
        async for names in self._client.scan(f"{PREFIX}{{*"):
            for name in names:
                tenant = tenant_of(name)
                # To take a name apart takes longer than all else: once a tenant, not once a key.
                if tenant is not None and tenant not in found and parsed(name):
                    found.add(tenant)
        for tenant in sorted(found):
            yield tenant

    async def erase_tenant(self, tenant: TenantId) -> int:
        # Twice: a key whose slot moves while the names are read may be on neither node when its
        # are; but then it is where it moved to when they are read again.
        return await self._swept(tenant) + await self._swept(tenant)

    async def _swept(self, tenant: TenantId) -> int:
        erased = 0
        async for names in self._client.scan(tenant_pattern(tenant)):
            # One key a command, for each may lie on another node; a batch leaves in one write.
            gone = await together(
                self._client.execute("UNLINK", name, key=name, writes=True) for name in names
            )
            kinds = map(kind_of, names)
            erased += sum(count for kind, count in zip(kinds, gone, strict=True) if kind in COUNTED)
        return erased
