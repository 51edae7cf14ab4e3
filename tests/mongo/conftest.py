"""A real server: the one that `DIALOGBASE_TEST_MONGO_URL` names, or a private one."""

from collections.abc import Iterator
from typing import get_args
from uuid import uuid4

import pymongo
import pytest

from adapters.mongo.driver import DriverName
from tests.servers import servers, sibling


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a replica set whose user may create databases and see others' operations."""
    with servers("mongo") as urls:
        yield urls["mongo"]


@pytest.fixture
def empty(server: str) -> Iterator[str]:
    """The URL of a database that was never migrated, this test's alone."""
    name = f"dialogbase_{uuid4().hex}"
    yield sibling(server, name)
    with pymongo.MongoClient[dict[str, object]](server) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def shared(server: str) -> Iterator[str]:
    """The URL of a database that was never migrated; tests keep apart by their collections."""
    name = f"dialogbase_{uuid4().hex}"
    yield sibling(server, name)
    with pymongo.MongoClient[dict[str, object]](server) as client:
        client.drop_database(name)


@pytest.fixture(params=get_args(DriverName))
def driver(request: pytest.FixtureRequest) -> DriverName:
    """Each driver in turn."""
    name: DriverName = request.param
    return name
