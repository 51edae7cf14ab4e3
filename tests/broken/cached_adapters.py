"""Cached flows, broken in one way at a time."""

import math
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from adapters.cached import CachedAuthoringStore, FlowCache
from adapters.cached.codec import Flows
from adapters.cached.repository import CachedFlowRepository, ToldFlowRepository
from adapters.cached.shared import Load, Lookup
from adapters.cached.standing_in import standing_in
from adapters.cached.tenant import TenantFlows
from domain.flows import Flow
from domain.identity import NOBODY, Author, TenantId
from ports.contracts.harness import Backend, Opened
from ports.unit_of_work import AuthoringRepositories, AuthoringUnit
from tests.cached.parts import Faults, FaultyRuntime
from tests.contracts.cached_backends import SlowAuthoringStore

T = TypeVar("T")


class SoundFlows(TenantFlows):
    """A tenant's part of the cache as it should be; what is broken overrides a part of it."""


class SoundRepository(CachedFlowRepository):
    """The same for the repository."""


class SoundStore(CachedAuthoringStore):
    """The same for the store."""

    repository: type[SoundRepository] = SoundRepository

    def repositories(self, tenant: TenantId, author: Author = NOBODY) -> AuthoringRepositories:
        origin = self._origin.repositories(tenant, author)
        flows = self.repository(origin.flows, self._cache)
        return standing_in(AuthoringRepositories, origin, flows=flows)  # type: ignore[type-abstract]  # a port


class SoundCache(FlowCache):
    """The same for the process."""

    part: type[SoundFlows] = SoundFlows
    away: bool = False
    """Whether the shared cache is."""

    def tenant(self, tenant: TenantId) -> TenantFlows:
        flows: Any = super().tenant(tenant)
        flows.__class__ = self.part
        return flows  # type: ignore[no-any-return]  # of that class now


class WithoutTheSharedCache(SoundCache):
    """Sound, while the shared cache is away."""

    away = True


KINDS = (SoundFlows, SoundRepository, SoundStore, SoundCache)


def _with(kind: type[T], **parts: object) -> type[T]:
    made: type[T] = type(kind.__name__, (kind,), parts)
    return made


def cached_backend_of(broken: type[Any]) -> Backend:
    """Two stores of one process, sound but for this."""
    store: type[SoundStore] = SoundStore
    cache: type[SoundCache] = SoundCache
    if issubclass(broken, SoundStore):
        store = broken
    elif issubclass(broken, SoundCache):
        cache = broken
    elif issubclass(broken, SoundRepository):
        store = _with(SoundStore, repository=broken)
    else:
        cache = _with(SoundCache, part=broken, away=broken is ShowsErrors)

    class BrokenBackend(Backend):
        name: ClassVar[str] = broken.__name__

        @asynccontextmanager
        async def stores(self) -> AsyncIterator[Sequence[Opened]]:
            runtime = FaultyRuntime(clock=self.clock)
            runtime.faults = Faults(away=cache.away)
            process = cache(runtime, monotonic=lambda: 0.0)
            origin = SlowAuthoringStore(clock=self.clock)
            yield [store(origin.sibling(), process) for _ in range(2)]
            await process.close()

    return BrokenBackend()


# What a process keeps.


class FillsStale(SoundFlows):
    """Keeps what was read before a change and is answered after it."""

    def note(self, ids: Collection[UUID] | None, *, doubted: float = -math.inf) -> None:
        super().note(ids, doubted=doubted)
        self.generation -= 1
        copies = self._process.copies
        for place in [place for place in copies if place[0] == self.tenant]:
            del copies[place]


class JoinsWhateverIsRead(SoundFlows):
    """Gives a caller what was read before it came."""

    def _serves(self, flight: Any, lookup: Lookup) -> bool:
        return True


class LagsInItsOwnCounts(SoundFlows):
    """Leaves a use to show when the cache ends."""

    def used(self, id: UUID, count: int, at: datetime, since: int) -> bool:
        return False


class CountsWithoutOrder(SoundFlows):
    """Shows uses, and leaves the lists as they stood."""

    def at_hand(self, key: object) -> Flows | None:
        copy = self._process.copies.get((self.tenant, key))
        if type(key) is not int or copy is None or copy.generation != self.generation:
            return super().at_hand(key)
        return tuple(map(self._uses._shown, copy.flows))


class ShowsErrors(SoundFlows):
    """Fails as the shared cache does."""

    async def read(self, lookup: Lookup, load: Load) -> Flows:
        assert self._shared is not None
        await self._shared._cache.get(lookup.name)
        return await super().read(lookup, load)


# What is told.


class ForgetsTheFormerDefault(SoundRepository):
    """Drops the new default alone."""

    async def _swap_default(self, id: UUID, by: str | None, now: datetime) -> Flow:
        return await self._told([id], self._origin._swap_default(id, by, now))


class ForgetsThatThereWasNone(SoundRepository):
    """Tells of no creation."""

    async def _insert(self, entities: Sequence[Flow]) -> None:
        await self._origin._insert(entities)


class ForgetsBulk(SoundRepository):
    """Tells of no change of many."""

    async def _patch_where(self, criteria: Any, changes: Any, now: datetime) -> int:
        return await self._origin._patch_where(criteria, changes, now)


class DropsBeforeTheCommit(SoundStore):
    """Tells what a unit of work changes as it changes it."""

    @asynccontextmanager
    async def unit(self, tenant: TenantId, author: Author = NOBODY) -> AsyncIterator[AuthoringUnit]:
        outside = SoundRepository(self._origin.repositories(tenant).flows, self._cache)
        async with self._origin.unit(tenant, author) as work:
            flows = ToldFlowRepository(work.flows, outside._changes)
            yield standing_in(AuthoringUnit, work, flows=flows)  # type: ignore[type-abstract]  # a port


class UnitsReadTheCache(SoundStore):
    """Lets a unit of work read what others have kept."""

    @asynccontextmanager
    async def unit(self, tenant: TenantId, author: Author = NOBODY) -> AsyncIterator[AuthoringUnit]:
        async with super().unit(tenant, author) as work:
            outside, flows = self.repositories(tenant).flows, work.flows
            for name in ("get_by_id", "get_default", "get_active", "get_by_name_and_version"):
                vars(flows)[name] = getattr(outside, name)
            yield work
