"""Statements that each commit by themselves, on a pool's connections."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import stamina

from adapters.postgres.errors import failed, late
from adapters.postgres.executor import Arguments, Executor, Row, affected
from adapters.postgres.pool import Pool
from adapters.postgres.transaction import TransactionExecutor
from ports.errors import StoreUnavailableError, TransactionError

T = TypeVar("T")
_COPY_SECONDS_PER_ROW = 0.002
_ATTEMPTS = 4


class PoolExecutor(Executor):
    """Each statement commits by itself."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, sql: str, arguments: Arguments) -> list[Row]:
        return await self._run(lambda connection: connection.fetch(sql, *arguments), False)

    async def write(self, sql: str, arguments: Arguments) -> list[Row]:
        return await self._run(lambda connection: connection.fetch(sql, *arguments), True)

    async def affect(self, sql: str, arguments: Arguments) -> int:
        return affected(
            await self._run(lambda connection: connection.execute(sql, *arguments), True)
        )

    async def copy(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        seconds = self._pool.options.deadline + len(rows) * _COPY_SECONDS_PER_ROW

        await self._run(
            lambda connection: connection.copy_records_to_table(
                table, columns=columns, records=rows
            ),
            True,
            seconds,
        )

    async def atomically(self, body: Callable[[Executor], Awaitable[T]]) -> T:
        failure = late(writing=False)
        transaction: TransactionExecutor | None = None
        try:
            async with asyncio.timeout(self._pool.options.deadline):
                async for attempt in _again(_ATTEMPTS):
                    with attempt:
                        transaction = TransactionExecutor(self._pool, "BEGIN")
                        async with transaction.whole():
                            return await body(transaction)
        except TimeoutError:
            failure = late(writing=transaction is not None and transaction.committing)
        raise failure

    def doom(self) -> None:
        return

    async def _run(
        self,
        call: Callable[[Any], Awaitable[T]],
        writing: bool,
        deadline: float | None = None,
    ) -> T:
        progress = _Progress()
        pool = self._pool
        try:
            async with asyncio.timeout(pool.options.deadline if deadline is None else deadline):
                try:
                    return await self._attempt(call, writing, progress)
                except (StoreUnavailableError, TransactionError):
                    pass
                async for attempt in _again(_ATTEMPTS - 1):
                    with attempt:
                        return await self._attempt(call, writing, progress)
        except TimeoutError:
            failure = late(writing=writing and progress.sent)
        raise failure

    async def _attempt(
        self, call: Callable[[Any], Awaitable[T]], writing: bool, progress: "_Progress"
    ) -> T:
        progress.sent = False
        connection = await self._pool.acquire()
        progress.sent = True
        try:
            result = await call(connection)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            self._pool.abandon(connection)
            failure = failed(error, writing=writing)
        except BaseException:
            self._pool.abandon(connection)
            raise
        else:
            await self._pool.release(connection)
            return result
        raise failure


def _again(attempts: int) -> Any:
    """Attempts with backoff, of what changed nothing when it raised one of these."""
    return stamina.retry_context(
        on=(StoreUnavailableError, TransactionError),
        attempts=attempts,
        timeout=None,
        wait_initial=0.01,
        wait_max=0.5,
        wait_jitter=0.02,
    )


class _Progress:
    """Whether anything may have reached the server."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = False
