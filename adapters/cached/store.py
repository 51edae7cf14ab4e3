"""An authoring store whose flows are kept at hand."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from uuid import UUID

import attrs

from adapters.cached.archive import CachedArchive
from adapters.cached.flow_cache import FlowCache
from adapters.cached.repository import (
    UNCHANGED,
    CachedFlowRepository,
    Changes,
    ToldFlowRepository,
)
from adapters.cached.standing_in import standing_in
from adapters.cached.tenant import TenantFlows
from domain.errors import ValidationError
from domain.identity import NOBODY, Author, TenantId
from ports.errors import UnsupportedOperationError
from ports.stores import AuthoringMaintenance, AuthoringStore
from ports.unit_of_work import AuthoringRepositories, AuthoringUnit


class CachedAuthoringStore(AuthoringStore):
    """Another store, with flows that are read from a `FlowCache` first.

    All stores of a process over the same data share one, and all that changes flows goes through
    them: what is changed beside them is seen as another process' changes are. Units of work and
    everything but flows are the origin's own.
    """

    def __init__(self, origin: AuthoringStore, cache: FlowCache) -> None:
        self._origin = origin
        self._cache = cache
        # Attributes of their class elsewhere; here it is the origin that knows.
        vars(self).update(name=origin.name, capabilities=origin.capabilities)

    @property
    def origin(self) -> AuthoringStore:
        """The store behind it."""
        return self._origin

    def repositories(self, tenant: TenantId, author: Author = NOBODY) -> AuthoringRepositories:
        origin = self._origin.repositories(tenant, author)
        flows = CachedFlowRepository(origin.flows, self._cache)
        return standing_in(AuthoringRepositories, origin, flows=flows)  # type: ignore[type-abstract]  # a port

    @asynccontextmanager
    async def unit(self, tenant: TenantId, author: Author = NOBODY) -> AsyncIterator[AuthoringUnit]:
        flows = self._cache.tenant(tenant)
        changed, done = _InUnit(flows.changes), False
        try:
            async with self._origin.unit(tenant, author) as work:
                told = ToldFlowRepository(work.flows, changed)
                yield standing_in(AuthoringUnit, work, flows=told)  # type: ignore[type-abstract]  # a port
                done = True
        except UNCHANGED:
            raise
        except BaseException:
            # Unless the block itself ended so, it is the commit of which nobody knows.
            if done and changed.anything:
                self._cache.unknown(flows, changed.touched)
            raise
        await changed.tell(self._cache, flows)

    def maintenance(self) -> AuthoringMaintenance:
        maintenance = self._origin.maintenance()

        async def erase_tenant(tenant: TenantId) -> int:
            try:
                erased = await maintenance.erase_tenant(tenant)
            except ValidationError:
                raise
            except BaseException:
                self._cache.unknown(self._cache.tenant(tenant), None)
                raise
            await self._cache.written(self._cache.tenant(tenant), None)
            return erased

        own: dict[str, object] = {"erase_tenant": erase_tenant}
        with suppress(UnsupportedOperationError):
            own["archive"] = CachedArchive(maintenance.archive, self._cache)
        return standing_in(AuthoringMaintenance, maintenance, **own)  # type: ignore[type-abstract]  # a port

    async def check(self) -> None:
        await self._origin.check()


@attrs.define
class _InUnit(Changes):
    """What a unit of work changes, for when it has committed."""

    number: int
    """Of all changes that there had been when it began."""
    ids: set[UUID] | None = attrs.field(factory=set)
    uses: dict[UUID, tuple[int, datetime]] = attrs.field(factory=dict)

    @property
    def anything(self) -> bool:
        """Whether there is anything to be told."""
        return self.ids is None or bool(self.ids or self.uses)

    @property
    def touched(self) -> set[UUID] | None:
        """The flows that aren't as they were, in anything."""
        return None if self.ids is None else self.ids | self.uses.keys()

    async def tell(self, cache: FlowCache, flows: TenantFlows) -> None:
        """All of it has been committed."""
        if self.ids is None or self.ids:
            await cache.written(flows, self.touched)
            return
        for id, (count, at) in self.uses.items():
            await cache.used(flows, id, count, at, self.number)

    async def written(self, ids: Collection[UUID] | None) -> None:
        self.unknown(ids)

    def unknown(self, ids: Collection[UUID] | None) -> None:
        if ids is None or self.ids is None:
            self.ids = None
        else:
            self.ids.update(ids)

    async def used(self, id: UUID, count: int, at: datetime, since: int) -> None:
        known = self.uses.get(id)
        self.uses[id] = (count, at if known is None else max(at, known[1]))
