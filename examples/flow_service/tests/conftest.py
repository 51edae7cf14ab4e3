"""One platform a test: in memory for unit tests, on PostgreSQL for integration tests."""

import asyncio
import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

import bootstrap
from bootstrap import Settings, Stores, embedded
from examples.flow_service import FlowService
from ports.stores import TenantScope

ONLY_FLOWS = Stores(dialogue="memory", runtime="memory")
"""The service has no conversations and no sessions, so it needs no MongoDB and no Redis."""


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A private PostgreSQL, held for all tests so that each opens at once; or one given by URL."""
    if url := os.environ.get("DIALOGBASE_TEST_POSTGRES_URL"):
        yield Settings(profile="servers", postgres_url=url, stores=ONLY_FLOWS)
    else:
        data = tmp_path_factory.mktemp("dialogbase")
        with embedded.servers_sync({"postgres"}, data=data):
            yield Settings(profile="embedded", data=data, stores=ONLY_FLOWS)


@pytest.fixture(params=["unit", "integration"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """All that differs between the two."""
    if request.param == "unit":
        return Settings.memory()
    made: Settings = request.getfixturevalue("postgres")
    return made


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """The event loop of one test."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def scope(settings: Settings, loop: asyncio.Runner) -> Iterator[TenantScope]:
    """A tenant of its own."""
    platform = bootstrap.open(settings)
    opened = loop.run(platform.__aenter__())
    yield opened.for_tenant(f"shop-{uuid4()}")
    loop.run(platform.__aexit__(None, None, None))


@pytest.fixture
def service(scope: TenantScope) -> FlowService:
    """What is tested."""
    return FlowService(scope)


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Tests here are coroutines, run on the loop on which their platform was opened."""
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    loop = pyfuncitem.funcargs["loop"]
    assert isinstance(loop, asyncio.Runner)
    loop.run(pyfuncitem.obj(**arguments))
    return True
