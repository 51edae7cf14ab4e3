"""What works across tenants, and what outlives a store's opening."""

from datetime import date

from domain.flows import Flow, MetricIncrements
from ports.capabilities import Capability
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract
from ports.contracts.subjects import Subject
from ports.stores import TenantScope

DAY = date(2024, 2, 29)


@contract
async def test_every_tenant_with_data_is_named_once_and_in_order(
    backend: Backend, subject: Subject
) -> None:
    """By code point; one that was only looked at, or whose things are all gone, is none."""
    names = [backend.tenant(prefix) for prefix in ("a", "B", "b", "Z", "0", "a.")]
    for name in names:
        await subject.of(backend.scope(name)).create_many(
            [subject.draft("one"), subject.draft("two")]
        )
    looked_at, emptied = backend.fresh(), backend.fresh()
    await subject.of(looked_at).count()
    made = await subject.of(emptied).create(subject.draft())
    await subject.of(emptied).delete(made.id)
    found = [tenant async for tenant in backend.instances[1].maintenance().tenants()]
    assert [tenant for tenant in found if tenant in names] == sorted(names)
    assert found == sorted(set(found))
    assert not {looked_at.tenant, emptied.tenant} & set(found)


@contract
async def test_an_erased_tenant_is_gone(backend: Backend, subject: Subject) -> None:
    """It says how many entities went; another erasure finds nothing; others keep theirs."""
    gone, kept = backend.fresh(), backend.fresh()
    theirs = await subject.of(kept).create_many([subject.draft("one"), subject.draft("two")])
    await subject.of(gone).create_many(subject.draft(f"label {n}") for n in range(1_200))
    maintenance = backend.instances[1].maintenance()
    assert await maintenance.erase_tenant(gone.tenant) == 1_200
    assert await subject.of(gone).count() == 0
    assert await maintenance.erase_tenant(gone.tenant) == 0
    assert await maintenance.erase_tenant(backend.tenant()) == 0
    assert gone.tenant not in [tenant async for tenant in maintenance.tenants()]
    assert exact([entity async for entity in subject.of(kept).stream()]) == exact(list(theirs))
    await subject.of(gone).create(subject.draft("label 1"))
    assert await subject.of(gone).count() == 1


@contract
async def test_what_belongs_to_a_flow_is_erased_with_it(
    backend: Backend, scope: TenantScope
) -> None:
    """Uncounted; versions and figures don't come back with the flow's id."""
    flows = scope.flows
    made = await flows.create(Flow.draft(name="flow"))
    await flows.create_version(made.id)
    await flows.record_metrics(made.id, DAY, MetricIncrements(executions=1))
    assert await backend.instances[0].maintenance().erase_tenant(scope.tenant) == 1
    await flows.create(Flow.draft(name="flow", id=made.id))
    assert await flows.get_versions(made.id) == ()
    assert await flows.get_metrics(made.id, DAY, DAY) == ()


@contract
async def test_a_store_that_can_be_used_says_so(backend: Backend) -> None:
    """Every instance answers."""
    for store in backend.instances:
        await store.check()
        assert store.capabilities == backend.capabilities


@contract(needs=Capability.DURABLE)
async def test_what_was_acknowledged_is_there_for_later_instances(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """A store that is opened afterwards finds it."""
    made = await subject.of(scope).create(subject.draft())
    async with backend.stores() as reopened:
        later = TenantScope(scope.tenant, reopened[0])
        assert exact(await subject.of(later).require(made.id)) == exact(made)
