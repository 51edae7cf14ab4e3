"""Tenants: nothing done through one's scope is seen, counted, changed or hindered by another's."""

from typing import Any

import pytest

from ports.capabilities import Capability
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.contracts.subjects import Subject
from ports.errors import (
    EntityNotFoundError,
    InvalidQueryError,
    RepositoryError,
    TenantMismatchError,
)
from ports.stores import TenantScope


@contract
async def test_the_same_keys_stand_in_two_tenants(backend: Backend, subject: Subject) -> None:
    """Neither an id nor a unique key of one tenant is taken for another."""
    one, two = (subject.of(backend.fresh()) for _ in range(2))
    mine = await one.create(subject.draft("same"))
    theirs = await two.create(subject.draft("same", id=mine.id))
    assert mine.id == theirs.id
    assert mine.tenant_id != theirs.tenant_id
    assert exact(await one.require(mine.id)) == exact(mine)
    assert exact(await two.require(mine.id)) == exact(theirs)


@contract
async def test_another_tenants_entity_does_not_exist(backend: Backend, subject: Subject) -> None:
    """Whatever is asked or done by its id, the answer is that of an id that nobody has."""
    one, two = (subject.of(backend.fresh()) for _ in range(2))
    theirs = await two.create(subject.draft())
    id = theirs.id
    assert await one.get_by_id(id) is None
    assert await one.exists(id) is False
    assert await one.get_many([id]) == ()
    assert await one.delete(id) is False
    for error in await raised_by_each(
        one.require(id),
        one.patch(id, **subject.note_to("x")),
        one.patch(id, 1, **subject.note_to("x")),
        one.modify(id, lambda entity: subject.noted(entity, "x")),
        subject.use(one, id),
    ):
        assert isinstance(error, EntityNotFoundError)
        assert error.entity_id == id
    assert exact(await two.require(id)) == exact(theirs)


@contract
async def test_another_tenants_entities_are_not_found(backend: Backend, subject: Subject) -> None:
    """Neither listed, streamed, scanned nor counted, with and without criteria."""
    one, two = (subject.of(backend.fresh()) for _ in range(2))
    mine = await one.create(subject.draft("same"))
    await one.patch(mine.id, **subject.note_to("x"))
    await two.create_many(subject.draft(f"label {n}") for n in range(3))
    await two.update_where(None, **subject.note_to("x"))
    everything: dict[str, Any] = {"not": {"or": []}}
    either: dict[str, Any] = {"or": [{subject.note: "x"}, {"not": {subject.note: "x"}}]}
    for wanted in (None, everything, either, {subject.note: "x"}):
        assert await one.count(wanted) == 1
        assert await two.count(wanted) == 3
        page = await one.list(wanted)
        assert (page.total, [entity.id for entity in page.items]) == (1, [mine.id])
        assert [entity.id for entity in (await one.scan(wanted)).items] == [mine.id]
        assert [entity.id async for entity in one.stream(wanted)] == [mine.id]


@contract
async def test_another_tenants_entities_are_not_changed(backend: Backend, subject: Subject) -> None:
    """What changes or removes everything means everything of one tenant."""
    one, two = (subject.of(backend.fresh()) for _ in range(2))
    mine = await one.create(subject.draft())
    theirs = await two.create_many(subject.draft(f"label {n}") for n in range(3))
    assert await one.update_where(None, **subject.note_to("x")) == 1
    wanted = {"or": [{"id": str(entity.id)} for entity in theirs]}
    assert await one.update_where(wanted, **subject.note_to("x")) == 0
    assert await one.delete_where(wanted) == 0
    assert await one.delete_where(None) == 1
    assert await one.exists(mine.id) is False
    assert exact([entity async for entity in two.stream()]) == exact(list(theirs))


@contract
async def test_the_same_id_is_changed_in_one_tenant_only(
    backend: Backend, subject: Subject
) -> None:
    """Updates, patches, counts and deletions stop at the tenant, even for a shared id."""
    one, two = (subject.of(backend.fresh()) for _ in range(2))
    mine = await one.create(subject.draft())
    theirs = await two.create(subject.draft(id=mine.id))
    updated = await one.update(subject.noted(mine, "x"))
    await one.patch(updated.id, **subject.remark_to("y"))
    await one.modify(mine.id, lambda entity: subject.noted(entity, "z"))
    await subject.use(one, mine.id)
    assert exact(await two.require(mine.id)) == exact(theirs)
    assert await one.delete(mine.id) is True
    assert exact(await two.require(mine.id)) == exact(theirs)


@contract
async def test_an_entity_of_another_tenant_is_a_mismatch(
    backend: Backend, subject: Subject
) -> None:
    """The error names the kind of entity and the scope, and not the other tenant."""
    here, there = backend.fresh(), backend.fresh()
    foreign = await subject.of(there).create(subject.draft())
    one = subject.of(here)
    for error in await raised_by_each(
        one.create(foreign), one.create_many([foreign]), one.update(foreign)
    ):
        assert isinstance(error, TenantMismatchError)
        assert (error.entity_type, error.scope) == (subject.schema.name, here.tenant)
        assert there.tenant not in str(error)
    assert await one.count() == 0


@contract
async def test_the_tenant_cannot_be_asked_for(scope: TenantScope, subject: Subject) -> None:
    """No criteria, order or change can name it."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    for error in await raised_by_each(
        repository.count({"tenant_id": "other"}),
        repository.delete_where({"or": [{"tenant_id": scope.tenant}]}),
        repository.list(None, None, "tenant_id"),
    ):
        assert isinstance(error, InvalidQueryError)
    assert isinstance(await raised_by(repository.patch(made.id, tenant_id="other")), ValueError)
    assert exact(await repository.require(made.id)) == exact(made)


@contract
async def test_tenants_whose_names_join_alike_are_strangers(
    backend: Backend, subject: Subject
) -> None:
    """`a:b` and `c` is not `a` and `b:c`; case, dots and prefixes make another tenant."""
    base = backend.tenant("A")[:40]
    tenants = [base, f"{base}:b", f"{base}:b:c", f"{base}.b", f"{base}_b", base.lower(), base[:-1]]
    labels = ["b:c", "c", "b", ":c", ""]
    scopes = [backend.scope(tenant) for tenant in tenants]
    for place, scope in enumerate(scopes):
        await subject.of(scope).create_many(subject.keyed(label or "-") for label in labels)
        await subject.of(scope).update_where(None, **subject.note_to(f"{place}"))
    for place, scope in enumerate(scopes):
        found = [subject.note_of(entity) async for entity in subject.of(scope).stream()]
        assert found == [f"{place}"] * len(labels)
    assert await subject.of(scopes[0]).delete_where(None) == len(labels)
    for scope in scopes[1:]:
        assert await subject.of(scope).count() == len(labels)


@contract(needs=Capability.TRANSACTIONS)
async def test_a_unit_of_work_stops_at_its_tenant(backend: Backend, subject: Subject) -> None:
    """Within it, too, another tenant's things don't exist, and its own doesn't lock theirs."""
    here, there = backend.fresh(), backend.fresh()
    theirs = await subject.of(there).create(subject.draft())
    async with subject.unit(here) as work:
        repository = subject.of(work)
        assert await repository.get_by_id(theirs.id) is None
        assert await repository.count() == 0
        await repository.create(subject.draft(id=theirs.id))
        changed = await subject.of(there).update(subject.noted(theirs, "meanwhile"))
        with pytest.raises(TenantMismatchError):
            await repository.update(theirs)
    assert exact(await subject.of(there).require(theirs.id)) == exact(changed)
    assert await subject.of(here).count() == 1


@pytest.mark.parametrize("name", ["", "a b", "a/b", "\u00e9", "a" * 65, "-a", "a\n", "%", "a'"])
@contract
async def test_what_is_no_tenant_gets_no_scope(backend: Backend, name: str) -> None:
    """A tenant's name is checked before anything is asked."""
    with pytest.raises(ValueError, match="TenantId"):
        backend.scope(name)


@contract
async def test_an_error_tells_nothing_of_what_is_stored(
    scope: TenantScope, subject: Subject
) -> None:
    """Names, notes and the store's own words stay out of messages."""
    repository = subject.of(scope)
    await repository.create(subject.keyed("SECRET"))
    made = await repository.create(subject.draft("other"))
    current = await repository.patch(made.id, **subject.note_to("SECRET"))
    calls = [
        repository.create(subject.keyed("SECRET")),
        repository.update(subject.noted(made, "SECRET")),
        repository.patch(made.id, **subject.note_to("SECRET\x00")),
    ]
    if subject.schema.lifecycle is not None:
        calls.append(repository.update(subject.misplaced(current)))
    for error in await raised_by_each(*calls):
        assert isinstance(error, RepositoryError | ValueError)
        assert "SECRET" not in f"{error}{error!r}{error.__cause__}"
