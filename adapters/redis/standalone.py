"""The client of one server, and what it has in common with a cluster's."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from adapters.redis.client import Argument, Client, Notices, RedisOptions, Reply
from adapters.redis.connection import pack
from adapters.redis.endpoint import Endpoint
from adapters.redis.errors import NOSCRIPT, READONLY, Failure, Refusal
from adapters.redis.node import Node
from adapters.redis.scripts import Script
from adapters.redis.subscriptions import Subscriptions
from ports.errors import RepositoryError
from ports.together import together

_BATCH = 1000


class PipelinedClient(Client):
    """Commands that are issued in one turn of the loop leave in one write, to each node."""

    def __init__(self, seed: Node, options: RedisOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._seed = seed
        self._subscriptions = Subscriptions(self._endpoints, options.deadline)

    async def execute(self, *command: Argument, key: str, writes: bool) -> Reply:
        reply = await self._send(pack(command), key)
        if isinstance(reply, Failure):
            raise self._error(reply, writes)
        return reply

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument] = ()
    ) -> Reply:
        until = self._loop.time() + self._options.deadline
        packed = pack(("EVALSHA", script.sha, len(keys), *keys, *arguments))
        reply = await self._send(packed, keys[0])
        if isinstance(reply, Failure):
            if isinstance(reply, Refusal) and reply.code == NOSCRIPT:
                # It knows it from then on.
                packed = pack(("EVAL", script.source, len(keys), *keys, *arguments))
                reply = await self._send_by(packed, keys[0], until)
                if not isinstance(reply, Failure):
                    return reply
            raise self._error(reply, script.writes)
        return reply

    def listen(self, channel: str) -> AbstractAsyncContextManager[Notices]:
        return self._subscriptions.listen(channel)

    async def scan(self, pattern: str) -> AsyncIterator[list[str]]:
        for node in await self._owners():
            cursor: bytes | int = 0
            while cursor != b"0":
                command = ("SCAN", cursor, "MATCH", pattern, "COUNT", _BATCH)
                cursor, names = await self._ask(node, *command)
                if names:
                    yield [name.decode(errors="replace") for name in names]

    async def close(self) -> None:
        await self._subscriptions.close()
        await self._seed.close()

    async def _ask(self, node: Node, *command: Argument) -> Reply:
        """What a certain node answers to a read."""
        reply = await node.send(pack(command))
        if isinstance(reply, Failure):
            raise self._error(reply, False)
        return reply

    def _error(self, failure: Failure, writes: bool) -> RepositoryError:
        return failure.error(writes=writes)

    @abstractmethod
    def _send(self, packed: bytes, key: str) -> Awaitable[Any]:
        """The reply to a command, or a `Failure`, within the deadline."""

    @abstractmethod
    def _send_by(self, packed: bytes, key: str, until: float) -> Awaitable[Any]:
        """The same by a time of the loop's."""

    @abstractmethod
    async def _owners(self) -> Sequence[Node]:
        """The nodes that have all keys between them."""

    @abstractmethod
    def _endpoints(self) -> Sequence[Endpoint]:
        """Where one can subscribe, the best first."""


class StandaloneClient(PipelinedClient):
    """One server, or what stands before several as if it were one."""

    async def check(self) -> None:
        # In one batch. PING is refused by a primary that can't write to its disk; by what it was
        # called when it was the primary, a replica goes on answering.
        asked = ("PING", "HELLO")
        _, told = await together([self._ask(self._seed, command) for command in asked])
        if b"role" in told and told[told.index(b"role") + 1] != b"master":
            raise self._error(Refusal(READONLY), writes=False)

    def _error(self, failure: Failure, writes: bool) -> RepositoryError:
        if isinstance(failure, Refusal) and failure.code == READONLY:
            # It was the primary once: its name may stand for another server by now.
            self._seed.renew()
        return super()._error(failure, writes)

    def _send(self, packed: bytes, key: str) -> Awaitable[Any]:
        return self._seed.send(packed)

    def _send_by(self, packed: bytes, key: str, until: float) -> Awaitable[Any]:
        return self._seed.send_by(packed, until)

    async def _owners(self) -> Sequence[Node]:
        return [self._seed]

    def _endpoints(self) -> Sequence[Endpoint]:
        return [self._seed.endpoint]
