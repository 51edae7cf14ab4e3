"""How everything is put together: dependency-injector's container, which `open` drives.

One `Selector` a group of ports picks the store that the settings name. Resources open when they
are first asked for, so a store that nobody chose is never opened; hence `init_resources()`, which
opens all of them, is never called. Tests override a provider on an instance:

    container = Container(settings=Settings.memory())
    container.authoring.override(providers.Object(my_store))
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from dependency_injector import containers, providers

from adapters.cached import FlowCache
from adapters.memory import (
    MemoryAnalyticsStore,
    MemoryAuthoringStore,
    MemoryDialogueStore,
    MemoryRuntimeStore,
)
from adapters.observed.operations import Observer
from adapters.system import SystemClock, Uuid7Generator
from bootstrap.embedded import ServerKind, ServerUrls, servers
from bootstrap.keys import ring, ring_of_folder
from bootstrap.setting_rules import ServerName
from bootstrap.settings import Settings
from ports.errors import RepositoryError
from ports.secrets import SecretBox
from ports.stores import AnalyticsStore, AuthoringStore, DialogueStore, RuntimeStore
from ports.time import Clock, IdGenerator

if TYPE_CHECKING:
    from adapters.mongo.driver import Client
    from adapters.observed.telemetry import Telemetry

_KINDS: dict[ServerName, ServerKind] = {"postgres": "postgres", "mongo": "mongo", "redis": "valkey"}


@asynccontextmanager
async def server_urls(settings: Settings) -> AsyncIterator[ServerUrls]:
    """Where the servers answer; embedded ones are held for the block."""
    if settings.profile == "embedded":
        kinds = {_KINDS[name] for name in settings.servers_needed}
        async with servers(kinds, data=settings.data) as urls:
            yield urls
    else:
        given: dict[ServerKind, str | None] = {
            "postgres": settings.postgres_url,
            "mongo": settings.mongo_url,
            "valkey": settings.redis_url,
        }
        owner = settings.postgres_owner_url
        yield ServerUrls(
            {kind: url for kind, url in given.items() if url is not None},
            {} if owner is None else {"postgres": owner},
        )


class NotMigratedError(RepositoryError):
    """A database lacks migrations, and this profile leaves them to `dialogbase migrate`."""

    def __init__(self, store: str, pending: tuple[str, ...]) -> None:
        self.store = store
        self.pending = pending
        super().__init__(store, pending)

    def __str__(self) -> str:
        return (
            f"the {self.store} database lacks the migrations {', '.join(self.pending)}: "
            "run `dialogbase migrate`"
        )


async def _secrets(settings: Settings, urls: ServerUrls) -> AsyncIterator[SecretBox | None]:
    # The data folder is there once its servers are.
    if settings.encryption_keys is not None:
        yield ring(settings.encryption_keys, settings.encryption_key)
    elif settings.profile == "embedded":
        yield await asyncio.to_thread(ring_of_folder, settings.data)
    else:
        yield None


async def _postgres_store(
    settings: Settings,
    urls: ServerUrls,
    secrets: SecretBox | None,
    clock: Clock,
    ids: IdGenerator,
) -> AsyncIterator[AuthoringStore]:
    # Imported here, so that whoever doesn't choose PostgreSQL needs no driver.
    from adapters.postgres.migrations import migrate, state
    from adapters.postgres.pool import PREPARED, UNPREPARED, PoolOptions
    from adapters.postgres.store import PostgresStore

    deadline = settings.deadline_seconds
    if settings.profile == "embedded":
        await migrate(urls.postgres_owner)
    elif pending := (await state(urls.postgres, deadline=deadline)).pending:
        raise NotMigratedError("PostgreSQL", pending)
    options = PoolOptions(
        deadline=deadline,
        max_size=settings.pool_size,
        statement_cache_size=PREPARED if settings.postgres_prepared_statements else UNPREPARED,
    )
    store = await PostgresStore.open(
        urls.postgres,
        clock=clock,
        ids=ids,
        options=options,
        secrets=secrets,
        staleness=settings.erasure_staleness,
    )
    try:
        yield store
    finally:
        await store.close()


async def _mongo_client(settings: Settings, urls: ServerUrls) -> "AsyncIterator[Client]":
    # Imported here, so that whoever doesn't choose MongoDB needs no driver.
    from adapters.mongo.driver import Client, MongoOptions
    from adapters.mongo.migrations import migrate, state

    deadline, retention = settings.deadline_seconds, settings.analytics_retention
    if settings.profile == "embedded":
        await migrate(urls.mongo, retention=retention)
    else:
        found = await state(urls.mongo, retention=retention, deadline=deadline)
        if found.pending:
            raise NotMigratedError("MongoDB", found.pending)
    options = MongoOptions(
        driver=settings.mongo_driver, deadline=deadline, max_size=settings.pool_size
    )
    client = Client.open(urls.mongo, options)
    try:
        yield client
    finally:
        await client.close()


async def _mongo_store(
    settings: Settings, client: "Client", clock: Clock, ids: IdGenerator
) -> AsyncIterator[DialogueStore]:
    from adapters.mongo.store import MongoStore

    yield MongoStore(client, clock, ids, staleness=settings.erasure_staleness)


async def _mongo_analytics_store(
    settings: Settings, client: "Client", clock: Clock, ids: IdGenerator
) -> AsyncIterator[AnalyticsStore]:
    from adapters.mongo.analytics import MongoAnalyticsStore

    retention, staleness = settings.analytics_retention, settings.erasure_staleness
    yield MongoAnalyticsStore(client, clock, ids, retention=retention, staleness=staleness)


async def _redis_store(settings: Settings, urls: ServerUrls) -> AsyncIterator[RuntimeStore]:
    # Imported here, so that whoever doesn't choose Redis needs no driver.
    from adapters.redis.client import RedisOptions
    from adapters.redis.store import RedisStore

    options = RedisOptions(deadline=settings.deadline_seconds)
    staleness = settings.erasure_staleness
    store = await RedisStore.open(urls.valkey, options=options, staleness=staleness)
    try:
        yield store
    finally:
        await store.close()


async def _memory_runtime_store(clock: Clock) -> AsyncIterator[RuntimeStore]:
    store = MemoryRuntimeStore(clock=clock)
    try:
        yield store
    finally:
        await store.close()


async def _flow_cache(settings: Settings, runtime: RuntimeStore) -> AsyncIterator[FlowCache]:
    # In memory, a cache is shared with nobody, and nobody else could drop anything from it.
    shared = None if settings.stores.runtime == "memory" else runtime
    seconds = settings.flow_cache_staleness_seconds
    cache = FlowCache(shared, max_staleness=timedelta(milliseconds=round(seconds * 1000)))
    try:
        yield cache
    finally:
        await cache.close()


def _telemetry(settings: Settings, clock: Clock) -> "Telemetry | None":
    if not settings.telemetry:
        return None
    # Imported here, so that whoever doesn't ask for it needs no OpenTelemetry.
    from adapters.observed.telemetry import Telemetry

    return Telemetry(clock)


def _observer(settings: Settings, telemetry: "Telemetry | None") -> Observer | None:
    slow = settings.slow_operation_seconds
    if telemetry is None and slow is None and not settings.log_failures:
        return None
    return Observer(log_failures=settings.log_failures, slow=slow, telemetry=telemetry)


class Container(containers.DeclarativeContainer):
    """Everything a platform is made of. `Container(settings=…)`; ask providers with `await`."""

    settings = providers.Dependency(instance_of=Settings)

    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(Uuid7Generator, clock)

    telemetry = providers.Singleton(_telemetry, settings, clock)
    observer = providers.Singleton(_observer, settings, telemetry)

    urls = providers.Resource(server_urls, settings)

    memory_authoring = providers.Singleton(MemoryAuthoringStore, clock=clock, ids=ids)
    memory_dialogue = providers.Singleton(MemoryDialogueStore, clock=clock, ids=ids)
    memory_runtime = providers.Resource(_memory_runtime_store, clock)
    memory_analytics = providers.Singleton(
        MemoryAnalyticsStore,
        clock=clock,
        ids=ids,
        retention=settings.provided.analytics_retention,
    )
    # `urls` is an argument of its own: what a resource is given is shut down after it.
    secrets = providers.Resource(_secrets, settings, urls)
    postgres = providers.Resource(_postgres_store, settings, urls, secrets, clock, ids)
    mongo_client = providers.Resource(_mongo_client, settings, urls)
    mongo = providers.Resource(_mongo_store, settings, mongo_client, clock, ids)
    mongo_analytics = providers.Resource(_mongo_analytics_store, settings, mongo_client, clock, ids)
    redis = providers.Resource(_redis_store, settings, urls)

    authoring = providers.Selector(
        settings.provided.stores.authoring, memory=memory_authoring, postgres=postgres
    )
    dialogue = providers.Selector(
        settings.provided.stores.dialogue, memory=memory_dialogue, mongo=mongo
    )
    runtime = providers.Selector(
        settings.provided.stores.runtime, memory=memory_runtime, redis=redis
    )
    analytics = providers.Selector(
        settings.provided.stores.analytics, memory=memory_analytics, mongo=mongo_analytics
    )

    flow_cache = providers.Resource(_flow_cache, settings, runtime)
