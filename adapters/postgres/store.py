"""The PostgreSQL store of authoring data."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, Self

from sqlalchemy.sql import ClauseElement

from adapters.postgres.archive import PostgresArchive
from adapters.postgres.audit import PostgresAuditLog
from adapters.postgres.autocommit import PoolExecutor
from adapters.postgres.executor import Executor
from adapters.postgres.experiments import PostgresExperimentRepository
from adapters.postgres.flows import PostgresFlowRepository
from adapters.postgres.integrations import PostgresIntegrationRepository
from adapters.postgres.maintenance import PostgresMaintenance
from adapters.postgres.outbox import MOST_DELIVERIES, PostgresOutbox
from adapters.postgres.pool import Pool, PoolOptions
from adapters.postgres.tombstones import PostgresTombstones
from adapters.postgres.transaction import SNAPSHOT, TransactionExecutor
from adapters.postgres.way_down import read
from domain.identity import NOBODY, Author, TenantId, tenant_id
from ports.audit import AuditLog
from ports.capabilities import Capability
from ports.errors import StoreUnavailableError
from ports.experiments import ExperimentRepository
from ports.flows import FlowRepository
from ports.gate import Gate, UnitGate
from ports.integrations import IntegrationRepository
from ports.reading import Context
from ports.secrets import SecretBox
from ports.stores import AuthoringStore
from ports.time import Clock, IdGenerator
from ports.tombstones import STALENESS
from ports.unit_of_work import AuthoringRepositories, AuthoringUnit

_TAKES_WRITES = "SELECT NOT current_setting('transaction_read_only')::boolean"


class PostgresStore(AuthoringStore):
    """Authoring data in a PostgreSQL database that `migrations.migrate` has prepared.

    Open it with `open`, in the event loop that uses it, and `close` it there. Without `secrets` to
    encrypt them, it neither takes credentials nor shows those that are there.
    """

    name: ClassVar[str] = "postgres"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        ids: IdGenerator,
        secrets: SecretBox | None = None,
        *,
        staleness: timedelta = STALENESS,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._ids = ids
        self._secrets = secrets
        self._executor = PoolExecutor(pool)
        self._deliveries = pool.apart(MOST_DELIVERIES)
        # Apart, so that a unit of work that asks it needs no second of the pool's.
        self._looking = pool.apart(1)
        self._tombstones = PostgresTombstones(
            PoolExecutor(self._looking),
            clock,
            deadline=pool.options.deadline,
            staleness=staleness,
        )

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Clock,
        ids: IdGenerator,
        options: PoolOptions | None = None,
        secrets: SecretBox | None = None,
        staleness: timedelta = STALENESS,
    ) -> Self:
        """A store at `url`, such as `postgresql://user:password@host:5432/database`.

        It connects when it is first used, unless the options ask for connections at once.
        `staleness`: how long an erasure by another process may be unknown here.

        Raises:
            StoreUnavailableError: if it can't connect although it was asked to.
        """
        pool = await Pool.open(url, options or PoolOptions())
        return cls(pool, clock, ids, secrets, staleness=staleness)

    async def close(self) -> None:
        """Close every connection, when what they are used for is over or the deadline passed."""
        try:
            await self._tombstones.close()
            await self._looking.close()
            await self._deliveries.close()
        finally:
            await self._pool.close()

    def repositories(self, tenant: TenantId, author: Author = NOBODY) -> AuthoringRepositories:
        executor = PoolExecutor(self._pool, tenant)
        return self._repositories(tenant, author, executor, self._tombstones.gate)

    @asynccontextmanager
    async def unit(self, tenant: TenantId, author: Author = NOBODY) -> AsyncIterator[AuthoringUnit]:
        executor = TransactionExecutor(self._pool, SNAPSHOT, tenant)
        gate = UnitGate(self._tombstones.gate)
        async with executor.whole():
            yield self._repositories(tenant, author, executor, gate)
            await gate.confirm()

    def maintenance(self) -> PostgresMaintenance:
        outbox = PostgresOutbox(self._executor, self._deliveries, self._clock)
        made = PostgresMaintenance(self._executor, outbox, self._tombstones)
        archive = PostgresArchive(
            self._pool, self._clock, self._ids, self._secrets, self._tombstones.gate
        )
        return made.keeping(archive)

    async def check(self) -> None:
        rows = await self._executor.read(_TAKES_WRITES, ())
        if not rows[0][0]:
            raise StoreUnavailableError("PostgreSQL takes no writes: a standby, or read-only")

    def read(
        self,
        tenant: TenantId,
        statement: str | ClauseElement,
        parameters: Mapping[str, Any] = MappingProxyType({}),
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """The way down, for what no port covers: the rows of one statement, read as the tenant.

            async for row in store.read(tenant, "SELECT category, count(*) AS flows FROM flows"
                                                " WHERE status = :status GROUP BY 1",
                                        {"status": "active"}): ...

        Text with `:name` for each parameter, or a statement of SQLAlchemy Core on the tables of
        `database.METADATA`; values go to the server beside the statement, in the forms that asyncpg
        takes. Rows are streamed, some hundred in memory at a time, on a connection of the pool that
        is busy until the end; who may stop before closes the iterator (`contextlib.aclosing`). The
        deadline is each fetch's.

        Row-level security shows the tenant's rows alone, unless it is inert for the role that
        connects (see `doctor`), and the transaction can't write. The text is the service's own:
        it must never come from a user, since SQL that means to can name another tenant to the
        server (`set_config`). That is what parameters are for.

        Raises:
            InvalidQueryError: if PostgreSQL doesn't take the statement, or it doesn't only read.
        """
        return read(self._pool, tenant_id(tenant), statement, parameters)

    def _repositories(
        self, tenant: TenantId, author: Author, executor: Executor, gate: Gate
    ) -> "PostgresRepositories":
        context = Context(
            tenant=tenant,
            clock=self._clock,
            ids=self._ids,
            author=author,
            secrets=self._secrets,
            gate=gate,
        )
        return PostgresRepositories(context, executor)


class PostgresRepositories(AuthoringUnit):
    """A tenant's repositories on one executor: a unit of work's transaction, or the pool."""

    def __init__(self, context: Context, executor: Executor) -> None:
        self._context = context
        self._executor = executor

    @cached_property
    def flows(self) -> FlowRepository:
        return PostgresFlowRepository(self._context, self._executor)

    @cached_property
    def audit(self) -> AuditLog:
        return PostgresAuditLog(self._context, self._executor)

    @cached_property
    def experiments(self) -> ExperimentRepository:
        return PostgresExperimentRepository(self._context, self._executor)

    @cached_property
    def integrations(self) -> IntegrationRepository:
        return PostgresIntegrationRepository(self._context, self._executor)
