"""Reads under way: who shares them, and what becomes of those that a change overtook."""

import asyncio

from tests.bootstrap.running import run
from tests.cached.parts import World, a_world, an_active, closing, reading, until


@run
async def test_a_caller_that_leaves_takes_no_read_along() -> None:
    """Others who wait for it get it; with the last one it ends."""
    world, flow = await a_world()
    async with closing(world.process(shared=False)) as process:
        world.course.held = asyncio.Event()
        callers = [asyncio.create_task(process.flows.require(flow.id)) for _ in range(3)]
        world.course.begun.clear()
        await world.course.begun.wait()
        reads = world.course.reads
        callers[0].cancel()
        await asyncio.wait(callers[:1])
        world.course.held.set()
        assert await asyncio.gather(*callers[1:]) == [flow, flow]
        assert world.course.reads == reads
        world.passes(1)
        world.course.held = asyncio.Event()
        running = asyncio.all_tasks()
        caller = asyncio.create_task(process.flows.require(flow.id))
        await reading(world, reads)
        caller.cancel()
        await asyncio.wait([caller])
        await until(lambda: asyncio.all_tasks() == running)


@run
async def test_a_read_that_was_overtaken_is_kept_nowhere() -> None:
    """It read before the change, and is answered after it."""
    for shared in (True, False):
        world, flow = await a_world()
        async with closing(world.process(shared=shared)) as process:
            world.course.held = asyncio.Event()
            early = asyncio.create_task(process.flows.require(flow.id))
            reads = world.course.reads
            await reading(world, reads)
            edited = await process.flows.patch(flow.id, category="new")
            late = asyncio.create_task(process.flows.require(flow.id))
            await reading(world, reads + 1)
            world.course.held.set()
            assert (await early, await late) == (flow, edited)
            assert await process.flows.require(flow.id) == edited
            assert await world.process().flows.require(flow.id) == edited


@run
async def test_the_bound_begins_when_a_read_does() -> None:
    """Not when it was answered."""
    world, flow = await a_world()
    async with closing(world.process(shared=False)) as process:
        world.course.held = asyncio.Event()
        early = asyncio.create_task(process.flows.require(flow.id))
        await reading(world, world.course.reads)
        edited = await world.flows.patch(flow.id, category="new")
        world.passes(0.6)
        world.course.held.set()
        assert await early == flow == await process.flows.require(flow.id)
        world.passes(0.4)
        assert await process.flows.require(flow.id) == edited


@run
async def test_nobody_joins_a_list_that_a_use_has_changed() -> None:
    """It lacks a flow that was used before the caller came."""
    world = World()
    flows = [await an_active(world.flows, name) for name in ("one", "two")]
    async with closing(world.process(shared=False)) as process:
        world.course.held = asyncio.Event()
        early = asyncio.create_task(process.flows.get_active(1))
        await reading(world, world.course.reads)
        (listed,) = sorted(flows, key=lambda flow: flow.id)[1:]
        other = next(flow for flow in flows if flow is not listed)
        await process.flows.increment_usage(other.id)
        late = asyncio.create_task(process.flows.get_active(1))
        await reading(world, world.course.reads)
        world.course.held.set()
        assert [flow.id for flow in await early] == [listed.id]
        assert [flow.id for flow in await late] == [other.id]
        assert [flow.id for flow in await process.flows.get_active(1)] == [other.id]


@run
async def test_nobody_joins_a_read_that_takes_longer_than_the_bound() -> None:
    """What it read may be later than that by the time it is answered."""
    world, flow = await a_world()
    async with closing(world.process(shared=False)) as process:
        world.course.held = asyncio.Event()
        early = asyncio.create_task(process.flows.require(flow.id))
        reads = world.course.reads
        await reading(world, reads)
        edited = await world.flows.patch(flow.id, category="new")
        world.passes(1)
        late = asyncio.create_task(process.flows.require(flow.id))
        await reading(world, reads + 1)
        world.course.held.set()
        assert (await early, await late) == (flow, edited)
