"""A whole platform whose hot data is on real servers."""

import asyncio
from datetime import timedelta

import pytest

import bootstrap
from bootstrap import Settings, Stores
from domain.executions import ExecutionState
from domain.flows import Flow
from domain.rates import sliding_window
from ports.errors import StoreUnavailableError
from tests.bootstrap.running import run
from tests.bootstrap.stores import erased
from tests.valkey import Cluster, Node, cluster, real_server

REDIS_ONLY = Stores(authoring="memory", dialogue="memory")
MINUTE = timedelta(minutes=1)


async def used(settings: Settings, tenant: str) -> None:
    """Every port, and what works across tenants."""
    async with bootstrap.open(settings) as platform:
        await platform.check()
        acme = platform.for_tenant(tenant)
        issued = await acme.sessions.create("ada")
        async with acme.locks.hold("talk") as lease:
            draft = ExecutionState.draft("talk", current_state="hello")
            state = await acme.executions.save(draft, fencing_token=lease.fencing_token)
        rule = sliding_window(1, MINUTE)
        assert (await acme.rate_limits.acquire("ada", rule)).allowed
        assert not (await acme.rate_limits.acquire("ada", rule)).allowed
        await acme.cache.set("greeting", "Hello", tags=["words"])
    async with bootstrap.open(settings) as platform:
        acme = platform.for_tenant(tenant)
        assert (await acme.sessions.require(issued.token)).user_id == "ada"
        assert await acme.executions.require("talk") == state
        assert await acme.cache.get("greeting") == "Hello"
        assert tenant in [name async for name in platform.maintenance.runtime.tenants()]
        assert (await erased(platform, acme.tenant)).total == 2
        assert await acme.sessions.get(issued.token) is None
        assert tenant not in [name async for name in platform.maintenance.tenants()]


@run
async def test_a_platform_on_all_servers_offers_every_port(
    on_servers: Settings, tenant: str
) -> None:
    """And keeps what it was given until the next process comes."""
    async with bootstrap.open(on_servers) as platform:
        await platform.for_tenant(f"{tenant}-other").flows.create(Flow.draft(name="welcome"))
    await used(on_servers, tenant)


@run
async def test_a_platform_on_a_cluster_offers_every_port(tenant: str) -> None:
    """By the URL of any node; nothing else is to be set."""

    def settings(started: Cluster) -> Settings:
        return Settings(profile="servers", redis_url=started.nodes[1].url, stores=REDIS_ONLY)

    with cluster(None) as started:
        await used(settings(started), tenant)


@run
async def test_a_server_that_is_not_there_is_told_when_the_platform_is_opened() -> None:
    """By a typed error, and nothing is left open."""
    with real_server() as node:
        settings = _on(node)
        async with bootstrap.open(settings) as platform:
            node.kill()
            with pytest.raises(StoreUnavailableError):
                await platform.check()
        with pytest.raises(StoreUnavailableError):
            async with bootstrap.open(settings):
                raise AssertionError
        assert asyncio.all_tasks() == {asyncio.current_task()}
        node.start()
        async with bootstrap.open(settings) as platform:
            await platform.check()


def _on(node: Node) -> Settings:
    return Settings(profile="servers", redis_url=node.url, stores=REDIS_ONLY, deadline_seconds=2)
