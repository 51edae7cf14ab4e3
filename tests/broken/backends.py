"""A backend of the memory adapter in which one class is broken, whichever it is."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID

from adapters.memory import (
    MemoryAnalyticsStore,
    MemoryAuthoringStore,
    MemoryDialogueStore,
    MemoryRuntimeStore,
)
from adapters.memory.analytics import Events, MemoryAnalytics, MemoryAnalyticsMaintenance
from adapters.memory.audit import MemoryAuditLog
from adapters.memory.cache import MemoryCache, MemoryCacheEntries
from adapters.memory.conversations import MemoryConversationRepository
from adapters.memory.executions import MemoryExecutionStore
from adapters.memory.experiments import MemoryExperimentRepository
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.integrations import MemoryIntegrationRepository
from adapters.memory.locks import MemoryLocks
from adapters.memory.maintenance import MemoryAuthoringMaintenance, MemoryDialogueMaintenance
from adapters.memory.messages import MemoryMessageRepository
from adapters.memory.rate_limits import MemoryRateLimiter
from adapters.memory.runtime import MemoryRuntimeMaintenance
from adapters.memory.session import Session
from adapters.memory.sessions import MemorySessionStore
from adapters.memory.store import MemoryAuthoring, MemoryDialogue
from domain.audit import AuditEntry, AuditHead
from domain.identity import TenantId
from ports.analytics import Analytics
from ports.contracts.harness import RETENTION, Backend, Group, Opened
from ports.reading import Context
from ports.runtime import RuntimePorts
from ports.stores import AnalyticsMaintenance, RuntimeMaintenance
from tests.broken.cache_adapters import SoundCache
from tests.broken.cached_adapters import KINDS, cached_backend_of
from tests.contracts.tampering import (
    tamper_memory,
    tamper_memory_anchor,
    tamper_memory_head,
)

GROUPS = {
    MemoryAuthoringStore: Group.AUTHORING,
    MemoryDialogueStore: Group.DIALOGUE,
    MemoryRuntimeStore: Group.RUNTIME,
    MemoryAnalyticsStore: Group.ANALYTICS,
}
PORTS = {
    MemoryFlowRepository: (MemoryAuthoringStore, "flows"),
    MemoryExperimentRepository: (MemoryAuthoringStore, "experiments"),
    MemoryIntegrationRepository: (MemoryAuthoringStore, "integrations"),
    MemoryAuditLog: (MemoryAuthoringStore, "audit"),
    MemoryConversationRepository: (MemoryDialogueStore, "conversations"),
    MemoryMessageRepository: (MemoryDialogueStore, "messages"),
    MemorySessionStore: (MemoryRuntimeStore, "sessions"),
    MemoryExecutionStore: (MemoryRuntimeStore, "executions"),
    MemoryRateLimiter: (MemoryRuntimeStore, "rate_limits"),
    MemoryCache: (MemoryRuntimeStore, "cache"),
    MemoryLocks: (MemoryRuntimeStore, "locks"),
}


def backend_of(broken: type[Any]) -> Backend:
    """Two instances of a broken store over the same data, or of a sound one in which something
    else is broken.
    """
    if issubclass(broken, KINDS):
        return cached_backend_of(broken)
    kind = _store_with(broken)
    group = next(group for store, group in GROUPS.items() if issubclass(kind, store))

    class BrokenBackend(Backend):
        name: ClassVar[str] = broken.__name__
        offers: ClassVar[frozenset[Group]] = frozenset({group})

        def __init__(self) -> None:
            super().__init__()
            given: dict[str, Any] = {}
            if group is Group.ANALYTICS:
                given["retention"] = RETENTION
            elif group is Group.AUTHORING:
                given["secrets"] = self.keys
            self._store = kind(clock=self.clock, **given)

        @asynccontextmanager
        async def stores(self) -> AsyncIterator[Sequence[Opened]]:
            own_clock = self.ahead if group is Group.RUNTIME else None
            yield self._store.sibling(), self._store.sibling(clock=own_clock)

        async def tamper(self, tenant: TenantId, entries: Mapping[UUID, AuditEntry | None]) -> None:
            tamper_memory(self._store, tenant, entries)

        async def tamper_head(self, tenant: TenantId, head: AuditHead | None) -> None:
            tamper_memory_head(self._store, tenant, head)

        async def tamper_anchor(self, tenant: TenantId, anchor: AuditHead | None) -> None:
            tamper_memory_anchor(self._store, tenant, anchor)

    return BrokenBackend()


def _store_with(broken: type[Any]) -> type[Any]:
    if issubclass(broken, tuple(GROUPS)):
        return broken
    if issubclass(broken, MemoryAuthoringMaintenance | MemoryDialogueMaintenance):
        return _swept_by(broken)
    if issubclass(broken, MemoryRuntimeMaintenance):
        return _maintained_by(broken)
    if issubclass(broken, MemoryAnalytics | MemoryAnalyticsMaintenance):
        return _counting_with(broken)
    if issubclass(broken, MemoryCacheEntries):
        return _store_with(type(broken.__name__, (SoundCache,), {"entries": broken}))
    store, port = next(PORTS[sound] for sound in broken.__mro__ if sound in PORTS)

    class Authoring(MemoryAuthoringStore):
        def _on(self, context: Context, session: Session) -> MemoryAuthoring:
            made = super()._on(context, session)
            vars(made)[port] = broken(context, session)
            return made

    class Dialogue(MemoryDialogueStore):
        def _on(self, context: Context, session: Session) -> MemoryDialogue:
            made = super()._on(context, session)
            vars(made)[port] = broken(context, session)
            return made

    class Runtime(MemoryRuntimeStore):
        def repositories(self, tenant: TenantId) -> RuntimePorts:
            made = super().repositories(tenant)
            vars(made)[port] = broken(tenant, self._tenants[tenant], self._clock)
            return made

    return next(kind for kind in (Authoring, Dialogue, Runtime) if issubclass(kind, store))


def _maintained_by(broken: type[MemoryRuntimeMaintenance]) -> type[MemoryRuntimeStore]:
    class Maintained(MemoryRuntimeStore):
        def maintenance(self) -> RuntimeMaintenance:
            return broken(self._tenants, self._clock)

    return Maintained


def _swept_by(broken: type[Any]) -> type[Any]:
    sound: type[Any] = MemoryDialogueStore
    if issubclass(broken, MemoryAuthoringMaintenance):
        sound = MemoryAuthoringStore

    def maintenance(store: Any) -> Any:
        made = object.__new__(broken)
        vars(made).update(vars(sound.maintenance(store)))
        return made

    return type("Swept", (sound,), {"maintenance": maintenance})


def _counting_with(broken: type[Any]) -> type[MemoryAnalyticsStore]:
    class Counting(MemoryAnalyticsStore):
        def repositories(self, tenant: TenantId) -> Analytics:
            if not issubclass(broken, MemoryAnalytics):
                return super().repositories(tenant)
            context = Context(tenant=tenant, clock=self._clock, ids=self._ids)
            events = self._tenants.setdefault(tenant, Events())
            return broken(context, self._retention, events)

        def maintenance(self) -> AnalyticsMaintenance:
            if not issubclass(broken, MemoryAnalyticsMaintenance):
                return super().maintenance()
            return broken(self._tenants)

    return Counting
