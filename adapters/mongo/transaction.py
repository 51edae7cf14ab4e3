"""Several operations in one transaction: what a unit of work runs on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, ClassVar, TypeVar

from adapters.mongo.driver import Call, Client, Session
from adapters.mongo.errors import failed, unanswered, unknown_commit
from adapters.mongo.executor import Document, Executor
from ports.errors import (
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
    TransactionError,
)

T = TypeVar("T")
_FAILED = "an operation within this unit of work failed; nothing of it is kept"
_ENDED = "this unit of work has ended"
_PAUSE = 0.01
_LIFETIME = 60.0
"""Seconds after which the server ends a transaction by itself (transactionLifetimeLimitSeconds)."""
_TRY_AGAIN = (StoreUnavailableError, StoreTimeoutError)
_NOTHING: Document = {"_id": {"$in": []}}
_UNCHANGED: Document = {"$set": {"_": 0}}


class TransactionExecutor(Executor):
    """One transaction, which its first operation begins: so many round trips, and one to commit.

    Operations run one after the other, whichever task asks. After one that failed at the server, or
    `doom`, everything raises `TransactionError`. The first is repeated if its connection broke.

    The transaction is ended only when no operation of it runs: one that its caller gave up goes on
    in the background, and then the end does.
    """

    commits: ClassVar[bool] = False

    def __init__(self, client: Client, *, seconds: float | None = None) -> None:
        super().__init__(client)
        self._seconds = self.deadline if seconds is None else seconds
        self._session: Session | None = None
        self._running: asyncio.Future[Any] | None = None
        self._turn = asyncio.Lock()
        self._collection = ""
        self._wrote = False
        self.committing = False
        self._refusal: str | None = None

    async def atomically(
        self, body: Callable[[Executor], Awaitable[T]], *, seconds: float | None = None
    ) -> T:
        # A failure dooms the whole transaction, so nothing less than it need be undone.
        if seconds is not None:
            self._seconds = max(self._seconds, seconds)
        return await body(self)

    def doom(self) -> None:
        if self._refusal is None:
            self._refusal = _FAILED

    @asynccontextmanager
    async def whole(self) -> AsyncIterator[None]:
        """Commits on a clean exit, rolls back on any other.

        Raises:
            TransactionError: instead of committing, if an operation had failed, or another
                transaction came first.
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
        session, self._session = self._session, None
        self._refusal = _ENDED
        if session is not None:
            # A caller that is cancelled now leaves the commit to itself: it happens or not, whole.
            self.committing = self._wrote
            await asyncio.shield(self._client.leave(self._committed(session)))

    def _end(self) -> "asyncio.Task[None] | None":
        session, self._session = self._session, None
        self._refusal = _ENDED
        return None if session is None else self._client.leave(self._undone(session))

    async def _committed(self, session: Session) -> None:
        await self._settled()
        end = monotonic() + self._seconds
        failure: Exception | None = None
        while True:
            left = end - monotonic()
            try:
                await (await self._client.within(max(left, 0.001), session.commit))
            except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
                failure = failed(error, writing=self._wrote)
                again = unknown_commit(error)
            else:
                failure, again = None, False
            if not again or monotonic() + _PAUSE >= end:
                break
            await asyncio.sleep(_PAUSE)
        if isinstance(failure, OutcomeUnknownError | StoreUnavailableError | StoreTimeoutError):
            self._client.leave(self._undone(session, unknown=True))
        else:
            await session.end()
        if failure is not None:
            raise failure if isinstance(failure, RepositoryError) else TransactionError(_FAILED)

    async def _undone(self, session: Session, *, unknown: bool = False) -> None:
        """`unknown`: whether it was committed."""
        settled = await self._settled()
        end = monotonic() + self.deadline
        with suppress(Exception):  # the server undoes what isn't committed, in a minute
            if session.active and settled:
                await (await self._client.within(self.deadline / 2, session.abort))
        certain = not (unknown or unanswered(self._running)) or session.active
        if certain or await self._fenced(session, end - monotonic()):
            await session.end()
        else:
            self._client.leave(self._fenced_at_last(session))

    async def _fenced(self, session: Session, seconds: float) -> bool:
        """Whether nothing that is still under way to the server can begin the transaction anew
        after its end, and keep its locks: what comes after a later number is refused.
        """
        later = self._client.collection(self._collection).update_one
        try:
            await (
                await self._client.within(
                    seconds, later, _NOTHING, _UNCHANGED, session=session.handle
                )
            )
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing depends on it
            return not isinstance(failed(error, writing=False), _TRY_AGAIN)
        return True

    async def _fenced_at_last(self, session: Session) -> None:
        end = monotonic() + _LIFETIME
        while monotonic() < end:
            if await self._fenced(session, self.deadline):
                break
            await asyncio.sleep(_PAUSE)
        await session.end()

    async def _settled(self) -> bool:
        """Wait for what still runs; whether it has ended."""
        running = self._running
        if running is None or running.done():
            return True
        _, pending = await asyncio.wait((running,), timeout=self._seconds)
        return not pending

    async def _run(
        self,
        writing: bool,
        collection: str,
        call: Call,
        *args: Any,
        seconds: float | None = None,
        **kwargs: Any,
    ) -> Any:
        async with self._turn:
            if self._refusal is not None:
                raise TransactionError(self._refusal)
            self._wrote = self._wrote or writing
            begins = self._session is None
            try:
                limit = max(self._seconds, seconds or 0.0)
                end = monotonic() + limit
                try:
                    return await self._sent(limit, collection, call, args, kwargs)
                except StoreUnavailableError:
                    if not begins or self._refusal is not None or self._client.closed:
                        raise
                await self._begun_anew()
                left = max(0.001, end - monotonic())
                return await self._sent(left, collection, call, args, kwargs)
            except BaseException:
                self.doom()
                raise

    async def _sent(
        self,
        seconds: float,
        collection: str,
        call: Call,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        client = self._client
        self._collection = collection
        try:
            if self._session is None:
                self._session = await client.begin()
            self._running = running = await client.within(
                seconds, call, *args, session=self._session.handle, **kwargs
            )
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                client.track(running)
                raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            failure = failed(error, writing=False, collection=collection)
        raise failure

    async def _begun_anew(self) -> None:
        """Nothing was answered yet, so nobody can tell this transaction from the first."""
        session, self._session = self._session, None
        if session is not None:
            await asyncio.shield(self._client.leave(self._undone(session)))
