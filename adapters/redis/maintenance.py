"""What works across tenants, in Redis."""

from collections.abc import AsyncIterator

from adapters.redis.client import Client
from adapters.redis.keys import PREFIX, kind_of, tenant_of, tenant_pattern
from domain.identity import TenantId
from ports.stores import RuntimeMaintenance

COUNTED = ("session", "execution")
"""The kinds of keys that hold an entity."""


class RedisRuntimeMaintenance(RuntimeMaintenance):
    """Maintenance by the names of keys."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tenants(self) -> AsyncIterator[TenantId]:
        """Every tenant that has a key."""
        found: set[TenantId] = set()
        async for names in self._client.scan(f"{PREFIX}{{*"):
            found.update(tenant for name in names if (tenant := tenant_of(name)))
        for tenant in sorted(found):
            yield tenant

    async def erase_tenant(self, tenant: TenantId) -> int:
        """Remove every key of the tenant; how many sessions and execution states went."""
        erased = 0
        async for names in self._client.scan(tenant_pattern(tenant)):
            for name in names:
                gone = await self._client.execute("UNLINK", name, key=name, writes=True)
                erased += gone if kind_of(name) in COUNTED else 0
        return erased
