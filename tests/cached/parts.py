"""Processes with caches of flows over the same data, and an origin and a shared cache that fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import attrs

from adapters.cached import CachedAuthoringStore, FlowCache
from adapters.cached.standing_in import standing_in
from adapters.memory import ManualClock, MemoryAuthoringStore, MemoryRuntimeStore
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.session import Session
from adapters.memory.store import MemoryAuthoring
from domain.definitions import FlowDefinition
from domain.flows import Flow
from domain.identity import NOBODY, Author, TenantId
from ports.cache_entries import CacheEntries
from ports.errors import StoreUnavailableError
from ports.flows import FlowRepository
from ports.reading import Context, Selection
from ports.runtime import RuntimePorts
from ports.stores import TenantScope

T = TypeVar("T")

TENANT = TenantId("acme")
VALID = FlowDefinition.external({"say": "hello"})
PATIENCE = 20.0
"""Seconds after which something that has to happen hasn't."""

_ASKED = ("read", "look", "put", "drop", "take", "seize", "holds", "renew", "fill", "release")
_ASKED_OF_TAGS = ("register", "invalidate", "clear")


@attrs.define(eq=False)
class Faults:
    """What is wrong with the shared cache, and how often it was asked."""

    away: bool = False
    hanging: bool = False
    asked: list[str] = attrs.field(factory=list)
    held: dict[str, asyncio.Event] = attrs.field(factory=dict)
    """By name, what isn't done before its event is set."""

    def wrapped(self, entries: CacheEntries) -> CacheEntries:
        """The same entries, with these faults."""
        own = {name: self._faulty(name, entries) for name in (*_ASKED, *_ASKED_OF_TAGS)}
        return standing_in(CacheEntries, entries, **own)  # type: ignore[type-abstract]  # a port

    def _faulty(self, name: str, entries: CacheEntries) -> Callable[..., Awaitable[Any]]:
        async def ask(*arguments: Any) -> Any:
            self.asked.append(name)
            if self.hanging:
                await asyncio.Event().wait()
            if self.away:
                raise StoreUnavailableError("the cache is away")
            if name in self.held:
                await self.held[name].wait()
            return await getattr(entries, name)(*arguments)

        return ask


class FaultyRuntime(MemoryRuntimeStore):
    """What lives for a while, in memory; with a cache that may fail."""

    faults: Faults

    def repositories(self, tenant: TenantId) -> RuntimePorts:
        ports = super().repositories(tenant)
        vars(ports)["cache"] = ports.cache.through(self.faults.wrapped)
        return ports


@attrs.define(eq=False)
class Course:
    """What the origin was asked, and what becomes of it."""

    reads: int = 0
    held: asyncio.Event | None = None
    """Reads aren't answered before it is set; what they read was read before."""
    begun: asyncio.Event = attrs.field(factory=asyncio.Event)
    lost: BaseException | None = None
    """Raised by writes, and by commits, that have happened."""
    lands: asyncio.Event | None = None
    """Before it is set, no write happens; then it does, whether or not anybody still waits."""
    told: asyncio.Event | None = None
    """Before it is set, nobody is told of a use that was counted."""

    async def read(self, found: T) -> T:
        """A read has been done."""
        self.reads += 1
        self.begun.set()
        if self.held is not None:
            await self.held.wait()
        return found

    async def landed(self, write: Callable[[], Awaitable[T]]) -> T:
        """A write is done, sooner or later."""
        if (lands := self.lands) is None:
            return await write()

        async def later() -> T:
            await lands.wait()
            return await write()

        self.begun.set()
        return await asyncio.shield(asyncio.create_task(later()))

    def written(self) -> None:
        """A write has been done."""
        if self.lost is not None:
            raise self.lost


class WatchedFlowRepository(MemoryFlowRepository):
    """Flows, whose course is watched."""

    course: Course

    async def _get(self, id: Any) -> Flow | None:
        return await self.course.read(await super()._get(id))

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        return await self.course.read(await super()._select(selection))

    async def _patch(
        self, id: Any, expected_revision: int | None, changes: Mapping[str, Any], now: Any
    ) -> Flow:
        patch = super()._patch
        stored = await self.course.landed(lambda: patch(id, expected_revision, changes, now))
        self.course.written()
        return stored

    async def _count_use(self, id: UUID, amount: int, used_at: Any) -> int:
        count = await super()._count_use(id, amount, used_at)
        self.course.begun.set()
        if self.course.told is not None:
            await self.course.told.wait()
        return count


class WatchedStore(MemoryAuthoringStore):
    """Authoring data, the course of whose flows is watched."""

    course: Course

    @asynccontextmanager
    async def unit(
        self, tenant: TenantId, author: Author = NOBODY
    ) -> AsyncIterator[MemoryAuthoring]:
        lost, self.course.lost = self.course.lost, None
        async with super().unit(tenant, author) as work:
            yield work
        self.course.lost = lost
        self.course.written()

    def _on(self, context: Context, session: Session) -> MemoryAuthoring:
        made = super()._on(context, session)
        flows = WatchedFlowRepository(context, session)
        flows.course = self.course
        vars(made)["flows"] = flows
        return made


@attrs.define(eq=False)
class World:
    """An origin and a shared cache, and the time. Make processes in a running loop."""

    clock: ManualClock = attrs.field(factory=ManualClock)
    """The servers'."""
    passed: float = 0.0
    """Seconds on the clock of every process."""
    course: Course = attrs.field(factory=Course)
    faults: Faults = attrs.field(factory=Faults)
    origin: WatchedStore = attrs.field(init=False)
    runtime: FaultyRuntime = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.origin = WatchedStore(clock=self.clock)
        self.origin.course = self.course
        self.runtime = FaultyRuntime(clock=self.clock)
        self.runtime.faults = self.faults

    def process(self, *, shared: bool = True, **options: Any) -> "Process":
        """One more process."""
        runtime = self.runtime if shared else None
        return Process(FlowCache(runtime, monotonic=lambda: self.passed, **options), self.origin)

    @property
    def flows(self) -> FlowRepository:
        """The origin's, beside all caches: as who writes and dies before it can tell."""
        return self.origin.repositories(TENANT).flows

    def passes(self, seconds: float) -> None:
        """Time passes everywhere."""
        self.passed += seconds
        self.clock.advance(timedelta(seconds=seconds))


@attrs.frozen(eq=False)
class Process:
    """Its cache, and stores that it would have."""

    cache: FlowCache
    origin: WatchedStore

    @property
    def scope(self) -> TenantScope:
        """A tenant's scope, made anew as for each request."""
        return self.scope_of(TENANT)

    def scope_of(self, tenant: str) -> TenantScope:
        """Another tenant's."""
        return TenantScope(TenantId(tenant), CachedAuthoringStore(self.origin, self.cache))

    @property
    def flows(self) -> FlowRepository:
        """The tenant's flows."""
        return self.scope.flows


def a_draft(name: str = "flow", **fields: Any) -> Any:
    """What can be published."""
    return Flow.draft(name=name, definition=VALID, **fields)


async def an_active(flows: FlowRepository, name: str = "flow", id: UUID | None = None) -> Flow:
    """A published flow."""
    made = await flows.create(a_draft(name, id=uuid4() if id is None else id))
    return await flows.publish(made.id)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what has to happen."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  # what is awaited has no event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def closing(process: Process) -> AsyncIterator[Process]:
    """A process that ends in good order."""
    try:
        yield process
    finally:
        await process.cache.close()


async def a_world() -> tuple[World, Flow]:
    """A world with a flow that was read from no cache yet."""
    world = World()
    return world, await an_active(world.flows)


async def reading(world: World, reads: int) -> None:
    """Until the origin has been asked more often than so."""
    await until(lambda: world.course.reads > reads)
