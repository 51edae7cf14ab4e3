"""Our adapters as the contracts see them."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from types import TracebackType
from typing import ClassVar, Self

from adapters.memory import MemoryAuthoringStore, MemoryDialogueStore, MemoryRuntimeStore
from adapters.system import Uuid7Generator
from bootstrap import embedded
from ports.contracts.harness import Backend, Group, Instance, Opened

POSTGRES_URL = "DIALOGBASE_TEST_POSTGRES_URL"
"""Names a database to be used in place of a private server's."""


class MemoryBackend(Backend):
    """Two stores over the same data."""

    name: ClassVar[str] = "memory"
    offers: ClassVar[frozenset[Group]] = frozenset(Group)

    def __init__(self) -> None:
        super().__init__()
        self._authoring = MemoryAuthoringStore(clock=self.clock)
        self._dialogue = MemoryDialogueStore(clock=self.clock)
        self._runtime = MemoryRuntimeStore(clock=self.clock)

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[Opened]]:
        yield [
            Instance(self._authoring.sibling(), self._dialogue.sibling(), runtime)
            for runtime in (self._runtime.sibling(), self._runtime.sibling(clock=self.ahead))
        ]


class PostgresBackend(Backend):
    """Two stores with a pool each, on a real server: the one given, or a private one."""

    name: ClassVar[str] = "postgres"

    def __init__(self) -> None:
        super().__init__()
        self._server = ExitStack()
        self._url = ""

    def __enter__(self) -> Self:
        with ExitStack() as server:
            self._url = os.environ.get(POSTGRES_URL, "")
            if not self._url:
                self._url = server.enter_context(embedded.servers_sync({"postgres"})).postgres
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
    async def stores(self) -> AsyncIterator[Sequence[Opened]]:
        # Drivers are for those who ask for them.
        from adapters.postgres.migrations import migrate
        from adapters.postgres.store import PostgresStore

        await migrate(self._url)
        async with AsyncExitStack() as opened:
            stores = []
            for _ in range(2):
                ids = Uuid7Generator(self.clock)
                store = await PostgresStore.open(self._url, clock=self.clock, ids=ids)
                opened.push_async_callback(store.close)
                stores.append(store)
            yield stores
