"""The Redis adapter as the contracts see it, on real servers whose clock a contract moves."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from ports.contracts.harness import Backend, ContractClock, Group
from ports.stores import RuntimeStore
from tests.valkey import one_server, show


class ServerClock(ContractClock):
    """The contract's clock, which is the servers' too."""

    def __init__(self) -> None:
        super().__init__()
        self.file: Path | None = None

    def set(self, now: datetime) -> None:
        super().set(now)
        if self.file is not None:
            show(self.file, now)


class RedisBackend(Backend):
    """Two stores with connections of their own, on one private server."""

    name: ClassVar[str] = "redis"
    offers: ClassVar[frozenset[Group]] = frozenset({Group.RUNTIME})

    def __init__(self) -> None:
        super().__init__()
        self.clock: ServerClock = ServerClock()
        self._server = ExitStack()
        self.url = ""

    def __enter__(self) -> Self:
        with ExitStack() as server:
            self.url, self.clock.file = server.enter_context(one_server(self.clock.now()))
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
    async def stores(self) -> AsyncIterator[Sequence[RuntimeStore]]:
        # Drivers are for those who ask for them.
        from adapters.redis.store import RedisStore

        async with AsyncExitStack() as opened:
            stores = []
            for _ in range(2):
                store = await RedisStore.open(self.url)
                opened.push_async_callback(store.close)
                stores.append(store)
            yield stores
