"""Dispatching: events go from the outbox to their consumers, in any number of processes at once.

Two stages. First a tenant's new events are distributed: each consumer gets its own of each. Then
every consumer is given its events at its own pace, entity by entity, several entities at a time;
each is held by one dispatcher while the consumer is called, and let go by the store itself if that
dispatcher dies. What was refused comes again by itself and later (see `DispatchOptions`), and has
callers of its own: so nothing waits for it, or for a consumer that hangs, but what follows it for
the same entity.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import attrs

from domain.errors import Fault, ValidationError
from domain.identity import TenantId
from ports.audit import SEAL_BATCH
from ports.background import Rest, Step, steadily, within
from ports.dispatch_options import DEFAULT_OPTIONS as DEFAULT_OPTIONS
from ports.dispatch_options import DispatchOptions as DispatchOptions
from ports.errors import CorruptRecordError
from ports.lanes import LOG, PAGE, Held, Lane, Tally
from ports.observation import UNOBSERVED, Rounds
from ports.outbox import Consumer, Outbox
from ports.together import together

DISTRIBUTED: Final = 500
"""How many events of a tenant are distributed in one step."""

LOOKED: Final = 60.0
"""Seconds after which a dispatcher with nothing to seal looks for what nobody told it of."""

Seal: TypeAlias = Callable[[TenantId], Awaitable[int]]
"""Seals a batch of a tenant's entries; how many: fewer than `SEAL_BATCH` if all are sealed."""
Unsealed: TypeAlias = Callable[[str, int], Awaitable[Sequence[TenantId]]]


@attrs.frozen(kw_only=True)
class Dispatched:
    """What was done: `delivered` events were taken; `refused` times a consumer took none."""

    delivered: int = 0
    refused: int = 0


class Dispatcher:
    """Gives consumers their events. Safe to run beside others, here and elsewhere, itself included.

    `seal` is called for tenants with new events, and for those that `unsealed` names (the next so
    many after one), again for as long as it seals a whole batch, `SEAL_BATCH` entries; a trail that
    is broken is passed over. Who dispatches for consumers that others run as well shares their
    events with them. `rounds` is told of each delivery.

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
        unsealed: Unsealed | None = None,
        rounds: Rounds = UNOBSERVED,
    ) -> None:
        names = [consumer.name for consumer in consumers]
        if len(set(names)) < len(names):
            raise ValidationError("dispatch", [Fault("consumers", "have a name in common")])
        self._outbox = outbox
        self._options = options
        self._rounds = rounds
        self._seals = _Seals(seal, unsealed)
        self._consumers = tuple(consumers)
        self._tally = Tally()

    @property
    def done(self) -> Dispatched:
        """What this dispatcher has done so far."""
        return Dispatched(delivered=self._tally.delivered, refused=self._tally.refused)

    async def once(self) -> Dispatched:
        """Until nothing is due; what is refused meanwhile waits for another time.

        Raises:
            What the store raises; what was delivered by then stays so.
        """
        before = self.done
        await self._subscribe()
        refused: list[set[Held]] = [set() for _ in self._consumers]
        run = self._run(refused)
        busy = True
        while busy:
            busy = await run.distribute()
            busy |= any(await together(lane.exhaust() for lane in run.lanes))
        # Last, so that nobody waits for it; who is told of a change can have it sealed themselves.
        await self._seals.all()
        done = self.done
        return Dispatched(
            delivered=done.delivered - before.delivered, refused=done.refused - before.refused
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
        run = self._run()
        # Neither is worth waiting for at the end: each of their steps happens or doesn't.
        others = [
            asyncio.create_task(run.steadily(run.distribute, run.rest)),
            asyncio.create_task(run.steadily(self._seals.next, self._seals.rest)),
        ]
        deliveries = [
            asyncio.create_task(run.steadily(lane.step, lane.rest))
            for lane in run.lanes
            for _ in range(self._options.at_once)
        ]
        try:
            yield
            run.stop()
            if deliveries:
                await asyncio.wait(deliveries)
        finally:
            run.stop()
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

    def _run(self, refused: Sequence[set[Held] | None] | None = None) -> "_Run":
        stopping = asyncio.Event()
        lanes = [
            Lane(
                self._outbox,
                consumer,
                self._options,
                again,
                stopping,
                self._tally,
                once,
                self._rounds,
            )
            for consumer, once in zip(
                self._consumers, refused or [None] * len(self._consumers), strict=True
            )
            for again in (False, True)
        ]
        return _Run(self._outbox, self._options, stopping, lanes, self._seals)


@attrs.frozen
class _Run:
    """One call of a dispatcher."""

    _outbox: Outbox
    _options: DispatchOptions
    _stopping: asyncio.Event
    lanes: Sequence[Lane]
    _seals: "_Seals"

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopping.set()
        for lane in self.lanes:
            lane.awake.set()

    async def steadily(self, step: Step, rest: Rest) -> None:
        """One step after the other, with a rest after those that found nothing."""
        await steadily(step, rest, self._stopping, LOG, "dispatching failed")

    async def distribute(self) -> bool:
        """All that is there; whether there was anything."""
        after, busy = "", False
        while tenants := await self._outbox.with_news(after, PAGE):
            for tenant in tenants:
                moved = await self._outbox.distribute(tenant, DISTRIBUTED)
                if moved:
                    busy = True
                    for lane in self.lanes:
                        lane.awake.set()
                    self._seals.want(tenant)
            if len(tenants) < PAGE or self._stopping.is_set():
                break
            after = tenants[-1]
        return busy

    async def rest(self) -> None:
        """Until there may be something to distribute."""
        await within(self._stopping, self._options.rest())


class _Seals:
    """The tenants whose trails are to be sealed: in turn, a batch of each."""

    def __init__(self, seal: Seal | None, unsealed: Unsealed | None) -> None:
        self._seal = seal
        self._unsealed = unsealed
        self._wanted: dict[TenantId, None] = {}
        self._awake = asyncio.Event()
        self._looked = False

    def want(self, tenant: TenantId) -> None:
        """Something of a tenant's is to be sealed."""
        if self._seal is not None:
            self._wanted[tenant] = None
            self._awake.set()

    async def all(self) -> None:
        """Until nothing is left, of any tenant."""
        await self._look()
        while await self.next():
            pass

    async def next(self) -> bool:
        """One batch of a tenant's; whether there may be more to seal, of whomever."""
        if not self._looked:
            await self._look()
        if self._seal is None or not self._wanted:
            self._awake.clear()
            return False
        tenant = next(iter(self._wanted))
        del self._wanted[tenant]  # at once: whatever is written from now on makes it wanted again
        try:
            if await self._seal(tenant) >= SEAL_BATCH:
                self.want(tenant)  # behind the others
        except CorruptRecordError:
            LOG.warning("an audit trail is broken and can't be sealed: its `verify` says more")
        return True

    async def rest(self) -> None:
        """Until there may be something to seal."""
        await within(self._awake, LOOKED)
        # What nobody told of: whoever distributed it has ended before it was sealed.
        self._looked = self._awake.is_set()

    async def _look(self) -> None:
        after = ""
        while self._unsealed is not None:
            tenants = await self._unsealed(after, PAGE)
            for tenant in tenants:
                self.want(tenant)
            if len(tenants) < PAGE:
                break
            after = tenants[-1]
        self._looked = True
