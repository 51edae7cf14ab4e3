"""A stand-in while the pipelined client is being built."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import redis.asyncio
from redis.exceptions import NoScriptError

from adapters.redis.client import Argument, Client, Notices, Reply
from adapters.redis.scripts import Script


class _Notices(Notices):
    def __init__(self) -> None:
        self.event = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.event.wait()
        except TimeoutError:
            return False
        self.event.clear()
        return True


class PlainClient(Client):
    def __init__(self, url: str) -> None:
        self.redis = redis.asyncio.Redis.from_url(url)

    async def execute(self, *command: Argument, key: str, writes: bool) -> Reply:
        reply: Reply = await self.redis.execute_command(*command)  # type: ignore[no-untyped-call]
        return b"OK" if reply is True else reply

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument] = ()
    ) -> Reply:
        try:
            return await self.redis.evalsha(script.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.redis.eval(script.source, len(keys), *keys, *arguments)

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Notices]:
        notices = _Notices()
        async with self.redis.pubsub() as pubsub:
            await pubsub.subscribe(channel)
            while (await pubsub.get_message(timeout=1) or {}).get("type") != "subscribe":
                pass

            async def read() -> None:
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        notices.event.set()

            task = asyncio.create_task(read())
            try:
                yield notices
            finally:
                task.cancel()
                await asyncio.wait([task])

    async def scan(self, pattern: str) -> AsyncIterator[list[str]]:
        yield [name.decode() async for name in self.redis.scan_iter(pattern, count=1000)]

    async def check(self) -> None:
        await self.redis.ping()

    async def close(self) -> None:
        await self.redis.aclose()
