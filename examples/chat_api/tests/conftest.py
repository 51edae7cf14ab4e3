"""One service and its client a test: in memory for unit tests, on servers for integration tests."""

import asyncio
import os
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from bootstrap import Settings, embedded
from examples.chat_api import sample
from examples.chat_api.app import create_app
from ports.stores import TenantScope

URLS = ("DIALOGBASE_TEST_POSTGRES_URL", "DIALOGBASE_TEST_MONGO_URL", "DIALOGBASE_TEST_REDIS_URL")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Private servers, held for all tests so that each opens at once; or those given by URL."""
    if all(name in os.environ for name in URLS):
        postgres, mongo, redis = (os.environ[name] for name in URLS)
        yield Settings(profile="servers", postgres_url=postgres, mongo_url=mongo, redis_url=redis)
    else:
        data = tmp_path_factory.mktemp("dialogbase")
        with embedded.servers_sync({"postgres", "mongo", "valkey"}, data=data):
            yield Settings(profile="embedded", data=data)


@pytest.fixture(params=["unit", "integration"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """All that differs between the two."""
    if request.param == "unit":
        return Settings.memory()
    made: Settings = request.getfixturevalue("servers")
    return made


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """The event loop of one test."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def app(settings: Settings, loop: asyncio.Runner) -> Iterator[FastAPI]:
    """A service that runs."""
    made = create_app(settings)
    running = made.router.lifespan_context(made)
    loop.run(running.__aenter__())
    yield made
    loop.run(running.__aexit__(None, None, None))


@pytest.fixture
def scope(app: FastAPI, loop: asyncio.Runner) -> TenantScope:
    """A tenant of its own, which has the sample flow."""
    tenant: TenantScope = app.state.platform.for_tenant(f"shop-{uuid4()}")
    loop.run(sample.publish(tenant))
    return tenant


@pytest.fixture
def client(app: FastAPI, scope: TenantScope, loop: asyncio.Runner) -> Iterator[httpx.AsyncClient]:
    """Its user's browser, which has a session."""
    made = httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="https://chat.example",
        headers={"X-Tenant-Id": scope.tenant},
    )
    loop.run(made.post("/sessions", json={"user_id": "ada"}))
    yield made
    loop.run(made.aclose())


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Tests that are coroutines are run on the loop on which their service was opened."""
    if "loop" not in pyfuncitem.fixturenames:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    loop = pyfuncitem.funcargs["loop"]
    assert isinstance(loop, asyncio.Runner)
    loop.run(pyfuncitem.obj(**arguments))
    return True
