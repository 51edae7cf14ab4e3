"""One server, over one connection that is made when it is needed, and again when it was lost.

One is enough: the server executes one command at a time, and what fills a connection is the number
of commands that leave together. A second would help a small value behind a large one on a slow
network, and would split every batch in two.
"""

import asyncio
import random
from collections.abc import Awaitable, Sequence
from typing import Any

from adapters.redis.connection import Answer, Pipeline, Unsent
from adapters.redis.endpoint import Endpoint
from adapters.redis.errors import Failure, Unconnected, closed, late

_SHORTEST = 0.01
_LONGEST = 0.5


class Backoff:
    """How long to wait before the next attempt to connect: not at all at first, then from a few
    milliseconds to half a second.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._at = 0.0

    async def wait(self) -> None:
        """Return when the next attempt may be made."""
        await asyncio.sleep(self._at - asyncio.get_running_loop().time())

    def failed(self) -> None:
        """After an attempt that came to nothing."""
        seconds = min(_SHORTEST * 2.0 ** min(self._failures, 10), _LONGEST)
        self._failures += 1
        self._at = asyncio.get_running_loop().time() + seconds * random.uniform(0.5, 1)

    def succeeded(self) -> None:
        """After one that didn't."""
        self._failures = 0
        self._at = 0.0


class Node:
    """Sends commands to one server. Answers are replies or a `Failure`; none is raised.

    A call that finds no connection waits for the next attempt to make one, within its deadline, and
    fails with it.
    """

    def __init__(self, endpoint: Endpoint, deadline: float) -> None:
        self.endpoint = endpoint
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._pipeline: Pipeline | None = None
        self._pipelines: list[Pipeline] = []
        """Those of which something is left, or was."""
        self._backlog: dict[Answer, Unsent] = {}
        self._backoff = Backoff()
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether a command would leave at once."""
        return self._pipeline is not None

    @property
    def idle(self) -> bool:
        """Whether nothing of it is left, no connection and no caller."""
        return self._connecting is None and all(pipe.over.is_set() for pipe in self._pipelines)

    def send(self, packed: bytes) -> Awaitable[Any]:
        """A command; its answer comes within the deadline."""
        if self._pipeline is not None:
            return self._pipeline.send(packed)
        return self.send_by(packed, self._loop.time() + self._deadline)

    async def send_by(self, packed: bytes, until: float, *, ahead: int = 0) -> Any:
        """The same with the loop's time by which the answer comes; for what isn't the first
        attempt. `packed` may begin with so many commands whose replies nobody wants.
        """
        answer = self._loop.create_future()
        timer = self._loop.call_at(until, self._expire, answer)
        try:
            if self._closed:
                return closed()
            if self._pipeline is not None:
                self._pipeline.enqueue((packed, answer, ahead))
            else:
                self._backlog[answer] = packed, answer, ahead
                self._connect_soon()
            return await answer
        finally:
            timer.cancel()
            self._backlog.pop(answer, None)

    def renew(self) -> None:
        """Make a new connection for what comes next; what is under way is answered on the old."""
        if self._pipeline is not None:
            self._pipeline.retire()
            self._pipeline = None

    async def close(self) -> None:
        """End everything; callers get a failure."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        for pipeline in self._pipelines:
            pipeline.abandon(closed)
        for pipeline in self._pipelines:
            await pipeline.over.wait()
        self._give_up(closed())

    def _expire(self, answer: Answer) -> None:
        if not answer.done():
            answer.set_result(late(sent=answer not in self._backlog))

    def _connect_soon(self) -> None:
        if self._connecting is None:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await self._backoff.wait()
            pipeline = Pipeline(self._deadline, self._lost)
            await self.endpoint.connect(pipeline, self._deadline)
        except Unconnected as error:
            self._backoff.failed()
            self._give_up(error.failure)
        else:
            self._pipeline = pipeline
            self._pipelines = [pipe for pipe in self._pipelines if not pipe.over.is_set()]
            self._pipelines.append(pipeline)
            backlog, self._backlog = self._backlog, {}
            for unsent in backlog.values():
                pipeline.enqueue(unsent)
        finally:
            self._connecting = None

    def _give_up(self, failure: Failure) -> None:
        backlog, self._backlog = self._backlog, {}
        for answer in backlog:
            if not answer.done():
                answer.set_result(failure)

    def _lost(self, pipeline: Pipeline, unsent: Sequence[Unsent]) -> None:
        if self._pipeline is pipeline:
            self._pipeline = None
        if pipeline.heard:
            self._backoff.succeeded()
        else:
            self._backoff.failed()
        for command in unsent:
            if self._pipeline is not None:
                self._pipeline.enqueue(command)
                continue
            self._backlog[command[1]] = command
            self._loop.call_later(self._deadline, self._expire, command[1])
        if self._backlog and not self._closed:
            self._connect_soon()
