"""Turns: the tasks of a process do what would collide one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from ports.errors import StoreTimeoutError


class Turns:
    """For each key, a queue: first come, first served. Keys that nobody asks for cost nothing."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._queues: dict[str, _Queue] = {}

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[float]:
        """A turn for the block; the seconds that are left of the deadline when it begins.

        Raises:
            StoreTimeoutError: if the deadline passed in the queue.
        """
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = _Queue()
        queue.members += 1
        try:
            left = await self._reached(queue)
            try:
                yield left
            finally:
                queue.lock.release()
        finally:
            queue.members -= 1
            if not queue.members:
                del self._queues[key]

    async def _reached(self, queue: "_Queue") -> float:
        # Not by the lock, which is free for a moment while the turn goes to the next in the queue.
        if queue.members == 1:  # nobody is before us, so this doesn't wait
            await queue.lock.acquire()
            return self._deadline
        begun = monotonic()
        late = StoreTimeoutError("the deadline passed while others wrote to the same log")
        try:
            async with asyncio.timeout(self._deadline):
                await queue.lock.acquire()
        except TimeoutError:
            pass
        else:
            left = self._deadline - (monotonic() - begun)
            if left > 0:
                return left
            queue.lock.release()
        raise late


class _Queue:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.members = 0
