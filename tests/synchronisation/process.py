"""A process with synchronised execution states:
`python -m tests.synchronisation.process ROLE REDIS_URL MONGO_URL TENANT`.

`write` counts in the slots of all conversations, for ever, and says each count once it is
acknowledged, and `gone` for each that it deletes; `work` writes states into their contexts, for
ever; `read` waits for a line, reads all states at once and prints what is in them.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import attrs

from bootstrap.platform import Platform
from bootstrap.platform import open as open_platform
from bootstrap.settings import Settings, Stores
from ports.stores import TenantScope
from ports.write_behind import SynchronisationOptions

TALKS = [f"talk {number}" for number in range(12)]
OPTIONS = SynchronisationOptions(
    interval=timedelta(milliseconds=20), sweep=timedelta(milliseconds=200)
)


@asynccontextmanager
async def opened(redis: str, mongo: str) -> AsyncIterator[Platform]:
    """A platform on these servers."""
    settings = Settings(
        profile="servers",
        redis_url=redis,
        mongo_url=mongo,
        mongo_driver="pymongo",
        stores=Stores(authoring="memory", analytics="memory"),
        synchronise=True,
        synchronise_every_seconds=0.02,
    )
    async with open_platform(settings) as platform:
        yield platform


async def write(scope: TenantScope) -> None:
    """Count; each process goes its own way through the conversations."""
    count = 0
    while True:
        count += 1
        for place, talk in enumerate(TALKS):
            await scope.executions.update_slots(talk, {"n": count})
            print(json.dumps([place, count]), flush=True)


async def work(platform: Platform) -> None:
    """Write behind."""
    synchroniser = platform.synchroniser()
    synchroniser._options = attrs.evolve(OPTIONS)
    print("ready", flush=True)
    await synchroniser.run()


async def read(scope: TenantScope) -> None:
    """What all see."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    states = await asyncio.gather(*(scope.executions.get(talk) for talk in TALKS))
    print(json.dumps([None if state is None else state.slots["n"] for state in states]), flush=True)


async def main(role: str, redis: str, mongo: str, tenant: str) -> None:
    """What a process does."""
    async with opened(redis, mongo) as platform:
        scope = platform.for_tenant(tenant)
        if role == "write":
            await write(scope)
        elif role == "work":
            await work(platform)
        else:
            await read(scope)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5]))
