"""A process that seals a tenant's trail until it is told that that's enough: `<url> <tenant>`."""

import asyncio
import sys

from domain.identity import TenantId
from tests.postgres.opening import store


async def main(url: str, tenant: str) -> int:
    """How many entries it sealed, a few at a time."""
    sealed = 0
    async with store(url) as opened:
        audit = opened.repositories(TenantId(tenant)).audit
        await audit.head()
        print("ready", flush=True)
        told = asyncio.ensure_future(asyncio.to_thread(sys.stdin.readline))
        while not told.done():
            sealed += await audit.seal(3)
    return sealed


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:])))
