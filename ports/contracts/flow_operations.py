"""Flows' named operations: the unit of work that they join, and the tenant at which they stop."""

from datetime import date
from uuid import uuid4

import pytest

from domain.definitions import FlowDefinition
from domain.errors import ValidationError
from domain.flows import Flow, MetricIncrements
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, Group, contract, raised_by, raised_by_each
from ports.contracts.unit_of_work import Mishap, in_units
from ports.errors import EntityNotFoundError
from ports.stores import TenantScope

DAY = date(2024, 2, 29)


@in_units
async def test_named_operations_join_the_unit(scope: TenantScope) -> None:
    """Publishing, defaults, versions, uses and figures roll back together, too."""
    made = await scope.flows.create(
        Flow.draft(name="flow", definition=FlowDefinition.external({"a": 1}))
    )

    async def unit() -> None:
        async with scope.authoring() as work:
            await work.flows.publish(made.id, by="ada")
            await work.flows.set_default(made.id)
            await work.flows.create_version(made.id)
            await work.flows.increment_usage(made.id, 4)
            flow = await work.flows.get_default()
            assert flow is not None
            assert (flow.version, flow.usage_count, flow.status) == ("1.1", 4, "active")
            assert len(await work.flows.get_versions(made.id)) == 2
            raise Mishap

    with pytest.raises(Mishap):
        await unit()
    assert exact(await scope.flows.require(made.id)) == exact(made)
    assert await scope.flows.get_versions(made.id) == ()
    assert await scope.flows.get_default() is None


@in_units
async def test_what_only_read_before_it_failed_dooms_nothing(scope: TenantScope) -> None:
    """Named operations that found no flow, or were refused by what the flow is."""
    made = await scope.flows.create(Flow.draft(name="incomplete"))
    async with scope.authoring() as work:
        for kind, call in (
            (EntityNotFoundError, work.flows.publish(uuid4())),
            (EntityNotFoundError, work.flows.rollback_to(made.id, "9.9")),
            (ValidationError, work.flows.publish(made.id)),
            (ValidationError, work.flows.restore(made.id)),
        ):
            assert isinstance(await raised_by(call), kind)
        await work.flows.patch(made.id, description="kept")
    assert (await scope.flows.require(made.id)).description == "kept"


@contract
async def test_flow_operations_stop_at_the_tenant(backend: Backend) -> None:
    """Versions, figures, defaults and names of another tenant's flow of the same id stay apart."""
    one, two = backend.fresh().flows, backend.fresh().flows
    draft = Flow.draft(name="same", definition=FlowDefinition.external({}))
    mine = await one.create(draft)
    theirs = await two.create(
        Flow.draft(name="same", definition=FlowDefinition.external({}), id=mine.id)
    )
    for flows in (one, two):
        await flows.publish(mine.id)
        await flows.set_default(mine.id)
    await one.create_version(mine.id)
    await one.record_metrics(mine.id, DAY, MetricIncrements(executions=3))
    await one.increment_usage(mine.id, 5)
    assert await two.get_versions(mine.id) == ()
    assert await two.get_version(mine.id, "1.0") is None
    assert await two.get_metrics(mine.id, DAY, DAY) == ()
    stored = await two.require(theirs.id)
    assert (stored.usage_count, stored.revision, stored.version) == (0, 3, "1.0")
    assert await one.unset_default()
    assert (await two.get_default()) == stored
    await one.archive(mine.id)
    assert [flow.id for flow in await two.get_active()] == [theirs.id]
    assert await one.delete(mine.id)
    assert await two.get_by_name_and_version("same", "1.0") == stored
    await two.record_metrics(theirs.id, DAY, MetricIncrements(executions=1))
    assert (await two.get_metrics(mine.id, DAY, DAY))[0].totals.executions == 1


@contract
async def test_named_operations_on_another_tenants_flow_find_none(backend: Backend) -> None:
    """Publishing, archiving or counting by id alone never reaches another tenant's."""
    one, two = backend.fresh().flows, backend.fresh().flows
    theirs = await two.create(Flow.draft(name="n", definition=FlowDefinition.external({})))
    for error in await raised_by_each(
        one.publish(theirs.id),
        one.archive(theirs.id),
        one.restore(theirs.id),
        one.set_default(theirs.id),
        one.increment_usage(theirs.id),
        one.create_version(theirs.id),
        one.rollback_to(theirs.id, "1.0"),
        one.record_metrics(theirs.id, DAY, MetricIncrements(executions=1)),
        one.refresh_statistics(theirs.id, DAY, DAY),
    ):
        assert isinstance(error, EntityNotFoundError)
    assert exact(await two.require(theirs.id)) == exact(theirs)
    assert (await one.search("n")).total == 0


@contract
async def test_what_belongs_to_a_flow_is_erased_with_it(
    backend: Backend, scope: TenantScope
) -> None:
    """Uncounted; versions and figures don't come back with the flow's id."""
    flows = scope.flows
    made = await flows.create(Flow.draft(name="flow"))
    await flows.create_version(made.id)
    await flows.record_metrics(made.id, DAY, MetricIncrements(executions=1))
    assert (
        await backend.instances[0].store(Group.AUTHORING).maintenance().erase_tenant(scope.tenant)
        == 1
    )
    await flows.create(Flow.draft(name="flow", id=made.id))
    assert await flows.get_versions(made.id) == ()
    assert await flows.get_metrics(made.id, DAY, DAY) == ()
