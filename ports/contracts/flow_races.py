"""Races for flows: uses, figures, defaults and versions, between two instances of a store."""

import asyncio
from collections.abc import Awaitable
from datetime import date
from itertools import chain
from typing import Any

from domain.definitions import FlowDefinition
from domain.flows import Flow, MetricIncrements
from ports.contracts.cancellation import MOST_STEPS, cancelled_at
from ports.contracts.concurrency import RACERS, ROUNDS, all_at_once, split
from ports.contracts.harness import Backend, contract
from ports.errors import DuplicateEntityError
from ports.flows import FlowRepository

DAY = date(2024, 2, 29)


def flow_pair(backend: Backend) -> tuple[FlowRepository, FlowRepository]:
    """An unused tenant's flows on each of two instances."""
    here, there = backend.rivals()
    return here.flows, there.flows


async def published(flows: FlowRepository, count: int) -> list[Flow]:
    """Active flows."""
    definition = FlowDefinition.external({})
    made = [Flow.draft(name=f"flow {n}", definition=definition) for n in range(count)]
    return [await flows.publish(flow.id) for flow in await flows.create_many(made)]


@contract
async def test_no_use_is_lost(backend: Backend) -> None:
    """Each counter sees a number of its own, and edits in between are not disturbed."""
    repositories = flow_pair(backend)
    made = await repositories[0].create(Flow.draft(name="busy"))

    async def act(number: int, flows: FlowRepository) -> Any:
        return [await flows.increment_usage(made.id) for _ in range(5)]

    counts, lost = split(await all_at_once(repositories, act))
    assert lost == []
    assert sorted(chain.from_iterable(counts)) == list(range(1, 5 * RACERS + 1))
    stored = await repositories[1].require(made.id)
    assert (stored.usage_count, stored.revision) == (5 * RACERS, 1)
    assert (await repositories[1].update(made)).usage_count == 5 * RACERS


@contract
async def test_no_figure_is_lost(backend: Backend) -> None:
    """The first of a day included, when all of them find the day empty."""
    repositories = flow_pair(backend)
    made = await repositories[0].create(Flow.draft(name="busy"))
    one = MetricIncrements(executions=1, satisfaction_total=0.5, custom_metrics={"a.b": 0.25})
    won, lost = split(
        await all_at_once(repositories, lambda n, flows: flows.record_metrics(made.id, DAY, one))
    )
    assert lost == []
    assert sorted(metrics.totals.executions for metrics in won) == list(range(1, RACERS + 1))
    (stored,) = await repositories[1].get_metrics(made.id, DAY, DAY)
    assert stored.totals == MetricIncrements(
        executions=RACERS,
        satisfaction_total=RACERS / 2,
        custom_metrics={"a.b": RACERS / 4},
    )
    assert stored.revision == RACERS


@contract
async def test_racing_defaults_leave_exactly_one(backend: Backend) -> None:
    """All callers succeed one after the other; whoever looks meanwhile never sees two, or none."""
    repositories = flow_pair(backend)
    flows = await published(repositories[0], RACERS)
    await repositories[0].set_default(flows[0].id)
    seen: list[int] = []
    running = True

    async def look() -> None:
        while running:
            seen.append(await repositories[1].count({"is_default": True}))
            await asyncio.sleep(0)

    watcher = asyncio.create_task(look())
    for _ in range(ROUNDS):
        won, lost = split(
            await all_at_once(repositories, lambda n, flow: flow.set_default(flows[n].id))
        )
        assert lost == []
        assert all(flow.is_default for flow in won)
    running = False
    await watcher
    assert set(seen) == {1}
    default = await repositories[1].get_default()
    assert default is not None
    assert await repositories[0].count({"is_default": True}) == 1


@contract
async def test_racing_to_make_one_flow_the_default_changes_it_once(backend: Backend) -> None:
    """The others find it to be the default already."""
    repositories = flow_pair(backend)
    (flow,) = await published(repositories[0], 1)
    won, lost = split(await all_at_once(repositories, lambda n, flows: flows.set_default(flow.id)))
    assert lost == []
    assert {(one.is_default, one.revision) for one in won} == {(True, flow.revision + 1)}


@contract
async def test_a_default_that_is_archived_meanwhile_is_none(backend: Backend) -> None:
    """Whoever comes first: an archived flow is never the default."""
    for _ in range(ROUNDS):
        repositories = flow_pair(backend)
        (flow,) = await published(repositories[0], 1)

        def act(number: int, flows: FlowRepository, flow: Flow = flow) -> Awaitable[Any]:
            return flows.archive(flow.id) if number % 2 else flows.set_default(flow.id)

        async def acting(number: int, flows: FlowRepository) -> Any:
            return await act(number, flows)

        _, lost = split(await all_at_once(repositories, acting, 4))
        assert all(isinstance(error, ValueError) for error in lost), lost
        assert await repositories[0].get_default() is None
        assert (await repositories[1].require(flow.id)).status == "archived"


@contract
async def test_racing_versions_get_different_numbers(backend: Backend) -> None:
    """All are kept, and the flow ends at the last of them."""
    repositories = flow_pair(backend)
    made = await repositories[0].create(Flow.draft(name="flow"))
    won, lost = split(
        await all_at_once(repositories, lambda n, flows: flows.create_version(made.id))
    )
    assert lost == []
    expected = {f"1.{n}" for n in range(1, RACERS + 1)}
    assert {version.version for version in won} == expected
    kept = await repositories[1].get_versions(made.id)
    assert {version.version for version in kept} == expected | {"1.0"}
    stored = await repositories[1].require(made.id)
    assert (stored.version, stored.revision) == (f"1.{RACERS}", RACERS + 1)


@contract
async def test_of_racing_creators_of_one_version_exactly_one_wins(backend: Backend) -> None:
    """The others are told that it is kept already."""
    repositories = flow_pair(backend)
    made = await repositories[0].create(Flow.draft(name="flow"))
    won, lost = split(
        await all_at_once(
            repositories, lambda n, flows: flows.create_version(made.id, version="2.0")
        )
    )
    assert len(won) == 1
    assert {type(error) for error in lost} == {DuplicateEntityError}
    kept = [version.version for version in await repositories[1].get_versions(made.id)]
    assert kept == ["1.0", "2.0"]


@contract
async def test_a_default_swap_cancelled_anywhere_leaves_one_default(backend: Backend) -> None:
    """The former or the new one, at every await."""
    for step in range(MOST_STEPS):
        here, there = backend.rivals()
        definition = FlowDefinition.external({})
        made = await here.flows.create_many(
            Flow.draft(name=name, definition=definition) for name in ("one", "two")
        )
        for flow in made:
            await here.flows.publish(flow.id)
        await here.flows.set_default(made[0].id)
        cancelled = await cancelled_at(step, here.flows.set_default(made[1].id))
        # Read at once: what was cancelled may still be under way in the store.
        stored = [flow async for flow in there.flows.stream(None, "name")]
        defaults = [flow.name for flow in stored if flow.is_default]
        assert defaults in ([["one"], ["two"]] if cancelled else [["two"]])
        revisions = [flow.revision for flow in stored]
        assert revisions == ([3, 2] if defaults == ["one"] else [4, 3])
        if not cancelled:
            return
    raise AssertionError(f"the swap did not end in {MOST_STEPS} steps")
