"""The outbox: who is told of what, and of nothing else."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from domain.audit import AuditAction
from domain.definitions import FlowDefinition
from domain.errors import ValidationError
from domain.flows import Flow
from domain.identity import Author
from ports.capabilities import Capability
from ports.contracts.harness import Backend, contract, raised_by
from ports.contracts.outbox_takers import PATIENCE, Taker, dispatcher, outbox, subscribed, waiting
from ports.errors import ConflictError
from ports.stores import TenantScope

CREATED, UPDATED, DELETED = AuditAction


class Mishap(Exception):
    """What ends a unit of work that is to be rolled back."""


@contract
async def test_every_change_is_told_in_its_order(backend: Backend, scope: TenantScope) -> None:
    """One event each: what was done to which entity, and which revision it has since."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        flow = await scope.flows.create(
            Flow.draft(name="a", definition=FlowDefinition.external({}))
        )
        await scope.flows.publish(flow.id)
        await scope.flows.set_default(flow.id)
        await scope.flows.update_where({"name": "a"}, category="x")
        assert await scope.flows.delete(flow.id)
        done = await dispatcher(backend, taker).once()
    assert taker.of(flow) == [
        (CREATED, 1),
        (UPDATED, 2),
        (UPDATED, 3),
        (UPDATED, 4),
        (DELETED, 4),
    ]
    assert (done.delivered >= 5, done.refused) == (True, 0)
    assert {(event.tenant_id, event.entity_type) for event in taker.taken} == {
        (scope.tenant, "flow")
    }


@contract
async def test_an_event_says_who_and_when_and_is_its_audit_entrys(backend: Backend) -> None:
    """By id: who wants to know more looks there."""
    scope = backend.fresh()
    store = backend.instances[1].authoring
    assert store is not None
    flows = store.repositories(scope.tenant, Author("ada")).flows
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        flow = await flows.create(Flow.draft(name="a"))
        later = backend.clock.advance(seconds=1)
        await scope.flows.patch(flow.id, category="x")
        await dispatcher(backend, taker).once()
    assert [(event.actor, event.at) for event in taker.taken] == [
        ("ada", flow.created_at),
        (None, later),
    ]
    entries = (await scope.audit.of_entity("flow", flow.id)).items
    assert [event.id for event in taker.taken] == [entry.id for entry in reversed(entries)]


@contract
async def test_what_is_only_counted_is_not_told(backend: Backend, scope: TenantScope) -> None:
    """It raises no revision."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        flow = await scope.flows.create(Flow.draft(name="a"))
        await scope.flows.increment_usage(flow.id)
        await dispatcher(backend, taker).once()
    assert taker.of(flow) == [(CREATED, 1)]


@contract(needs=Capability.TRANSACTIONS)
async def test_a_unit_is_told_with_its_commit(backend: Backend, scope: TenantScope) -> None:
    """Nothing of it before."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        async with scope.authoring() as work:
            flow = await work.flows.create(Flow.draft(name="a"))
            await work.flows.patch(flow.id, category="x")
            await dispatcher(backend, taker, instance=1).once()
            assert taker.taken == []
        await dispatcher(backend, taker, instance=1).once()
    assert taker.of(flow) == [(CREATED, 1), (UPDATED, 2)]


@contract(needs=Capability.TRANSACTIONS)
async def test_what_was_rolled_back_is_not_told(backend: Backend, scope: TenantScope) -> None:
    """However much of it was done."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        kept = await scope.flows.create(Flow.draft(name="kept"))
        with suppress(Mishap):
            async with scope.authoring() as work:
                await work.flows.create(Flow.draft(name="a"))
                await work.flows.patch(kept.id, category="x")
                raise Mishap
        await dispatcher(backend, taker).once()
    assert [(event.entity_id, event.revision) for event in taker.taken] == [(kept.id, 1)]


@contract
async def test_what_was_refused_by_the_store_is_not_told(
    backend: Backend, scope: TenantScope
) -> None:
    """A stale update, a list of which one is a duplicate, a deletion of nothing."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        flow = await scope.flows.create(Flow.draft(name="a"))
        await scope.flows.patch(flow.id, category="x")
        assert isinstance(await raised_by(scope.flows.update(flow)), ConflictError)
        drafts = [Flow.draft(name="new"), Flow.draft(name="a")]
        assert await raised_by(scope.flows.create_many(drafts)) is not None
        assert not await scope.flows.delete(uuid4())
        await dispatcher(backend, taker).once()
    assert taker.of(flow) == [(CREATED, 1), (UPDATED, 2)]
    assert len(taker.taken) == 2


@contract
async def test_every_consumer_is_told_of_every_tenant(backend: Backend) -> None:
    """Each at its own pace: one of them was away."""
    ours, theirs = backend.fresh(), backend.fresh()
    here, there, away = Taker(ours.tenant), Taker(theirs.tenant), Taker(ours.tenant)
    async with subscribed(backend, here, there, away):
        mine = await ours.flows.create(Flow.draft(name="a"))
        other = await theirs.flows.create(Flow.draft(name="a"))
        await dispatcher(backend, here, there).once()
        assert [event.entity_id for event in here.taken] == [mine.id]
        assert [event.entity_id for event in there.taken] == [other.id]
        assert away.taken == []
        await dispatcher(backend, away).once()
        assert away.taken == here.taken


@contract
async def test_who_comes_later_is_told_of_what_happens_later(
    backend: Backend, scope: TenantScope
) -> None:
    """And who was there before keeps their place."""
    first, second = Taker(scope.tenant), Taker(scope.tenant)
    async with subscribed(backend, first):
        flow = await scope.flows.create(Flow.draft(name="a"))
        async with subscribed(backend, second):
            assert not await outbox(backend).subscribe(second.name)
            await scope.flows.patch(flow.id, category="x")
            await dispatcher(backend, first, second).once()
    assert first.of(flow) == [(CREATED, 1), (UPDATED, 2)]
    assert second.of(flow) == [(UPDATED, 2)]


@contract
async def test_what_nobody_wants_to_know_is_dropped(backend: Backend, scope: TenantScope) -> None:
    """By the next dispatcher."""
    await scope.flows.create(Flow.draft(name="a"))
    await dispatcher(backend).once()
    taker = Taker(scope.tenant)
    assert await outbox(backend).subscribe(taker.name)
    await dispatcher(backend, taker).once()
    assert taker.taken == []
    assert await outbox(backend).unsubscribe(taker.name)


@contract
async def test_who_unsubscribes_is_forgotten_with_what_waits(
    backend: Backend, scope: TenantScope
) -> None:
    """Refused or not; others lose nothing by it."""
    gone, kept = Taker(scope.tenant), Taker(scope.tenant)
    async with subscribed(backend, gone, kept):
        flow = await scope.flows.create(Flow.draft(name="a"))
        other = await scope.flows.create(Flow.draft(name="b"))
        gone.refusing = {flow.id}
        await dispatcher(backend, gone).once()
        await scope.flows.patch(other.id, category="x")
        await dispatcher(backend).once()
        assert await outbox(backend, 1).unsubscribe(gone.name)
        assert not await outbox(backend).unsubscribe(gone.name)
        gone.refusing.clear()
        gone.taken.clear()
        backend.clock.advance(hours=1)
        assert gone.name not in [one.name for one in (await outbox(backend).backlog()).consumers]
        await dispatcher(backend, gone, kept).once()
        assert gone.taken == []
        assert len(kept.taken) == 3


@contract
async def test_what_waits_is_counted(backend: Backend, scope: TenantScope) -> None:
    """Nothing of what it is about."""
    taker = Taker(scope.tenant)
    async with subscribed(backend, taker):
        begun = backend.clock.kept
        flow = await scope.flows.create(Flow.draft(name="a"))
        backend.clock.advance(seconds=1)
        await scope.flows.patch(flow.id, category="x")
        before = await outbox(backend).backlog()
        assert before.undistributed >= 2
        assert before.oldest is not None
        assert before.oldest <= begun
        taker.refusing = {flow.id}
        for _ in range(3):
            await dispatcher(backend, taker).once()
            backend.clock.advance(minutes=1)
        found = waiting(await outbox(backend, 1).backlog(), taker)
        assert (found.waiting >= 2, found.oldest) == (True, begun)
        assert (found.failing, found.attempts, found.last_error) == (1, 3, "Refusal")
        taker.refusing.clear()
        await dispatcher(backend, taker).once()
        found = waiting(await outbox(backend).backlog(), taker)
        assert (found.failing, found.attempts, found.last_error) == (0, 0, None)


@contract
async def test_an_erased_tenants_events_are_gone(backend: Backend) -> None:
    """Those that wait for a consumer, and those that no dispatcher has looked at."""
    gone, kept = backend.fresh(), backend.fresh()
    taker, other = Taker(gone.tenant), Taker(kept.tenant)
    async with subscribed(backend, taker, other):
        flow = await gone.flows.create(Flow.draft(name="a"))
        await kept.flows.create(Flow.draft(name="a"))
        taker.refusing = {flow.id}
        await dispatcher(backend, taker).once()
        await gone.flows.patch(flow.id, category="x")
        store = backend.instances[1].authoring
        assert store is not None
        await store.maintenance().erase_tenant(gone.tenant)
        taker.refusing.clear()
        backend.clock.advance(hours=1)
        await dispatcher(backend, taker, other).once()
    assert taker.taken == []
    assert len(other.taken) == 1


@contract
async def test_a_tenant_is_erased_although_a_consumer_is_being_told(
    backend: Backend, scope: TenantScope
) -> None:
    """All the rest is gone at once, and what it holds when it lets go: even if it takes nothing."""
    taker, other = Taker(scope.tenant), backend.scope(scope.tenant, 1)
    store = backend.instances[1].authoring
    assert store is not None
    async with subscribed(backend, taker):
        one = await scope.flows.create(Flow.draft(name="a"))
        await scope.flows.create(Flow.draft(name="b"))
        taker.hanging, taker.refusing = {one.id: asyncio.Event()}, {one.id}
        telling = asyncio.create_task(dispatcher(backend, taker).once())
        await taker.called.wait()
        erasing = asyncio.create_task(store.maintenance().erase_tenant(scope.tenant))
        async with asyncio.timeout(PATIENCE):
            while await other.audit.count() or await other.flows.count():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert not erasing.done()
        taker.hanging[one.id].set()
        assert await erasing == 2
        await telling
        backend.clock.advance(days=2)
        for again in (False, True):
            found = outbox(backend).with_work(
                taker.name, again=again, after=scope.tenant[:-1], limit=1_000
            )
            assert scope.tenant not in await found


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", "a\0", None, 7], ids=repr)
@contract
async def test_what_can_be_no_consumers_name_is_refused(backend: Backend, name: Any) -> None:
    """Before anything is asked."""
    assert isinstance(await raised_by(outbox(backend).subscribe(name)), ValidationError)
    assert isinstance(await raised_by(outbox(backend).unsubscribe(name)), ValidationError)


@contract
async def test_two_consumers_of_one_name_are_refused(backend: Backend) -> None:
    """In one dispatcher: which of them it is for, nobody could say."""
    tenant = backend.tenant()
    with pytest.raises(ValidationError):
        dispatcher(backend, Taker(tenant, "one"), Taker(tenant, "one"))
