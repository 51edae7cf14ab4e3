"""A lock while it is waited for, held and given back: what is the same in every store."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from secrets import token_hex
from types import TracebackType
from typing import Any, Final, Protocol, TypeVar

import attrs

from domain.durations import MILLISECOND
from ports.errors import (
    ErasedError,
    LockLostError,
    LockNotAcquiredError,
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from ports.gate import ANY, Admission

T = TypeVar("T")

HEARTBEAT: Final = 1.0
"""Seconds after which one who waits says that it still does, and looks for itself."""
PASSED_OVER: Final = timedelta(seconds=3)
"""How long one who waits and isn't heard of keeps its turn."""
REMEMBERED: Final = timedelta(days=1)
"""For how long after a lock's last lease its last fencing token is kept."""

_DRIFT, _LAG = 0.01, 0.002
"""The part of a lease, and the seconds, that a holder does without: its clock may run slower than
the store's, and to interrupt its block takes a moment. (As much as Redlock allows for:
https://redis.io/docs/latest/develop/clients/patterns/distributed-locks/.)
"""

_FAREWELL = 1.0
"""Seconds that one who was cancelled or failed waits for the store to let go."""
_SHORTEST = 0.005
"""Seconds between two looks at a lease that is about to end, at least."""


@attrs.frozen(kw_only=True)
class Look:
    """What an attempt to take a lock came to: it is held if there is a fencing token.

    Otherwise `place` is the caller's among those who wait, 0 if it doesn't; and `left`, if nobody
    waits before it, the seconds until the holder's lease ends.
    """

    fencing_token: int | None = None
    place: int = 0
    left: float | None = None


class Calls(Protocol):
    """What wakes one who waits."""

    async def wait(self, seconds: float) -> bool:
        """Return as soon as its turn may have come, or when so many seconds have passed."""


class Leasing(ABC):
    """What a store does with locks, one atomic step each. `holding` names one holding of a lock,
    or the wish for one, and nobody else knows it. Times to live are in milliseconds.

    Only the first in the line takes a free lock. Who waits and wasn't heard of for `PASSED_OVER`
    loses its turn; heard of again, it is back at its place.
    """

    _admission: Admission = ANY
    """An adapter's own: asked before each attempt to take a lock."""

    @abstractmethod
    async def _take(self, name: str, holding: str, ttl: int, place: int | None) -> Look:
        """Take the lock, if it is free and nobody waits before; or else get in line.

        `place` is where this holding stands already, 0 if nowhere yet; None: don't get in line.
        Taken again by the same holding, it answers the same.

        A fencing token is greater than every one that was given for the lock before: one more than
        the last, or the store's time in microseconds, whichever is greater. The last is kept for
        `REMEMBERED` after the lease; when it is forgotten, the time is far past it, since no lock
        is taken more than once a microsecond, on and on.
        """

    @abstractmethod
    async def _renew(self, name: str, holding: str, ttl: int) -> bool:
        """Let the lease end so much later than now; False, and nothing done, if it isn't held."""

    @abstractmethod
    async def _give_back(self, name: str, holding: str) -> bool:
        """Release the lock if this holding has it, leave the line, and call who is first by now, if
        the lock is free. Whether it was held.
        """

    @abstractmethod
    def _calls(self, name: str, holding: str) -> AbstractAsyncContextManager[Calls]:
        """Hear when it is called, for the block."""


class Lease:
    """A lock that is held, for the time being. Made by `Locks.hold`."""

    def __init__(self, name: str, fencing_token: int, until: float) -> None:
        self._name = name
        self._fencing_token = fencing_token
        self._loop = asyncio.get_running_loop()
        self._until = until
        self._lost = False
        self._over = False

    def __repr__(self) -> str:
        state = "lost" if self.lost else "released" if self._over else "held"
        return f"<lease {self._fencing_token}, {state}>"

    @property
    def name(self) -> str:
        """What is locked."""
        return self._name

    @property
    def fencing_token(self) -> int:
        """Greater than that of every earlier lease of this lock; below 2^53.

        Send it along with what is written under the lock, to whatever refuses a smaller one than it
        has seen: that is what stops a holder that doesn't know yet that it has lost the lock.
        """
        return self._fencing_token

    @property
    def lost(self) -> bool:
        """Whether it ended before its block did, as far as is known here; never False again."""
        return self._lost or (not self._over and self._loop.time() >= self._until)

    def check(self) -> None:
        """Go on only while the lock is held. No I/O.

        Raises:
            LockLostError: if the lease was lost, or its block is over.
        """
        if self.lost:
            raise LockLostError("the lease ended before its block did")
        if self._over:
            raise LockLostError("the lock was given back at the end of its block")


class Holding(AbstractAsyncContextManager[Lease]):
    """One holding of a lock, from the first attempt to the release.

    It goes by the loop's own clock, counts from before a command was sent, and leaves a margin: so
    it stops believing before the store lets another one in.
    """

    def __init__(self, leasing: Leasing, name: str, ttl: timedelta, wait: timedelta | None) -> None:
        self._leasing = leasing
        self._name = name
        self._ttl = ttl.total_seconds()
        self._believed = self._ttl * (1 - _DRIFT) - _LAG
        self._milliseconds = ttl // MILLISECOND
        self._patience = None if wait is None else wait.total_seconds()
        self._id = token_hex(16)
        self._attempt: asyncio.Task[Look] | None = None
        self._sent = 0.0
        self._place = 0
        self._known = False
        self._renewal: asyncio.Task[None] | None = None
        self._interrupted = False

    async def __aenter__(self) -> Lease:
        task = asyncio.current_task()
        if task is None or self._attempt is not None:
            raise RuntimeError("a lock is held in a task; ask for each holding anew")
        try:
            token = await self._taken()
            self._loop = asyncio.get_running_loop()
            if self._loop.time() >= self._sent + self._believed:
                raise LockLostError("the lease ended before the store's word of it came")
        except BaseException as error:
            if self._left_something(error):
                await _settled(self._withdraw())
            raise
        self._task, self._cancelling = task, task.cancelling()
        self._lease = Lease(self._name, token, self._sent + self._believed)
        self._ending = self._loop.call_at(self._lease._until, self._lose)
        self._next = self._loop.call_at(self._sent + self._ttl / 3, self._renew)
        return self._lease

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        lease, lost = self._lease, self._lease.lost
        self._stop()
        lease._lost, lease._over = lost, True
        # As `asyncio.timeout` does: a cancellation that others asked for too stays one.
        ours = self._interrupted and self._task.uncancel() <= self._cancelling
        giving = _apart(self._leasing._give_back(self._name, self._id))
        if lost or error is not None:
            await asyncio.wait({giving}, timeout=_FAREWELL)
            lease._lost = lost or _answer(giving) is False
            if lost and (error is None or (ours and isinstance(error, asyncio.CancelledError))):
                raise LockLostError("the lease ended before the block did") from error
            return
        try:
            held = await asyncio.shield(giving)
        except asyncio.CancelledError:
            await asyncio.wait({giving}, timeout=_FAREWELL)
            lease._lost = _answer(giving) is False
            raise
        except RepositoryError:
            raise OutcomeUnknownError(
                "the block was done under the lock, which may stay locked until its lease ends"
            ) from None
        if not held:
            lease._lost = True
            raise LockLostError("the lease ended before the block did")

    # Waiting.

    async def _taken(self) -> int:
        loop = asyncio.get_running_loop()
        until = None if self._patience is None else loop.time() + self._patience
        look = await self._look(loop, None if self._patience == 0 else 0)
        if look.fencing_token is not None:
            return look.fencing_token
        if self._patience == 0:
            raise LockNotAcquiredError("the lock isn't free")
        async with self._leasing._calls(self._name, self._id) as calls:
            while True:
                look = await self._look(loop, self._place)
                if look.fencing_token is not None:
                    return look.fencing_token
                seconds = HEARTBEAT
                if look.left is not None:  # nobody says when a lease ends by itself
                    seconds = min(seconds, max(look.left + 0.001, _SHORTEST))
                if until is not None:
                    seconds = min(seconds, until - loop.time())
                    if seconds <= 0:
                        raise LockNotAcquiredError("the lock didn't become free in time")
                await calls.wait(seconds)

    async def _look(self, loop: asyncio.AbstractEventLoop, place: int | None) -> Look:
        # In a task of its own: an attempt that was sent is never given up, but waited for and then
        # undone. Else it might come to the store after what undoes it.
        await self._leasing._admission()
        self._sent = loop.time()
        taking = self._leasing._take(self._name, self._id, self._milliseconds, place)
        self._attempt = _apart(taking)
        look = await asyncio.shield(self._attempt)
        self._place = look.place
        self._known = self._known or look.place > 0 or look.fencing_token is not None
        return look

    def _left_something(self, error: BaseException) -> bool:
        unchanged = (
            LockNotAcquiredError,
            StoreUnavailableError,
            StoreTimeoutError,
            ErasedError,
        )
        return self._known or not isinstance(error, unchanged)

    async def _withdraw(self) -> None:
        if self._attempt is not None and not self._attempt.done():
            await asyncio.wait({self._attempt})
        await self._leasing._give_back(self._name, self._id)

    # Holding.

    def _renew(self) -> None:
        self._renewal = _apart(self._renewed())

    async def _renewed(self) -> None:
        sent = self._loop.time()
        kept, again = None, self._ttl / 3
        try:
            async with asyncio.timeout(self._ttl / 3):
                kept = await self._leasing._renew(self._name, self._id, self._milliseconds)
        except (RepositoryError, TimeoutError):
            again = self._ttl / 12  # there is time for a few more
        if kept is False:
            self._lose()
        if self._lease.lost:  # whatever came too late
            return
        if kept:
            self._ending.cancel()
            self._lease._until = sent + self._believed
            self._ending = self._loop.call_at(self._lease._until, self._lose)
        self._next = self._loop.call_later(again, self._renew)

    def _lose(self) -> None:
        self._stop()
        self._lease._lost = True
        self._interrupted = True
        self._task.cancel()

    def _stop(self) -> None:
        self._ending.cancel()
        self._next.cancel()
        if self._renewal is not None and self._renewal is not asyncio.current_task():
            self._renewal.cancel()


_running: set[asyncio.Task[Any]] = set()


def _apart(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Run it to its end, whatever becomes of the caller."""
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_over)
    return task


def _over(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, RepositoryError):
        # A defect; what a store may raise, whoever asked was told, or has left.
        said = {"message": "a step of a lock failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(said)


async def _settled(work: Coroutine[Any, Any, object]) -> None:
    """Run it to its end; the caller waits for a second at most, or until it is cancelled."""
    await asyncio.wait({_apart(work)}, timeout=_FAREWELL)


def _answer(task: asyncio.Task[T]) -> T | None:
    if not task.done() or task.cancelled() or task.exception() is not None:
        return None
    return task.result()
