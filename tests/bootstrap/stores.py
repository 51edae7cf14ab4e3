"""The stores on which tests of whole platforms run, and the tenants in which they do."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import asyncpg
import attrs

from adapters.mongo.migrations import migrate as migrate_mongo
from adapters.postgres.migrations import migrate as migrate_postgres
from bootstrap import Settings, Stores
from bootstrap.platform import Platform
from bootstrap.settings import PREFIX
from domain.identity import TenantId, UserId
from domain.receipts import Erasure
from tests.servers import as_service, make_service, servers, sibling


@contextmanager
def server_settings() -> Iterator[Settings]:
    """Migrated databases: those that the environment names, or private servers'."""
    with servers("postgres", "mongo", "valkey") as urls:
        _prepare_postgres(urls["postgres"])
        asyncio.run(migrate_mongo(urls["mongo"]))
        yield Settings(
            profile="servers",
            postgres_url=as_service(urls["postgres"]),
            postgres_owner_url=urls["postgres"],
            mongo_url=urls["mongo"],
            redis_url=urls["valkey"],
            deadline_seconds=30,
        )


@contextmanager
def postgres_settings() -> Iterator[Settings]:
    """A migrated PostgreSQL, for who has flows only."""
    with servers("postgres") as urls:
        _prepare_postgres(urls["postgres"])
        yield Settings(
            profile="servers",
            postgres_url=as_service(urls["postgres"]),
            postgres_owner_url=urls["postgres"],
            deadline_seconds=30,
            stores=Stores(dialogue="memory", runtime="memory"),
        )


@contextmanager
def own_database(settings: Settings) -> Iterator[Settings]:
    """The same, with a database of PostgreSQL in which nobody else changes anything."""
    assert settings.postgres_owner_url is not None
    server, name = settings.postgres_owner_url, f"dialogbase_{uuid4().hex}"
    url = sibling(server, name)
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE template0"))
    try:
        asyncio.run(migrate_postgres(url))
        yield attrs.evolve(settings, postgres_url=as_service(url), postgres_owner_url=url)
    finally:
        asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


def _prepare_postgres(url: str) -> None:
    make_service(url)
    asyncio.run(migrate_postgres(url))


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables of a service that is deployed with these settings."""
    stores = vars(settings.stores)
    given = {
        "PROFILE": settings.profile,
        "POSTGRES_URL": settings.postgres_url,
        "POSTGRES_OWNER_URL": settings.postgres_owner_url,
        "MONGO_URL": settings.mongo_url,
        "REDIS_URL": settings.redis_url,
        "MONGO_DRIVER": settings.mongo_driver,
        **{f"STORES_{group.upper()}": store for group, store in stores.items()},
    }
    return {f"{PREFIX}{name}": value for name, value in given.items() if value is not None}


async def erased(platform: Platform, tenant: TenantId, user: UserId | None = None) -> Erasure:
    """What an erasure does where nobody else writes, so that there is nothing to be waited for."""

    async def not_at_all(seconds: float) -> None:
        assert seconds >= 0

    erasures = attrs.evolve(platform.maintenance.erasures, sleep=not_at_all)
    return await erasures.erase(tenant, user)


def fresh_tenant() -> str:
    """One that nobody used before."""
    return f"tenant-{uuid4()}"
