"""The stores on which tests of whole platforms run, and the tenants in which they do."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from adapters.mongo.migrations import migrate as migrate_mongo
from adapters.postgres.migrations import migrate as migrate_postgres
from bootstrap import Settings, Stores, embedded
from bootstrap.embedded import ServerKind
from bootstrap.settings import PREFIX

POSTGRES_URL = "DIALOGBASE_TEST_POSTGRES_URL"
MONGO_URL = "DIALOGBASE_TEST_MONGO_URL"
REDIS_URL = "DIALOGBASE_TEST_REDIS_URL"
"""Name databases to be used in place of private servers'."""

_VARIABLES: dict[ServerKind, str] = {
    "postgres": POSTGRES_URL,
    "mongo": MONGO_URL,
    "valkey": REDIS_URL,
}


@contextmanager
def server_settings() -> Iterator[Settings]:
    """Migrated databases: those that the environment names, or private servers'."""
    with _urls("postgres", "mongo", "valkey") as urls:
        asyncio.run(migrate_postgres(urls["postgres"]))
        asyncio.run(migrate_mongo(urls["mongo"]))
        yield Settings(
            profile="servers",
            postgres_url=urls["postgres"],
            mongo_url=urls["mongo"],
            redis_url=urls["valkey"],
            deadline_seconds=30,
        )


@contextmanager
def postgres_settings() -> Iterator[Settings]:
    """A migrated PostgreSQL, for who has flows only."""
    with _urls("postgres") as urls:
        asyncio.run(migrate_postgres(urls["postgres"]))
        yield Settings(
            profile="servers",
            postgres_url=urls["postgres"],
            deadline_seconds=30,
            stores=Stores(dialogue="memory", runtime="memory"),
        )


@contextmanager
def _urls(*kinds: ServerKind) -> Iterator[dict[ServerKind, str]]:
    given = {kind: os.environ[_VARIABLES[kind]] for kind in kinds if _VARIABLES[kind] in os.environ}
    wanted = [kind for kind in kinds if kind not in given]
    if not wanted:
        yield given
        return
    with embedded.servers_sync(wanted) as started:
        yield {**given, **started.by_kind}


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables of a service that is deployed with these settings."""
    stores = vars(settings.stores)
    given = {
        "PROFILE": settings.profile,
        "POSTGRES_URL": settings.postgres_url,
        "MONGO_URL": settings.mongo_url,
        "REDIS_URL": settings.redis_url,
        "MONGO_DRIVER": settings.mongo_driver,
        **{f"STORES_{group.upper()}": store for group, store in stores.items()},
    }
    return {f"{PREFIX}{name}": value for name, value in given.items() if value is not None}


def fresh_tenant() -> str:
    """One that nobody used before."""
    return f"tenant-{uuid4()}"
