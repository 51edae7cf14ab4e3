"""Flows: what their store promises beside what every repository does."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import attrs
import pytest
from hypothesis import given

from domain.definitions import FlowDefinition, State, StateType
from domain.errors import TransitionNotAllowedError, ValidationError
from domain.flows import FLOW_LIFECYCLE, Flow, FlowStatus
from domain.identity import UserId
from ports.capabilities import Capability
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by, raised_by_each
from ports.contracts.strategies import HOSTILE, valid_definitions
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    InvalidQueryError,
    TransactionError,
)
from ports.flows import FlowRepository
from ports.stores import TenantScope

VALID = FlowDefinition.external({"say": "hello"})
INVALID = FlowDefinition(
    initial_state="nowhere", states={"start": State(name="start", type=StateType.RESPONSE)}
)


async def new_flow(flows: FlowRepository, name: str = "flow", **fields: Any) -> Flow:
    """A stored draft that can be published."""
    return await flows.create(Flow.draft(name=name, definition=VALID, **fields))


async def active_flow(flows: FlowRepository, name: str = "flow", **fields: Any) -> Flow:
    """A stored, published flow."""
    return await flows.publish((await new_flow(flows, name, **fields)).id)


async def flow_in(flows: FlowRepository, status: FlowStatus, name: str = "flow") -> Flow:
    """A stored flow in any status."""
    made = await new_flow(flows, name)
    return await flows.create(
        attrs.evolve(made, id=uuid4(), name=f"{name} {status}", status=status)
    )


@contract
async def test_publish_makes_a_flow_active(backend: Backend, scope: TenantScope) -> None:
    """It says when and by whom, one revision on."""
    flows = scope.flows
    made = await new_flow(flows)
    now = backend.clock.advance(hours=1)
    published = await flows.publish(made.id, by="ada")
    assert exact(published) == exact(
        attrs.evolve(
            made,
            status=FlowStatus.ACTIVE,
            published_at=now,
            published_by=UserId("ada"),
            updated_by=UserId("ada"),
            updated_at=now,
            revision=2,
        )
    )
    assert exact(await flows.require(made.id)) == exact(published)


@contract
async def test_publish_refuses_an_invalid_definition(scope: TenantScope) -> None:
    """All of its faults are named, and nothing is changed."""
    flows = scope.flows
    for definition in (INVALID, FlowDefinition()):
        made = await flows.create(
            Flow.draft(name=f"{len(definition.states)}", definition=definition)
        )
        with pytest.raises(ValidationError) as caught:
            await flows.publish(made.id)
        faults = {f"definition.{fault.path}" for fault in definition.faults}
        assert {fault.path for fault in caught.value.faults} == faults
        assert exact(await flows.require(made.id)) == exact(made)


@given(definition=valid_definitions())
@examples(0.1)
@contract
async def test_a_published_definition_is_what_was_written(
    scope: TenantScope, definition: FlowDefinition
) -> None:
    """Every valid definition can be published, and is read back equal in every part."""
    flows = scope.flows
    made = await flows.create(Flow.draft(name="flow", definition=definition))
    await flows.publish(made.id)
    assert exact((await flows.require(made.id)).definition) == exact(definition)


@contract
async def test_publish_is_a_compare_and_set_if_asked(scope: TenantScope) -> None:
    """A stale revision is told, as by archive, restore and move_to."""
    flows = scope.flows
    made = await new_flow(flows)
    await flows.patch(made.id, category="new")
    for error in await raised_by_each(
        flows.publish(made.id, expected_revision=1),
        flows.archive(made.id, expected_revision=1),
        flows.restore(made.id, expected_revision=1),
        flows.move_to(made.id, FlowStatus.TESTING, expected_revision=1),
        flows.create_version(made.id, expected_revision=1),
    ):
        assert isinstance(error, ConflictError)
        assert (error.entity_id, error.expected, error.actual) == (made.id, 1, 2)
    assert (await flows.publish(made.id, expected_revision=2)).revision == 3


@pytest.mark.parametrize("target", FlowStatus)
@pytest.mark.parametrize("status", FlowStatus)
@contract
async def test_a_status_follows_the_table(
    scope: TenantScope, status: FlowStatus, target: FlowStatus
) -> None:
    """Moves that it holds happen; others name both statuses and change nothing."""
    flows = scope.flows
    flow = await flow_in(flows, status)
    call = (
        flows.publish(flow.id, by="ada")
        if target is FlowStatus.ACTIVE
        else flows.move_to(flow.id, target, by="ada")
    )
    if FLOW_LIFECYCLE.allows(status, target):
        moved = await call
        same = status is target is not FlowStatus.ACTIVE
        assert moved.status is target
        assert moved.revision == (1 if same else 2)
        assert moved.updated_by == (None if same else "ada")
    else:
        with pytest.raises(TransitionNotAllowedError) as caught:
            await call
        assert (caught.value.current, caught.value.target) == (status, target)
        moved = flow
    assert exact(await flows.require(flow.id)) == exact(moved)


@contract
async def test_a_flow_becomes_active_by_publish_only(scope: TenantScope) -> None:
    """move_to refuses it, and a status that there isn't."""
    flows = scope.flows
    made = await new_flow(flows)
    for target in (FlowStatus.ACTIVE, "active", "no such status", None):
        error = await raised_by(flows.move_to(made.id, target))  # type: ignore[arg-type]  # refused
        assert isinstance(error, ValidationError)
    assert (await flows.require(made.id)).status is FlowStatus.DRAFT


@contract
async def test_archive_and_restore(scope: TenantScope) -> None:
    """An archived flow comes back as a draft, and only an archived one does."""
    flows = scope.flows
    made = await active_flow(flows)
    archived = await flows.archive(made.id, by="ada")
    assert (archived.status, archived.updated_by, archived.revision) == ("archived", "ada", 3)
    assert exact(await flows.archive(made.id, by="bob")) == exact(archived)
    restored = await flows.restore(made.id, by="bob")
    assert (restored.status, restored.updated_by, restored.revision) == ("draft", "bob", 4)
    assert isinstance(await raised_by(flows.restore(made.id)), ValidationError)
    assert exact(await flows.require(made.id)) == exact(restored)


@contract
async def test_named_operations_say_if_there_is_no_such_flow(scope: TenantScope) -> None:
    """The error names the flow."""
    flows, unknown = scope.flows, uuid4()
    for error in await raised_by_each(
        flows.publish(unknown),
        flows.archive(unknown),
        flows.restore(unknown),
        flows.move_to(unknown, FlowStatus.TESTING),
        flows.set_default(unknown),
        flows.increment_usage(unknown),
        flows.create_version(unknown),
        flows.rollback_to(unknown, "1.0"),
    ):
        assert isinstance(error, EntityNotFoundError)
        assert (error.entity_type, error.entity_id) == ("flow", unknown)
    wrong: Any = "no id"
    for error in await raised_by_each(
        flows.publish(wrong),
        flows.set_default(wrong),
        flows.increment_usage(wrong),
        flows.create_version(wrong),
    ):
        assert isinstance(error, ValidationError)


@contract
async def test_set_default_swaps_the_default(backend: Backend, scope: TenantScope) -> None:
    """Whoever was it no longer is; both are one revision on, changed now and by the caller."""
    flows = scope.flows
    one, two = await active_flow(flows, "one"), await active_flow(flows, "two")
    assert await flows.get_default() is None
    first = await flows.set_default(one.id, by="ada")
    now = backend.clock.kept
    expected = attrs.evolve(
        one, is_default=True, updated_by=UserId("ada"), updated_at=now, revision=3
    )
    assert exact(first) == exact(expected)
    now = backend.clock.advance(minutes=1)
    second = await flows.set_default(two.id, by="bob")
    changes: dict[str, Any] = {"updated_by": UserId("bob"), "updated_at": now}
    assert exact(second) == exact(attrs.evolve(two, is_default=True, revision=3, **changes))
    former = await flows.require(one.id)
    assert exact(former) == exact(attrs.evolve(first, is_default=False, revision=4, **changes))
    assert exact(await flows.get_default()) == exact(second)
    assert await flows.count({"is_default": True}) == 1


@contract(needs=Capability.TRANSACTIONS)
async def test_a_unit_that_finds_another_default_come_first_may_be_run_again(
    backend: Backend,
) -> None:
    """It is told so as of any lost race, not of a key, which no caller of set_default gave."""
    here, there = backend.rivals()
    one, two = [await active_flow(here.flows, name) for name in ("one", "two")]

    async def unit() -> None:
        async with here.authoring() as work:
            assert await work.flows.get_default() is None
            await there.flows.set_default(two.id)
            await work.flows.set_default(one.id)

    assert isinstance(await raised_by(unit()), TransactionError)
    default = await there.flows.get_default()
    assert default is not None
    assert default.id == two.id


@contract
async def test_the_default_is_made_it_once(backend: Backend, scope: TenantScope) -> None:
    """Asked again, it comes back as it is, unchanged."""
    flows = scope.flows
    one = await active_flow(flows)
    first = await flows.set_default(one.id, by="ada")
    backend.clock.advance(minutes=1)
    assert exact(await flows.set_default(one.id, by="bob")) == exact(first)
    assert exact(await flows.require(one.id)) == exact(first)


@pytest.mark.parametrize("status", sorted(set(FlowStatus) - {FlowStatus.ACTIVE}))
@contract
async def test_only_an_active_flow_can_be_the_default(
    scope: TenantScope, status: FlowStatus
) -> None:
    """Others are refused, and the default stays who it was."""
    flows = scope.flows
    default = await flows.set_default((await active_flow(flows, "default")).id)
    other = await flow_in(flows, status)
    assert isinstance(await raised_by(flows.set_default(other.id)), ValidationError)
    assert isinstance(await raised_by(flows.set_default(uuid4())), EntityNotFoundError)
    assert exact(await flows.get_default()) == exact(default)
    assert exact(await flows.require(other.id)) == exact(other)


@contract
async def test_a_second_default_cannot_be_written(scope: TenantScope) -> None:
    """Neither created nor updated into being; any number of flows are not the default."""
    flows = scope.flows
    default = await flows.set_default((await active_flow(flows, "one")).id)
    other = await active_flow(flows, "two")
    await active_flow(flows, "three")
    second = attrs.evolve(other, id=uuid4(), name="four", is_default=True)
    twins = [attrs.evolve(second, id=uuid4(), name=name) for name in "ab"]
    for error in await raised_by_each(
        flows.update(other.as_default()),
        flows.create(second),
        flows.create_many([second]),
    ):
        assert isinstance(error, DuplicateEntityError)
        assert error.key == ("is_default",)
    await flows.unset_default()
    assert isinstance(await raised_by(flows.create_many(twins)), DuplicateEntityError)
    assert await flows.count() == 3
    assert (await flows.update(other.as_default())).is_default
    assert (await flows.require(default.id)).is_default is False


@contract
async def test_a_default_that_leaves_active_is_none(scope: TenantScope) -> None:
    """By archive, by any other move, by deletion, and by unset_default."""
    flows = scope.flows
    ways: list[Callable[[UUID], Awaitable[object]]] = [
        lambda id: flows.archive(id),
        lambda id: flows.move_to(id, FlowStatus.INACTIVE),
        lambda id: flows.delete(id),
        lambda id: flows.unset_default(by="ada"),
    ]
    for n, leave in enumerate(ways):
        flow = await active_flow(flows, f"flow {n}")
        await flows.set_default(flow.id)
        await leave(flow.id)
        assert await flows.get_default() is None
        assert await flows.count({"is_default": True}) == 0
    last = await flows.require(flow.id)
    assert (last.status, last.updated_by, last.revision) == ("active", "ada", 4)
    assert await flows.unset_default() is False


@contract
async def test_a_flow_is_found_by_name_and_version(scope: TenantScope) -> None:
    """By exactly these, whatever they are made of."""
    flows = scope.flows
    made = {}
    for name in ("flow", "Flow", "flow ", *HOSTILE):
        for version in ("1.0", "1", "%"):
            made[name, version] = await new_flow(flows, name, version=version)
    for (name, version), flow in made.items():
        assert exact(await flows.get_by_name_and_version(name, version)) == exact(flow)
    assert await flows.get_by_name_and_version("flow", "1.00") is None
    assert await flows.get_by_name_and_version("", "") is None
    wrong: Any = None
    assert isinstance(
        await raised_by(flows.get_by_name_and_version(wrong, "1.0")), InvalidQueryError
    )
