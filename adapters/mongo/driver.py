"""The driver: the one module that knows which it is, Motor or PyMongo's own asynchronous client.

Documents come back as plain `dict`, with naive UTC datetimes, and 64-bit integers as `bson.Int64`,
an `int`: whoever maps them makes them plain where it matters. A `TypeRegistry` that does it more
than doubles what decoding a page of 50 documents costs (236 µs for 104; `int()` on the four such
fields of each, 121 to 220).
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext, suppress
from contextvars import Context
from time import monotonic
from typing import Any, Literal, TypeAlias

import attrs
import pymongo
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from adapters.mongo.errors import not_opened
from adapters.mongo.gate import Gate, closed
from adapters.mongo.values import CODEC_OPTIONS

DriverName: TypeAlias = Literal["motor", "pymongo"]
Call: TypeAlias = Callable[..., Awaitable[Any]]

_DEFAULT_DATABASE = "dialogbase"
_READ = ReadConcern("majority")
_WRITE = WriteConcern("majority")
_SNAPSHOT = ReadConcern("snapshot")


@attrs.frozen(kw_only=True)
class MongoOptions:
    """`driver`: `motor`, whose every operation takes a thread, or `pymongo`, which needs none.

    `deadline`: seconds that a call may take, waiting for a connection included.

    At most `max_size` connections (2 at least), a quarter of which, one at least, is kept for
    transactions: single operations wait for what a transaction has locked, and must not keep it
    from its commit. One that wasn't needed for `max_idle` seconds is closed.

    Motor shares the threads that there are for all of its clients in the process, five times the
    number of CPUs or `MOTOR_MAX_WORKERS`; beyond that number connections are of no use to it.
    """

    driver: DriverName = "motor"
    deadline: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    max_size: int = attrs.field(default=10, validator=attrs.validators.ge(2))
    max_idle: float = 300.0


class Session:
    """One transaction, which its first operation begins at the server.

    Give `handle` to operations as their `session`.
    """

    def __init__(self, handle: Any, ended: Callable[[], Awaitable[Any] | None]) -> None:
        self.handle = handle
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it has ended."""
        self._ended = ended

    @property
    def active(self) -> bool:
        """Whether it was neither committed nor aborted."""
        return bool(self.handle.in_transaction)

    async def commit(self) -> None:
        """Commit, unless nothing was done; again, if it isn't known whether the last one did."""
        await self.handle.commit_transaction()

    async def abort(self) -> None:
        """Undo it all. Nothing of it may still be running."""
        await self.handle.abort_transaction()

    async def end(self) -> None:
        """Give it back, if it was committed or aborted; no round trip."""
        if not self.over.done():
            self.over.set_result(None)
        if not self.active and (ending := self._ended()) is not None:
            await ending


class Client(ABC):
    """Connections to one database, opened when they are first needed, in the loop that uses them.

    Its calls raise what the driver raises, and what `Gate.enter` does.
    """

    def __init__(self, native: Any, options: MongoOptions, room: int) -> None:
        self.options = options
        self.closed = False
        self._native = native
        self._database = native.get_database(
            native.get_default_database(_DEFAULT_DATABASE).name,
            codec_options=CODEC_OPTIONS,
            read_concern=_READ,
            write_concern=_WRITE,
            read_preference=ReadPreference.PRIMARY,
        )
        self._collections: dict[str, Any] = {}
        self._snapshots: dict[str, Any] = {}
        self._places = Gate(room)
        self._alone = Gate(max(1, room - max(1, room // 4)))
        """Within the places, what single operations may take of them."""
        self._sessions: set[Session] = set()
        self._leaving: set[asyncio.Future[Any]] = set()
        self._before_close: list[Callable[[], Awaitable[None]]] = []

    @classmethod
    def open(cls, url: str, options: MongoOptions, **more: Any) -> "Client":
        """A client for `url`, whose database it uses, or `dialogbase`. No I/O.

        Raises:
            StoreUnavailableError: if it isn't a URL for MongoDB.
        """
        settings: dict[str, Any] = {
            "appname": "dialogbase",
            "serverSelectionTimeoutMS": int(options.deadline * 900),
            "maxPoolSize": options.max_size,
            "maxIdleTimeMS": int(options.max_idle * 1000),
            "retryReads": True,
            "retryWrites": True,
            **more,
        }
        try:
            if options.driver == "motor":
                return MotorClient(url, settings, options)
            return PymongoClient(url, settings, options)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            failure = not_opened(error)
        raise failure

    async def close(self) -> None:
        """Close every connection, when what they are used for is over or the deadline passed.

        A unit of work that is still open then is undone. What comes meanwhile is refused, but for
        what open units do.
        """
        if self.closed:
            return
        self.closed = True
        for end in self._before_close:
            await end()
        try:
            async with asyncio.timeout(self.options.deadline):
                await self._alone.close()
                while self._leaving:
                    await asyncio.wait(self._leaving)
        except TimeoutError:
            for task in self._leaving:
                task.cancel()
        with pymongo.timeout(self.options.deadline):
            await self._kill_sessions()
            await self._disconnect()
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=self.options.deadline)

    def on_close(self, end: Callable[[], Awaitable[None]]) -> None:
        """What is to be ended before the connections are: of a store that is on this client."""
        self._before_close.append(end)

    def collection(self, name: str) -> Any:
        """The driver's collection: majority reads and writes at the primary."""
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = self._database.get_collection(name)
        return found

    def snapshot(self, name: str) -> Any:
        """The same, for what reads many documents: as they stood together at one moment, which
        majority reads don't promise (each time such a read yields, it goes on in a newer state).
        """
        found = self._snapshots.get(name)
        if found is None:
            found = self.collection(name).with_options(read_concern=_SNAPSHOT)
            self._snapshots[name] = found
        return found

    def find(self, collection: str, **arguments: Any) -> Awaitable[list[Any]]:
        """All that a `find` finds."""
        found: Awaitable[list[Any]] = self.snapshot(collection).find(**arguments).to_list(None)
        return found

    @abstractmethod
    def aggregate(self, collection: str, **arguments: Any) -> Awaitable[list[Any]]:
        """All that a pipeline gives."""

    def command(self, document: dict[str, Any]) -> Awaitable[Any]:
        """The server's answer to a command on the database."""
        answer: Awaitable[Any] = self._database.command(document)
        return answer

    async def begin(self) -> Session:
        """A transaction. No round trip."""
        if self.closed:
            raise closed()
        session = await self._begin()
        self._sessions.add(session)
        self.track(session.over)
        session.over.add_done_callback(lambda _: self._sessions.discard(session))
        return session

    async def alone(
        self, writing: bool, seconds: float, call: Call, *args: Any, **kwargs: Any
    ) -> Any:
        """The answer to an operation that is part of no transaction, within the deadline.

        If its caller is cancelled, it goes on in the background, and keeps its place.
        """
        with pymongo.timeout(seconds):
            if self._alone.free > 0 and self._places.free > 0:
                self._alone.free -= 1
                self._places.free -= 1
            else:
                await self._entered(seconds)
            try:
                running = asyncio.ensure_future(call(*args, **kwargs))
            except BaseException:
                self._left_alone()
                raise
            running.add_done_callback(self._left_alone)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                self.track(running)
                raise

    async def beside(
        self, writing: bool, seconds: float, call: Call, *args: Any, **kwargs: Any
    ) -> Any:
        """As `alone`, for what a transaction may have to wait for before its commit: it takes one
        of the places of transactions, which those who wait for their locks leave free.
        """
        if self.closed:
            raise closed()
        running = await self.within(seconds, call, *args, **kwargs)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self.track(running)
            raise

    async def within(
        self, seconds: float, call: Call, *args: Any, **kwargs: Any
    ) -> "asyncio.Future[Any]":
        """An operation of a transaction, which began within the deadline and goes on by itself."""
        with pymongo.timeout(seconds):
            if self._places.free > 0:
                self._places.free -= 1
            else:
                await self._places.enter(seconds)
            try:
                running: asyncio.Future[Any] = asyncio.ensure_future(call(*args, **kwargs))
            except BaseException:
                self._places.leave()
                raise
            running.add_done_callback(self._left_place)
            return running

    def leave(self, rest: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Do the rest in the background, whatever becomes of the caller, and of its deadline."""
        task = asyncio.get_running_loop().create_task(rest, context=Context())
        self.track(task)
        return task

    def track(self, future: "asyncio.Future[Any]") -> None:
        """Wait for it before the end; whether it fails is nobody's concern any more."""
        self._leaving.add(future)
        future.add_done_callback(self._left)

    def _left(self, future: "asyncio.Future[Any]") -> None:
        self._leaving.discard(future)
        if not future.cancelled():
            future.exception()  # its caller, if it hasn't left, is told

    async def _kill_sessions(self) -> None:
        if not self._sessions:
            return
        kill = {"killSessions": [session.handle.session_id for session in self._sessions]}
        with suppress(PyMongoError):  # the server undoes them by itself, in a minute
            await self._native.get_database("admin").command(kill)

    async def _entered(self, seconds: float) -> None:
        begun = monotonic()
        await self._alone.enter(seconds)
        try:
            await self._places.enter(seconds - (monotonic() - begun))
        except BaseException:
            self._alone.leave()
            raise

    def _left_alone(self, _: object = None) -> None:
        self._places.leave()
        self._alone.leave()

    def _left_place(self, _: object) -> None:
        self._places.leave()

    @abstractmethod
    async def _begin(self) -> Session: ...

    @abstractmethod
    async def _disconnect(self) -> None: ...


class PymongoClient(Client):
    """PyMongo's `AsyncMongoClient`.

    A single operation that is cancelled ends at once, with its connection, if the one before it was
    answered. Otherwise it goes on by itself: a caller that was cancelled twice where the driver
    (4.20, before Python 3.12) waits for a primary, or for a connection, would leave a lock behind
    that nobody opens. For a connection nobody waits in the driver, since there are no more callers
    than connections.
    """

    def __init__(self, url: str, settings: dict[str, Any], options: MongoOptions) -> None:
        from pymongo import AsyncMongoClient

        settings = {"maxConnecting": options.max_size, **settings}
        super().__init__(AsyncMongoClient(url, **settings), options, options.max_size)
        self._steady = False

    async def aggregate(self, collection: str, **arguments: Any) -> list[Any]:
        cursor = await self.snapshot(collection).aggregate(**arguments)
        found: list[Any] = await cursor.to_list()
        return found

    async def alone(
        self, writing: bool, seconds: float, call: Call, *args: Any, **kwargs: Any
    ) -> Any:
        if not self._steady:
            answer = await super().alone(writing, seconds, call, *args, **kwargs)
            self._steady = True
            return answer
        # A task for it costs a tenth of what a read by id does, and so does the driver's deadline;
        # but that one also ends a write at the server.
        with pymongo.timeout(seconds) if writing else nullcontext():
            if self._alone.free > 0 and self._places.free > 0:
                self._alone.free -= 1
                self._places.free -= 1
            else:
                await self._entered(seconds)
            try:
                if writing:
                    return await call(*args, **kwargs)
                async with asyncio.timeout(seconds):
                    return await call(*args, **kwargs)
            except OperationFailure:
                raise
            except BaseException:
                self._steady = False
                raise
            finally:
                self._left_alone()

    async def _begin(self) -> Session:
        handle = self._native.start_session(causal_consistency=False)
        await handle.start_transaction(
            read_concern=_SNAPSHOT, write_concern=_WRITE, read_preference=ReadPreference.PRIMARY
        )
        return Session(handle, handle.end_session)

    async def _disconnect(self) -> None:
        await self._native.close()


class MotorClient(Client):
    """Motor's client, whose every operation runs in a thread."""

    def __init__(self, url: str, settings: dict[str, Any], options: MongoOptions) -> None:
        from motor.frameworks.asyncio import max_workers
        from motor.motor_asyncio import AsyncIOMotorClient

        native: Any = AsyncIOMotorClient(url, **settings)
        super().__init__(native, options, min(options.max_size, max_workers))

    def aggregate(self, collection: str, **arguments: Any) -> Awaitable[list[Any]]:
        found: Awaitable[list[Any]] = self.snapshot(collection).aggregate(**arguments).to_list(None)
        return found

    async def _begin(self) -> Session:
        # Neither this nor its end waits for anything, so that they need no thread of Motor's.
        native = self._native
        handle = native.wrap(native.delegate.start_session(causal_consistency=False))
        handle.start_transaction(
            read_concern=_SNAPSHOT, write_concern=_WRITE, read_preference=ReadPreference.PRIMARY
        )
        return Session(handle, handle.delegate.end_session)

    async def _disconnect(self) -> None:
        await asyncio.to_thread(self._native.delegate.close)
