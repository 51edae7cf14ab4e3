"""Delivery of events: at least once, in order for each entity, and nobody waits for others."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import attrs
import pytest

from domain.audit import AuditAction
from domain.errors import ValidationError
from domain.flows import Flow
from ports.capabilities import Capability
from ports.contracts.concurrency import RACERS, all_at_once, split
from ports.contracts.harness import Backend, contract
from ports.contracts.outbox_takers import PATIENT, PAUSE, Taker, dispatcher, subscribed
from ports.dispatch import DispatchOptions
from ports.flows import FlowRepository
from ports.stores import TenantScope

CREATED, UPDATED, DELETED = AuditAction
MOMENT = timedelta(milliseconds=1)


async def made(scope: TenantScope, *names: str) -> tuple[Flow, ...]:
    """Flows of these names, each by itself."""
    return tuple([await scope.flows.create(Flow.draft(name=name)) for name in names])


@contract
async def test_what_was_refused_comes_again_later(backend: Backend, scope: TenantScope) -> None:
    """The same, when its pause is over and not before; then never again."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        (flow,) = await made(scope, "a")
        taker.refusing = {flow.id}
        assert (await dispatcher(backend, taker).once()).refused == 1
        taker.refusing.clear()
        backend.clock.advance(seconds=PAUSE.total_seconds() / 2 - 0.01)
        await dispatcher(backend, taker, instance=1).once()
        assert taker.taken == []
        backend.clock.advance(seconds=PAUSE.total_seconds() / 2 + 0.01)
        await dispatcher(backend, taker, instance=1).once()
        assert taker.of(flow) == [(CREATED, 1)]
        assert [events[0].id for events in taker.offered] == [taker.taken[0].id] * 2
        backend.clock.advance(hours=1)
        await dispatcher(backend, taker).once()
        assert len(taker.offered) == 2


@contract
async def test_nothing_overtakes_what_was_refused(backend: Backend, scope: TenantScope) -> None:
    """Of its entity; all others go on, those that are changed later included."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        flow, other = await made(scope, "a", "b")
        taker.refusing = {flow.id}
        await dispatcher(backend, taker).once()
        await scope.flows.patch(flow.id, category="x")
        await scope.flows.patch(other.id, category="x")
        await dispatcher(backend, taker).once()
        assert taker.of(other) == [(CREATED, 1), (UPDATED, 2)]
        assert len(taker.offered) == 3
        taker.refusing.clear()
        await scope.flows.patch(flow.id, category="y")
        backend.clock.advance(minutes=1)
        await dispatcher(backend, taker).once()
        assert taker.of(flow) == [(CREATED, 1), (UPDATED, 2), (UPDATED, 3)]


@contract
async def test_pauses_double_up_to_the_longest(backend: Backend, scope: TenantScope) -> None:
    """Each is cut short by half of it at most."""
    taker = Taker(scope.tenant)
    options = attrs.evolve(PATIENT, longest_pause=4 * PAUSE)
    async with subscribed(backend, taker):
        (flow,) = await made(scope, "a")
        taker.refusing = {flow.id}
        await dispatcher(backend, taker, options=options).once()
        for count, pause in enumerate([PAUSE, 2 * PAUSE, 4 * PAUSE, 4 * PAUSE], start=1):
            backend.clock.advance(seconds=(pause / 2 - MOMENT).total_seconds())
            await dispatcher(backend, taker, options=options).once()
            assert len(taker.offered) == count
            backend.clock.advance(seconds=(pause / 2 + MOMENT).total_seconds())
            await dispatcher(backend, taker, options=options).once()
            assert len(taker.offered) == count + 1


@contract
async def test_who_fails_leaves_others_alone(backend: Backend, scope: TenantScope) -> None:
    """Other consumers get everything; so do they of other tenants."""
    fails, takes, theirs = Taker(scope.tenant), Taker(scope.tenant), Taker(backend.tenant())
    async with subscribed(backend, fails, takes, theirs):
        flows = await made(scope, "a", "b", "c")
        await backend.scope(theirs.tenant).flows.create(Flow.draft(name="a"))
        fails.refusing = {flow.id for flow in flows}
        done = await dispatcher(backend, fails, takes, theirs).once()
    assert done.refused == 3
    assert [event.entity_id for event in takes.taken] == [flow.id for flow in flows]
    assert len(theirs.taken) == 1


@contract
async def test_who_hangs_leaves_others_alone(backend: Backend, scope: TenantScope) -> None:
    """It is given other entities' events meanwhile, and other consumers get theirs."""
    hangs, takes = Taker(scope.tenant), Taker(scope.tenant)
    async with subscribed(backend, hangs, takes):
        flow, other = await made(scope, "a", "b")
        hangs.hanging = {flow.id: asyncio.Event()}
        async with dispatcher(backend, hangs, takes).running():
            await hangs.called.wait()
            await scope.flows.patch(flow.id, category="x")
            await scope.flows.patch(other.id, category="x")
            await hangs.has(2, other)
            await takes.has(4)
            assert hangs.of(flow) == []
            hangs.hanging[flow.id].set()
            await hangs.has(2, flow)
    assert hangs.of(flow) == hangs.of(other) == [(CREATED, 1), (UPDATED, 2)]


@contract
async def test_who_takes_too_long_is_cut_short(backend: Backend, scope: TenantScope) -> None:
    """It counts as refused."""
    taker = Taker(scope.tenant)
    options = attrs.evolve(PATIENT, timeout=timedelta(milliseconds=20))
    async with subscribed(backend, taker):
        (flow,) = await made(scope, "a")
        taker.hanging = {flow.id: asyncio.Event()}
        assert (await dispatcher(backend, taker, options=options).once()).refused == 1
        taker.hanging.clear()
        backend.clock.advance(minutes=1)
        await dispatcher(backend, taker).once()
    assert taker.of(flow) == [(CREATED, 1)]


@contract
async def test_what_a_consumer_waits_for_may_be_cancelled(
    backend: Backend, scope: TenantScope
) -> None:
    """Then it refused; the dispatcher goes on."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        flow, other = await made(scope, "a", "b")
        taker.refusing, taker.error = {flow.id}, asyncio.CancelledError()
        async with dispatcher(backend, taker).running():
            await taker.has(1, other)
        assert taker.of(flow) == []
        taker.refusing.clear()
        backend.clock.advance(minutes=1)
        await dispatcher(backend, taker).once()
    assert taker.of(flow) == [(CREATED, 1)]


@contract
async def test_what_one_dispatcher_delivers_no_other_does(
    backend: Backend, scope: TenantScope
) -> None:
    """Nor what follows it; everything else it may."""
    here = Taker(scope.tenant)
    there = Taker(scope.tenant, here.name)
    async with subscribed(backend, here):
        flow, other = await made(scope, "a", "b")
        here.hanging = {flow.id: asyncio.Event(), other.id: asyncio.Event()}
        busy = asyncio.create_task(dispatcher(backend, here).once())
        await here.called.wait()
        held = here.offered[0][0].entity_id
        free = other if held == flow.id else flow
        await scope.flows.patch(held, category="x")
        await dispatcher(backend, there, instance=1).once()
        assert there.of(held) == []
        assert there.of(free) == [(CREATED, 1)]
        for event in here.hanging.values():
            event.set()
        await busy
        await dispatcher(backend, there, instance=1).once()
    assert here.of(held) + there.of(held) == [(CREATED, 1), (UPDATED, 2)]


@contract
async def test_what_was_cut_off_comes_again(backend: Backend, scope: TenantScope) -> None:
    """A dispatcher that is cancelled while a consumer is at it has noted nothing."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        (flow,) = await made(scope, "a")
        taker.hanging = {flow.id: asyncio.Event()}
        busy = asyncio.create_task(dispatcher(backend, taker).once())
        await taker.called.wait()
        busy.cancel()
        await asyncio.wait({busy})
        taker.hanging.clear()
        async with dispatcher(backend, taker, instance=1).running():
            await taker.has(1)
    assert taker.of(flow) == [(CREATED, 1)]
    assert len(taker.offered) == 2


@contract
async def test_the_end_of_a_block_waits_for_who_is_at_it(
    backend: Backend, scope: TenantScope
) -> None:
    """So that what was taken is known to be; what was not begun is left to others."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        (flow,) = await made(scope, "a")
        taker.hanging = {flow.id: asyncio.Event()}
        async with dispatcher(backend, taker).running():
            await taker.called.wait()
            asyncio.get_running_loop().call_later(0.01, taker.hanging[flow.id].set)
        assert taker.of(flow) == [(CREATED, 1)]
        await dispatcher(backend, taker, instance=1).once()
    assert len(taker.offered) == 1


@contract
async def test_an_entitys_events_come_in_batches_in_their_order(
    backend: Backend, scope: TenantScope
) -> None:
    """Of so many at most."""
    taker = Taker(scope.tenant)
    options = attrs.evolve(PATIENT, batch=3)
    async with subscribed(backend, taker):
        (flow,) = await made(scope, "a")
        for number in range(7):
            await scope.flows.patch(flow.id, category=f"{number}")
        await dispatcher(backend, taker, options=options).once()
    assert [len(events) for events in taker.offered] == [3, 3, 2]
    assert [event.revision for event in taker.taken] == list(range(1, 9))


@contract(needs=Capability.TRANSACTIONS)
async def test_who_commits_late_is_told_all_the_same(backend: Backend, scope: TenantScope) -> None:
    """What was written before it was committed, and told, earlier."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        async with scope.authoring() as work:
            late = await work.flows.create(Flow.draft(name="late"))
            (early,) = await made(scope, "early")
            await dispatcher(backend, taker, instance=1).once()
            assert taker.of(early) == [(CREATED, 1)]
        await dispatcher(backend, taker, instance=1).once()
    assert taker.of(late) == [(CREATED, 1)]


@contract
async def test_dispatchers_share_the_work_of_racing_writers(backend: Backend) -> None:
    """Each event goes to each consumer exactly once, and each entity's in their order."""
    here, there = backend.rivals()
    names = Taker(here.tenant).name, Taker(here.tenant).name
    takers = [[Taker(here.tenant, name) for name in names] for _ in range(2)]
    for mine, theirs in zip(*takers, strict=True):
        # In the order of taking, whoever takes.
        mine.taken, mine.progress = theirs.taken, theirs.progress
    async with subscribed(backend, *takers[0]):
        flows = await made(here, "a", "b", "c")

        async def act(number: int, repository: FlowRepository) -> None:
            for turn in range(6):
                flow = flows[(number + turn) % len(flows)]
                await repository.patch(flow.id, category=f"{number}.{turn}")

        async def write() -> None:
            _, failed = split(await all_at_once([here.flows, there.flows], act))
            assert failed == []

        async with (
            dispatcher(backend, *takers[0]).running(),
            dispatcher(backend, *takers[1], instance=1).running(),
        ):
            await write()
            last = 1 + RACERS * 6 // len(flows)
            for taker in takers[0]:
                await taker.has(len(flows) * last)
        for taker in takers[0]:
            for flow in flows:
                assert [number for _, number in taker.of(flow)] == list(range(1, last + 1))


@contract
async def test_distributing_at_once_lets_nothing_overtake(backend: Backend) -> None:
    """However few events each of several dispatchers distributes in one step."""
    here, there = backend.rivals()
    taker = Taker(here.tenant)
    async with subscribed(backend, taker):
        flows = await made(here, "a", "b")
        for turn in range(10):
            for flow in flows:
                await there.flows.patch(flow.id, category=f"{turn}")
        outboxes = [
            instance.authoring.maintenance().outbox
            for instance in backend.instances
            if instance.authoring is not None
        ]

        async def act(number: int, outbox: Any) -> None:
            for _ in range(RACERS):
                await outbox.distribute(here.tenant, 1)
                async with outbox.deliver(
                    here.tenant, taker.name, again=False, limit=1, lasting=PAUSE
                ) as delivery:
                    if delivery is not None:
                        await taker.consume(delivery.events)
                        await delivery.taken()

        acts: Coroutine[Any, Any, Any] = all_at_once(outboxes, act)
        assert split(await acts)[1] == []
        await dispatcher(backend, taker).once()
    for flow in flows:
        assert [revision for _, revision in taker.of(flow)] == list(range(1, 12))


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval": timedelta()},
        {"timeout": timedelta(hours=1)},
        {"first_pause": 1},
        {"longest_pause": timedelta(days=2)},
        {"batch": 0},
        {"at_once": 33},
    ],
    ids=str,
)
def test_options_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    """Each is named."""
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        DispatchOptions(**wrong)
