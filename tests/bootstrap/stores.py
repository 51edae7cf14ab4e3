"""The stores on which tests of whole platforms run, and the tenants in which they do."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from adapters.postgres.migrations import migrate
from bootstrap import Settings, embedded

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
    return Settings(profile="servers", postgres_url=url, deadline_seconds=30)


def fresh_tenant() -> str:
    """One that nobody used before."""
    return f"tenant-{uuid4()}"
