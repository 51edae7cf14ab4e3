"""The named reads of flows: each shows what was written before it began, whatever was read before.

They are what a store may answer from elsewhere than where it writes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationError
from domain.flows import Flow, FlowStatus
from ports.capabilities import Capability
from ports.contracts.exact import exact
from ports.contracts.flows import VALID, active_flow
from ports.contracts.harness import Backend, contract, examples
from ports.errors import DuplicateEntityError, EntityNotFoundError
from ports.flows import FlowRepository
from ports.stores import TenantScope

NAMES = ("a", "b", "c", "d")
LIMITS = (1, 2, 50)
ROUNDS = 12
USED = datetime(2026, 5, 1, tzinfo=UTC)


async def answers(flows: FlowRepository, ids: Sequence[UUID]) -> dict[Any, Any]:
    """What every named read says."""
    said: dict[Any, Any] = {id: await flows.get_by_id(id) for id in ids}
    for name in NAMES:
        said[name] = await flows.get_by_name_and_version(name, "1.0")
    for limit in LIMITS:
        said[limit] = list(await flows.get_active(limit))
    said["default"] = await flows.get_default()
    return said


async def truths(flows: FlowRepository, ids: Sequence[UUID]) -> dict[Any, Any]:
    """The same, made of all the flows that there are."""
    stored = [flow async for flow in flows.stream()]
    by_id = {flow.id: flow for flow in stored}
    named = {flow.name: flow for flow in stored if flow.version == "1.0"}
    active = [flow for flow in stored if flow.status is FlowStatus.ACTIVE]
    active.sort(key=_recency, reverse=True)
    return {
        **{id: by_id.get(id) for id in ids},
        **{name: named.get(name) for name in NAMES},
        **{limit: active[:limit] for limit in LIMITS},
        "default": next((flow for flow in stored if flow.is_default), None),
    }


def _recency(flow: Flow) -> tuple[bool, datetime, UUID]:
    return flow.last_used_at is not None, flow.last_used_at or USED, flow.id


Step = Callable[[FlowRepository, UUID, int], Awaitable[object]]


async def _create(flows: FlowRepository, id: UUID, n: int) -> None:
    await flows.create(Flow.draft(name=NAMES[n], definition=VALID, id=id))


async def _create_active(flows: FlowRepository, id: UUID, n: int) -> None:
    await _create(flows, id, n)
    await flows.publish(id)


STEPS: dict[str, Step] = {
    "create": _create,
    "create active": _create_active,
    "publish": lambda flows, id, n: flows.publish(id),
    "set default": lambda flows, id, n: flows.set_default(id),
    "unset default": lambda flows, id, n: flows.unset_default(),
    "rename": lambda flows, id, n: flows.patch(id, name=NAMES[n]),
    "edit": lambda flows, id, n: flows.modify(id, lambda flow: flow.edited(category=f"{n}")),
    "archive": lambda flows, id, n: flows.archive(id),
    "version": lambda flows, id, n: flows.create_version(id),
    "roll back": lambda flows, id, n: flows.rollback_to(id, "1.0"),
    "use": lambda flows, id, n: flows.increment_usage(id, n + 1, at=USED + timedelta(days=n)),
    "delete": lambda flows, id, n: flows.delete(id),
    "patch all": lambda flows, id, n: flows.update_where(None, description=f"{n}"),
    "delete some": lambda flows, id, n: flows.delete_where({"name": NAMES[n]}),
}
"""What may happen to a flow: by its id, and a number that says how."""


async def furnished(flows: FlowRepository) -> list[UUID]:
    """The ids of a default, another active flow and a draft, and of none; the first was used."""
    ids = [uuid4() for _ in range(4)]
    await _create_active(flows, ids[0], 0)
    await flows.create_version(ids[0], version="1.1")
    await flows.rollback_to(ids[0], "1.0")
    await flows.set_default(ids[0])
    await flows.increment_usage(ids[0], at=USED)
    await _create_active(flows, ids[1], 1)
    await _create(flows, ids[2], 2)
    return ids


@pytest.mark.parametrize("step", STEPS)
@contract
async def test_every_change_shows_in_every_read(backend: Backend, step: str) -> None:
    """On whichever flow, on both instances, though all has been read before."""
    for which in range(4):
        for n in (0, 2, 3):
            here, there = (scope.flows for scope in backend.rivals())
            ids = await furnished(here)
            for flows in (here, there):
                await answers(flows, ids)
            await _taken(here, step, ids[which], n)
            for flows in (here, there):
                assert exact(await answers(flows, ids)) == exact(await truths(flows, ids))


COURSES = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), *(st.integers(0, 2) for _ in range(3))), max_size=12
)


async def _taken(flows: FlowRepository, step: str, id: UUID, n: int) -> None:
    try:
        await STEPS[step](flows, id, n)
    except (EntityNotFoundError, DuplicateEntityError, ValidationError):
        return


@given(course=COURSES)
@examples(0.6)
@contract
async def test_the_named_reads_agree_with_the_lists(
    backend: Backend, course: list[tuple[str, int, int, int]]
) -> None:
    """After every step of any course, on the instance that took it; and at its end on the other."""
    rivals = [scope.flows for scope in backend.rivals()]
    ids = [uuid4() for _ in range(3)]
    for step, which, n, instance in course:
        flows = rivals[instance % 2]
        await _taken(flows, step, ids[which], n)
        assert exact(await answers(flows, ids)) == exact(await truths(flows, ids)), step
    for flows in rivals:
        assert exact(await answers(flows, ids)) == exact(await truths(flows, ids))


@given(course=COURSES)
@examples(0.4)
@contract(needs=Capability.TRANSACTIONS)
async def test_the_named_reads_of_a_unit_agree_with_its_lists(
    scope: TenantScope, course: list[tuple[str, int, int, int]]
) -> None:
    """Whatever was read outside; and those outside agree once it has committed."""
    ids = [uuid4() for _ in range(3)]
    outside = scope.flows
    for step, which, n, _ in course:
        before = await answers(outside, ids)
        try:
            async with scope.authoring() as work:
                await STEPS[step](work.flows, ids[which], n)
                assert exact(await answers(work.flows, ids)) == exact(await truths(work.flows, ids))
                assert exact(await answers(outside, ids)) == exact(before), step
        except (EntityNotFoundError, DuplicateEntityError, ValidationError):
            assert exact(await answers(outside, ids)) == exact(before), step
        assert exact(await answers(outside, ids)) == exact(await truths(outside, ids)), step


READS: dict[str, Callable[[FlowRepository, Flow], Awaitable[Any]]] = {
    "by id": lambda flows, flow: flows.get_by_id(flow.id),
    "required": lambda flows, flow: flows.require(flow.id),
    "by name": lambda flows, flow: flows.get_by_name_and_version(flow.name, flow.version),
    "default": lambda flows, flow: flows.get_default(),
    "active": lambda flows, flow: _first(flows),
}


async def _first(flows: FlowRepository) -> Flow | None:
    found = await flows.get_active(1)
    return found[0] if found else None


@asynccontextmanager
async def readers(*reads: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Some that read on and on, each by itself, for the block."""

    async def reader(read: Callable[[], Awaitable[object]]) -> None:
        while True:
            await read()
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(reader(read)) for read in reads]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("way", READS)
@contract
async def test_a_read_that_begins_after_a_write_shows_it(backend: Backend, way: str) -> None:
    """Whatever reads were under way when it happened, however far they had come."""
    here, there = (scope.flows for scope in backend.rivals())
    flow = await here.set_default((await active_flow(here)).id)
    async with readers(lambda: READS[way](here, flow), lambda: READS[way](there, flow)):
        for turns in range(ROUNDS):
            await here.patch(flow.id, category="between")
            await _turns(turns)
            await here.patch(flow.id, category=f"{turns}")
            for flows in (here, there):
                assert (await READS[way](flows, flow)).category == f"{turns}"
            await _turns(turns)
            for flows in (here, there):
                assert (await READS[way](flows, flow)).category == f"{turns}"


@pytest.mark.parametrize("way", READS)
@contract
async def test_a_read_that_begins_after_a_use_shows_it(backend: Backend, way: str) -> None:
    """The count, and when it was, whatever reads are under way."""
    here, there = (scope.flows for scope in backend.rivals())
    flow = await here.set_default((await active_flow(here)).id)
    async with readers(lambda: READS[way](here, flow), lambda: READS[way](there, flow)):
        for count in range(1, ROUNDS):
            if count % 3 == 0:
                await here.patch(flow.id, category=f"{count}")
            await _turns(count)
            at = USED + timedelta(days=count)
            assert await here.increment_usage(flow.id, at=at) == count
            for flows in (here, there):
                found = await READS[way](flows, flow)
                assert (found.usage_count, found.last_used_at) == (count, at)


@contract
async def test_who_is_used_comes_first_at_once(backend: Backend) -> None:
    """In lists of any length, also if it wasn't in them."""
    here, there = (scope.flows for scope in backend.rivals())
    made = [await active_flow(here, f"flow {n}") for n in range(4)]
    for count in range(ROUNDS):
        flow = made[count % len(made)]
        await here.increment_usage(flow.id, at=USED + timedelta(days=count))
        for flows in (here, there):
            for limit in (1, 2, 4, 50):
                found = await flows.get_active(limit)
                assert found[0].id == flow.id
                assert len(found) == min(limit, 4)


@pytest.mark.parametrize("way", READS)
@contract(needs=Capability.TRANSACTIONS)
async def test_what_a_unit_wrote_shows_once_it_has_committed(backend: Backend, way: str) -> None:
    """Not before, and from then on everywhere, though others read while it was open."""
    here, there = backend.rivals()
    flow = await here.flows.set_default((await active_flow(here.flows)).id)
    flow = await here.flows.patch(flow.id, category="none")
    outside = (here.flows, there.flows)
    async with readers(*(lambda one=one: READS[way](one, flow) for one in outside)):
        for turns in range(ROUNDS):
            async with here.authoring() as work:
                await work.flows.patch(flow.id, category=f"{turns}")
                await _turns(turns)
                for flows in outside:
                    assert (await READS[way](flows, flow)).category == flow.category
                assert (await READS[way](work.flows, flow)).category == f"{turns}"
            for flows in outside:
                assert (await READS[way](flows, flow)).category == f"{turns}"
            flow = await here.flows.patch(flow.id, category="none")
