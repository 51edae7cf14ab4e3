"""Several statements in one transaction: what a unit of work runs on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from adapters.postgres.errors import ConstraintBroken, failed
from adapters.postgres.executor import (
    Arguments,
    Batches,
    Executor,
    Last,
    Row,
    affected,
    pouring_deadline,
)
from adapters.postgres.pool import Pool
from adapters.postgres.tables import TENANT_SETTING
from domain.identity import TenantId
from ports.errors import RepositoryError, TransactionError

T = TypeVar("T")
BEGIN = "BEGIN"
SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ"
_FAILED = "an operation within this unit of work failed; nothing of it is kept"
_ENDED = "this unit of work has ended"


def begin_bounded(seconds: float) -> str:
    """BEGIN of a transaction that the server ends if it waits so long for its next statement: a
    process that is frozen in the middle of it doesn't hold others up for ever.
    """
    return (
        f"{BEGIN}; SET LOCAL idle_in_transaction_session_timeout = {max(1, int(seconds * 1_000))}"
    )


class TransactionExecutor(Executor):
    """One transaction on a connection of its own, begun by its first statement; `tenant`'s rows are
    those that row-level security lets it see.

    Statements run one after the other, whichever task asks. After one that failed at the server,
    or `doom`, everything raises `TransactionError`. The connection goes back to the pool without a
    transaction, or not at all.
    """

    def __init__(self, pool: Pool, begin: str, tenant: TenantId | None) -> None:
        self._pool = pool
        self._begin = begin if tenant is None else f"{begin}; {naming(tenant)}"
        self.in_snapshot = begin == SNAPSHOT
        self._connection: Any = None
        self._turn = asyncio.Lock()
        self._wrote = False
        self.committing = False
        self._refusal: str | None = None

    async def read(self, sql: str, arguments: Arguments) -> list[Row]:
        rows: list[Row] = await self._run("fetch", (sql, *arguments))
        return rows

    async def write(self, sql: str, arguments: Arguments) -> list[Row]:
        self._wrote = True
        rows: list[Row] = await self._run("fetch", (sql, *arguments))
        return rows

    async def affect(self, sql: str, arguments: Arguments) -> int:
        self._wrote = True
        return affected(await self._run("execute", (sql, *arguments)))

    async def pour(self, sql: str, batches: Batches, rows: int, last: Last) -> None:
        self._wrote = True
        seconds = pouring_deadline(self._pool.options.deadline, rows)
        made = iter(batches())
        arguments = next(made, None)
        while arguments is not None:
            sent = asyncio.create_task(self._run("execute", (sql, *arguments), timeout=seconds))
            try:
                # The next batch is made while the server is at work on this one.
                await asyncio.sleep(0)
                arguments = next(made, None)
            except BaseException:
                sent.cancel()
                raise
            await sent
        await last()

    async def atomically(self, body: Callable[[Executor], Awaitable[T]]) -> T:
        # A failure dooms the whole transaction, so nothing less than it need be undone.
        return await body(self)

    def doom(self) -> None:
        if self._refusal is None:
            self._refusal = _FAILED

    @asynccontextmanager
    async def whole(self) -> AsyncIterator[None]:
        """Commits on a clean exit, rolls back on any other.

        Raises:
            TransactionError: instead of committing, if an operation had failed.
            OutcomeUnknownError: if the commit's acknowledgement was lost.
        """
        try:
            yield
        except asyncio.CancelledError:
            self._end()
            raise
        except BaseException:
            if ending := self._end():
                await asyncio.shield(ending)
            raise
        if self._refusal is not None:
            refusal = TransactionError(self._refusal)
            if ending := self._end():
                await asyncio.shield(ending)
            raise refusal
        connection, self._connection = self._connection, None
        self._refusal = _ENDED
        if connection is not None:
            # A caller that is cancelled now leaves the commit to itself: it happens or not, whole.
            self.committing = self._wrote
            await asyncio.shield(self._pool.leave(self._committed(connection)))

    def _end(self) -> "asyncio.Task[None] | None":
        connection, self._connection = self._connection, None
        self._refusal = _ENDED
        return None if connection is None else self._pool.leave(self._undone(connection))

    async def _committed(self, connection: Any) -> None:
        failure: Exception | None = None
        try:
            tag = await connection.execute("COMMIT", timeout=self._pool.options.deadline)
            if tag != "COMMIT":
                failure = TransactionError(_FAILED)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            failure = failed(error, writing=self._wrote)
            if isinstance(failure, ConstraintBroken):
                failure = TransactionError(_FAILED)
        if failure is None:
            self._pool.release(connection)
            return
        # A commit that nobody knows the end of is left to the server.
        connection.terminate()
        self._pool.release(connection)
        raise failure

    async def _undone(self, connection: Any) -> None:
        try:
            # asyncpg sends it when the server has ended what was cut short.
            await connection.execute("ROLLBACK", timeout=self._pool.options.deadline)
        except Exception:  # noqa: BLE001  # what can't be rolled back is so by its end
            connection.terminate()
        finally:
            self._pool.release(connection)

    async def _run(self, method: str, arguments: tuple[Any, ...], **options: Any) -> Any:
        deadline = self._pool.options.deadline
        failure: Exception
        async with self._turn:
            if self._refusal is not None:
                raise TransactionError(self._refusal)
            try:
                if self._connection is None:
                    await self._started(deadline)
                call = getattr(self._connection, method)
                return await call(*arguments, **{"timeout": deadline, **options})
            except RepositoryError as error:
                failure = error
            except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
                failure = failed(error, writing=False)
            except BaseException:
                self.doom()
                raise
            self.doom()
        raise failure

    async def _started(self, deadline: float) -> None:
        async with asyncio.timeout(deadline):
            self._connection = self._pool.idle() or await self._pool.acquire()
            await self._connection.execute(self._begin)


def naming(tenant: TenantId) -> str:
    """Names the tenant to the server until the transaction's end. Sent along with its beginning,
    since neither is a query: no round trip, and no snapshot yet.
    """
    quoted = tenant.replace("'", "''")
    return f"SET LOCAL {TENANT_SETTING} = '{quoted}'"
