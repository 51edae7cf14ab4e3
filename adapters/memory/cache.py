"""To be written."""

from adapters.memory.runtime_data import TenantData
from domain.identity import TenantId
from ports.cache import Cache
from ports.time import Clock


class MemoryCache(Cache):
    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        self._tenant = tenant
        self._data = data
        self._clock = clock
