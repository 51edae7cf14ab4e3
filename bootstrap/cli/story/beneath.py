"""What lies beneath the ports: for scenes in which somebody goes round them."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from attrs import evolve

from adapters.memory import MemoryAuthoringStore
from adapters.memory.audit import ENTRIES
from adapters.memory.session import SingleSession
from bootstrap.container import Container
from domain.audit import AuditEntry
from domain.identity import TenantId, UserId

if TYPE_CHECKING:
    import asyncpg

_TENANT = "SELECT set_config('dialogbase.tenant', $1, true)"


class Beneath(ABC):
    """The place where authoring data lies."""

    @abstractmethod
    async def credentials(self, tenant: TenantId, integration: UUID) -> str | None:
        """As they are stored; None where nothing is written down."""

    @abstractmethod
    async def change_trail(self, tenant: TenantId) -> Sequence[tuple[str, str]]:
        """What the service's own login tries with the audit trail, and gets. Nothing is changed."""

    @abstractmethod
    async def blame(self, tenant: TenantId, entry: AuditEntry, actor: str) -> bool:
        """Put a change down to somebody, by whatever rights it takes; False if they are lacking."""

    @abstractmethod
    async def count(self, table: str, tenant: TenantId | None, *, first: str = "") -> str:
        """How many rows of a table the service's login sees, by SQL without any condition, with
        that tenant set, or none, and after the statement `first`; or what it is told."""


class InMemory(Beneath):
    """A process' own tables: whoever runs in it may do anything."""

    def __init__(self, store: MemoryAuthoringStore) -> None:
        self._store = store

    async def credentials(self, tenant: TenantId, integration: UUID) -> str | None:
        return None

    async def change_trail(self, tenant: TenantId) -> Sequence[tuple[str, str]]:
        return ()

    async def blame(self, tenant: TenantId, entry: AuditEntry, actor: str) -> bool:
        with SingleSession(self._store._tables(tenant)).writing() as transaction:
            transaction.replace(ENTRIES, evolve(entry, actor=UserId(actor)))
        return True

    async def count(self, table: str, tenant: TenantId | None, *, first: str = "") -> str:
        raise LookupError("there is no SQL in memory")


class InPostgres(Beneath):
    """Tables of PostgreSQL. `service` and `owner`: as who its URLs log in."""

    def __init__(self, service: str, owner: str) -> None:
        self._service = service
        self._owner = owner

    async def credentials(self, tenant: TenantId, integration: UUID) -> str | None:
        async with _as(self._service, tenant) as connection:
            return await connection.fetchval(  # type: ignore[no-any-return]  # the driver isn't typed
                "SELECT credentials FROM integrations WHERE id = $1", integration
            )

    async def change_trail(self, tenant: TenantId) -> Sequence[tuple[str, str]]:
        tried: list[tuple[str, str]] = []
        for statement in (
            "UPDATE audit_entries SET actor = 'bob'",
            "DELETE FROM audit_entries",
            "TRUNCATE audit_entries",
            "ALTER TABLE audit_entries DISABLE ROW LEVEL SECURITY",
        ):
            tried.append((statement, await self._tried(tenant, statement)))
            if statement.startswith("DELETE") and not tried[-1][1].startswith("refused"):
                break  # who may do that owns the table, and locks it for others with what follows
        return tried

    async def _tried(self, tenant: TenantId, statement: str) -> str:
        import asyncpg

        try:
            async with _as(self._service, tenant) as connection:
                return str(await connection.execute(statement))
        except asyncpg.PostgresError as refused:
            return f"refused: {refused.args[0]}"

    async def blame(self, tenant: TenantId, entry: AuditEntry, actor: str) -> bool:
        import asyncpg

        try:
            # By its deletion: what is sealed not even the owner may update.
            async with _as(self._owner, tenant, keep=True) as connection:
                row: Any = await connection.fetchrow(
                    "DELETE FROM audit_entries WHERE id = $1 RETURNING *", entry.id
                )
                values = dict(row) | {"actor": actor}
                places = ", ".join(f"${n + 1}" for n in range(len(values)))
                await connection.execute(
                    f"INSERT INTO audit_entries ({', '.join(values)})"
                    f" OVERRIDING SYSTEM VALUE VALUES ({places})",
                    *values.values(),
                )
        except asyncpg.InsufficientPrivilegeError:
            return False
        return True

    async def count(self, table: str, tenant: TenantId | None, *, first: str = "") -> str:
        import asyncpg

        try:
            async with _as(self._service, tenant) as connection:
                if first:
                    await connection.execute(first)
                return str(await connection.fetchval(f"SELECT count(*) FROM {table}"))
        except asyncpg.PostgresError as refused:
            return f"refused: {refused.args[0]}"


@asynccontextmanager
async def _as(
    url: str, tenant: TenantId | None, *, keep: bool = False
) -> "AsyncIterator[asyncpg.Connection]":
    """A connection in a transaction, for which the tenant is set; taken back unless `keep`."""
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SET LOCAL lock_timeout = '1s'")  # others may be at work
        if tenant is not None:
            await connection.fetchval(_TENANT, tenant)
        yield connection
        await (transaction.commit() if keep else transaction.rollback())
    finally:
        await connection.close()


async def beneath(container: Container) -> Beneath:
    """What lies beneath the platform of a container that is open."""
    settings = container.settings()
    if settings.stores.authoring == "memory":
        return InMemory(container.memory_authoring())
    urls = container.urls()
    if isawaitable(urls):
        urls = await urls
    return InPostgres(urls.postgres, urls.postgres_owner)
