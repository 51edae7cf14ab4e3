"""What works across tenants, and what outlives a store's opening."""

from typing import Any

from domain.errors import ValidationError
from ports.capabilities import Capability
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, Group, contract, raised_by
from ports.contracts.subjects import Subject
from ports.stores import TenantScope


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
    found = [
        tenant async for tenant in backend.instances[1].store(subject.group).maintenance().tenants()
    ]
    assert [tenant for tenant in found if tenant in names] == sorted(names)
    assert found == sorted(set(found))
    assert not {looked_at.tenant, emptied.tenant} & set(found)


@contract
async def test_an_erased_tenant_is_gone(backend: Backend, subject: Subject) -> None:
    """It says how many entities went; another erasure finds nothing; others keep theirs."""
    gone, kept = backend.fresh(), backend.fresh()
    theirs = await subject.of(kept).create_many([subject.draft("one"), subject.draft("two")])
    await subject.of(gone).create_many(subject.draft(f"label {n}") for n in range(1_200))
    maintenance = backend.instances[1].store(subject.group).maintenance()
    assert await maintenance.erase_tenant(gone.tenant) == 1_200
    assert await subject.of(gone).count() == 0
    assert await maintenance.erase_tenant(gone.tenant) == 0
    assert await maintenance.erase_tenant(backend.tenant()) == 0
    assert gone.tenant not in [tenant async for tenant in maintenance.tenants()]
    assert exact([entity async for entity in subject.of(kept).stream()]) == exact(list(theirs))
    await subject.of(gone).create(subject.draft("label 1"))
    assert await subject.of(gone).count() == 1


@contract
async def test_what_can_be_no_tenants_name_is_refused(backend: Backend, group: Group) -> None:
    """To erase nothing and say that it is done would hide a typing error."""
    maintenance: Any = backend.instances[0].store(group).maintenance()
    tenant = backend.tenant()
    for name in (f"{tenant}*", f"{tenant} ", f"{tenant}\0", "\ud800", "", None, 7, [tenant]):
        error = await raised_by(maintenance.erase_tenant(name))
        assert isinstance(error, ValidationError), name


@contract
async def test_a_store_that_can_be_used_says_so(backend: Backend, group: Group) -> None:
    """Every instance answers."""
    for instance in backend.instances:
        store = instance.store(group)
        await store.check()
        assert store.capabilities == backend.capabilities(group)


@contract(needs=Capability.DURABLE)
async def test_what_was_acknowledged_is_there_for_later_instances(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """A store that is opened afterwards finds it."""
    made = await subject.of(scope).create(subject.draft())
    async with backend.opened() as reopened:
        later = subject.of(reopened[0].scope(scope.tenant))
        assert exact(await later.require(made.id)) == exact(made)
