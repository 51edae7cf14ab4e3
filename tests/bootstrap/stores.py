"""The stores on which tests of whole platforms run, and the tenants in which they do."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from adapters.postgres.migrations import migrate
from bootstrap import Settings, Stores, embedded
from bootstrap.settings import PREFIX

POSTGRES_URL = "DIALOGBASE_TEST_POSTGRES_URL"
"""Names a database to be used in place of a private server's."""


@contextmanager
def postgres_settings() -> Iterator[Settings]:
    """A migrated database: the one that the environment names, or a private server's."""
    if given := os.environ.get(POSTGRES_URL):
        yield _migrated(given)
    else:
        with embedded.servers_sync({"postgres"}) as urls:
            yield _migrated(urls.postgres)


def _migrated(url: str) -> Settings:
    asyncio.run(migrate(url))
    stores = Stores(dialogue="memory")
    return Settings(profile="servers", postgres_url=url, deadline_seconds=30, stores=stores)


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables of a service that is deployed with these settings."""
    stores = vars(settings.stores)
    given = {
        "PROFILE": settings.profile,
        "POSTGRES_URL": settings.postgres_url,
        "MONGO_URL": settings.mongo_url,
        "MONGO_DRIVER": settings.mongo_driver,
        **{f"STORES_{group.upper()}": store for group, store in stores.items()},
    }
    return {f"{PREFIX}{name}": value for name, value in given.items() if value is not None}


def fresh_tenant() -> str:
    """One that nobody used before."""
    return f"tenant-{uuid4()}"
