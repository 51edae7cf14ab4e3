"""What lives for a while, in this process's memory."""

from collections.abc import AsyncIterator
from functools import cached_property
from typing import ClassVar, Self

from adapters.memory.cache import CachePart, MemoryCache
from adapters.memory.executions import MemoryExecutionStore
from adapters.memory.locks import MemoryLocks
from adapters.memory.rate_limits import MemoryRateLimiter
from adapters.memory.runtime_data import TenantData
from adapters.memory.sessions import MemorySessionStore
from adapters.memory.tracking import MemoryTrackedExecutions, MemoryUnsynchronised, Queue
from adapters.system import SystemClock
from domain.identity import TenantId, tenant_id
from ports.cache import Cache
from ports.capabilities import Capability
from ports.executions import ExecutionStore
from ports.locks import Locks
from ports.rate_limits import RateLimiter
from ports.runtime import RuntimePorts
from ports.sessions import SessionStore
from ports.stores import RuntimeMaintenance, RuntimeStore
from ports.time import Clock
from ports.tracking import TrackedExecutions, Unsynchronised


class MemoryRuntimeStore(RuntimeStore):
    """Data in this process's memory, gone with it. The clock belongs to the data."""

    name: ClassVar[str] = "memory"
    capabilities: ClassVar[frozenset[Capability]] = frozenset()

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = SystemClock() if clock is None else clock
        self._tenants: dict[TenantId, TenantData] = {}
        self._queue = Queue()

    def sibling(self, *, clock: Clock | None = None) -> Self:
        """Another store over the same data, as a second process would have it.

        It goes by this one's clock: a clock of its own, as a second process has, decides nothing.
        """
        del clock
        other = type(self)(clock=self._clock)
        other._tenants = self._tenants
        other._queue = self._queue
        return other

    def repositories(self, tenant: TenantId) -> RuntimePorts:
        data = self._tenants.setdefault(tenant, TenantData())
        return MemoryRuntimePorts(tenant, data, self._clock, self._queue)

    def maintenance(self) -> RuntimeMaintenance:
        return MemoryRuntimeMaintenance(self._tenants, self._clock, self._queue)

    async def check(self) -> None:
        return

    async def close(self) -> None:
        """End what caches load in the background, for every store over the same data, which can be
        used on.
        """
        for data in [*self._tenants.values()]:
            cache = data.parts.get(CachePart)
            if isinstance(cache, CachePart):
                await cache.state.close()


class MemoryRuntimePorts(RuntimePorts):
    """A tenant's ports."""

    def __init__(self, tenant: TenantId, data: TenantData, clock: Clock, queue: Queue) -> None:
        self._tenant = tenant
        self._data = data
        self._clock = clock
        self._queue = queue

    @cached_property
    def sessions(self) -> SessionStore:
        return MemorySessionStore(self._tenant, self._data, self._clock)

    @cached_property
    def executions(self) -> ExecutionStore:
        return MemoryExecutionStore(self._tenant, self._data, self._clock)

    @cached_property
    def tracked_executions(self) -> TrackedExecutions:
        return MemoryTrackedExecutions(self._tenant, self._data, self._clock, self._queue)

    @cached_property
    def rate_limits(self) -> RateLimiter:
        return MemoryRateLimiter(self._tenant, self._data, self._clock)

    @cached_property
    def cache(self) -> Cache:
        return MemoryCache(self._tenant, self._data, self._clock)

    @cached_property
    def locks(self) -> Locks:
        return MemoryLocks(self._tenant, self._data, self._clock)


class MemoryRuntimeMaintenance(RuntimeMaintenance):
    """Maintenance of what lives for a while, in memory."""

    def __init__(
        self, tenants: dict[TenantId, TenantData], clock: Clock, queue: Queue | None = None
    ) -> None:
        self._tenants = tenants
        self._clock = clock
        self._queue = Queue() if queue is None else queue

    @property
    def unsynchronised(self) -> Unsynchronised:
        return MemoryUnsynchronised(self._queue, self._tenants, self._clock)

    async def tenants(self) -> AsyncIterator[TenantId]:
        for tenant in sorted(self._tenants):
            now = self._clock.now()
            if any(part.live(now) for part in self._tenants[tenant].parts.values()):
                yield tenant

    async def erase_tenant(self, tenant: TenantId) -> int:
        if tenant_id(tenant) not in self._tenants:
            return 0
        now, erased = self._clock.now(), 0
        for part in self._tenants[tenant].parts.values():
            erased += part.live(now) if part.counted else 0
            part.clear()
        return erased
