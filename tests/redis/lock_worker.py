"""A process that counts under a lock: `python -m tests.redis.lock_worker URL TENANT [die]`.

Twelve tasks read a number and write the next one, three times each. It prints the fencing tokens
that they had, as JSON, in the order in which they had them. With `die` it takes the lock, says so,
and keeps it.
"""

import asyncio
import json
import sys
from datetime import timedelta

from adapters.redis.client import RedisOptions
from adapters.redis.keys import key
from adapters.redis.locks import RedisLocks
from adapters.redis.opening import open_client
from domain.identity import tenant_id

TASKS, ROUNDS = 12, 3
TTL = timedelta(seconds=2)


async def counted(url: str, tenant: str, *, die: bool) -> list[int]:
    """What one process does, and was told."""
    client = await open_client(url, RedisOptions(deadline=30))
    locks = RedisLocks(tenant_id(tenant), client)
    number = key(tenant_id(tenant), "number", "test")
    tokens: list[int] = []
    try:

        async def task() -> None:
            for _ in range(ROUNDS):
                async with locks.hold("count", ttl=TTL) as lease:
                    read = await client.execute("GET", number, key=number, writes=False)
                    await asyncio.sleep(0)
                    counted = str(int(read or 0) + 1)
                    await client.execute("SET", number, counted, key=number, writes=True)
                    tokens.append(lease.fencing_token)

        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        if die:
            async with locks.hold("count", ttl=TTL):
                print("holding", flush=True)
                await asyncio.Event().wait()
        await asyncio.gather(*(task() for _ in range(TASKS)))
        return tokens
    finally:
        await client.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(counted(*sys.argv[1:3], die="die" in sys.argv))), flush=True)
