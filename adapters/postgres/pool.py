"""The connections of a store.

A pool of our own over asyncpg's connections: asyncpg's gives each one back in a task of its own,
whose turn of the event loop is a third of what a read by id costs the caller. Nothing is reset on
the way, since no statement leaves session state behind.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

import asyncpg
import attrs

from adapters.postgres.errors import not_connected
from ports.errors import StoreUnavailableError

PREPARED: Final = 512
"""Statements that a connection keeps prepared."""
UNPREPARED: Final = 0


@attrs.frozen(kw_only=True)
class PoolOptions:
    """`deadline`: seconds that a call may take, waiting for a connection included.

    `min_size` connections are opened at once and kept; beyond that, one that wasn't needed for
    `max_idle` seconds is closed.

    `statement_cache_size`: `UNPREPARED` behind a pooler that shares a connection by transaction
    (PgBouncer); then statements are prepared each time, and no setting is sent as it starts.
    """

    deadline: float = 10.0
    min_size: int = 0
    max_size: int = 10
    max_idle: float = 300.0
    statement_cache_size: int = PREPARED


class Pool:
    """At most `max_size` connections, the last one used first, so that others can be spared.

    Whoever waits is served in turn. A connection whose statement was cut short comes back when the
    server has ended it, and is dropped if that takes longer than the deadline; the caller waits for
    neither. One that is being opened goes on being opened if its caller leaves, for whoever comes
    next: callers with less patience than a connection takes would never have any.
    """

    def __init__(self, url: str, options: PoolOptions) -> None:
        self.options = options
        self._url = url
        self._open: set[Any] = set()
        self._opening = 0
        self._idle: list[Any] = []
        self._unused = 0
        """How many of the idle, from the first, nobody has needed since the last sweep."""
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._leaving: set[asyncio.Task[None]] = set()
        self._unwanted: set[asyncio.Task[Any]] = set()
        """Connections that are being opened, and whose callers have left."""
        self._sweeping: asyncio.TimerHandle | None = None
        self._closed = False

    @classmethod
    async def open(cls, url: str, options: PoolOptions) -> "Pool":
        """A pool for `url`, with `min_size` connections.

        Raises:
            StoreUnavailableError: if it can't connect.
        """
        pool = cls(url, options)
        try:
            opened = [await pool.acquire() for _ in range(options.min_size)]
        except BaseException:
            await pool.close()
            raise
        for connection in opened:
            pool.release(connection)
        return pool

    def apart(self, max_size: int) -> "Pool":
        """Another pool for the same server, which leaves this one's connections alone."""
        return Pool(self._url, attrs.evolve(self.options, min_size=0, max_size=max_size))

    async def close(self) -> None:
        """Close every connection, those in use when they are given back or the deadline passed."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        while self._idle:
            self._drop(self._idle.pop())
        for opening in self._unwanted:
            opening.cancel()
        try:
            async with asyncio.timeout(self.options.deadline):
                while self._open or self._opening or self._leaving:
                    if self._leaving:
                        await asyncio.wait(self._leaving)
                    else:
                        waiter = asyncio.get_running_loop().create_future()
                        self._waiting.append(waiter)
                        await waiter
        except TimeoutError:
            for connection in tuple(self._open):
                connection.terminate()

    def idle(self) -> Any:
        """A connection that is free right now, or None."""
        while self._idle:
            connection = self._idle.pop()
            if len(self._idle) < self._unused:
                self._unused = len(self._idle)
            if not connection.is_closed():
                return connection
            self._open.discard(connection)
        return None

    async def acquire(self) -> Any:
        """A connection, however long that takes; nothing was sent if this raises.

        Raises:
            StoreUnavailableError: if a new one is needed and can't be had.
        """
        while True:
            if self._closed:
                raise StoreUnavailableError("the store is closed")
            if (connection := self.idle()) is not None:
                return connection
            if len(self._open) + self._opening < self.options.max_size and (
                len(self._waiting) >= len(self._unwanted)
            ):
                return await self._connected()
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                connection = await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._return(waiter.result())
                elif waiter in self._waiting:
                    self._waiting.remove(waiter)
                raise
            if connection is not None:
                if not connection.is_closed():
                    return connection
                self._open.discard(connection)

    def release(self, connection: Any) -> None:
        """Give back a connection whose last statement was answered."""
        if connection.is_closed() or connection.is_in_transaction() or self._closed:
            self._drop(connection)
        else:
            self._pass_on(connection)

    def abandon(self, connection: Any) -> None:
        """Give back a connection whose statement may still be running."""
        if connection.is_closed():
            self._drop(connection)
        else:
            self.leave(self._settled(connection))

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

    async def _settled(self, connection: Any) -> None:
        try:
            # asyncpg sends it when the server has ended what was cut short.
            await connection.execute("SELECT 1", timeout=self.options.deadline)
        except Exception:  # noqa: BLE001  # whatever it is, the connection is of no more use
            connection.terminate()
        except asyncio.CancelledError:
            connection.terminate()
            raise
        finally:
            self.release(connection)

    async def _connected(self) -> Any:
        self._opening += 1
        opening = asyncio.create_task(self._new())
        opening.add_done_callback(self._opened)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            if not opening.done():
                self._unwanted.add(opening)
            elif not _failed(opening):
                self.release(opening.result())
            raise

    def _opened(self, opening: "asyncio.Task[Any]") -> None:
        self._opening -= 1
        unwanted = opening in self._unwanted
        self._unwanted.discard(opening)
        if unwanted and not _failed(opening):
            self.release(opening.result())
        elif self._waiting and len(self._open) + self._opening < self.options.max_size:
            self._pass_on(None)

    async def _new(self) -> Any:
        options = self.options
        # The server itself ends a wait for a lock, what mostly makes a write late, so that the
        # write's outcome is known. (A statement_timeout would cost a timer on every statement.)
        settings = {
            "application_name": "dialogbase",
            "jit": "off",
            "lock_timeout": str(max(1, int(options.deadline * 950))),
        }
        try:
            connection = await asyncpg.connect(
                self._url,
                timeout=options.deadline * 0.9,
                statement_cache_size=options.statement_cache_size,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=0,
                server_settings=settings if options.statement_cache_size else None,
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            failure = not_connected(error)
        else:
            self._open.add(connection)
            self._schedule_sweep()
            return connection
        raise failure

    def _return(self, given: Any) -> None:
        """What a waiter was given and can't use: a connection, or the room for one."""
        if given is None:
            self._pass_on(None)
        else:
            self.release(given)

    def _pass_on(self, connection: Any) -> None:
        """To whoever waits longest, or to the idle; None stands for the room for a new one."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        if connection is not None:
            self._idle.append(connection)

    def _drop(self, connection: Any) -> None:
        self._open.discard(connection)
        if not connection.is_closed():
            self.leave(_ended(connection))
        self._pass_on(None)

    def _schedule_sweep(self) -> None:
        if self._sweeping is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._sweeping = loop.call_later(self.options.max_idle, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        spare = max(0, min(self._unused, len(self._open) - self.options.min_size))
        for connection in self._idle[:spare]:
            self._drop(connection)
        del self._idle[:spare]
        self._unused = len(self._idle)
        if self._open:
            self._schedule_sweep()


def _failed(opening: "asyncio.Task[Any]") -> bool:
    return opening.cancelled() or opening.exception() is not None


async def _ended(connection: Any) -> None:
    try:
        await connection.close(timeout=1.0)
    except Exception:  # noqa: BLE001  # whatever it is, it is closed the hard way
        connection.terminate()
