"""The MongoDB adapter as the contracts see it, on each driver."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

from adapters.system import Uuid7Generator
from bootstrap import embedded
from ports.contracts.harness import Backend, Group
from ports.stores import DialogueStore

if TYPE_CHECKING:
    from adapters.mongo.driver import DriverName

MONGO_URL = "DIALOGBASE_TEST_MONGO_URL"
"""Names a database to be used in place of a private server's."""


class MongoBackend(Backend):
    """Two stores with a client each, on a real server: the one given, or a private one."""

    name: ClassVar[str] = "motor"
    offers: ClassVar[frozenset[Group]] = frozenset({Group.DIALOGUE})
    driver: "ClassVar[DriverName]" = "motor"

    def __init__(self) -> None:
        super().__init__()
        self._server = ExitStack()
        self.url = ""

    def __enter__(self) -> Self:
        with ExitStack() as server:
            self.url = os.environ.get(MONGO_URL, "")
            if not self.url:
                self.url = server.enter_context(embedded.servers_sync({"mongo"})).mongo
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

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[DialogueStore]]:
        # Drivers are for those who ask for them.
        from adapters.mongo.driver import MongoOptions
        from adapters.mongo.migrations import migrate
        from adapters.mongo.store import MongoStore

        await migrate(self.url)
        options = MongoOptions(driver=self.driver)
        async with AsyncExitStack() as opened:
            stores = []
            for _ in range(2):
                ids = Uuid7Generator(self.clock)
                store = await MongoStore.open(self.url, clock=self.clock, ids=ids, options=options)
                opened.push_async_callback(store.close)
                stores.append(store)
            yield stores


class PymongoBackend(MongoBackend):
    """The same, on PyMongo's own asynchronous client."""

    name: ClassVar[str] = "pymongo"
    driver: "ClassVar[DriverName]" = "pymongo"
