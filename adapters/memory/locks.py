"""To be written."""

from adapters.memory.runtime_data import TenantData
from domain.identity import TenantId
from ports.locks import Locks
from ports.time import Clock


class MemoryLocks(Locks):
    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        self._tenant = tenant
        self._data = data
        self._clock = clock
