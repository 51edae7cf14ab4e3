"""What a service holds: the platform, opened and closed as one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from inspect import isawaitable
from typing import TypeVar

import attrs
from dependency_injector import providers

from adapters.cached import CachedAuthoringStore, FlowCache, FlowCacheInvalidation
from adapters.observed.operations import Observer
from adapters.observed.scope import ObservedScope
from adapters.system import SystemClock
from bootstrap.container import Container
from bootstrap.health import READY_WITHIN, Health, answering
from bootstrap.maintenance import PlatformMaintenance
from bootstrap.settings import Settings
from domain.identity import Author, TenantId, tenant_id
from ports.dispatch import DEFAULT_OPTIONS, Dispatcher, DispatchOptions
from ports.errors import UnsupportedOperationError
from ports.flow_projection import DEFAULT_OPTIONS as EACH_SECOND
from ports.flow_projection import FlowProjector, ProjectionOptions
from ports.flows import FlowRepository
from ports.observation import UNOBSERVED, Rounds
from ports.outbox import Consumer
from ports.secrets import SecretBox
from ports.stores import (
    AnalyticsStore,
    AuthoringStore,
    DialogueStore,
    RuntimeStore,
    TenantScope,
)
from ports.sweeping import HOURLY
from ports.synchronisation import SynchronisedExecutions
from ports.time import Clock, IdGenerator
from ports.together import together
from ports.write_behind import SynchronisationOptions, Synchroniser

T = TypeVar("T")


@attrs.frozen
class Platform:
    """All stores, ready. Safe to share by the tasks of a loop; `open` makes and closes one."""

    settings: Settings
    _authoring: AuthoringStore = attrs.field(repr=False)
    _dialogue: DialogueStore = attrs.field(repr=False)
    _runtime: RuntimeStore = attrs.field(repr=False)
    _analytics: AnalyticsStore = attrs.field(repr=False)
    flow_cache: FlowCache | None = attrs.field(default=None, repr=False)
    """What this process keeps of flows, if the settings have it so."""

    _observer: Observer | None = attrs.field(default=None, repr=False)

    _clock: Clock = attrs.field(factory=SystemClock, repr=False)

    def for_tenant(
        self, tenant: str, *, actor: str | None = None, reason: str | None = None
    ) -> TenantScope:
        """A tenant's repositories: cheap, no I/O. A tenant needs no registration.

        What is changed through them the audit trail puts down to `actor` (1 to 256 characters),
        for `reason` (at most 1 000).

        Raises:
            ValidationError: if `tenant` can't be a tenant's name, or they can't be what they are.
        """
        author = Author(actor, reason)
        kind: Callable[..., TenantScope] = TenantScope
        if self._observer is not None:
            kind = partial(ObservedScope, observer=self._observer)
        return kind(
            tenant_id(tenant),
            self._authoring,
            self._dialogue,
            self._runtime,
            author,
            analytics=self._analytics,
            synchronised=self.settings.synchronise,
        )

    def synchroniser(self, *, interval: timedelta | None = None) -> Synchroniser:
        """Writes execution states into their contexts, for a block (`running`), for good (`run`) or
        all at once (`once`). `interval`: as the settings say unless it is given.

        Raises:
            UnsupportedOperationError: if the settings say that states aren't synchronised.
            ValidationError: for an interval that is none.
        """
        if not self.settings.synchronise:
            raise UnsupportedOperationError("set `synchronise` to synchronise execution states")
        every = self.settings.synchronisation_interval if interval is None else interval

        def of(tenant: TenantId) -> SynchronisedExecutions:
            hot = self._runtime.repositories(tenant).tracked_executions
            return SynchronisedExecutions(tenant, hot, self._dialogue.repositories(tenant))

        queue = self._runtime.maintenance().unsynchronised
        options = SynchronisationOptions(interval=every)
        return Synchroniser(queue, of, options=options, rounds=self._rounds)

    def synchronising(
        self, *, interval: timedelta | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Execution states are written into their contexts during the block, whoever changes them
        where; see `ports.write_behind`. Raises as `synchroniser`.
        """
        return self.synchroniser(interval=interval).running()

    def projector(self, *, options: ProjectionOptions = EACH_SECOND) -> FlowProjector:
        """Counts executions of flows that were recorded in their flow's figures, for a block
        (`running`), for good (`run`) or all that are due (`once`); see `ports.flow_projection`.
        """

        def of(tenant: TenantId) -> FlowRepository:
            return self._authoring.repositories(tenant).flows

        queue = self._analytics.maintenance().executions
        return FlowProjector(queue, of, self._clock, options=options, rounds=self._rounds)

    def projecting(
        self, *, options: ProjectionOptions = EACH_SECOND
    ) -> AbstractAsyncContextManager[None]:
        """Executions that are recorded, wherever that is, are counted during the block, each once
        whoever else counts.
        """
        return self.projector(options=options).running()

    @property
    def maintenance(self) -> PlatformMaintenance:
        """What works across tenants. Not for request handlers."""
        return PlatformMaintenance(
            self._authoring.maintenance(),
            self._dialogue.maintenance(),
            self._runtime.maintenance(),
            self._analytics.maintenance(),
            self.settings.retention,
            self._clock,
            buried_for=self.settings.tombstones_kept,
            rounds=self._rounds,
        )

    def sweeping(self, *, every: timedelta = HOURLY) -> AbstractAsyncContextManager[None]:
        """What has been kept for long enough goes, during the block, at once and then about `every`
        so long; by the settings. Any number of processes may do it. See `ports.sweeping`.

        Raises:
            ValidationError: for a time that is none.
        """
        return self.maintenance.sweeper.running(every)

    @property
    def _rounds(self) -> Rounds:
        telemetry = None if self._observer is None else self._observer.telemetry
        return UNOBSERVED if telemetry is None else telemetry

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """Those of the outbox that the platform needs itself: every dispatcher has them, too."""
        cache = self.flow_cache
        return () if cache is None else (FlowCacheInvalidation(cache),)

    def dispatcher(
        self, consumers: Sequence[Consumer] = (), *, options: DispatchOptions = DEFAULT_OPTIONS
    ) -> Dispatcher:
        """Gives these consumers, and the platform's own, what was changed.

        Raises:
            ValidationError: if two of them have the same name, or what is none.
        """
        every = (*self.consumers, *consumers)
        maintenance = self._authoring.maintenance()
        return maintenance.dispatcher(every, options=options, rounds=self._rounds)

    def dispatching(
        self, consumers: Sequence[Consumer] = (), *, options: DispatchOptions = DEFAULT_OPTIONS
    ) -> AbstractAsyncContextManager[None]:
        """Does so in tasks of this process for a block; see `Dispatcher.running`.

            async with platform.dispatching([CallbackConsumer("search index", reindex)]):
                ...  # serve

        Raises:
            ValidationError: if two of them have the same name, or what is none.
        """
        return self.dispatcher(consumers, options=options).running()

    def stream(self, name: str) -> Consumer:
        """A consumer that publishes what was changed; see `RuntimeStore.stream`."""
        return self._runtime.stream(name)

    async def ready(self, *, within: float = READY_WITHIN) -> Health:
        """Whether every store can be used now, one by one, in at most `within` seconds: what a
        readiness probe asks; who can't be used is told, not raised.

        By the connections that there are, one round trip each, all at once: so a process whose
        connections are all taken for that long isn't ready either. What was looked at when the
        platform was opened (migrations) isn't looked at again; `bootstrap.health.checks` does.
        """
        stores = (self._authoring, self._dialogue, self._runtime, self._analytics)
        return await answering(stores, within=within)

    def store(self, kind: type[T]) -> T:
        """The store of a class, for what no port covers: `platform.store(PostgresStore).read(…)`,
        `platform.store(MongoStore).aggregate(…)`. It is the platform's, which closes it.

        Raises:
            UnsupportedOperationError: if none is of that class, since the settings say otherwise.
        """
        for store in (self._authoring, self._dialogue, self._runtime, self._analytics):
            behind = store.origin if isinstance(store, CachedAuthoringStore) else store
            if isinstance(behind, kind):
                return behind
        raise UnsupportedOperationError(f"no {kind.__name__} is among the platform's stores")

    async def check(self) -> None:
        """Answer at once if every store can be used now; as `ready`, for who wants an error.

        Raises:
            StoreUnavailableError, StoreTimeoutError: if one can't.
        """
        stores = (self._authoring, self._dialogue, self._runtime, self._analytics)
        await together([store.check() for store in stores])


@asynccontextmanager
async def open(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    ids: IdGenerator | None = None,
    secrets: SecretBox | None = None,
    authoring: AuthoringStore | None = None,
    dialogue: DialogueStore | None = None,
    runtime: RuntimeStore | None = None,
    analytics: AnalyticsStore | None = None,
) -> AsyncIterator[Platform]:
    """A platform for the block, by `settings` or else by the environment.

    Only the stores that are chosen are opened. Embedded servers are started if nobody runs them
    yet, and migrated. At the block's end, however it ends, all that was opened is closed; so it is
    if opening fails or is cancelled. A `clock`, `ids` or store that is handed in takes the
    place of ours, and a store handed in is not closed. (Redis goes by its server's clock.)
    `secrets` takes the place of the settings' keys for what PostgreSQL is to keep encrypted.

    Raises:
        SettingsError: if the environment has no usable settings.
        EmbeddedServerError: if an embedded server can't be had.
        StoreUnavailableError: if a server doesn't answer.
        NotMigratedError: if a database lacks migrations; with the profile `servers` they are left
            to `dialogbase migrate`.
    """
    container = Container(settings=Settings.from_environment() if settings is None else settings)
    if clock is not None:
        container.clock.override(providers.Object(clock))
    if ids is not None:
        container.ids.override(providers.Object(ids))
    if secrets is not None:
        container.secrets.override(providers.Object(secrets))
    if authoring is not None:
        container.authoring.override(providers.Object(authoring))
    if dialogue is not None:
        container.dialogue.override(providers.Object(dialogue))
    if runtime is not None:
        container.runtime.override(providers.Object(runtime))
    if analytics is not None:
        container.analytics.override(providers.Object(analytics))
    async with opened(container) as platform:
        yield platform


@asynccontextmanager
async def opened(container: Container) -> AsyncIterator[Platform]:
    """The platform of a container whose providers a test has overridden; otherwise as `open`."""
    try:
        authoring = await _provided(container.authoring())
        dialogue = await _provided(container.dialogue())
        runtime = await _provided(container.runtime())
        analytics = await _provided(container.analytics())
        cache: FlowCache | None = None
        if container.settings().flow_cache:
            cache = await _provided(container.flow_cache())
            authoring = CachedAuthoringStore(authoring, cache)
        stores = (authoring, dialogue, runtime, analytics)
        yield Platform(
            container.settings(), *stores, cache, container.observer(), container.clock()
        )
    finally:
        await _close(container)


async def _provided(value: T | Awaitable[T]) -> T:
    if isawaitable(value):
        return await value
    return value


async def _close(container: Container) -> None:
    """Shut down what was opened, users before what they use.

    What is still opening, because its opener was cancelled, is cancelled too: the container runs
    each resource's opening in a task of its own, which the opener's cancellation doesn't reach.
    """
    opened = [
        asyncio.ensure_future(resource())
        for resource in container.traverse(types=[providers.Resource])
        if resource.initialized
    ]
    for future in opened:
        future.cancel()  # nothing happens to one that is done
    if opened:
        await asyncio.wait(opened)
    closing = container.shutdown_resources()
    if isawaitable(closing):
        await closing
