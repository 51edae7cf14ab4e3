"""How late a read may be: not at all in the process that wrote, and bounded everywhere else."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import attrs
import pytest

from adapters.cached import FlowCacheInvalidation
from adapters.cached.uses import MAX_USES, Uses
from domain.audit import AuditAction
from domain.errors import ValidationError
from domain.flows import Flow
from domain.outbox import ChangeEvent
from ports.errors import ConflictError, EntityNotFoundError
from ports.flows import FlowRepository
from tests.bootstrap.running import run
from tests.cached.parts import TENANT, World, a_draft, an_active

ALMOST = 0.999
USED = datetime(2026, 1, 1, tzinfo=UTC)
LIVES = 60.0
"""Seconds, at most, in the shared cache."""

READS: dict[str, Callable[[FlowRepository, Flow], Awaitable[Any]]] = {
    "by id": lambda flows, flow: flows.get_by_id(flow.id),
    "required": lambda flows, flow: flows.require(flow.id),
    "by name": lambda flows, flow: flows.get_by_name_and_version(flow.name, flow.version),
    "default": lambda flows, flow: flows.get_default(),
    "active": lambda flows, flow: flows.get_active(),
}


def changed(flow: Flow) -> ChangeEvent:
    """What the outbox says of a flow."""
    return ChangeEvent(
        id=uuid4(),
        tenant_id=flow.tenant_id,
        at=flow.updated_at,
        actor=None,
        action=AuditAction.UPDATED,
        entity_type="flow",
        entity_id=flow.id,
        revision=flow.revision,
    )


async def a_default(flows: FlowRepository) -> Flow:
    """A flow that is found in every way."""
    return await flows.set_default((await an_active(flows)).id)


@pytest.mark.parametrize("way", READS)
@run
async def test_what_was_read_is_read_from_the_origin_once(way: str) -> None:
    """By one process in a second, and by all in a minute."""
    world = World()
    flow = await a_default(world.flows)
    one, other = world.process(), world.process()
    before = world.course.reads
    answers = [await READS[way](process.flows, flow) for process in (one, other) for _ in range(9)]
    assert answers == [answers[0]] * 18
    assert world.course.reads == before + 1
    asked = len(world.faults.asked)
    assert [await READS[way](one.flows, flow) for _ in range(9)] == answers[:9]
    assert (len(world.faults.asked), world.course.reads) == (asked, before + 1)


@run
async def test_that_there_is_none_is_remembered_too() -> None:
    """Until there is one."""
    process, id = World().process(), uuid4()
    course = process.origin.course
    for _ in range(9):
        assert await process.flows.get_by_id(id) is None
        assert await process.flows.get_by_name_and_version("flow", "1.0") is None
        assert await process.flows.get_default() is None
        assert await process.flows.get_active() == ()
        with pytest.raises(EntityNotFoundError):
            await process.flows.require(id)
    assert course.reads == 4
    made = await process.flows.create(a_draft(id=id))
    assert await process.flows.get_by_id(id) == made
    assert await process.flows.get_by_name_and_version("flow", "1.0") == made


@pytest.mark.parametrize("way", READS)
@run
async def test_another_process_sees_a_change_within_the_bound(way: str) -> None:
    """Which begins when it read, not when it was changed."""
    world = World()
    here, there = world.process(), world.process()
    flow = await a_default(here.flows)
    before = await READS[way](there.flows, flow)
    world.passes(ALMOST)
    await here.flows.patch(flow.id, category="new")
    assert await READS[way](here.flows, flow) != before
    assert await READS[way](there.flows, flow) == before
    world.passes(1 - ALMOST)
    assert await READS[way](there.flows, flow) == await READS[way](here.flows, flow) != before


@pytest.mark.parametrize("way", READS)
@run
async def test_the_outbox_tells_what_a_dead_process_couldnt(way: str) -> None:
    """It may tell it several times, and anything else, too."""
    world = World()
    here = world.process()
    flow = await a_default(here.flows)
    before = await READS[way](here.flows, flow)
    await world.flows.patch(flow.id, category="new")
    world.passes(2)
    assert await READS[way](here.flows, flow) == before
    for _ in range(2):
        await FlowCacheInvalidation(world.process().cache).consume([changed(flow)])
    assert await READS[way](here.flows, flow) == before
    world.passes(1)
    assert await READS[way](here.flows, flow) != before


@pytest.mark.parametrize("way", READS)
@run
async def test_a_process_that_consumes_the_outbox_sees_it_at_once(way: str) -> None:
    """Its own memory is told as well."""
    world = World()
    here = world.process()
    flow = await a_default(here.flows)
    before = await READS[way](here.flows, flow)
    await world.flows.patch(flow.id, category="new")
    await FlowCacheInvalidation(here.cache).consume([changed(flow)])
    assert await READS[way](here.flows, flow) != before


@run
async def test_other_entities_drop_no_flow() -> None:
    """Of the outbox' events only those of flows matter."""
    world = World()
    here = world.process()
    flow = await a_default(here.flows)
    await here.flows.require(flow.id)
    other = attrs.evolve(changed(flow), entity_type="experiment")
    reads, asked = world.course.reads, len(world.faults.asked)
    await FlowCacheInvalidation(here.cache).consume([other])
    await here.flows.require(flow.id)
    assert (world.course.reads, len(world.faults.asked)) == (reads, asked)


@pytest.mark.parametrize("way", READS)
@run
async def test_what_nobody_tells_ends_by_itself(way: str) -> None:
    """After a minute and the bound, at the latest."""
    world = World()
    here = world.process()
    flow = await a_default(here.flows)
    before = await READS[way](here.flows, flow)
    await world.flows.patch(flow.id, category="new")
    world.passes(2)
    assert await READS[way](here.flows, flow) == before
    world.passes(LIVES)
    assert await READS[way](here.flows, flow) != before


@pytest.mark.parametrize("way", READS)
@run
async def test_without_a_shared_cache_only_the_bound_is_left(way: str) -> None:
    """A process with nothing but its own memory."""
    world = World()
    here, there = (world.process(shared=False) for _ in range(2))
    flow = await a_default(here.flows)
    before = await READS[way](there.flows, flow)
    await here.flows.patch(flow.id, category="new")
    assert await READS[way](here.flows, flow) != before
    assert await READS[way](there.flows, flow) == before
    world.passes(1)
    assert await READS[way](there.flows, flow) != before
    assert not world.faults.asked


@run
async def test_what_writes_looks_at_the_origin() -> None:
    """However late the process' own reads are."""
    world = World()
    editing, moving, unsetting, rolling = (world.process().flows for _ in range(4))
    one, two = [await an_active(world.flows, name) for name in ("one", "two")]
    for flows in (editing, moving, unsetting, rolling):
        assert await flows.get_default() is None
        for flow in (one, two):
            await flows.require(flow.id)
    await world.flows.set_default(two.id)
    await world.flows.delete(one.id)
    stands = await world.flows.patch(two.id, category="new")
    edited = await editing.modify(two.id, lambda flow: flow.edited(description="late"))
    assert (edited.category, edited.revision) == ("new", stands.revision + 1)
    with pytest.raises(ConflictError):
        await moving.archive(two.id, expected_revision=two.revision)
    with pytest.raises(EntityNotFoundError) as caught:
        await rolling.rollback_to(one.id, "9")
    assert caught.value.entity_type == "flow"
    assert await unsetting.unset_default()


@run
async def test_a_use_drops_nothing() -> None:
    """A busy flow is read from memory still, with its count."""
    process = World().process()
    flow = await a_default(process.flows)
    for way in READS.values():
        await way(process.flows, flow)
    reads = process.origin.course.reads
    for count in range(1, 20):
        await process.flows.increment_usage(flow.id)
        for way in READS.values():
            found = await way(process.flows, flow)
            shown = found[0] if isinstance(found, tuple) else found
            assert shown.usage_count == count
    assert process.origin.course.reads == reads


@run
async def test_an_own_use_outlives_what_the_shared_cache_holds() -> None:
    """Which was read before it, and is read again; but in other processes it shows by and by."""
    world = World()
    here, there = world.process(), world.process()
    flow = await a_default(here.flows)
    await here.flows.require(flow.id)
    await here.flows.increment_usage(flow.id, 5)
    world.passes(2)
    # As others come and go, too.
    await here.scope_of("other").flows.get_default()
    await here.flows.increment_usage((await here.flows.create(a_draft("other"))).id)
    reads = world.course.reads
    assert (await here.flows.require(flow.id)).usage_count == 5
    assert (await there.flows.require(flow.id)).usage_count == 0
    assert world.course.reads == reads
    world.passes(LIVES + 1)
    assert (await there.flows.require(flow.id)).usage_count == 5


@run
async def test_a_flow_that_came_back_counts_anew() -> None:
    """What was counted of the one that was deleted is no use of it."""
    process = World().process()
    flow = await a_default(process.flows)
    await process.flows.increment_usage(flow.id, 5)
    await process.flows.delete(flow.id)
    await process.flows.create(flow)
    assert [await process.flows.require(flow.id) for _ in range(2)] == [flow] * 2


def test_uses_that_are_told_out_of_order_are_the_latest() -> None:
    """Of two that count at once, the first to be counted may be the last to be told."""
    uses, flow = Uses(60, lambda: 0.0), a_draft().assigned(tenant=TENANT, new_id=uuid4(), at=USED)
    uses.note(flow.id, 2, USED + timedelta(days=1))
    uses.note(flow.id, 1, USED)
    shown = uses.shown((flow,))
    assert shown is not None
    assert (shown[0].usage_count, shown[0].last_used_at) == (2, USED + timedelta(days=1))


@run
async def test_a_list_that_lacks_a_flow_in_use_is_read_anew() -> None:
    """One that has all active flows is put in order; one that was cut may lack one that came up."""
    world = World()
    here = world.process()
    made = [await an_active(here.flows, f"{n}") for n in range(3)]
    at = USED
    for n, flow in enumerate(made):
        await here.flows.increment_usage(flow.id, at=at + timedelta(days=n))
    assert [flow.name for flow in await here.flows.get_active(2)] == ["2", "1"]
    assert [flow.name for flow in await here.flows.get_active()] == ["2", "1", "0"]
    reads = world.course.reads
    await here.flows.increment_usage(made[1].id, at=at + timedelta(days=3))
    assert [flow.name for flow in await here.flows.get_active(2)] == ["1", "2"]
    assert [flow.name for flow in await here.flows.get_active()] == ["1", "2", "0"]
    assert world.course.reads == reads
    await here.flows.increment_usage(made[0].id, at=at + timedelta(days=4))
    assert [flow.name for flow in await here.flows.get_active()] == ["0", "1", "2"]
    assert world.course.reads == reads
    assert [flow.name for flow in await here.flows.get_active(2)] == ["0", "1"]
    assert world.course.reads == reads + 1
    assert [flow.name for flow in await here.flows.get_active(2)] == ["0", "1"]
    assert world.course.reads == reads + 1


@run
async def test_more_uses_than_are_remembered_are_right_all_the_same() -> None:
    """What is forgotten is dropped from the shared cache first."""
    world = World()
    here = world.process()
    flow = await a_default(here.flows)
    await here.flows.require(flow.id)
    await here.flows.increment_usage(flow.id)
    others = await here.flows.create_many(a_draft(f"{n}") for n in range(MAX_USES))
    await here.flows.require(flow.id)
    await here.flows.increment_usage(flow.id)
    for other in others:
        await here.flows.increment_usage(other.id)
    world.passes(2)
    assert (await here.flows.require(flow.id)).usage_count == 2


@run
async def test_a_unit_that_rolls_back_drops_nothing() -> None:
    """And one that only counted drops nothing, either."""
    world = World()
    process = world.process()
    flow = await a_default(process.flows)
    await process.flows.require(flow.id)

    async def unit() -> None:
        async with process.scope.authoring() as work:
            await work.flows.patch(flow.id, category="never")
            raise ValidationError("test", [])

    reads = world.course.reads
    with pytest.raises(ValidationError):
        await unit()
    assert await process.flows.require(flow.id) == flow
    async with process.scope.authoring() as work:
        assert await work.flows.increment_usage(flow.id) == 1
        assert await work.flows.increment_usage(flow.id, 2) == 3
    assert (await process.flows.require(flow.id)).usage_count == 3
    assert world.course.reads == reads


@run
async def test_an_erased_tenant_is_in_no_cache() -> None:
    """Neither in this process' nor in the shared one."""
    world = World()
    here, there = world.process(), world.process()
    flow = await a_default(here.flows)
    for process in (here, there):
        await process.flows.require(flow.id)
    store: Any = here.scope
    assert await store._authoring.maintenance().erase_tenant(TENANT) == 1
    assert await here.flows.get_by_id(flow.id) is None
    world.passes(1)
    assert await there.flows.get_by_id(flow.id) is None


@run
async def test_a_process_holds_a_bounded_number_of_answers() -> None:
    """Those read longest ago go first, and what has ended goes by itself."""
    world = World()
    process = world.process(max_copies=10)
    for _ in range(30):
        await process.flows.get_by_id(uuid4())
    assert process.cache.stats().copies == 10
    world.passes(1)
    await process.flows.get_by_id(uuid4())
    assert process.cache.stats().copies == 1


@pytest.mark.parametrize(
    "bounds",
    [{"max_staleness": timedelta()}, {"max_staleness": 1.0}, {"max_copies": 0}],
    ids=str,
)
def test_bounds_that_are_none_are_refused(bounds: dict[str, Any]) -> None:
    """By the error that everything else is refused with."""
    with pytest.raises(ValidationError):
        World().process(**bounds)
