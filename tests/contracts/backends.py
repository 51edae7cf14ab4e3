"""Our adapters as the contracts see them."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import ClassVar
from uuid import UUID

from adapters.memory import (
    MemoryAnalyticsStore,
    MemoryAuthoringStore,
    MemoryDialogueStore,
    MemoryRuntimeStore,
)
from adapters.system import Uuid7Generator
from domain.audit import AuditEntry, AuditHead
from domain.identity import TenantId
from ports.contracts.harness import RETENTION, Backend, Group, Instance, Opened
from tests.contracts.server_backends import ServerBackend
from tests.contracts.tampering import (
    tamper_memory,
    tamper_memory_anchor,
    tamper_memory_head,
    tamper_postgres,
    tamper_postgres_anchor,
    tamper_postgres_head,
)
from tests.servers import as_service, make_service, servers


class MemoryBackend(Backend):
    """Two stores over the same data."""

    name: ClassVar[str] = "memory"
    offers: ClassVar[frozenset[Group]] = frozenset(Group)

    def __init__(self) -> None:
        super().__init__()
        self._authoring = MemoryAuthoringStore(clock=self.clock, secrets=self.keys)
        self._dialogue = MemoryDialogueStore(clock=self.clock)
        self._runtime = MemoryRuntimeStore(clock=self.clock)
        self._analytics = MemoryAnalyticsStore(clock=self.clock, retention=RETENTION)

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[Opened]]:
        yield [
            Instance(
                self._authoring.sibling(),
                self._dialogue.sibling(),
                runtime,
                self._analytics.sibling(),
            )
            for runtime in (self._runtime.sibling(), self._runtime.sibling(clock=self.ahead))
        ]

    async def tamper(self, tenant: TenantId, entries: Mapping[UUID, AuditEntry | None]) -> None:
        tamper_memory(self._authoring, tenant, entries)

    async def tamper_head(self, tenant: TenantId, head: AuditHead | None) -> None:
        tamper_memory_head(self._authoring, tenant, head)

    async def tamper_anchor(self, tenant: TenantId, anchor: AuditHead | None) -> None:
        tamper_memory_anchor(self._authoring, tenant, anchor)


class PostgresBackend(ServerBackend):
    """Two stores with a pool each, on a real server: the one given, or a private one."""

    name: ClassVar[str] = "postgres"

    @contextmanager
    def servers(self) -> Iterator[Sequence[str]]:
        with servers("postgres") as urls:
            make_service(urls["postgres"])
            yield [urls["postgres"]]

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[Opened]]:
        # Drivers are for those who ask for them.
        from adapters.postgres.migrations import migrate
        from adapters.postgres.store import PostgresStore

        await migrate(self.url)
        async with AsyncExitStack() as opened:
            stores = []
            for _ in range(2):
                ids = Uuid7Generator(self.clock)
                store = await PostgresStore.open(
                    as_service(self.url),
                    clock=self.clock,
                    ids=ids,
                    secrets=self.keys,
                    staleness=self.staleness,
                )
                opened.push_async_callback(store.close)
                stores.append(store)
            yield stores

    async def tamper(self, tenant: TenantId, entries: Mapping[UUID, AuditEntry | None]) -> None:
        await tamper_postgres(self.url, tenant, entries)

    async def tamper_head(self, tenant: TenantId, head: AuditHead | None) -> None:
        await tamper_postgres_head(self.url, tenant, head)

    async def tamper_anchor(self, tenant: TenantId, anchor: AuditHead | None) -> None:
        await tamper_postgres_anchor(self.url, tenant, anchor)
