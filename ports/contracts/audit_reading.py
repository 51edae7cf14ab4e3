"""The audit trail: what can be asked of it, and in which order it answers."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from domain.audit import AuditEntry
from domain.definitions import FlowDefinition
from domain.errors import ValidationError
from domain.flows import Flow, FlowStatus, MetricIncrements
from domain.identity import Author
from ports.capabilities import Capability
from ports.contracts.audit_model import trail_of
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.criteria import CriteriaLike
from ports.errors import EntityNotFoundError, InvalidQueryError, UnsupportedOperationError
from ports.paging import CursorPage
from ports.stores import TenantScope

VALID = FlowDefinition.external({"say": "hello"})


async def busy(backend: Backend) -> tuple[TenantScope, list[AuditEntry], list[UUID]]:
    """A tenant in which two people changed three flows by turns, in three minutes; its trail."""
    tenant = backend.tenant()
    scope = backend.scope(tenant)
    made = await scope.flows.create_many(
        Flow.draft(name=f"flow {n}", definition=VALID) for n in range(3)
    )
    ids = [flow.id for flow in made]
    for minute in range(3):
        backend.clock.advance(minutes=1)
        for turn, id in enumerate([*ids, ids[0]]):
            author = Author("ada" if turn % 2 else "bob")
            flows = backend.scope(tenant, turn % 2, author).flows
            await flows.patch(id, description=f"{minute} {turn}")
    return scope, await trail_of(scope), ids


async def every(read: Callable[..., Awaitable[CursorPage[AuditEntry]]]) -> list[AuditEntry]:
    """All that pages hold, one after the other."""
    entries, after = list[AuditEntry](), None
    while True:
        page = await read(after=after)
        entries += page.items
        if page.next is None:
            return entries
        after = page.next


@contract
async def test_positions_rise_as_an_entitys_entries_are_written(backend: Backend) -> None:
    """Whoever wrote them, in whichever process."""
    _, trail, ids = await busy(backend)
    for id in ids:
        own = [entry for entry in trail if entry.entity_id == id]
        assert [entry.revision for entry in own] == list(range(1, len(own) + 1))
    assert len({entry.position for entry in trail}) == len(trail) == 15


@contract
async def test_an_entitys_trail_is_read_from_its_end(backend: Backend) -> None:
    """Page by page, each entry once."""
    scope, trail, ids = await busy(backend)
    for id in ids:
        for limit in (1, 2, 50):
            found = await every(partial(scope.audit.of_entity, "flow", id, limit=limit))
            own = [entry for entry in trail if entry.entity_id == id]
            assert exact(found) == exact(own[::-1])


@contract
async def test_what_somebody_did_is_read_from_its_end(backend: Backend) -> None:
    """Of all entities; what nobody was named for is nobody's."""
    scope, trail, _ = await busy(backend)
    for actor in ("ada", "bob", "nobody"):
        found = await every(partial(scope.audit.by_actor, actor, limit=2))
        assert exact(found) == exact([entry for entry in trail[::-1] if entry.actor == actor])


@contract
async def test_what_happened_between_two_times(backend: Backend) -> None:
    """From the first on and before the second, the latest first and then by position."""
    scope, trail, _ = await busy(backend)
    times = sorted({entry.at for entry in trail})
    bounds = [times[0], times[1], times[-1], times[-1] + timedelta(milliseconds=1)]
    for start in bounds:
        for end in bounds:
            found = await every(partial(scope.audit.between, start, end, limit=3))
            expected = [entry for entry in trail if start <= entry.at < end]
            expected.sort(key=lambda entry: (entry.at, entry.position), reverse=True)
            assert exact(found) == exact(expected)


@contract
async def test_the_trail_answers_criteria_as_everything_does(backend: Backend) -> None:
    """Counted, listed, scanned and streamed; by id where no order is asked for."""
    scope, trail, ids = await busy(backend)
    audit = scope.audit
    where = audit.where
    by_id = sorted(trail, key=lambda entry: entry.id)
    assert exact([entry async for entry in audit.stream()]) == exact(by_id)
    assert exact(await audit.get_many([entry.id for entry in trail])) == exact(tuple(trail))
    assert exact(await audit.require(trail[3].id)) == exact(trail[3])
    place = trail[6].position
    asked: list[tuple[CriteriaLike, Callable[[AuditEntry], bool]]] = [
        (where("action").eq("created"), lambda entry: entry.action == "created"),
        (where("revision").gt(3), lambda entry: entry.revision > 3),
        (where("entity_id").eq(ids[1]), lambda entry: entry.entity_id == ids[1]),
        (where("entity_type").ne("flow"), lambda entry: False),
        (where("actor").is_null(), lambda entry: entry.actor is None),
        (where("sequence").is_not_null(), lambda entry: False),
        (
            {"actor": "ada", "position": {"operator": "gt", "value": place}},
            lambda entry: entry.actor == "ada" and entry.position > place,
        ),
    ]
    for criteria, meets in asked:
        wanted = [entry for entry in trail if meets(entry)]
        assert await audit.count(criteria) == len(wanted)
        listed = await audit.list(criteria, order="-position")
        assert exact(listed.items) == exact(tuple(wanted[::-1]))


@contract
async def test_what_has_no_meaning_is_refused(scope: TenantScope) -> None:
    """Before the store is asked."""
    audit = scope.audit
    wrong: Any = object()
    for error in await raised_by_each(
        audit.of_entity("flow", wrong),
        audit.of_entity(wrong, uuid4()),
        audit.by_actor(wrong),
        audit.by_actor("ada", limit=0),
        audit.between(datetime(2026, 1, 1), datetime(2026, 1, 2)),  # noqa: DTZ001  # the point
        audit.between(wrong, wrong),
        audit.seal(0),
        audit.seal(1_001),
        audit.scan({"changes": "x"}),
        audit.scan(None, "actor"),
    ):
        assert isinstance(error, InvalidQueryError)
    for error in await raised_by_each(audit.verify(wrong), audit.get_by_id("no id")):
        assert isinstance(error, ValidationError)
    assert isinstance(await raised_by(audit.require(uuid4())), EntityNotFoundError)


@contract
async def test_both_flows_of_a_swap_have_their_entry(backend: Backend) -> None:
    """The one that became the default, and the one that was it."""
    tenant = backend.tenant()
    scope = backend.scope(tenant, author=Author("ada"))
    one, two = [
        await scope.flows.publish(
            (await scope.flows.create(Flow.draft(name=name, definition=VALID))).id
        )
        for name in ("one", "two")
    ]
    await scope.flows.set_default(one.id)
    before = len(await trail_of(scope))
    await scope.flows.set_default(two.id, by="bob")
    await scope.flows.set_default(two.id)
    trail = (await trail_of(backend.scope(tenant, 1)))[before:]
    assert {(entry.entity_id, entry.revision, entry.actor) for entry in trail} == {
        (one.id, 4, "ada"),
        (two.id, 3, "ada"),
    }
    for entry in trail:
        now = entry.entity_id == two.id
        assert {name: (c.before, c.after) for name, c in entry.changes.items()} == {
            "is_default": (not now, now),
            "updated_by": (None, "bob"),
        }
    await scope.flows.unset_default()
    assert (await trail_of(scope))[-1].entity_id == two.id


@contract
async def test_each_named_operation_of_a_flow_is_one_entry(scope: TenantScope) -> None:
    """What belongs to a flow alone, its versions and figures, has none, nor has what is counted."""
    flows = scope.flows
    flow = await flows.create(Flow.draft(name="flow", definition=VALID))
    await flows.publish(flow.id, by="ada")
    await flows.increment_usage(flow.id)
    await flows.record_metrics(flow.id, flow.created_at.date(), MetricIncrements(executions=1))
    await flows.create_version(flow.id, definition=FlowDefinition.external({"say": "bye"}))
    await flows.rollback_to(flow.id, "1.0")
    await flows.move_to(flow.id, FlowStatus.INACTIVE)
    await flows.archive(flow.id)
    await flows.restore(flow.id)
    await flows.delete(flow.id)
    trail = await trail_of(scope)
    assert [entry.entity_id for entry in trail] == [flow.id] * 8
    assert [entry.revision for entry in trail] == [1, 2, 3, 4, 5, 6, 7, 7]
    assert [set(entry.changes) for entry in trail[1:7]] == [
        {"status", "published_at", "published_by", "updated_by"},
        {"version", "definition"},
        {"version", "definition"},
        {"status"},
        {"status"},
        {"status"},
    ]


@contract(needs=Capability.TRANSACTIONS)
async def test_a_unit_seals_and_verifies_nothing(backend: Backend, scope: TenantScope) -> None:
    """It reads the trail; what it would seal isn't committed."""
    await scope.flows.create(Flow.draft(name="flow"))
    async with scope.authoring() as work:
        assert (await work.audit.head()).sequence == 0
        for error in await raised_by_each(work.audit.seal(), work.audit.verify()):
            assert isinstance(error, UnsupportedOperationError)
        await work.flows.create(Flow.draft(name="other"))
    assert await scope.audit.seal() == 2
