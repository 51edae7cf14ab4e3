"""Stores whose execution states are synchronised, as the contracts see them: in memory, and Redis
with MongoDB. They are for what is special about these; the stores' own backends do the rest.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import ClassVar

import attrs

from adapters.system import Uuid7Generator
from domain.identity import NOBODY, Author
from ports.contracts.harness import Backend, Group, Instance, Opened
from ports.contracts.synchronising import synchronised
from ports.stores import TenantScope
from tests.contracts.backends import MemoryBackend
from tests.contracts.redis_backends import RedisBackend
from tests.contracts.server_backends import ServerBackend
from tests.servers import servers


class SynchronisedBackend(Backend):
    """Execution states that are restored on a miss keep every promise that others keep."""

    offers: ClassVar[frozenset[Group]] = frozenset({Group.RUNTIME, Group.DIALOGUE})

    def scope(self, tenant: str, instance: int = 0, author: Author = NOBODY) -> TenantScope:
        return synchronised(super().scope(tenant, instance, author))


class MemoryPairBackend(SynchronisedBackend, MemoryBackend):
    """In memory; what is about synchronisation itself runs on memory anyway."""

    name: ClassVar[str] = "memory-synchronised"
    only: ClassVar[frozenset[str]] = frozenset({"executions", "execution_fencing", "keyed_machine"})

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[Opened]]:
        async with super().stores() as stores:
            yield [
                attrs.evolve(Instance.of(each), authoring=None, analytics=None) for each in stores
            ]


class RedisMongoBackend(SynchronisedBackend, ServerBackend):
    """Redis and MongoDB, by PyMongo's own client."""

    name: ClassVar[str] = "redis-mongo"
    only: ClassVar[frozenset[str]] = frozenset(
        {
            *("executions", "execution_fencing"),
            *("execution_sync", "execution_restoring", "execution_workers", "erasure_sync"),
        }
    )
    tolerance: ClassVar[timedelta] = RedisBackend.tolerance

    def __init__(self) -> None:
        self._redis = RedisBackend()
        super().__init__(self._redis.clock)

    @contextmanager
    def servers(self) -> Iterator[Sequence[str]]:
        with ExitStack() as opened:
            self._mongo = opened.enter_context(servers("mongo"))["mongo"]
            self._redis.urls = opened.enter_context(self._redis.servers())
            yield self._redis.urls

    def look_behind(self) -> None:
        self._redis.look_behind()

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[Opened]]:
        # Drivers are for those who ask for them.
        from adapters.mongo.driver import Client, MongoOptions
        from adapters.mongo.migrations import migrate
        from adapters.mongo.store import MongoStore

        await migrate(self._mongo)
        client = Client.open(self._mongo, MongoOptions(driver="pymongo"))
        try:
            async with self._redis.stores() as stores:
                yield [
                    Instance(
                        dialogue=MongoStore(client, self.clock, Uuid7Generator(self.clock)),
                        runtime=each,
                    )
                    for each in stores
                ]
        finally:
            await client.close()
