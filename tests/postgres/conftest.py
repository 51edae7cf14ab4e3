"""A real server: the one that `DIALOGBASE_TEST_POSTGRES_URL` names, or a private one."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import pytest

from adapters.postgres.migrations import migrate
from tests.servers import make_service, servers, sibling


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a database whose role may create others."""
    with servers("postgres") as urls:
        make_service(urls["postgres"])
        yield urls["postgres"]


def _created(server: str) -> str:
    name = f"dialogbase_{uuid4().hex}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE template0"))
    return name


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


@pytest.fixture
def empty(server: str) -> Iterator[str]:
    """The URL of a database that was never migrated, this test's alone."""
    name = _created(server)
    yield sibling(server, name)
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def url(server: str) -> Iterator[str]:
    """The URL of a migrated database; tests keep apart by their tenants."""
    name = _created(server)
    migrated = sibling(server, name)
    asyncio.run(migrate(migrated))
    yield migrated
    asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))
