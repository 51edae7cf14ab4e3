"""Statements that each commit by themselves, on a pool's connections."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

import tenacity

from adapters.postgres.errors import failed, late
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
from adapters.postgres.transaction import TransactionExecutor, begin_bounded
from domain.identity import TenantId
from ports.errors import StoreUnavailableError, TransactionError

T = TypeVar("T")
_ATTEMPTS = 4
_REPEATABLE = (StoreUnavailableError, TransactionError)
"""What is raised only by a statement that changed nothing."""


class PoolExecutor(Executor):
    """Each statement commits by itself.

    One that can be repeated without harm is, a few times, within the deadline: a read, and a write
    of which nothing was sent, or that the server gave up for another's sake. A statement names its
    tenant itself (`tables.as_tenant`); several that happen together are all `tenant`'s.
    """

    def __init__(self, pool: Pool, tenant: TenantId | None = None) -> None:
        self._pool = pool
        self._tenant = tenant
        self._deadline = pool.options.deadline

    async def read(self, sql: str, arguments: Arguments) -> list[Row]:
        rows: list[Row] = await self._run("fetch", (sql, *arguments), False)
        return rows

    async def write(self, sql: str, arguments: Arguments) -> list[Row]:
        rows: list[Row] = await self._run("fetch", (sql, *arguments), True)
        return rows

    async def affect(self, sql: str, arguments: Arguments) -> int:
        return affected(await self._run("execute", (sql, *arguments), True))

    async def pour(self, sql: str, batches: Batches, rows: int, last: Last) -> None:
        async def poured(executor: Executor) -> None:
            await executor.pour(sql, batches, rows, last)

        await self._together(poured, pouring_deadline(self._deadline, rows))

    async def atomically(self, body: Callable[[Executor], Awaitable[T]]) -> T:
        return await self._together(body, self._deadline)

    async def _together(self, body: Callable[[Executor], Awaitable[T]], seconds: float) -> T:
        transaction: TransactionExecutor | None = None
        try:
            async with asyncio.timeout(seconds):
                async for attempt in _attempts(_ATTEMPTS):
                    with attempt:
                        begin = begin_bounded(seconds)
                        transaction = TransactionExecutor(self._pool, begin, self._tenant)
                        async with transaction.whole():
                            return await body(transaction)
        except TimeoutError:
            failure = late(writing=transaction is not None and transaction.committing)
        raise failure

    def doom(self) -> None:
        return

    async def _run(self, method: str, arguments: tuple[Any, ...], writing: bool) -> Any:
        # On a connection that is free already, asyncpg's own timer is the deadline; asyncio's, and
        # all that else may be needed, cost several times as much.
        seconds = self._deadline
        connection = self._pool.idle()
        if connection is not None:
            begun = monotonic()
            try:
                answer = await getattr(connection, method)(*arguments, timeout=self._deadline)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
                self._pool.abandon(connection)
                failure = failed(error, writing=writing)
            except BaseException:
                self._pool.abandon(connection)
                raise
            else:
                self._pool.release(connection)
                return answer
            seconds -= monotonic() - begun
            if not isinstance(failure, _REPEATABLE) or seconds <= 0:
                raise failure

        async def called(connection: Any, seconds: float) -> Any:
            return await getattr(connection, method)(*arguments, timeout=seconds)

        return await self._patiently(called, writing, seconds)

    async def _patiently(
        self, call: Callable[[Any, float], Awaitable[T]], writing: bool, seconds: float
    ) -> T:
        progress = _Progress()
        try:
            async with asyncio.timeout(seconds):
                # The first by hand: every caller of a busy pool comes through here.
                with suppress(*_REPEATABLE):
                    return await self._attempt(call, writing, seconds, progress)
                async for attempt in _attempts(_ATTEMPTS - 1):
                    with attempt:
                        return await self._attempt(call, writing, seconds, progress)
        except TimeoutError:
            failure = late(writing=writing and progress.sent)
        raise failure

    async def _attempt(
        self,
        call: Callable[[Any, float], Awaitable[T]],
        writing: bool,
        seconds: float,
        progress: "_Progress",
    ) -> T:
        progress.sent = False
        connection = await self._pool.acquire()
        progress.sent = True
        try:
            answer = await call(connection, seconds)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            self._pool.abandon(connection)
            failure = failed(error, writing=writing)
        except BaseException:
            self._pool.abandon(connection)
            raise
        else:
            self._pool.release(connection)
            return answer
        raise failure


class _Progress:
    """Whether anything may have reached the server."""

    def __init__(self) -> None:
        self.sent = False


def _attempts(attempts: int) -> AsyncIterator[Any]:
    """Attempts with backoff, of what changed nothing when it raised one of these."""
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(_REPEATABLE),
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_random_exponential(multiplier=0.01, max=0.5),
        reraise=True,
    ).__aiter__()
