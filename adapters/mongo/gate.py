"""How many may use something at the same time, in the order in which they came."""

import asyncio
from collections import deque

from ports.errors import StoreTimeoutError, StoreUnavailableError


class Gate:
    """Lets `places` in at a time. Where `free` is positive, a place is taken by lowering it."""

    def __init__(self, places: int) -> None:
        self.free = places
        self._places = places
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None

    async def enter(self, seconds: float) -> None:
        """Take a place when it is this caller's turn.

        Raises:
            StoreTimeoutError: if that isn't so within the deadline.
            StoreUnavailableError: if the gate is closed, or is meanwhile.
        """
        if self._closed:
            raise closed()
        if self.free > 0:
            self.free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        timer = asyncio.get_running_loop().call_later(seconds, _late, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            raise
        finally:
            timer.cancel()

    def leave(self) -> None:
        """Give a place back."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
        if self._emptied is not None and self.free == 0:
            self._emptied.set_result(None)
            self._emptied = None

    async def close(self) -> None:
        """Let nobody in any more, and wait until all have left."""
        if not self._closed:
            self._closed = True
            self.free -= self._places
            while self._waiting:
                turn = self._waiting.popleft()
                if not turn.done():
                    turn.set_exception(closed())
        if self.free < 0:
            if self._emptied is None:
                self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._emptied)


def closed() -> StoreUnavailableError:
    """What is said to who comes after the end."""
    return StoreUnavailableError("the store is closed")


def _late(turn: "asyncio.Future[None]") -> None:
    if not turn.done():
        turn.set_exception(
            StoreTimeoutError("no connection to MongoDB became free within the deadline")
        )
