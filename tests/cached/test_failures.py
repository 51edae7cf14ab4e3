"""The shared cache fails: nobody is told anything wrong, and everybody is told something."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from adapters.cached import FlowCacheInvalidation
from adapters.cached.entries import PATIENCE
from adapters.cached.tenant import MAX_OWED
from domain.erasure import Tombstone
from domain.identity import TenantId
from ports.errors import RepositoryError, StoreUnavailableError
from tests.bootstrap.running import run
from tests.cached.parts import TENANT, a_draft, a_world, closing, reading, until
from tests.cached.test_staleness import changed

CALLERS = 50


@run
async def test_without_the_shared_cache_the_origin_answers() -> None:
    """Reads and writes are as ever; each process' own memory goes on."""
    world, flow = await a_world()
    world.faults.away = True
    async with closing(world.process()) as process:
        reads = world.course.reads
        for _ in range(9):
            assert await process.flows.require(flow.id) == flow
        assert world.course.reads == reads + 1
        edited = await process.flows.patch(flow.id, category="new")
        assert await process.flows.require(flow.id) == edited
        assert not process.cache.stats().shared


@run
async def test_a_cache_that_is_away_is_asked_once_and_left_alone() -> None:
    """Whoever comes later doesn't wait for it, until one of them finds it back."""
    world, flow = await a_world()
    world.faults.away = True
    async with closing(world.process()) as process:
        await process.flows.require(flow.id)
        asked = len(world.faults.asked)
        for id in (uuid4() for _ in range(9)):
            await process.flows.get_by_id(id)
        assert len(world.faults.asked) == asked
        world.faults.away = False
        world.passes(10)
        await process.flows.require(flow.id)
        assert process.cache.stats().shared
        reads = world.course.reads
        await world.process().flows.require(flow.id)
        assert world.course.reads == reads


@run
async def test_of_many_callers_one_finds_out_whether_it_is_back() -> None:
    """The others ask the origin meanwhile."""
    world, flow = await a_world()
    world.faults.away = True
    async with closing(world.process()) as process:
        await process.flows.require(flow.id)
        world.passes(10)
        world.faults.asked.clear()
        await asyncio.gather(*(process.flows.get_by_id(uuid4()) for _ in range(CALLERS)))
        # A load that fails gives its lease up, if it can.
        assert world.faults.asked in (["read"], ["read", "release"])


@run
async def test_a_cache_that_hangs_is_waited_for_once_and_not_for_long() -> None:
    """Not for the deadline of the store."""
    world, flow = await a_world()
    world.faults.hanging = True
    async with closing(world.process()) as process:
        async with asyncio.timeout(20 * PATIENCE):
            assert await process.flows.require(flow.id) == flow
            asked = len(world.faults.asked)
            await process.flows.patch(flow.id, category="new")
            for _ in range(9):
                await process.flows.get_by_id(uuid4())
        assert len(world.faults.asked) == asked
        world.faults.hanging = False


@run
async def test_a_cache_that_comes_and_goes_lets_no_crowd_at_the_origin() -> None:
    """Who wants the same at the same time is one read, whatever becomes of the cache."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        for turn in range(10):
            world.faults.away = turn % 2 == 0
            world.passes(2)
            reads = world.course.reads
            await asyncio.gather(*(process.flows.require(flow.id) for _ in range(CALLERS)))
            assert world.course.reads <= reads + 1


@run
async def test_a_load_that_was_done_isnt_done_again_for_a_cache_that_fails() -> None:
    """It goes away between the read and the fill."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        world.course.held = asyncio.Event()
        caller = asyncio.create_task(process.flows.require(flow.id))
        reads = world.course.reads
        await reading(world, reads)
        world.faults.away = True
        world.course.held.set()
        assert await caller == flow
        assert world.course.reads == reads + 1


@run
async def test_the_origins_errors_are_the_callers() -> None:
    """They aren't taken for the cache's."""
    world, _ = await a_world()
    process = world.process()
    with pytest.raises(RepositoryError):
        await process.flows.get_active(0)
    failed, calls = StoreUnavailableError("the origin is away"), []

    async def fails(id: object) -> None:
        calls.append(id)
        raise failed

    flows = process.flows
    vars(vars(flows)["_origin"])["_get"] = fails
    with pytest.raises(StoreUnavailableError) as caught:
        await flows.get_by_id(uuid4())
    assert caught.value is failed
    assert len(calls) == 1
    assert process.cache.stats().shared


@run
async def test_what_couldnt_be_dropped_is_dropped_when_the_cache_is_back() -> None:
    """By itself; and until then this process doesn't read that tenant's flows there."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        await process.flows.require(flow.id)
        world.faults.away = True
        edited = await process.flows.patch(flow.id, category="new")
        assert process.cache.stats().owing == 1
        world.faults.away = False
        world.faults.held["invalidate"] = asyncio.Event()
        world.passes(10)
        assert await process.flows.require(flow.id) == edited
        other = world.process()
        assert await other.flows.require(flow.id) == flow
        world.faults.held["invalidate"].set()

        def settled() -> bool:
            world.passed += 10
            return process.cache.stats().owing == 0

        await until(settled)
        assert await world.process().flows.require(flow.id) == edited


@run
async def test_a_process_that_ends_drops_what_it_still_has_to() -> None:
    """If it can."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        await process.flows.require(flow.id)
        world.faults.away = True
        edited = await process.flows.patch(flow.id, category="new")
        world.faults.away = False
    assert await world.process().flows.require(flow.id) == edited


@run
async def test_a_process_ends_though_it_has_very_much_to_drop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it doesn't come to is the outbox', or ends by itself."""
    world, flow = await a_world()
    process = world.process()
    world.faults.away = True
    await process.flows.patch(flow.id, category="new")
    world.faults.away = False
    world.faults.held["invalidate"] = asyncio.Event()
    monkeypatch.setattr("adapters.cached.flow_cache.FAREWELL", 0)
    await process.cache.close()
    assert process.cache.stats().owing == 1


@run
async def test_of_very_many_changes_all_of_the_tenant_is_dropped() -> None:
    """What is remembered has a bound."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        await process.flows.require(flow.id)
        world.faults.away = True
        others = await process.flows.create_many(a_draft(f"{n}") for n in range(MAX_OWED // 2))
        for other in others:
            await process.flows.patch(other.id, category="new")
        await process.flows.create_many(a_draft(f"more {n}") for n in range(MAX_OWED))
        edited = await process.flows.patch(flow.id, category="new")
        world.faults.away = False
    assert await world.process().flows.require(flow.id) == edited


@run
async def test_of_very_many_tenants_nothing_is_read_until_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is forgotten can't be served."""
    monkeypatch.setattr("adapters.cached.flow_cache.MAX_OWING", 3)
    world, flow = await a_world()
    async with closing(world.process()) as process:
        await process.flows.require(flow.id)
        world.faults.away = True
        edited = await process.flows.patch(flow.id, category="new")
        for n in range(5):
            await process.cache.written(process.cache.tenant(TenantId(f"t{n}")), [uuid4()])
        assert process.cache.stats().owing == 3
        world.faults.away = False
        world.passes(10)
        assert await process.flows.require(flow.id) == edited


@run
async def test_a_consumer_that_cant_drop_says_so() -> None:
    """So that it is told again."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        await process.flows.require(flow.id)
        edited = await world.flows.patch(flow.id, category="new")
        world.faults.away = True
        with pytest.raises(RepositoryError):
            await FlowCacheInvalidation(process.cache).consume([changed(edited)])
        assert await process.flows.require(flow.id) == edited
        world.faults.away = False
        await FlowCacheInvalidation(process.cache).consume([changed(edited)])
    assert await world.process().flows.require(flow.id) == edited


@run
async def test_flows_of_a_tenant_that_was_erased_are_read_past_the_cache() -> None:
    """Nothing is cached for it, which is no failure of the cache."""
    world, flow = await a_world()
    now = world.clock.now()
    tombstone = Tombstone(tenant_id=TENANT, at=now, until=now + timedelta(days=1))
    await world.runtime.maintenance().tombstones.bury(tombstone)
    async with closing(world.process()) as process:
        assert await process.flows.require(flow.id) == flow
        assert process.cache.stats().shared
    reads = world.course.reads
    async with closing(world.process()) as process:
        assert await process.flows.require(flow.id) == flow
        assert world.course.reads == reads + 1
