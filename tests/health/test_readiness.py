"""A readiness probe over a platform that is open: who answers, within a bound."""

import asyncio

import bootstrap
from adapters.memory import MemoryDialogueStore, MemoryRuntimeStore
from bootstrap import Settings, Stores
from ports.errors import StoreUnavailableError
from tests.bootstrap.running import run
from tests.valkey import real_server


class _Gone(MemoryDialogueStore):
    async def check(self) -> None:
        raise StoreUnavailableError("nobody answers")


class _Hanging(MemoryRuntimeStore):
    async def check(self) -> None:
        await asyncio.Event().wait()


@run
async def test_a_platform_whose_stores_answer_is_ready() -> None:
    """What several groups of ports share is told once."""
    async with bootstrap.open(Settings.memory()) as platform:
        health = await platform.ready()
    assert health.ready
    assert health.well
    assert [(check.store, check.subject) for check in health.checks] == [("memory", "answers")]


@run
async def test_a_store_that_does_not_answer_is_told_and_not_raised() -> None:
    """The others are told as well."""
    async with bootstrap.open(Settings.memory(), dialogue=_Gone()) as platform:
        health = await platform.ready()
    assert not health.ready
    assert [(check.well, check.found) for check in health.checks] == [
        (True, "ready"),
        (False, "nobody answers"),
    ]


@run
async def test_a_store_that_hangs_is_not_waited_for() -> None:
    """Longer than the probe may take."""
    async with bootstrap.open(Settings.memory(), runtime=_Hanging()) as platform:
        health = await platform.ready(within=0.01)
    assert not health.ready
    assert health.checks[1].found == "no answer within 0.01 s"


@run
async def test_a_server_that_stands_still_makes_a_platform_unready_until_it_goes_on() -> None:
    """By the connection that there is."""
    with real_server() as node:
        settings = Settings(
            profile="servers",
            redis_url=node.url,
            stores=Stores(authoring="memory", dialogue="memory"),
        )
        async with bootstrap.open(settings) as platform:
            assert (await platform.ready(within=30)).ready
            node.pause()
            assert not (await platform.ready(within=0.05)).ready
            node.resume()
            assert (await platform.ready(within=30)).ready
