"""Two processes of the service over the same stores, and a tenant."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import bootstrap
from bootstrap import Settings
from examples.chat_api import sample
from tests.bootstrap.stores import fresh_tenant
from tests.examples.chat_api.serving import Process, serving


@pytest.fixture(scope="session")
def pair(on_servers: Settings) -> Iterator[tuple[Process, Process]]:
    """Side by side, for all tests of this process."""
    with ExitStack() as stack:
        first = stack.enter_context(serving(on_servers))
        yield first, stack.enter_context(serving(on_servers))


@pytest.fixture(scope="session")
def tenants(on_servers: Settings) -> Iterator[str]:
    """Names of tenants that have the sample flow, made together."""

    async def made() -> list[str]:
        names = [fresh_tenant() for _ in range(12)]
        async with bootstrap.open(on_servers) as platform:
            for name in names:
                await sample.publish(platform.for_tenant(name))
        return names

    return iter(asyncio.run(made()))


@pytest.fixture
def tenant(tenants: Iterator[str]) -> str:
    """One that nobody used before."""
    return next(tenants)
