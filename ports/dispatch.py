"""Dispatching: events go from the outbox to their consumers, in any number of processes at once.

Two stages. First a tenant's new events are distributed: each consumer gets its own of each. Then
every consumer is given its events at its own pace, entity by entity, several entities at a time;
each is held by one dispatcher while the consumer is called, and let go by the store itself if that
dispatcher dies. What was refused comes again by itself and later (see `DispatchOptions`), and has
callers of its own: so nothing waits for it, or for a consumer that hangs, but what follows it for
the same entity.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from random import uniform
from typing import Final, TypeAlias

import attrs
from attrs import field

from domain.durations import MILLISECOND, duration
from domain.errors import Fault, ValidationError
from domain.identity import TenantId
from domain.rules import Value, rule, whole
from ports.outbox import Consumer, Delivery, Outbox
from ports.together import together

PAGE: Final = 100
"""How many tenants are asked for at a time."""

TURN: Final = 10
"""How many entities of a tenant are delivered before the next tenant has its turn."""

DISTRIBUTED: Final = 500
"""How many events of a tenant are distributed in one step."""

_DOUBLINGS: Final = 27
"""After as many, a millisecond is more than a day."""

_SECOND: Final = timedelta(seconds=1)
_LONGEST: Final = 5.0
"""Seconds between two attempts to reach a store that fails."""

_LOG: Final = logging.getLogger("dialogbase.outbox")
_LOG.addHandler(logging.NullHandler())

Seal: TypeAlias = Callable[[TenantId], Awaitable[int]]


_REST = duration(MILLISECOND, timedelta(minutes=1))
_TIMEOUT = duration(MILLISECOND, timedelta(minutes=10))
_PAUSE = duration(MILLISECOND, timedelta(days=1))


@attrs.frozen(kw_only=True, slots=False)
class DispatchOptions(Value):
    """`interval`: how long a dispatcher that finds nothing rests, give or take half of it.

    `timeout`: how long a consumer may take for one call. `batch`: how many events of an entity it
    is given at most in one. `at_once`: how many entities are delivered to a consumer at a time, as
    many again of those that were refused before; each holds a connection of the store's.

    What was refused for the n-th time in a row comes again after `first_pause` x 2^(n-1), at most
    `longest_pause`, less up to half of it by chance. It is never given up.

    Raises:
        ValidationError: for a value that is none.
    """

    interval: timedelta = field(default=timedelta(milliseconds=200), metadata=rule(_REST))
    timeout: timedelta = field(default=timedelta(seconds=10), metadata=rule(_TIMEOUT))
    first_pause: timedelta = field(default=timedelta(milliseconds=500), metadata=rule(_PAUSE))
    longest_pause: timedelta = field(default=timedelta(minutes=5), metadata=rule(_PAUSE))
    batch: int = field(default=100, metadata=rule(whole(1, 1_000)))
    at_once: int = field(default=2, metadata=rule(whole(1, 32)))

    def rest(self) -> float:
        """For how many seconds to rest this time."""
        return self.interval / _SECOND * uniform(0.5, 1.5)

    def pause(self, refused: int) -> timedelta:
        """How long what was refused for the `refused`-th time, counted from 1, has to wait."""
        longest: timedelta = self.longest_pause
        if refused <= _DOUBLINGS:
            longest = min(longest, self.first_pause * 2 ** (refused - 1))
        return longest * uniform(0.5, 1)


DEFAULT_OPTIONS: Final = DispatchOptions()


@attrs.frozen(kw_only=True)
class Dispatched:
    """What was done: `delivered` events were taken; `refused` times a consumer took none."""

    delivered: int = 0
    refused: int = 0


class Dispatcher:
    """Gives consumers their events. Safe to run beside others, here and elsewhere.

    `seal` is called for tenants with new events, until it returns 0. Who dispatches for consumers
    that others run as well shares their events with them.

    Raises:
        ValidationError: if two consumers have the same name, or what is none.
    """

    def __init__(
        self,
        outbox: Outbox,
        consumers: Sequence[Consumer],
        *,
        options: DispatchOptions = DEFAULT_OPTIONS,
        seal: Seal | None = None,
    ) -> None:
        names = [consumer.name for consumer in consumers]
        if len(set(names)) < len(names):
            raise ValidationError("dispatch", [Fault("consumers", "have a name in common")])
        self._outbox = outbox
        self._options = options
        self._seal = seal
        self._consumers = tuple(consumers)
        self._stopping = asyncio.Event()
        self._lanes = tuple(
            _Lane(outbox, consumer, options, again, self._stopping)
            for consumer in consumers
            for again in (False, True)
        )
        self._unsealed: dict[TenantId, None] = {}
        self._sealable = asyncio.Event()

    @property
    def done(self) -> Dispatched:
        """What this dispatcher has done so far."""
        return Dispatched(
            delivered=sum(lane.delivered for lane in self._lanes),
            refused=sum(lane.refused for lane in self._lanes),
        )

    async def once(self) -> Dispatched:
        """Until nothing is due; what was refused meanwhile waits for another time.

        Raises:
            What the store raises; what was delivered by then stays so.
        """
        before = self.done
        self._stopping.clear()
        await self._subscribe()
        busy = True
        while busy:
            busy = await self._distribute()
            busy |= any(await together(lane.exhaust() for lane in self._lanes))
        # Last, so that nobody waits for it; who is told of a change can have it sealed themselves.
        while await self._seal_next():
            pass
        return Dispatched(
            delivered=self.done.delivered - before.delivered,
            refused=self.done.refused - before.refused,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Dispatches in tasks of its own for the block.

        Whatever the store raises meanwhile is logged, and tried again after a while. At the block's
        end what is just being delivered is brought to its end, unless the block is left by an
        exception or cancelled.

        Raises:
            What the store raises, on entry, when the consumers are subscribed.
        """
        await self._subscribe()
        self._stopping.clear()
        # Neither is worth waiting for at the end: each of their steps happens or doesn't.
        others = [
            asyncio.create_task(self._steadily(self._distribute, self._rest)),
            asyncio.create_task(self._steadily(self._seal_next, self._until_sealable)),
        ]
        deliveries = [
            asyncio.create_task(self._steadily(lane.step, lane.rest))
            for lane in self._lanes
            for _ in range(self._options.at_once)
        ]
        try:
            yield
            self._stopping.set()
            for lane in self._lanes:
                lane.awake.set()
            if deliveries:
                await asyncio.wait(deliveries)
        finally:
            self._stopping.set()
            for task in (*others, *deliveries):
                task.cancel()
            await asyncio.gather(*others, *deliveries, return_exceptions=True)

    async def run(self) -> None:
        """Dispatches until it is cancelled; as `running`."""
        async with self.running():
            await asyncio.Event().wait()

    async def _subscribe(self) -> None:
        for consumer in self._consumers:
            await self._outbox.subscribe(consumer.name)

    async def _steadily(
        self, step: Callable[[], Awaitable[bool]], rest: Callable[[], Awaitable[None]]
    ) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                busy = await step()
            except Exception as error:  # noqa: BLE001  # whatever it is, this task goes on
                pause = min(0.1 * 2**failures, _LONGEST) * uniform(0.5, 1)
                failures = min(failures + 1, 10)
                _LOG.warning(
                    "dispatching failed (%s); it goes on in %.1f s", type(error).__name__, pause
                )
                await _within(self._stopping, pause)
                continue
            failures = 0
            if not busy:
                await rest()

    async def _distribute(self) -> bool:
        """All that is there; whether there was anything."""
        after, busy = "", False
        while tenants := await self._outbox.with_news(after, PAGE):
            for tenant in tenants:
                moved = await self._outbox.distribute(tenant, DISTRIBUTED)
                if moved:
                    busy = True
                    for lane in self._lanes:
                        lane.awake.set()
                    if self._seal is not None:
                        self._unsealed[tenant] = None
                        self._sealable.set()
            if len(tenants) < PAGE or self._stopping.is_set():
                break
            after = tenants[-1]
        return busy

    async def _rest(self) -> None:
        await _within(self._stopping, self._options.rest())

    async def _seal_next(self) -> bool:
        if self._seal is None or not self._unsealed:
            self._sealable.clear()
            return False
        tenant = next(iter(self._unsealed))
        del self._unsealed[tenant]  # at once: whatever is written from now on makes it news again
        while await self._seal(tenant):
            pass
        return True

    async def _until_sealable(self) -> None:
        await self._sealable.wait()


class _Lane:
    """What comes to one consumer for the first time; or, `again`, what it refused before."""

    def __init__(
        self,
        outbox: Outbox,
        consumer: Consumer,
        options: DispatchOptions,
        again: bool,
        stopping: asyncio.Event,
    ) -> None:
        self._outbox = outbox
        self._consumer = consumer
        self._options = options
        self._again = again
        self._stopping = stopping
        self.awake = asyncio.Event()
        self.delivered = 0
        self.refused = 0
        self._asking = asyncio.Lock()
        self._tenants: deque[TenantId] = deque()
        self._after = ""
        self._last_page = False
        self._fruitful = False

    async def step(self) -> bool:
        """One tenant's turn; False if a round over all of them had nothing to deliver."""
        tenant = await self._next()
        if tenant is None:
            fruitful, self._fruitful = self._fruitful, False
            return fruitful
        for _ in range(TURN):
            if self._stopping.is_set() or not await self._deliver(tenant):
                break
        return True

    async def exhaust(self) -> bool:
        """All that is due; whether there was anything."""
        before = self.delivered, self.refused
        while await self.step():
            pass
        return before != (self.delivered, self.refused)

    async def rest(self) -> None:
        """Until there may be something to deliver."""
        await _within(self.awake, self._options.rest())
        self.awake.clear()

    async def _next(self) -> TenantId | None:
        """Whose turn it is; None when each had one."""
        async with self._asking:
            if not self._tenants and not self._last_page:
                page = await self._outbox.with_work(
                    self._consumer.name, again=self._again, after=self._after, limit=PAGE
                )
                self._tenants.extend(page)
                self._after = page[-1] if page else ""
                self._last_page = len(page) < PAGE
            if self._tenants:
                return self._tenants.popleft()
            self._after, self._last_page = "", False
            return None

    async def _deliver(self, tenant: TenantId) -> bool:
        """One entity's events; whether there may be others'."""
        options = self._options
        async with self._outbox.deliver(
            tenant,
            self._consumer.name,
            again=self._again,
            limit=options.batch,
            lasting=options.timeout,
        ) as delivery:
            if delivery is None:
                return False
            self._fruitful = True
            failure = await self._consumed(delivery)
            if failure is None:
                await delivery.taken()
                self.delivered += len(delivery.events)
            else:
                attempts = delivery.attempts + 1
                name = type(failure).__name__[:100]
                await delivery.refused(name, options.pause(attempts))
                self.refused += 1
                if attempts == 1:
                    _LOG.warning("consumer %s refused an event (%s)", self._consumer.name, name)
            return delivery.more or len(delivery.events) == options.batch

    async def _consumed(self, delivery: Delivery) -> BaseException | None:
        """What the consumer raised."""
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(self._options.timeout / _SECOND):
                await self._consumer.consume(delivery.events)
        except Exception as error:  # noqa: BLE001  # whatever it is, it wasn't taken
            return error
        except asyncio.CancelledError as error:
            if task is None or task.cancelling():
                raise
            return error  # of something that the consumer waited for
        return None


async def _within(event: asyncio.Event, seconds: float) -> None:
    # Not by `wait_for`, which forgets a cancellation that comes at the moment of its timeout
    # (Python 3.11, https://github.com/python/cpython/issues/86296).
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
