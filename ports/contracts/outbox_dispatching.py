"""Dispatchers: whatever consumers do and however often they run, they go on, and come to an end."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from domain.identity import TenantId
from domain.outbox import ChangeEvent
from ports.contracts.harness import Backend, contract
from ports.contracts.outbox_delivery import made
from ports.contracts.outbox_takers import PATIENCE, Taker, dispatcher, outbox, subscribed
from ports.stores import TenantScope


class _Unusual(BaseException):
    """Not an Exception, as frameworks have them."""


@contract
async def test_whatever_a_consumer_raises_is_a_refusal(
    backend: Backend, scope: TenantScope
) -> None:
    """However often: the dispatcher goes on."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        *flows, other = await made(scope, *"abcdefgh")
        taker.refusing, taker.error = {flow.id for flow in flows}, _Unusual()
        async with dispatcher(backend, taker).running():
            await taker.has(1, other)
            assert len(taker.taken) == 1
            taker.refusing.clear()
            backend.clock.advance(minutes=1)
            await taker.has(8)


class _Slow(Taker):
    """So slow in refusing that what it refused is due again by then."""

    def __init__(self, backend: Backend, tenant: TenantId) -> None:
        super().__init__(tenant)
        self._backend = backend

    async def consume(self, events: Sequence[ChangeEvent]) -> None:
        if events[0].tenant_id == self.tenant:
            self._backend.clock.advance(hours=1)
            if len(self.offered) > 20:
                self.refusing.clear()
        await super().consume(events)


@contract
async def test_what_is_refused_meanwhile_waits_for_another_time(
    backend: Backend, scope: TenantScope
) -> None:
    """So who dispatches until nothing is due comes to an end, however long that takes."""
    taker = _Slow(backend, scope.tenant)
    async with subscribed(backend, taker):
        flows = await made(scope, *"abc")
        taker.refusing = {flow.id for flow in flows}
        for _ in range(2):
            assert (await dispatcher(backend, taker).once()).refused == 3
            backend.clock.advance(days=2)
        taker.refusing = {flows[0].id}
        await scope.flows.patch(flows[1].id, category="x")
        done = await dispatcher(backend, taker).once()
        assert (done.delivered, done.refused) == (3, 1)


class _Stubborn(Taker):
    """Goes on when it is cancelled."""

    async def consume(self, events: Sequence[ChangeEvent]) -> None:
        with suppress(asyncio.CancelledError):
            await super().consume(events)


@contract
async def test_a_cancelled_dispatcher_ends_though_its_consumer_does_not(
    backend: Backend, scope: TenantScope
) -> None:
    """It is given nothing more, and the rest comes another time."""
    taker = _Stubborn(scope.tenant)
    async with subscribed(backend, taker):
        flows = await made(scope, *"abc")
        taker.hanging = {flow.id: asyncio.Event() for flow in flows}
        telling = asyncio.create_task(dispatcher(backend, taker).once())
        await taker.called.wait()
        taker.hanging.clear()
        telling.cancel()
        await asyncio.wait({telling})
        assert len(taker.offered) == 1
        await dispatcher(backend, taker).once()
        assert {events[0].entity_id for events in taker.offered} == {flow.id for flow in flows}


@contract
async def test_who_unsubscribes_while_being_told_leaves_nothing(
    backend: Backend, scope: TenantScope
) -> None:
    """Not even what it then refuses, which nobody would ever ask for again."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        (flow,) = await made(scope, "a")
        taker.hanging, taker.refusing = {flow.id: asyncio.Event()}, {flow.id}
        telling = asyncio.create_task(dispatcher(backend, taker).once())
        await taker.called.wait()
        await outbox(backend, 1).unsubscribe(taker.name)
        taker.hanging[flow.id].set()
        await telling
        backend.clock.advance(days=2)
        for again in (False, True):
            found = outbox(backend).with_work(
                taker.name, again=again, after=scope.tenant[:-1], limit=1_000
            )
            assert scope.tenant not in await found


@contract
async def test_a_dispatcher_may_run_beside_itself(backend: Backend, scope: TenantScope) -> None:
    """Whichever of its runs ends, the others go on; and each ends when it is told to."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        one = dispatcher(backend, taker)
        async with one.running():
            async with one.running():
                (flow,) = await made(scope, "a")
                await taker.has(1)
            await scope.flows.patch(flow.id, category="x")
            await taker.has(2)
        async with asyncio.timeout(PATIENCE):
            taker.hanging = {flow.id: asyncio.Event()}
            async with one.running():
                await scope.flows.patch(flow.id, category="y")
                await taker.called.wait()
                loop = asyncio.get_running_loop()
                loop.call_later(0.01, taker.hanging[flow.id].set)
                other = asyncio.create_task(one.once())
            await other
        assert len(taker.taken) == 3
