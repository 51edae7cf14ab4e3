"""The MongoDB adapter as the contracts see it, on each driver."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, ClassVar

from adapters.system import Uuid7Generator
from ports.contracts.harness import RETENTION, Group, Instance
from tests.contracts.server_backends import ServerBackend
from tests.servers import servers

if TYPE_CHECKING:
    from adapters.mongo.driver import DriverName


class MongoBackend(ServerBackend):
    """Two stores with a client each, on a real server: the one given, or a private one."""

    name: ClassVar[str] = "motor"
    offers: ClassVar[frozenset[Group]] = frozenset({Group.DIALOGUE, Group.ANALYTICS})
    driver: "ClassVar[DriverName]" = "motor"

    @contextmanager
    def servers(self) -> Iterator[Sequence[str]]:
        with servers("mongo") as urls:
            yield [urls["mongo"]]

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[Instance]]:
        # Drivers are for those who ask for them.
        from adapters.mongo.analytics import MongoAnalyticsStore
        from adapters.mongo.driver import Client, MongoOptions
        from adapters.mongo.migrations import migrate
        from adapters.mongo.store import MongoStore

        await migrate(self.url)
        options = MongoOptions(driver=self.driver)
        async with AsyncExitStack() as opened:
            stores = []
            for _ in range(2):
                ids = Uuid7Generator(self.clock)
                client = Client.open(self.url, options)
                opened.push_async_callback(client.close)
                late = self.staleness
                dialogue = MongoStore(client, self.clock, ids, staleness=late)
                analytics = MongoAnalyticsStore(
                    client, self.clock, ids, retention=RETENTION, staleness=late
                )
                stores.append(Instance(dialogue=dialogue, analytics=analytics))
            yield stores


class PymongoBackend(MongoBackend):
    """The same, on PyMongo's own asynchronous client."""

    name: ClassVar[str] = "pymongo"
    driver: "ClassVar[DriverName]" = "pymongo"
