"""What is to be known about a server or a cluster before one relies on it: for `doctor`."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from adapters.redis.client import Argument
from adapters.redis.connection import pack
from adapters.redis.endpoint import Endpoint
from adapters.redis.errors import Failure
from adapters.redis.keys import PREFIX, kind_of
from adapters.redis.node import Node

OLDEST: Final = (6, 2)
"""Before it, Redis lacks what our scripts use."""

SAMPLE: Final = 10_000
"""So many keys of ours, at most, are asked for their expiry."""

_BATCH = 1_000
_SCANS = 200
"""So many batches, at most, are looked through in a node that is full of other programs' keys."""

_FOR_EVER = -1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class NodeSeen:
    """One server. `clock_skew`: seconds by which its clock is ahead of the caller's."""

    product: str
    version: str
    """By which it calls itself, in its own counting."""

    redis_version: tuple[int, ...]
    """The Redis whose commands it has."""

    clock_skew: float
    eviction: str
    """What it does when its memory is full, `maxmemory-policy`."""

    memory_limit: int
    """In bytes; 0: none, so that it never evicts."""

    appends: bool
    """Whether it keeps an append-only file."""

    follows: bool
    """Whether it is a replica, which takes no writes."""

    @property
    def evicts(self) -> bool:
        """Whether it may forget what hasn't expired: everything here has an expiry, so that the
        policies that are for volatile keys alone spare nothing.
        """
        return self.memory_limit > 0 and self.eviction != "noeviction"


@attrs.frozen(kw_only=True)
class Inspection:
    """All servers that have a share in the data: one, or a cluster's primaries."""

    nodes: tuple[NodeSeen, ...]
    cluster_state: str | None
    """As the node says that was asked, `ok` or `fail`; None if it isn't one of a cluster."""

    sampled: int
    """How many keys of ours were asked for their expiry."""

    without_expiry: Mapping[str, int]
    """How many of them have none, by kind."""

    @property
    def clock_skew(self) -> float:
        """The largest of any node."""
        return max((node.clock_skew for node in self.nodes), key=abs)


async def inspect(
    url: str, now: datetime, *, deadline: float = 10.0, sample: int = SAMPLE
) -> Inspection:
    """Look at what answers at `url`; it is left as it was. `now` is the caller's time, `sample` how
    many keys, at most, are asked for their expiry.

    Raises:
        StoreUnavailableError, StoreTimeoutError: if it, or a node of its cluster, can't be asked.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with AsyncExitStack() as opened:

        def connected(endpoint: Endpoint) -> Node:
            node = Node(endpoint, deadline)
            opened.push_async_callback(node.close)
            return node

        endpoint = Endpoint.of(url)
        nodes, state = [connected(endpoint)], None
        if _told(await _ask(nodes[0], "INFO", "cluster")).get("cluster_enabled") == "1":
            state = _told(await _ask(nodes[0], "CLUSTER", "INFO"))["cluster_state"]
            shares = await _ask(nodes[0], "CLUSTER", "SLOTS")
            owners = sorted({(host or b"", port) for _, _, (host, port, *_), *_ in shares})
            if owners:
                nodes = [
                    connected(endpoint.at(host.decode() or endpoint.host, port))
                    for host, port in owners
                ]
        seen, found, sampled = [], Counter[str](), 0
        for node in nodes:
            seen.append(await _node(node, now + timedelta(seconds=loop.time() - began)))
            if sample:
                ours, lasting = await _sample(node, -(-sample // len(nodes)))
                sampled += ours
                found += lasting
    return Inspection(nodes=tuple(seen), cluster_state=state, sampled=sampled, without_expiry=found)


async def _ask(node: Node, *command: Argument) -> Any:
    reply = await node.send(pack(command))
    if isinstance(reply, Failure):
        raise reply.error(writes=False)
    return reply


def _told(reply: bytes) -> dict[str, str]:
    """INFO's lines."""
    lines = (line.partition(":") for line in reply.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


async def _node(node: Node, now: datetime) -> NodeSeen:
    seconds, microseconds = await _ask(node, "TIME")
    its = _EPOCH + timedelta(seconds=int(seconds), microseconds=int(microseconds))
    told = _told(await _ask(node, "INFO"))
    product = {"valkey": "Valkey"}.get(told.get("server_name", ""), "Redis")
    redis_version = told["redis_version"]
    return NodeSeen(
        product=product,
        version=told.get("valkey_version", redis_version),
        redis_version=tuple(int(part) for part in redis_version.split(".") if part.isdecimal()),
        clock_skew=(its - now.astimezone(UTC)).total_seconds(),
        eviction=told["maxmemory_policy"],
        memory_limit=int(told["maxmemory"]),
        appends=told.get("aof_enabled") == "1",
        follows=told.get("role", "master") != "master",
    )


async def _sample(node: Node, most: int) -> tuple[int, Counter[str]]:
    """How many of its keys were looked at, and of which kinds those are that have no expiry."""
    looked_at, lasting, cursor = 0, Counter[str](), b"0"
    for _ in range(_SCANS):
        command = ("SCAN", cursor, "MATCH", f"{PREFIX}*", "COUNT", _BATCH)
        cursor, names = await _ask(node, *command)
        left = await asyncio.gather(*(_ask(node, "PTTL", name) for name in names))
        looked_at += len(names)
        lasting.update(
            kind_of(name.decode(errors="replace"))
            for name, milliseconds in zip(names, left, strict=True)
            if milliseconds == _FOR_EVER
        )
        if cursor == b"0" or looked_at >= most:
            break
    return looked_at, lasting
