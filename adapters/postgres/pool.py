"""The pool of connections, and statements that run on it each by itself."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import asyncpg
import attrs

from adapters.postgres.errors import not_connected


@attrs.frozen(kw_only=True)
class PoolOptions:
    """`deadline`: seconds that a call may take, waiting for a connection included.

    `statement_cache_size`: 0 behind a pooler that shares a connection by transaction (PgBouncer);
    then statements are prepared each time, and no setting is sent as the connection starts.
    """

    deadline: float = 10.0
    min_size: int = 0
    max_size: int = 10
    statement_cache_size: int = 512


class Pool:
    """asyncpg's pool without its reset (no statement leaves session state behind), under deadlines.

    A connection whose call was cut short comes back once the server has ended the statement, and
    is dropped if that takes longer than the deadline: the caller waits for neither.
    """

    def __init__(self, pool: Any, options: PoolOptions) -> None:
        self._pool = pool
        self._leaving: set[asyncio.Task[None]] = set()
        self.options = options

    @classmethod
    async def open(cls, url: str, options: PoolOptions) -> "Pool":
        """A pool for `url`; connects when it is first used, or now as far as `min_size` asks.

        Raises:
            StoreUnavailableError: if it can't.
        """
        settings = {"application_name": "dialogbase", "jit": "off"}
        # The server itself ends a wait for a lock, what mostly makes a write late, so that the
        # write's outcome is known. (A statement_timeout would cost a timer on every statement.)
        settings["lock_timeout"] = str(max(1, int(options.deadline * 950)))
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=options.min_size,
                max_size=options.max_size,
                statement_cache_size=options.statement_cache_size,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=0,
                timeout=options.deadline * 0.9,
                reset=_nothing,
                server_settings=settings if options.statement_cache_size else None,
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            failure = not_connected(error)
        else:
            return cls(pool, options)
        raise failure

    async def close(self) -> None:
        """Wait for what is running, then close every connection; for certain, by the deadline."""
        if self._leaving:
            await asyncio.wait(self._leaving)
        try:
            async with asyncio.timeout(self.options.deadline):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def acquire(self) -> Any:
        """A connection; nothing was sent if this raises."""
        try:
            return await self._pool.acquire()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            failure = not_connected(error)
        raise failure

    async def release(self, connection: Any) -> None:
        """Give back a connection whose last statement was answered."""
        try:
            await self._pool.release(connection)
        except Exception:  # noqa: BLE001  # asyncpg has dropped the connection by then
            return

    def leave(self, settle: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Settle a connection's affairs in the background, whatever becomes of the caller."""
        task = asyncio.create_task(settle)
        self._leaving.add(task)
        task.add_done_callback(self._left)
        return task

    def _left(self, task: "asyncio.Task[None]") -> None:
        self._leaving.discard(task)
        if not task.cancelled():
            task.exception()  # its caller, if it hasn't left, is told

    def abandon(self, connection: Any) -> None:
        """Give back a connection whose statement may still be running."""
        self.leave(self._settled(connection))

    async def _settled(self, connection: Any) -> None:
        try:
            await self._pool.release(connection, timeout=self.options.deadline)
        except Exception:  # noqa: BLE001  # asyncpg has dropped the connection by then
            return


async def _nothing(connection: Any) -> None:
    """In place of asyncpg's RESET ALL, UNLISTEN and so on, which cost a round trip."""
