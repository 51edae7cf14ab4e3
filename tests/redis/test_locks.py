"""What locks ask of a server, and leave in it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from adapters.redis.client import Argument, Client, Notices, Reply
from adapters.redis.keys import key
from adapters.redis.locks import RedisLocks
from adapters.redis.scripts import Script
from domain.identity import tenant_id
from tests.redis.opening import opened
from tests.valkey import Node

CONTENDERS = 50


class CountingClient(Client):
    """Counts what it is asked for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.asked: Counter[str] = Counter()

    async def execute(self, *command: Argument, key: str, writes: bool) -> Reply:
        self.asked["execute"] += 1
        return await self._client.execute(*command, key=key, writes=writes)

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument] = ()
    ) -> Reply:
        self.asked["run"] += 1
        return await self._client.run(script, keys, arguments)

    def listen(self, channel: str) -> AbstractAsyncContextManager[Notices]:
        self.asked["listen"] += 1
        return self._client.listen(channel)

    def scan(self, pattern: str) -> AsyncIterator[list[str]]:
        self.asked["scan"] += 1
        return self._client.scan(pattern)

    async def check(self) -> None:
        await self._client.check()

    async def close(self) -> None:
        await self._client.close()


@asynccontextmanager
async def counted(node: Node) -> AsyncIterator[tuple[RedisLocks, CountingClient]]:
    """An unused tenant's locks, and what they ask for."""
    async with opened(node.url) as client:
        counting = CountingClient(client)
        yield RedisLocks(tenant_id(f"t-{uuid4()}"), counting), counting


def test_a_free_lock_takes_one_round_trip_and_its_release_one(shared: Node) -> None:
    """And nothing else."""

    async def body() -> None:
        async with counted(shared) as (locks, client):
            async with locks.hold("a"):
                assert client.asked == {"run": 1}
            assert client.asked == {"run": 2}

    asyncio.run(body())


def test_a_release_wakes_one_of_many(shared: Node) -> None:
    """A contender looks before and after it listens, and when it is called; then it releases."""

    async def body() -> None:
        async with counted(shared) as (locks, client):

            async def contend() -> None:
                async with locks.hold("a"):
                    await asyncio.sleep(0)

            await asyncio.gather(*(contend() for _ in range(CONTENDERS)))
            assert client.asked["listen"] <= CONTENDERS
            assert client.asked["run"] <= 5 * CONTENDERS

    asyncio.run(body())


def test_every_key_of_a_lock_has_an_expiry(shared: Node) -> None:
    """While it is held and waited for; after it, all that is left is its last fencing token."""

    async def body() -> None:
        async with counted(shared) as (locks, client):
            tenant = locks._tenant

            async def left() -> dict[str, int]:
                found = {}
                async for names in client.scan(f"dialogbase:1:{{{tenant}/*"):
                    for name in names:
                        found[name] = await client.execute("PTTL", name, key=name, writes=False)
                return found

            async with locks.hold("a") as lease:
                waiting = asyncio.create_task(locks.hold("a").__aenter__())
                await asyncio.sleep(0.05)
                kinds = ("lock", "lock-token", "lock-line", "lock-heard")
                held = await left()
                assert held.keys() == {key(tenant, "a", kind) for kind in kinds}
                assert all(milliseconds > 0 for milliseconds in held.values())
                waiting.cancel()
                await asyncio.wait({waiting})
            ((name, milliseconds),) = (await left()).items()
            assert name == key(tenant, "a", "lock-token")
            assert 0 < milliseconds <= timedelta(days=1, seconds=30) // timedelta(milliseconds=1)
            token = await client.execute("GET", name, key=name, writes=False)
            assert int(token) == lease.fencing_token

    asyncio.run(body())
