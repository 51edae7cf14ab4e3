"""The shared cache fails, callers leave, and outcomes get lost: nobody is told anything wrong."""

import asyncio
from uuid import uuid4

import pytest

from adapters.cached import FlowCacheInvalidation
from adapters.cached.entries import PATIENCE
from adapters.cached.flow_cache import DOUBT
from adapters.cached.tenant import MAX_OWED
from domain.flows import Flow
from domain.identity import TenantId
from ports.errors import OutcomeUnknownError, RepositoryError, StoreUnavailableError
from tests.bootstrap.running import run
from tests.cached.parts import Process, a_draft, a_world, closing, reading, until
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
async def test_a_write_whose_outcome_is_unknown_shows_at_once() -> None:
    """It may have happened; and who was cancelled doesn't know, either."""
    for lost in (OutcomeUnknownError("lost"), asyncio.CancelledError()):
        world, flow = await a_world()
        async with closing(world.process()) as process:
            await process.flows.require(flow.id)
            world.course.lost = lost
            with pytest.raises(type(lost)):
                await process.flows.patch(flow.id, category="new")
            assert (await process.flows.require(flow.id)).category == "new"
        assert (await world.process().flows.require(flow.id)).category == "new"


@run
async def test_a_unit_whose_outcome_is_unknown_shows_at_once() -> None:
    """As a single write."""
    for lost in (OutcomeUnknownError("lost"), asyncio.CancelledError()):
        world, flow = await a_world()
        async with closing(world.process()) as process:
            await process.flows.require(flow.id)

            async def unit(process: Process = process, flow: Flow = flow) -> None:
                async with process.scope.authoring() as work:
                    await work.flows.patch(flow.id, category="new")

            world.course.lost = lost
            with pytest.raises(type(lost)):
                await unit()
            assert (await process.flows.require(flow.id)).category == "new"
        assert (await world.process().flows.require(flow.id)).category == "new"


@run
async def test_a_write_that_happens_after_its_caller_left_shows_then() -> None:
    """Whatever was read meanwhile; and half a minute later everywhere, though no one tells it."""
    for shared in (True, False):
        world, flow = await a_world()
        async with closing(world.process(shared=shared)) as process:
            await process.flows.require(flow.id)
            world.course.lands = asyncio.Event()
            world.course.begun.clear()
            writing = asyncio.create_task(process.flows.patch(flow.id, category="late"))
            await world.course.begun.wait()
            writing.cancel()
            await asyncio.wait([writing])
            other = world.process(shared=shared)
            for _ in range(3):
                assert await process.flows.require(flow.id) == flow
                assert await other.flows.require(flow.id) == flow
                world.passes(1)
            world.course.lands.set()
            await asyncio.sleep(0.01)
            assert (await process.flows.require(flow.id)).category == "late"
            world.passes(DOUBT)
            await until(lambda: process.cache.stats().owing == 0)
            assert (await world.process().flows.require(flow.id)).category == "late"
            assert (await other.flows.require(flow.id)).category == "late"


@run
async def test_after_a_doubt_flows_are_kept_again() -> None:
    """Each read is the origin's until it is over, and not for ever."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        world.course.lost = OutcomeUnknownError("lost")
        with pytest.raises(OutcomeUnknownError):
            await process.flows.patch(flow.id, category="new")
        reads = world.course.reads
        for _ in range(3):
            await process.flows.require(flow.id)
        assert world.course.reads == reads + 3
        world.passes(DOUBT)
        await until(lambda: process.cache.stats().owing == 0)
        reads = world.course.reads
        for _ in range(3):
            await process.flows.require(flow.id)
        assert world.course.reads == reads + 1


@run
async def test_what_was_counted_of_a_flow_isn_t_its_successor_s() -> None:
    """One of the same id: whoever counted, and was told of it late, or in another process."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        world.course.told = asyncio.Event()
        world.course.begun.clear()
        counting = asyncio.create_task(process.flows.increment_usage(flow.id, 5))
        await world.course.begun.wait()
        await process.flows.delete(flow.id)
        await process.flows.create(flow)
        world.course.told.set()
        assert await counting == 5
        assert await process.flows.require(flow.id) == flow
        assert await process.flows.increment_usage(flow.id) == 1
        await world.flows.delete(flow.id)
        await world.flows.create(flow)
        world.passes(91)
        assert await process.flows.require(flow.id) == flow


@run
async def test_what_changes_again_is_dropped_again() -> None:
    """Though what was owed for the first change is paid meanwhile."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        world.faults.held["invalidate"] = asyncio.Event()
        first = asyncio.create_task(process.flows.patch(flow.id, category="first"))
        await until(lambda: "invalidate" in world.faults.asked)
        await world.process().flows.require(flow.id)
        world.faults.away = True
        second = await process.flows.patch(flow.id, category="second")
        world.faults.held["invalidate"].set()
        await first
        assert process.cache.stats().owing == 1
        world.faults.away = False
        assert await process.flows.require(flow.id) == second
    assert await world.process().flows.require(flow.id) == second


@run
async def test_a_writer_that_is_cancelled_leaves_nothing_undropped() -> None:
    """It had committed, and was about to tell the shared cache."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        await process.flows.require(flow.id)
        world.faults.held["drop"] = asyncio.Event()
        world.faults.asked.clear()
        writing = asyncio.create_task(process.flows.patch(flow.id, category="new"))
        await until(lambda: "drop" in world.faults.asked)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert (await process.flows.require(flow.id)).category == "new"
        world.faults.held["drop"].set()
        await until(lambda: process.cache.stats().owing == 0)
        assert (await world.process().flows.require(flow.id)).category == "new"


@run
async def test_a_unit_whose_commit_is_cancelled_leaves_nothing_undropped() -> None:
    """Nor does one that committed and was cancelled as it told."""
    world, flow = await a_world()
    async with closing(world.process()) as process:
        await process.flows.require(flow.id)
        world.faults.held["drop"] = asyncio.Event()
        world.faults.asked.clear()

        async def unit() -> None:
            async with process.scope.authoring() as work:
                await work.flows.patch(flow.id, category="new")

        writing = asyncio.create_task(unit())
        await until(lambda: "drop" in world.faults.asked)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        world.faults.held["drop"].set()
        assert (await process.flows.require(flow.id)).category == "new"
        await until(lambda: process.cache.stats().owing == 0)
        assert (await world.process().flows.require(flow.id)).category == "new"
