"""The Redis adapter as the contracts see it, on real servers whose clock a contract moves."""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from ports.contracts.harness import ContractClock, ForeignClock, Group
from ports.stores import RuntimeStore
from tests.contracts.server_backends import ServerBackend
from tests.redis.keyspace import faults
from tests.servers import REDIS_CLUSTER_URLS, REDIS_URL
from tests.valkey import cluster, one_server, show


class ServerClock(ContractClock):
    """The contract's clock, which is the servers' too once they run."""

    def __init__(self) -> None:
        super().__init__()
        self.file: Path | None = None

    def set(self, now: datetime) -> None:
        super().set(now)
        if self.file is not None:
            show(self.file, now)


class RedisBackend(ServerBackend):
    """Two stores with connections of their own, on one server: the one given, or a private one.

    Contracts that move the clock are skipped on a given one. At its end it looks at what is left in
    the server: if any contract left a key that lives for ever, or a name that doesn't follow the
    rule, the run has failed.
    """

    name: ClassVar[str] = "redis"
    offers: ClassVar[frozenset[Group]] = frozenset({Group.RUNTIME})
    tolerance: ClassVar[timedelta] = timedelta(milliseconds=1)
    variable: ClassVar[str] = REDIS_URL

    def __init__(self) -> None:
        self._given = os.environ.get(self.variable, "").split()
        self._private = None if self._given else ServerClock()
        super().__init__(self._private or ForeignClock())

    @contextmanager
    def servers(self) -> Iterator[Sequence[str]]:
        if self._private is None:
            yield self._given
            return
        with self.started(self._private.now()) as (urls, self._private.file):
            yield urls

    @contextmanager
    def started(self, now: datetime) -> Iterator[tuple[Sequence[str], Path]]:
        """Private servers for the block, all of their URLs, and their clock's file."""
        with one_server(now) as (url, clock):
            yield [url], clock

    def look_behind(self) -> None:
        found = faults(self.urls, own=self._private is not None)
        assert not found, f"{self.name} was left with {'; '.join(found)}"

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[RuntimeStore]]:
        # Drivers are for those who ask for them.
        from adapters.redis.store import RedisStore

        async with AsyncExitStack() as opened:
            stores = []
            for _ in range(2):
                store = await RedisStore.open(self.url, staleness=self.staleness)
                opened.push_async_callback(store.close)
                stores.append(store)
            yield stores


class RedisClusterBackend(RedisBackend):
    """The same, on a cluster of three nodes."""

    name: ClassVar[str] = "redis-cluster"
    variable: ClassVar[str] = REDIS_CLUSTER_URLS

    @contextmanager
    def started(self, now: datetime) -> Iterator[tuple[Sequence[str], Path]]:
        with cluster(now) as made:
            assert made.clock is not None
            yield [node.url for node in made.nodes], made.clock
