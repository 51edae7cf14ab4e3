"""Real servers: a PostgreSQL, given or private, and a Valkey that a test may end."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from adapters.postgres.migrations import migrate
from bootstrap import Settings, Stores
from tests.servers import servers
from tests.valkey import Node, real_server

STALENESS = 0.05
"""Seconds that a process here serves what it has: short, so that much happens in little time."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a migrated database."""
    with servers("postgres") as urls:
        asyncio.run(migrate(urls["postgres"]))
        yield urls["postgres"]


@pytest.fixture
def valkey() -> Iterator[Node]:
    """A server of the test's own."""
    with real_server() as node:
        yield node


@pytest.fixture
def settings(postgres: str, valkey: Node) -> Settings:
    """Of processes that share both."""
    return Settings(
        profile="servers",
        postgres_url=postgres,
        redis_url=valkey.url,
        stores=Stores(dialogue="memory"),
        flow_cache_staleness_seconds=STALENESS,
        deadline_seconds=30,
    )


@pytest.fixture
def tenant() -> str:
    """One that nobody used before."""
    return f"tenant-{uuid4()}"
