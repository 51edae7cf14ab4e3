"""What lives for a while, in this process's memory."""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

from adapters.memory.cache import CachePart, MemoryCache, MemoryCacheEntries
from adapters.memory.executions import (
    ErasedConversations,
    Executions,
    Fences,
    MemoryExecutionStore,
)
from adapters.memory.keyed import Expiring
from adapters.memory.locks import MemoryLocks
from adapters.memory.rate_limits import Counts, MemoryRateLimiter, microseconds
from adapters.memory.runtime_archive import MemoryRuntimeArchive
from adapters.memory.runtime_data import TenantData
from adapters.memory.sessions import MemorySessionStore, Sessions
from adapters.memory.tombstones import MemoryTombstones
from adapters.memory.tracking import (
    Graves,
    Lives,
    MemoryTrackedExecutions,
    MemoryUnsynchronised,
    Notes,
    Queue,
)
from adapters.system import SystemClock
from domain.identity import TenantId, UserId, tenant_id
from domain.rules import instant
from ports.cache import Cache
from ports.capabilities import Capability
from ports.erasing import key_of, tag_of
from ports.executions import ERASED_FOR, ExecutionStore
from ports.gate import Gate
from ports.locks import Locks
from ports.rate_limits import RateLimiter
from ports.runtime import RuntimePorts
from ports.sessions import SessionStore
from ports.stores import RuntimeMaintenance, RuntimeStore
from ports.time import Clock
from ports.tombstones import Tombstones
from ports.tracking import TrackedExecutions, Unsynchronised


class MemoryRuntimeStore(RuntimeStore):
    """Data in this process's memory, gone with it. The clock belongs to the data."""

    name: ClassVar[str] = "memory"
    capabilities: ClassVar[frozenset[Capability]] = frozenset()

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = SystemClock() if clock is None else clock
        self._tenants: dict[TenantId, TenantData] = {}
        self._queue = Queue()
        self._tombstones = MemoryTombstones(self._clock)

    def sibling(self, *, clock: Clock | None = None) -> Self:
        """Another store over the same data, as a second process would have it.

        It goes by this one's clock: a clock of its own, as a second process has, decides nothing.
        """
        del clock
        other = type(self)(clock=self._clock)
        other._tenants = self._tenants
        other._queue = self._queue
        other._tombstones = self._tombstones
        return other

    def repositories(self, tenant: TenantId) -> RuntimePorts:
        data = self._tenants.setdefault(tenant, TenantData())
        return MemoryRuntimePorts(tenant, data, self._clock, self._queue, self._tombstones.gate)

    def maintenance(self) -> RuntimeMaintenance:
        made = MemoryRuntimeMaintenance(self._tenants, self._clock, self._queue, self._tombstones)

        def data_of(tenant: TenantId) -> TenantData:
            return self._tenants.setdefault(tenant, TenantData())

        gate = self._tombstones.gate
        return made.keeping(MemoryRuntimeArchive(data_of, self._clock, self._queue, gate))

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

    def __init__(
        self, tenant: TenantId, data: TenantData, clock: Clock, queue: Queue, gate: Gate
    ) -> None:
        self._tenant = tenant
        self._data = data
        self._clock = clock
        self._queue = queue
        self._gate = gate

    @cached_property
    def sessions(self) -> SessionStore:
        return MemorySessionStore(self._tenant, self._data, self._clock, self._gate)

    @cached_property
    def executions(self) -> ExecutionStore:
        return MemoryExecutionStore(self._tenant, self._data, self._clock, self._gate)

    @cached_property
    def tracked_executions(self) -> TrackedExecutions:
        return MemoryTrackedExecutions(
            self._tenant, self._data, self._clock, self._queue, self._gate
        )

    @cached_property
    def rate_limits(self) -> RateLimiter:
        return MemoryRateLimiter(self._tenant, self._data, self._clock, self._gate)

    @cached_property
    def cache(self) -> Cache:
        return MemoryCache(self._tenant, self._data, self._clock, self._gate)

    @cached_property
    def locks(self) -> Locks:
        return MemoryLocks(self._tenant, self._data, self._clock, self._gate)


class MemoryRuntimeMaintenance(RuntimeMaintenance):
    """Maintenance of what lives for a while, in memory."""

    def __init__(
        self,
        tenants: dict[TenantId, TenantData],
        clock: Clock,
        queue: Queue | None = None,
        tombstones: MemoryTombstones | None = None,
    ) -> None:
        self._tenants = tenants
        self._clock = clock
        self._queue = Queue() if queue is None else queue
        self._tombstones = MemoryTombstones(clock) if tombstones is None else tombstones

    @property
    def tombstones(self) -> Tombstones:
        return self._tombstones

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
        now, erased, gone = self._clock.now(), 0, dict[str, int]()
        for part in self._tenants[tenant].parts.values():
            count = part.live(now) if part.counted else 0
            part.clear()
            erased += count
            if count:
                gone["sessions" if isinstance(part, Sessions) else "executions"] = count
        MemoryUnsynchronised(self._queue, self._tenants, self._clock).forget(tenant)
        await self._noted(tenant, None, gone, await self._stands(tenant, None))
        return erased

    async def _erase_user(self, tenant: TenantId, user: UserId, noting: bool) -> Mapping[str, int]:
        if tenant not in self._tenants:
            return {}
        data, now = self._tenants[tenant], self._clock.now()
        sessions, _ = await MemorySessionStore(tenant, data, self._clock)._remove_all(user, None)
        limits = data.part(Counts).forget_key(key_of(user), microseconds(now))
        tag, values = tag_of(user), 0
        if tag is not None:
            values = await MemoryCacheEntries(data.part(CachePart), self._clock).invalidate(tag)
        gone = {"sessions": sessions, "rate_limits": limits, "cached_values": values}
        return await self._noted(tenant, user, gone, noting)

    async def _erase_conversations(
        self, tenant: TenantId, user: UserId, ids: Sequence[str], noting: bool
    ) -> Mapping[str, int]:
        data = self._tenants.setdefault(tenant, TenantData())
        now, erased = instant(self._clock.now()), 0
        for id in ids:
            erased += data.part(Executions).remove(id, now)
            for kind in (Fences, Lives, Notes, Graves):
                kept: Expiring[str, Any] = data.part(kind)
                kept.remove(id, now)
            data.part(ErasedConversations).put(id, True, now + ERASED_FOR, now)
        MemoryUnsynchronised(self._queue, self._tenants, self._clock).forget(tenant, ids)
        return await self._noted(tenant, user, {"executions": erased}, noting)
