"""Writes of which nobody knows what became: what was read meanwhile, and what is read then."""

import asyncio

import pytest

from adapters.cached.flow_cache import DOUBT
from domain.flows import Flow
from ports.errors import OutcomeUnknownError
from tests.bootstrap.running import run
from tests.cached.parts import Process, a_world, closing, until


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
