"""A process that counts executions: `python -m tests.projection.process POSTGRES_URL MONGO_URL`.

It says `ready`, and counts until it is killed.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from bootstrap.platform import Platform
from bootstrap.platform import open as open_platform
from bootstrap.settings import Settings, Stores
from ports.flow_projection import ProjectionOptions

OPTIONS = ProjectionOptions(
    interval=timedelta(milliseconds=2), lease=timedelta(milliseconds=100), at_once=2
)


@asynccontextmanager
async def opened(postgres: str, mongo: str) -> AsyncIterator[Platform]:
    """A platform on these servers."""
    settings = Settings(
        profile="servers",
        postgres_url=postgres,
        mongo_url=mongo,
        mongo_driver="pymongo",
        flow_cache=False,
        stores=Stores(runtime="memory", dialogue="memory", analytics="mongo"),
    )
    async with open_platform(settings) as platform:
        yield platform


async def main(postgres: str, mongo: str) -> None:
    """Count for ever."""
    async with opened(postgres, mongo) as platform:
        print("ready", flush=True)
        await platform.projector(options=OPTIONS).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
