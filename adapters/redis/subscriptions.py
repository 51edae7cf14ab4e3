"""What is published on channels, heard on one connection that is there for nothing else."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection

from adapters.redis.client import Notices
from adapters.redis.connection import Answer, pack
from adapters.redis.endpoint import Endpoint, Link
from adapters.redis.errors import Failure, Refusal, Unconnected, closed, late, lost, unreachable
from adapters.redis.node import Backoff


class _Heard(Notices):
    def __init__(self) -> None:
        self.event = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.event.wait()
        except TimeoutError:
            return False
        self.event.clear()
        return True


class _Channel:
    """Those who listen to one channel."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.listeners: set[_Heard] = set()
        self.entering: set[Answer] = set()
        """Done when the server confirmed that we hear it, or with a `Failure`."""
        self.confirmed = False

    def wake(self) -> None:
        for heard in self.listeners:
            heard.event.set()

    def confirm(self) -> None:
        """From now on it is heard; what was published before may have been missed."""
        self.confirmed = True
        self.wake()
        self.entered(None)

    def entered(self, outcome: Failure | None) -> None:
        for answer in self.entering:
            if not answer.done():
                answer.set_result(outcome)
        self.entering.clear()


class _Subscription(Link):
    """A connection that is subscribed to channels.

    What it asks is answered in order, messages in between. It asks something once in a deadline,
    and ends if a whole one passes without an answer.
    """

    def __init__(self, channels: dict[bytes, _Channel], deadline: float) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._channels = channels
        self._deadline = deadline
        self._asked: deque[_Channel | None] = deque()
        self._alive = True
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, driver: AbstractConnection, transport: asyncio.Transport) -> None:
        # Not before: there may be many servers to try, and nothing to ask them on.
        super().begin(driver, transport)
        self._timer = self._loop.call_later(self._deadline, self._look)

    def subscribe(self, channel: _Channel) -> None:
        self._ask(channel, "SUBSCRIBE", channel.name)

    def unsubscribe(self, channel: _Channel) -> None:
        self._ask(None, "UNSUBSCRIBE", channel.name)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().end()

    def data_received(self, data: bytes) -> None:
        self._alive = True
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not ...:
                self._read(reply)
        except (hiredis.HiredisError, IndexError):
            self.end()

    def _read(self, reply: Any) -> None:
        if isinstance(reply, list) and reply[0] == b"message":
            if (channel := self._channels.get(reply[1])) is not None:
                channel.wake()
            return
        asked = self._asked.popleft()
        if asked is None:
            return
        if isinstance(reply, Refusal):
            asked.wake()
            asked.entered(reply)
        else:
            asked.confirm()

    def _ask(self, channel: _Channel | None, *command: str | bytes) -> None:
        self._asked.append(channel)
        self._transport.write(pack(command))

    def _look(self) -> None:
        if self._asked and not self._alive:
            self.end()
            return
        self._alive = False
        self._timer = self._loop.call_later(self._deadline, self._look)
        self._ask(None, "PING")


class Subscriptions:
    """Each channel is subscribed to while anybody listens to it."""

    def __init__(self, endpoints: Callable[[], Sequence[Endpoint]], deadline: float) -> None:
        self._endpoints = endpoints
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._channels: dict[bytes, _Channel] = {}
        self._subscription: _Subscription | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._closed = False

    @asynccontextmanager
    async def listen(self, name: str) -> AsyncIterator[Notices]:
        heard = _Heard()
        channel = await self._enter(name.encode(), heard)
        try:
            yield heard
        finally:
            self._leave(channel, heard)

    async def close(self) -> None:
        """End the connection. Who waits is woken."""
        self._closed = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        for channel in self._channels.values():
            channel.wake()
            channel.entered(closed())

    async def _enter(self, name: bytes, heard: _Heard) -> _Channel:
        if self._closed:
            raise closed().error(writes=False)
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = _Channel(name)
            if self._subscription is not None:
                self._subscription.subscribe(channel)
        channel.listeners.add(heard)
        try:
            if not channel.confirmed:
                await self._confirmed(channel)
        except BaseException:
            self._leave(channel, heard)
            raise
        heard.event.clear()
        return channel

    async def _confirmed(self, channel: _Channel) -> None:
        if self._keeping is None:
            self._keeping = self._loop.create_task(self._keep())
        answer = self._loop.create_future()
        channel.entering.add(answer)
        timer = self._loop.call_later(self._deadline, _expire, answer)
        try:
            failure = await answer
        finally:
            timer.cancel()
            channel.entering.discard(answer)
        if failure is not None:
            raise failure.error(writes=False)

    def _leave(self, channel: _Channel, heard: _Heard) -> None:
        channel.listeners.discard(heard)
        if not channel.listeners and self._channels.get(channel.name) is channel:
            del self._channels[channel.name]
            if self._subscription is not None:
                self._subscription.unsubscribe(channel)

    async def _keep(self) -> None:
        """Be subscribed to every channel, again and again, until nobody listens any more."""
        backoff = Backoff()
        try:
            while self._channels:
                await backoff.wait()
                subscription = _Subscription(self._channels, self._deadline)
                try:
                    await self._connect(subscription)
                    backoff.succeeded()
                    await subscription.over.wait()
                    failure = lost(sent=False)
                except Unconnected as error:
                    failure = error.failure
                    backoff.failed()
                finally:
                    self._subscription = None
                    subscription.end()
                    await subscription.over.wait()
                for channel in self._channels.values():
                    channel.confirmed = False
                    channel.wake()
                    channel.entered(failure)
        finally:
            self._keeping = None

    async def _connect(self, subscription: _Subscription) -> None:
        endpoints = self._endpoints()
        failure = unreachable()
        for endpoint in endpoints:
            try:
                await endpoint.connect(subscription, self._deadline / min(len(endpoints), 2))
            except Unconnected as error:
                failure = error.failure
                continue
            self._subscription = subscription
            for channel in self._channels.values():
                subscription.subscribe(channel)
            return
        raise Unconnected(failure)


def _expire(answer: Answer) -> None:
    if not answer.done():
        answer.set_result(late(sent=False))
