"""The lanes of a dispatcher: what one consumer is given, tenant by tenant and entity by entity."""

import asyncio
from collections import deque
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from domain.identity import TenantId
from ports.background import within
from ports.dispatch_options import DispatchOptions
from ports.logs import Log
from ports.observation import UNOBSERVED, Round, Rounds
from ports.outbox import Consumer, Delivery, Outbox

PAGE: Final = 100
"""How many tenants are asked for at a time."""

TURN: Final = 10
"""How many entities of a tenant are delivered before the next tenant has its turn."""

_SECOND: Final = timedelta(seconds=1)

LOG: Final = Log("outbox")

Held: TypeAlias = tuple[TenantId, str, UUID]
"""An entity, by tenant, type and id."""


@attrs.define
class Tally:
    """What was done: so many events were taken, and so many times a consumer took none."""

    delivered: int = 0
    refused: int = 0


class Lane:
    """What comes to one consumer for the first time; or, `again`, what it refused before.

    `refused`: of which entities it refused something since they were remembered; what is in it
    doesn't come again here. None: nothing is remembered.
    """

    def __init__(
        self,
        outbox: Outbox,
        consumer: Consumer,
        options: DispatchOptions,
        again: bool,
        stopping: asyncio.Event,
        tally: Tally,
        refused: set[Held] | None = None,
        rounds: Rounds = UNOBSERVED,
    ) -> None:
        self._rounds = rounds
        self._outbox = outbox
        self._consumer = consumer
        self._options = options
        self._again = again
        self._stopping = stopping
        self._tally = tally
        self._refused = refused
        self.awake = asyncio.Event()
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
        task = asyncio.current_task()
        for _ in range(TURN):
            if self._stopping.is_set() or not await self._deliver(tenant):
                break
            if task is not None and task.cancelling():
                raise asyncio.CancelledError  # which the consumer kept to itself
        return True

    async def exhaust(self) -> bool:
        """All that is due; whether there was anything."""
        any_at_all = False
        while await self.step():
            any_at_all |= self._fruitful
        return any_at_all

    async def rest(self) -> None:
        """Until there may be something to deliver."""
        await within(self.awake, self._options.rest())
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
            held = tenant, delivery.events[0].entity_type, delivery.events[0].entity_id
            if self._again and self._refused is not None and held in self._refused:
                return False  # what was due before it has come
            self._fruitful = True
            about = {"consumer": self._consumer.name, "tenant": tenant}
            with self._rounds.begun("delivery", **about) as seen:
                seen.since(delivery.events[0].at)
                failure = await self._consumed(delivery)
                if failure is None:
                    await delivery.taken()
                    self._tally.delivered += len(delivery.events)
                    seen.count("delivered", len(delivery.events))
                else:
                    if self._refused is not None:
                        self._refused.add(held)
                    await self._refuse(delivery, failure, seen)
            return delivery.more or len(delivery.events) == options.batch

    async def _refuse(self, delivery: Delivery, failure: BaseException, seen: Round) -> None:
        attempts = delivery.attempts + 1
        name = type(failure).__name__[:100]
        await delivery.refused(name, self._options.pause(attempts))
        self._tally.refused += 1
        seen.count("refused", 1)
        seen.failed(name)
        if attempts == 1:
            LOG.warning("a consumer refused events", consumer=self._consumer.name, error=name)

    async def _consumed(self, delivery: Delivery) -> BaseException | None:
        """What the consumer raised."""
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(self._options.timeout / _SECOND):
                await self._consumer.consume(delivery.events)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise  # the process, or this task, is to end
        except asyncio.CancelledError as error:
            if task is None or task.cancelling():
                raise
            return error  # of something that the consumer waited for
        except BaseException as error:  # noqa: BLE001  # whatever it is, it wasn't taken
            return error
        return None
