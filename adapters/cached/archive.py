"""The archive of a store whose flows are kept at hand."""

from collections.abc import AsyncGenerator, Mapping, Sequence

from adapters.cached.flow_cache import FlowCache
from domain.errors import ValidationError
from domain.identity import TenantId
from ports.archives import FLOWS, Archive, Batch, Key, Put, Record, RecordKind, Restored
from ports.errors import ErasedError, TenantMismatchError


class CachedArchive(Archive):
    """Another store's; flows that are put back are dropped from the caches, all of the tenant's."""

    def __init__(self, origin: Archive, cache: FlowCache) -> None:
        super().__init__()
        self._origin = origin
        self._cache = cache
        vars(self).update(kinds=origin.kinds)

    def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        return self._origin.read(tenant)

    async def restore(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Restored:
        if kind is not FLOWS:
            return await self._origin.restore(tenant, kind, records)
        try:
            restored = await self._origin.restore(tenant, kind, records)
        except (ValidationError, TenantMismatchError, ErasedError):
            raise
        except BaseException:
            self._cache.unknown(self._cache.tenant(tenant), None)
            raise
        if restored.added:
            await self._cache.written(self._cache.tenant(tenant), None)
        return restored

    async def _put(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Sequence[Put]:
        return await self._origin._put(tenant, kind, records)

    async def _found(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Mapping[Key, Record]:
        return await self._origin._found(tenant, kind, records)
