"""To be written."""

from adapters.memory.runtime_data import TenantData
from domain.identity import TenantId
from ports.rate_limits import RateLimiter
from ports.time import Clock


class MemoryRateLimiter(RateLimiter):
    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock) -> None:
        self._tenant = tenant
        self._data = data
        self._clock = clock
