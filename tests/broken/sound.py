"""What is broken: the memory adapter, with a part of it overridden."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, ClassVar

from adapters.memory import MemoryAuthoringStore
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.session import Session
from adapters.memory.store import MemoryAuthoring
from domain.identity import TenantId
from ports.contracts.harness import Backend
from ports.flows import FlowRepository
from ports.reading import Context
from ports.stores import AuthoringStore
from ports.time import Clock


class Sound(MemoryFlowRepository):
    """The repository as it should be; what is broken overrides a part of it."""

    store: "Store"


class Store(MemoryAuthoringStore):
    """A memory store with another repository."""

    repository: ClassVar[type[Sound]] = Sound

    def __init__(self, *, clock: Clock, shared: "Store | None" = None) -> None:
        super().__init__(clock=clock)
        if shared is not None:
            self._tenants = shared._tenants

    def _repositories(self, tenant: TenantId, session: Any) -> MemoryAuthoring:
        sound = super()._repositories(tenant, session)
        return _Repositories(sound._context, session, self)


class _Repositories(MemoryAuthoring):
    def __init__(self, context: Context, session: Session, store: Store) -> None:
        super().__init__(context, session)
        self._store = store

    @cached_property
    def flows(self) -> FlowRepository:
        made = self._store.repository(self._context, self._session)
        made.store = self._store
        return made


def backend_of(broken: type[Store] | type[Sound]) -> Backend:
    """A backend over a store, or over a plain store with that repository."""
    if issubclass(broken, Store):
        kind: type[Store] = broken
    else:
        kind = type(broken.__name__, (Store,), {"repository": broken})

    class BrokenBackend(Backend):
        name: ClassVar[str] = broken.__name__

        @asynccontextmanager
        async def stores(self) -> AsyncIterator[Sequence[AuthoringStore]]:
            first = kind(clock=self.clock)
            yield first, kind(clock=self.clock, shared=first)

    return BrokenBackend()
