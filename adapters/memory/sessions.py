"""To be written."""

from adapters.memory.runtime_data import TenantData
from domain.identity import TenantId
from ports.sessions import SessionStore
from ports.time import Clock


class MemorySessionStore(SessionStore):
    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        self._tenant = tenant
        self._data = data
        self._clock = clock
