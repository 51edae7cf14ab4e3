"""The Redis adapter as the contracts see it, on real servers whose clock a contract moves."""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from ports.contracts.harness import Backend, ContractClock, ForeignClock, Group
from ports.stores import RuntimeStore
from tests.redis.keyspace import faults
from tests.valkey import cluster, one_server, show

REDIS_URL = "DIALOGBASE_TEST_REDIS_URL"
"""Names a server to be used in place of a private one; contracts that move the clock are skipped
then, and so they are with the next."""

REDIS_CLUSTER_URLS = "DIALOGBASE_TEST_REDIS_CLUSTER_URLS"
"""Names all primaries of a cluster, with blanks between them."""


class ServerClock(ContractClock):
    """The contract's clock, which is the servers' too once they run."""

    def __init__(self) -> None:
        super().__init__()
        self.file: Path | None = None

    def set(self, now: datetime) -> None:
        super().set(now)
        if self.file is not None:
            show(self.file, now)


class RedisBackend(Backend):
    """Two stores with connections of their own, on one server: the one given, or a private one.

    At its end it looks at what is left in the server: if any contract left a key that lives for
    ever, or a name that doesn't follow the rule, the run has failed.
    """

    name: ClassVar[str] = "redis"
    offers: ClassVar[frozenset[Group]] = frozenset({Group.RUNTIME})
    tolerance: ClassVar[timedelta] = timedelta(milliseconds=1)
    variable: ClassVar[str] = REDIS_URL

    def __init__(self) -> None:
        self.urls: Sequence[str] = os.environ.get(self.variable, "").split()
        self._private = None if self.urls else ServerClock()
        super().__init__(self._private or ForeignClock())
        self._server = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as server:
            if self._private is not None:
                started = self.servers(self._private.now())
                self.urls, self._private.file = server.enter_context(started)
            super().__enter__()
            self._server = server.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._server:
            super().__exit__(kind, error, trace)
            found = faults(self.urls, own=self._private is not None)
            assert not found, f"{self.name} was left with {'; '.join(found)}"

    @contextmanager
    def servers(self, now: datetime) -> Iterator[tuple[Sequence[str], Path]]:
        """Private servers for the block, all of their URLs, and their clock's file."""
        with one_server(now) as (url, clock):
            yield [url], clock

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[RuntimeStore]]:
        # Drivers are for those who ask for them.
        from adapters.redis.store import RedisStore

        async with AsyncExitStack() as opened:
            stores = []
            for _ in range(2):
                store = await RedisStore.open(self.urls[0])
                opened.push_async_callback(store.close)
                stores.append(store)
            yield stores


class RedisClusterBackend(RedisBackend):
    """The same, on a cluster of three nodes."""

    name: ClassVar[str] = "redis-cluster"
    variable: ClassVar[str] = REDIS_CLUSTER_URLS

    @contextmanager
    def servers(self, now: datetime) -> Iterator[tuple[Sequence[str], Path]]:
        with cluster(now) as started:
            assert started.clock is not None
            yield [node.url for node in started.nodes], started.clock
