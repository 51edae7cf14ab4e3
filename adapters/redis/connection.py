"""One connection on which many callers' commands are under way at once, in a row."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, cast

import hiredis

from adapters.redis.client import Argument
from adapters.redis.endpoint import Link
from adapters.redis.errors import Failure, late, lost

Answer: TypeAlias = "asyncio.Future[Any]"
"""Done with a reply or a `Failure`; never with an exception, but cancelled with its caller."""

Unsent: TypeAlias = tuple[bytes, Answer, int]
"""A packed command, and how many replies that nobody waits for come before its answer."""

ENOUGH: Final = 25
"""So many commands don't wait for more while others are answered. Of fifty callers in step, the
server then works for one half while we do for the other: both take two thirds of the time.
"""

# hiredis (3.5) says that it takes tuples of one.
pack = cast(Callable[[tuple[Argument, ...]], bytes], hiredis.pack_command)
"""A command as it goes over the wire."""


class Pipeline(Link):
    """Commands that are given to it in one turn of the loop leave together, in one write (if they
    come in answer to replies, in one for each `ENOUGH` of them); replies go to the callers in the
    order of their commands. A caller who has gone is still counted: their reply is read and
    dropped.

    A reply that is overdue ends the connection, for everybody: what came next on it could be
    anybody's.

    What waits to be written isn't bounded: each caller has one command in it.

    `on_lost` is called once, when it has ended, with what was never written.
    """

    def __init__(
        self, deadline: float, on_lost: Callable[["Pipeline", Sequence[Unsent]], None]
    ) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._on_lost = on_lost
        self._queue: list[Unsent] = []
        self._since = 0.0
        """When the first of the queue came."""
        self._waiting: deque[tuple[float, Answer]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._retired = False
        self._nobody = self._loop.create_future()
        self._nobody.set_result(None)
        self.heard = False
        """Whether the server answered anything."""
        self._heard_now = False
        """Whether it did in this turn of the loop, so that the connection is there for certain."""

    def send(self, packed: bytes) -> Answer:
        """A command, written when this turn of the loop is over."""
        if not self._queue:
            self._since = self._loop.time()
            self._loop.call_soon(self._flush if self._waiting else self._listen)
        answer = self._loop.create_future()
        self._queue.append((packed, answer, 0))
        if len(self._queue) >= ENOUGH and (self._waiting or self._heard_now):
            self._flush()
        return answer

    def enqueue(self, unsent: Unsent) -> None:
        """The same for an answer that there is already."""
        if not self._queue:
            self._since = self._loop.time()
            self._loop.call_soon(self._flush)
        self._queue.append(unsent)

    def retire(self) -> None:
        """Send nothing more after this turn of the loop, and end when all replies have come."""
        self._retired = True
        self._loop.call_soon(self._end_if_done)

    def abandon(self, failure: Callable[..., Failure]) -> None:
        """End at once; every caller whose command was written gets that failure."""
        if self.ended:
            return
        self.end()
        if self._timer is not None:
            self._timer.cancel()
        for _, answer in self._waiting:
            if not answer.done():
                answer.set_result(failure(sent=True))
        self._waiting.clear()
        unsent, self._queue = self._queue, []
        self._on_lost(self, unsent)

    def data_received(self, data: bytes) -> None:
        self.heard = True
        waiting = self._waiting
        try:
            self._reader.feed(data)
            read = self._reader.gets
            while (reply := read()) is not ...:
                answer = waiting.popleft()[1]
                if not answer.done():
                    answer.set_result(reply)
        except (hiredis.HiredisError, IndexError):
            # Not the protocol, or a reply to nothing.
            self.abandon(lost)
        if not self._heard_now:
            self._heard_now = True
            # After those who were answered have asked again.
            self._loop.call_soon(self._heard_before)
        if self._retired:
            self._end_if_done()

    def connection_lost(self, error: Exception | None) -> None:
        self.abandon(lost)
        super().connection_lost(error)

    def _heard_before(self) -> None:
        self._heard_now = False

    def _listen(self) -> None:
        """Flush, but hear first if the connection was lost while there was nothing on it: it is
        another turn of the loop until then.
        """
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._transport.is_closing():
            self.abandon(lost)
            return
        queue, self._queue = self._queue, []
        now = self._loop.time()
        if now - self._since >= self._deadline:
            # The process stood still: what its callers went by may be so no more.
            for _, answer, _ in queue:
                if not answer.done():
                    answer.set_result(late(sent=False))
            queue.clear()
        packed: list[bytes] = []
        for command, answer, ahead in queue:
            # Who has gone before it was sent has sent nothing.
            if not answer.done():
                packed.append(command)
                for _ in range(ahead):
                    self._waiting.append((now, self._nobody))
                self._waiting.append((now, answer))
        if not packed:
            if self._retired:
                self._end_if_done()
            return
        self._transport.write(packed[0] if len(packed) == 1 else b"".join(packed))
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._deadline, self._look)

    def _look(self) -> None:
        """Once in a deadline: whether a reply is overdue."""
        self._timer = None
        if self._waiting:
            due = self._waiting[0][0] + self._deadline
            if due <= self._loop.time():
                self.abandon(late)
            else:
                self._timer = self._loop.call_at(due, self._look)

    def _end_if_done(self) -> None:
        if not self._waiting and not self._queue:
            self.abandon(lost)
