"""The client of a cluster: who has which slot, and what to do when that changes.

https://valkey.io/topics/cluster-spec/
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Self

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from adapters.redis.client import RedisOptions
from adapters.redis.connection import pack
from adapters.redis.endpoint import Endpoint
from adapters.redis.errors import ASK, Failure, Refusal, closed, incomplete
from adapters.redis.node import Node
from adapters.redis.standalone import PipelinedClient

_ASKING = pack(("ASKING",))
_SLOTS = pack(("CLUSTER", "SLOTS"))
_AT_ONCE = 4
"""So many attempts are made without a pause."""

_PAUSE = 0.005
_LONGEST_PAUSE = 0.25
_REST = 0.05
"""Seconds between two questions for the map."""


class ClusterClient(PipelinedClient):
    """Sends each command to the node that has its key's slot, and follows redirections.

    A command that wasn't executed, because a slot moved, a node can't be reached or the cluster is
    down, is tried again until its deadline: a failover that is over by then isn't seen. One that
    was sent and whose reply was lost isn't repeated.
    """

    def __init__(self, seed: Node, options: RedisOptions) -> None:
        super().__init__(seed, options)
        self._slots: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._nodes = {(seed.endpoint.host, seed.endpoint.port): seed}
        self._refreshing: asyncio.Task[None] | None = None
        self._refreshed = 0.0
        self._closed = False

    @classmethod
    async def begun(cls, seed: Node, options: RedisOptions) -> Self:
        """A client that knows more nodes of the cluster than the one it is told of.

        Raises:
            StoreUnavailableError: if that one knows none that has a slot.
        """
        client = cls(seed, options)
        try:
            await client._refresh_by(client._loop.time() + options.deadline)
            if not any(client._slots):
                raise incomplete().error(writes=False)
        except BaseException:
            await client.close()
            raise
        return client

    async def check(self) -> None:
        for state in await asyncio.gather(
            *(self._ask(node, "CLUSTER", "INFO") for node in await self._owners())
        ):
            if b"cluster_state:ok" not in state:
                raise incomplete().error(writes=False)

    async def close(self) -> None:
        self._closed = True
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])
        await super().close()
        for node in list(self._nodes.values()):
            await node.close()

    async def _send(self, packed: bytes, key: str) -> Any:
        until = self._loop.time() + self._options.deadline
        slot = key_slot(key.encode())
        node = self._slots[slot]
        if node is None:
            return await self._follow(packed, slot, until, incomplete(), self._seed)
        reply = await node.send(packed)
        if isinstance(reply, Failure):
            return await self._follow(packed, slot, until, reply, node)
        return reply

    async def _send_by(self, packed: bytes, key: str, until: float) -> Any:
        slot = key_slot(key.encode())
        node = self._slots[slot]
        if node is None:
            return await self._follow(packed, slot, until, incomplete(), self._seed)
        reply = await node.send_by(packed, until)
        if isinstance(reply, Failure):
            return await self._follow(packed, slot, until, reply, node)
        return reply

    async def _follow(
        self, packed: bytes, slot: int, until: float, failure: Failure, node: Node
    ) -> Any:
        """The reply in the end, or the last failure: the first was `failure`, from `node`."""
        attempt = 0
        while failure.elsewhere:
            attempt += 1
            if attempt > _AT_ONCE:
                pause = min(_PAUSE * 2.0 ** min(attempt, 10), _LONGEST_PAUSE)
                if self._loop.time() + pause >= until:
                    return failure
                await asyncio.sleep(pause * random.uniform(0.5, 1))
            if self._closed:
                return closed()
            owner: Node | None
            asking = False
            if isinstance(failure, Refusal) and failure.address is not None:
                # From here to its use nothing is awaited: a node that isn't used is forgotten.
                owner = self._node_at(failure.address, node)
                asking = failure.code == ASK
                if not asking:
                    self._slots[slot] = owner
                    self._refresh_soon()
            else:
                await self._refresh_by(until)
                owner = self._slots[slot]
            if owner is None:
                failure = incomplete()
                continue
            node = owner
            if asking:
                reply = await node.send_by(_ASKING + packed, until, ahead=1)
            else:
                reply = await node.send_by(packed, until)
            if not isinstance(reply, Failure):
                return reply
            failure = reply
        if not isinstance(failure, Refusal):
            self._refresh_soon()
        return failure

    async def _owners(self) -> Sequence[Node]:
        await self._refresh_by(self._loop.time() + self._options.deadline)
        owners = list(dict.fromkeys(self._slots))
        if None in owners:
            raise incomplete().error(writes=False)
        return [node for node in owners if node is not None]

    def _endpoints(self) -> Sequence[Endpoint]:
        self._refresh_soon()
        return [node.endpoint for node in self._candidates()]

    def _candidates(self) -> Sequence[Node]:
        """Whom to ask, in this order: at random, but those first to whom there is a connection."""
        nodes = list({*self._nodes.values(), self._seed})
        random.shuffle(nodes)
        return sorted(nodes, key=lambda node: not node.connected)

    def _node_at(self, address: tuple[str, int], answering: Node) -> Node:
        host = address[0] if address[0] not in ("", "?") else answering.endpoint.host
        node = self._nodes.get((host, address[1]))
        if node is None:
            endpoint = answering.endpoint.at(host, address[1])
            node = self._nodes[host, address[1]] = Node(endpoint, self._options.deadline)
        return node

    async def _refresh_by(self, until: float) -> None:
        """Return when the map was refreshed, or couldn't be, or the time has come."""
        self._refresh_soon()
        if self._refreshing is not None:
            await asyncio.wait([self._refreshing], timeout=max(until - self._loop.time(), 0))

    def _refresh_soon(self) -> None:
        if self._refreshing is None and not self._closed:
            self._refreshing = self._loop.create_task(self._refresh())

    async def _refresh(self) -> None:
        try:
            await asyncio.sleep(self._refreshed + _REST - self._loop.time())
            for node in self._candidates():
                patience = self._options.deadline / 4
                reply = await node.send_by(_SLOTS, self._loop.time() + patience)
                if isinstance(reply, list) and reply:
                    self._learn(reply, node)
                    return
        finally:
            self._refreshed = self._loop.time()
            self._refreshing = None

    def _learn(self, ranges: list[Any], answering: Node) -> None:
        """Replace the map. Who owns nothing any more is disconnected when it has answered all."""
        slots: list[Node | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        for first, last, (host, port, *_), *_replicas in ranges:
            owner = self._node_at(((host or b"").decode(), port), answering)
            slots[first : last + 1] = [owner] * (last + 1 - first)
        self._slots = slots
        owners = set(slots)
        for address, node in list(self._nodes.items()):
            if node not in owners:
                node.renew()
                if node.idle:
                    del self._nodes[address]
