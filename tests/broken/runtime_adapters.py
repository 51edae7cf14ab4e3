"""The memory store of the runtime group, whose tenants or maintenance are broken in one way."""

from collections.abc import AsyncIterator
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from adapters.memory import MemoryRuntimeStore
from adapters.memory.cache import CachePart
from adapters.memory.keyed import Entities
from adapters.memory.locks import LockPart
from adapters.memory.runtime import MemoryRuntimeMaintenance
from adapters.memory.runtime_data import TenantData
from adapters.memory.sessions import UsersSessions
from domain.identity import TenantId
from ports.runtime import RuntimePorts


class SoundMaintenance(MemoryRuntimeMaintenance):
    """Maintenance as it should be; what is broken overrides a part of it."""


class SoundStore(MemoryRuntimeStore):
    """The same for the store."""


class FoldsTenants(SoundStore):
    """Names that differ in case are one tenant."""

    def repositories(self, tenant: TenantId) -> RuntimePorts:
        return super().repositories(TenantId(tenant.lower()))


class JoinsByColons(SoundStore):
    """What stands after a colon in a tenant's name is taken for something of its own."""

    def repositories(self, tenant: TenantId) -> RuntimePorts:
        return super().repositories(TenantId(tenant.partition(":")[0]))


class NamesWhoeverCame(SoundMaintenance):
    """Tenants that were only looked at, or have nothing left, are named."""

    async def tenants(self) -> AsyncIterator[TenantId]:
        for tenant in sorted(self._tenants):
            yield tenant


class KeepsListsForWhatWent(SoundMaintenance):
    """A user's list lasts as long as any session that was ever in it could have."""

    async def tenants(self) -> AsyncIterator[TenantId]:
        now = self._clock.now()
        lists = {
            tenant for tenant, data in self._tenants.items() if data.part(UsersSessions).keys(now)
        }
        sound = {tenant async for tenant in super().tenants()}
        for tenant in sorted(sound | lists):
            yield tenant


class NamesInOrderOfArrival(SoundMaintenance):
    """The order is that in which they came."""

    async def tenants(self) -> AsyncIterator[TenantId]:
        sound = {tenant async for tenant in super().tenants()}
        for tenant in self._tenants:
            if tenant in sound:
                yield tenant


class ErasesByPrefix(SoundMaintenance):
    """Whose name goes on after the tenant's is erased too."""

    async def erase_tenant(self, tenant: TenantId) -> int:
        for other in self._tenants:
            if other.startswith(tenant) and other != tenant:
                await super().erase_tenant(other)
        return await super().erase_tenant(tenant)


class ErasesByPattern(SoundMaintenance):
    """A name is taken for a pattern."""

    async def erase_tenant(self, tenant: TenantId) -> int:
        erased = 0
        for other in self._tenants:
            if fnmatchcase(other, tenant):
                erased += await super().erase_tenant(other)
        return erased


class _Spares(SoundMaintenance):
    """An erasure that forgets a port."""

    spared: ClassVar[type[Any]]

    async def erase_tenant(self, tenant: TenantId) -> int:
        data = self._tenants.get(tenant, TenantData())
        kept = data.parts.pop(self.spared, None)
        erased = await super().erase_tenant(tenant)
        if kept is not None:
            data.parts[self.spared] = kept
        return erased


class SparesTheCache(_Spares):
    """What is cached stays."""

    spared = CachePart


class SparesLocks(_Spares):
    """Who holds a lock goes on holding it."""

    spared = LockPart


class CountsWhatHasExpired(SoundMaintenance):
    """Whatever was ever there is counted, once."""

    async def erase_tenant(self, tenant: TenantId) -> int:
        data = self._tenants.get(tenant, TenantData())
        held = sum(len(part) for part in data.parts.values() if isinstance(part, Entities))
        await super().erase_tenant(tenant)
        return held


class CountsEverything(SoundMaintenance):
    """Limits and cached values too."""

    async def erase_tenant(self, tenant: TenantId) -> int:
        now = self._clock.now()
        data = self._tenants.get(tenant, TenantData())
        held = sum(part.live(now) for part in data.parts.values())
        await super().erase_tenant(tenant)
        return held
