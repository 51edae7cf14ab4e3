"""Flows in PostgreSQL beside the events of their executions in MongoDB, as the contracts see them.
It is for what is about both; each store's own backend does the rest.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import ClassVar

from adapters.system import Uuid7Generator
from ports.contracts.harness import RETENTION, Group, Instance, Opened
from tests.contracts.server_backends import ServerBackend
from tests.servers import as_service, make_service, servers


class PostgresMongoBackend(ServerBackend):
    """Flows in PostgreSQL, and what is recorded of them in MongoDB, by PyMongo's own client."""

    name: ClassVar[str] = "postgres-mongo"
    offers: ClassVar[frozenset[Group]] = frozenset({Group.AUTHORING, Group.ANALYTICS})
    only: ClassVar[frozenset[str]] = frozenset({"flow_projection", "flow_summary"})

    @contextmanager
    def servers(self) -> Iterator[Sequence[str]]:
        with servers("postgres", "mongo") as urls:
            make_service(urls["postgres"])
            self._mongo = urls["mongo"]
            yield [urls["postgres"]]

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[Opened]]:
        # Drivers are for those who ask for them.
        from adapters.mongo.analytics import MongoAnalyticsStore
        from adapters.mongo.driver import Client, MongoOptions
        from adapters.mongo.migrations import migrate as migrate_mongo
        from adapters.postgres.migrations import migrate
        from adapters.postgres.store import PostgresStore

        await migrate(self.url)
        await migrate_mongo(self._mongo)
        async with AsyncExitStack() as opened:
            stores = []
            for _ in range(2):
                ids = Uuid7Generator(self.clock)
                authoring = await PostgresStore.open(
                    as_service(self.url), clock=self.clock, ids=ids, secrets=self.keys
                )
                opened.push_async_callback(authoring.close)
                client = Client.open(self._mongo, MongoOptions(driver="pymongo"))
                opened.push_async_callback(client.close)
                analytics = MongoAnalyticsStore(client, self.clock, ids, retention=RETENTION)
                stores.append(Instance(authoring=authoring, analytics=analytics))
            yield stores
