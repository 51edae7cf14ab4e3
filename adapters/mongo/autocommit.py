"""Operations that each commit by themselves."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

import pymongo
import tenacity

from adapters.mongo.driver import Call, Client
from adapters.mongo.errors import failed, late
from adapters.mongo.executor import Document, Executor
from adapters.mongo.transaction import TransactionExecutor
from ports.errors import StoreUnavailableError, TransactionError

T = TypeVar("T")
_REPEATABLE = (StoreUnavailableError, TransactionError)
"""What is raised only by a transaction that changed nothing."""
_SHORTEST, _LONGEST = 0.002, 0.03
"""Seconds of backoff: about what a transaction takes, and what ten of them do."""
_AGAIN = 2
"""How many may try again at a time: tasks of one loop that all do make each other's transactions
longer, and so collide more often. 50 on one document took eight times as long without this."""


class ClientExecutor(Executor):
    """Each operation commits by itself, on any of the client's connections. `beside`: those on
    which it does are such as a transaction may have to wait for.
    """

    def __init__(self, client: Client, *, beside: bool = False) -> None:
        super().__init__(client)
        self._alone = client.beside if beside else client.alone
        self._again = asyncio.Semaphore(_AGAIN)

    async def atomically(
        self, body: Callable[[Executor], Awaitable[T]], *, seconds: float | None = None
    ) -> T:
        transaction: TransactionExecutor | None = None
        limit = self.deadline if seconds is None else seconds

        async def attempted() -> T:
            nonlocal transaction
            transaction = TransactionExecutor(self._client, seconds=limit)
            async with transaction.whole():
                return await body(transaction)

        try:
            with pymongo.timeout(limit):
                async with asyncio.timeout(limit):
                    with suppress(*_REPEATABLE):
                        return await attempted()
                    async for attempt in tenacity.AsyncRetrying(
                        retry=tenacity.retry_if_exception(self._repeatable),
                        wait=tenacity.wait_random_exponential(multiplier=_SHORTEST, max=_LONGEST),
                        reraise=True,
                    ):
                        with attempt:
                            async with self._again:
                                return await attempted()
        except TimeoutError:
            failure = late(writing=transaction is not None and transaction.committing)
        raise failure

    def _repeatable(self, error: BaseException) -> bool:
        return isinstance(error, _REPEATABLE) and not self._client.closed

    def beside(self) -> "ClientExecutor":
        """For what a transaction may have to wait for before its commit (`Client.beside`)."""
        return ClientExecutor(self._client, beside=True)

    def doom(self) -> None:
        return

    async def ping(self) -> None:
        """Return once the primary has answered."""
        await self.command({"ping": 1})

    async def command(self, document: Document, *, seconds: float | None = None) -> Document:
        """The answer to a database command that may change something; it isn't repeated."""
        answer: Document = await self._run(
            True, "", self._client.command, document, seconds=seconds
        )
        return answer

    async def _run(
        self,
        writing: bool,
        collection: str,
        call: Call,
        *args: Any,
        seconds: float | None = None,
        **kwargs: Any,
    ) -> Any:
        limit = seconds or self.deadline
        try:
            return await self._alone(writing, limit, call, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            failure = failed(error, writing=writing, collection=collection)
        if writing or not isinstance(failure, TransactionError):
            raise failure
        return await self._read_again(limit, collection, call, args, kwargs)

    async def _read_again(
        self, limit: float, collection: str, call: Call, args: Any, kwargs: Any
    ) -> Any:
        """When a moment to read as of can't be had, as for a short time after a migration.

        Raises:
            StoreUnavailableError: if that lasts.
        """
        end = monotonic() + limit
        pause = _SHORTEST
        while (left := end - monotonic()) > pause:
            await asyncio.sleep(pause)
            pause *= 2
            try:
                return await self._alone(False, left, call, *args, **kwargs)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
                failure = failed(error, writing=False, collection=collection)
            if not isinstance(failure, TransactionError):
                raise failure
        raise StoreUnavailableError("MongoDB can't be read as of one moment now")
