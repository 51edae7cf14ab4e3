"""The audit trail: what every change of authoring data leaves in it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audit import AuditAction, AuditEntry
from domain.documents import JsonObject
from domain.identity import Author
from ports.capabilities import Capability
from ports.contracts.audit_model import (
    created,
    deleted,
    each_authored,
    reordered,
    said,
    trail_of,
    updated,
)
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by
from ports.contracts.subjects import Entity, Subject
from ports.errors import InvalidQueryError, RepositoryError, TransactionError
from ports.repository import Repository
from ports.stores import TenantScope

ADA = Author("ada", "asked for by the customer")
in_units = contract(needs=Capability.TRANSACTIONS)


def told(entries: list[AuditEntry]) -> list[tuple[str, Any, int]]:
    """What was done to what, and at which revision it then stood."""
    return [(entry.action, entry.entity_id, entry.revision) for entry in entries]


@given(data=st.data())
@examples(0.4)
@each_authored
@contract
async def test_the_trail_tells_what_was_before_and_after(
    scope: TenantScope, authored: Subject, data: st.DataObject
) -> None:
    """To the letter, for every entity and every patch that the domain admits; and nothing more."""
    repository = authored.of(scope)
    made = await repository.create(data.draw(authored.entities(scope.tenant)))
    once = await repository.patch(made.id, **data.draw(authored.patches))
    twice = await repository.patch(made.id, **data.draw(authored.patches))
    await repository.delete(made.id)
    trail = await trail_of(scope, made.id)
    assert [said(entry.changes) for entry in trail] == [
        said(created(authored, made)),
        said(updated(authored, made, once)),
        said(updated(authored, once, twice)),
        said(deleted(authored, twice)),
    ]
    assert [entry.revision for entry in trail] == [
        made.revision,
        made.revision + 1,
        made.revision + 2,
        made.revision + 2,
    ]
    assert len({entry.id for entry in trail}) == 4


@each_authored
@contract
async def test_an_entry_can_not_be_changed(scope: TenantScope, authored: Subject) -> None:
    """Nor can anything in it."""
    document: Any = {"list": [{"deep": [1, 1.0]}], "object": {}}
    made = await authored.of(scope).create(authored.draft())
    await authored.of(scope).patch(made.id, **{authored.document: document})
    entry = (await trail_of(scope))[-1]
    written: Any = entry.changes
    with pytest.raises(TypeError):
        written["other"] = None
    assert exact(entry.changes[authored.document].after) == exact(JsonObject.of(document))


@each_authored
@contract
async def test_an_entry_says_who_what_when_and_why(backend: Backend, authored: Subject) -> None:
    """The actor and the reason are the scope's; nobody has to hand them over."""
    tenant = backend.tenant()
    scope = backend.scope(tenant, author=ADA)
    now = backend.clock.advance(minutes=1)
    made = await authored.of(scope).create(authored.draft())
    (entry,) = await trail_of(backend.scope(tenant, 1))
    expected = {
        "tenant_id": tenant,
        "at": now,
        "actor": "ada",
        "reason": "asked for by the customer",
        "action": AuditAction.CREATED,
        "entity_type": authored.name,
        "entity_id": made.id,
        "revision": 1,
        "sequence": None,
        "digest": None,
    }
    assert exact({name: getattr(entry, name) for name in expected}) == exact(expected)
    assert entry.position >= 1
    later = backend.clock.advance(minutes=1)
    await authored.of(backend.scope(tenant)).patch(made.id, **authored.note_to("nobody's"))
    last = (await trail_of(scope))[-1]
    assert (last.actor, last.reason, last.at) == (None, None, later)


async def _create(repository: Repository[Entity], subject: Subject, old: Entity) -> list[Any]:
    made = await repository.create(subject.draft("another"))
    return [("created", made.id, 1)]


async def _create_many(repository: Repository[Entity], subject: Subject, old: Entity) -> list[Any]:
    made = await repository.create_many([subject.draft("a"), subject.draft("b")])
    return sorted(("created", entity.id, 1) for entity in made)


async def _update(repository: Repository[Entity], subject: Subject, old: Entity) -> list[Any]:
    await repository.update(subject.noted(old, "changed"))
    return [("updated", old.id, 2)]


async def _patch(repository: Repository[Entity], subject: Subject, old: Entity) -> list[Any]:
    await repository.patch(old.id, old.revision, **subject.note_to("changed"))
    return [("updated", old.id, 2)]


async def _modify(repository: Repository[Entity], subject: Subject, old: Entity) -> list[Any]:
    await repository.modify(old.id, lambda entity: subject.noted(entity, "changed"))
    return [("updated", old.id, 2)]


async def _delete(repository: Repository[Entity], subject: Subject, old: Entity) -> list[Any]:
    await repository.delete(old.id, old.revision)
    return [("deleted", old.id, 1)]


async def _update_where(repository: Repository[Entity], subject: Subject, old: Entity) -> list[Any]:
    more = await repository.create(subject.draft("more"))
    await repository.update_where(None, **subject.note_to("changed"))
    both = [("updated", old.id, 2), ("updated", more.id, 2)]
    return sorted([("created", more.id, 1), *both])


async def _delete_where(repository: Repository[Entity], subject: Subject, old: Entity) -> list[Any]:
    more = await repository.create(subject.draft("more"))
    await repository.delete_where(None)
    both = [("deleted", old.id, 1), ("deleted", more.id, 1)]
    return sorted([("created", more.id, 1), *both])


_WRITES: dict[str, Callable[..., Awaitable[list[Any]]]] = {
    "create": _create,
    "create_many": _create_many,
    "update": _update,
    "patch": _patch,
    "modify": _modify,
    "delete": _delete,
    "update_where": _update_where,
    "delete_where": _delete_where,
}
each_write = pytest.mark.parametrize("write", _WRITES)


@each_write
@each_authored
@contract
async def test_every_changed_entity_has_one_entry(
    backend: Backend, authored: Subject, write: str
) -> None:
    """Whichever operation changed it, by itself or with others."""
    tenant = backend.tenant()
    scope = backend.scope(tenant, author=ADA)
    old = await authored.of(scope).create(authored.draft("old"))
    expected = await _WRITES[write](authored.of(scope), authored, old)
    first, *trail = await trail_of(backend.scope(tenant, 1))
    assert told([first]) == [("created", old.id, 1)]
    assert sorted(told(trail)) == expected
    assert {(entry.actor, entry.reason) for entry in trail} == {(ADA.actor, ADA.reason)}


@each_write
@each_authored
@in_units
async def test_a_unit_writes_the_trail_with_its_changes(
    backend: Backend, authored: Subject, write: str
) -> None:
    """It sees its own entries; others do from the commit on."""
    tenant = backend.tenant()
    scope, other = backend.scope(tenant, author=ADA), backend.scope(tenant, 1)
    old = await authored.of(scope).create(authored.draft("old"))
    async with scope.authoring() as work:
        expected = await _WRITES[write](authored.of(work), authored, old)
        seen = [entry async for entry in work.audit.stream(None, "position")]
        assert sorted(told(seen[1:])) == expected
        assert len(await trail_of(other)) == 1
    trail = (await trail_of(other))[1:]
    assert exact(trail) == exact(seen[1:])
    assert {(entry.actor, entry.reason) for entry in trail} == {(ADA.actor, ADA.reason)}


@each_write
@each_authored
@in_units
async def test_what_is_rolled_back_leaves_no_entry(
    backend: Backend, authored: Subject, write: str
) -> None:
    """Neither by an exception nor by a write that failed."""
    here, there = backend.rivals()
    old = await authored.of(here).create(authored.draft("old"))

    async def interrupted() -> None:
        async with here.authoring() as work:
            await _WRITES[write](authored.of(work), authored, old)
            raise KeyError

    async def doomed() -> None:
        async with here.authoring() as work:
            await _WRITES[write](authored.of(work), authored, old)
            stale = attrs.evolve(old, revision=99)
            assert isinstance(await raised_by(authored.of(work).update(stale)), RepositoryError)

    assert isinstance(await raised_by(interrupted()), KeyError)
    assert isinstance(await raised_by(doomed()), TransactionError)
    assert told(await trail_of(there)) == [("created", old.id, 1)]


@each_authored
@contract
async def test_what_changes_nothing_leaves_no_entry(backend: Backend, authored: Subject) -> None:
    """What is refused, what finds nothing, and what only counts."""
    here, there = backend.rivals()
    repository = authored.of(here)
    made = await repository.create(authored.keyed("one"))
    before = await trail_of(there)
    stale = attrs.evolve(made, revision=7)
    refused: list[Awaitable[object]] = [
        repository.create(made),
        repository.create_many([authored.draft("two"), made]),
        repository.update(stale),
        repository.patch(made.id, 7, **authored.note_to("x")),
        repository.patch(authored.ids.new(), **authored.note_to("x")),
        repository.delete(made.id, 7),
    ]
    for operation in refused:
        assert isinstance(await raised_by(operation), RepositoryError)
    nothing = repository.where("id").in_([])
    assert await repository.delete(authored.ids.new()) is False
    assert await repository.update_where(nothing, **authored.note_to("x")) == 0
    assert await repository.delete_where(nothing) == 0
    assert await repository.create_many([]) == ()
    assert exact(await repository.modify(made.id, lambda entity: entity)) == exact(made)
    if authored.schema.maintained:
        await authored.use(repository, made.id)
    assert exact(await trail_of(there)) == exact(before)


@each_authored
@contract
async def test_a_write_that_changes_no_field_is_told_all_the_same(
    scope: TenantScope, authored: Subject
) -> None:
    """It raised the revision, and has an entry without changes."""
    repository = authored.of(scope)
    made = await repository.create(authored.draft())
    await repository.update(made)
    await repository.patch(made.id, **authored.note_to(authored.note_of(made)))
    trail = await trail_of(scope)
    assert [(entry.revision, dict(entry.changes)) for entry in trail[1:]] == [(2, {}), (3, {})]


@given(data=st.data())
@examples(0.2)
@each_authored
@contract
async def test_the_order_of_keys_is_no_change(
    scope: TenantScope, authored: Subject, data: st.DataObject
) -> None:
    """At whatever depth: in documents, and in what is part of a list or of another value."""
    repository = authored.of(scope)
    made = await repository.create(data.draw(authored.entities(scope.tenant)))
    await repository.update(reordered(made))
    assert [dict(entry.changes) for entry in (await trail_of(scope, made.id))[1:]] == [{}]


@each_authored
@contract
async def test_what_was_before_is_what_the_store_held(
    scope: TenantScope, authored: Subject
) -> None:
    """Not what the caller's entity says of fields that an update leaves alone, or was read long
    ago; and what the store counts by itself is none of it.
    """
    repository = authored.of(scope)
    made = await repository.create(authored.draft())
    first = await repository.patch(made.id, **authored.note_to("first"))
    await authored.use(repository, made.id)
    stored = await repository.require(made.id)
    other = attrs.evolve(authored.noted(stored, "second"), created_at=made.created_at.replace(2000))
    second = await repository.update(other)
    third = await repository.patch(made.id, **authored.note_to("third"))
    trail = (await trail_of(scope))[-2:]
    assert [said(entry.changes) for entry in trail] == [
        said(updated(authored, stored, second)),
        said(updated(authored, second, third)),
    ]
    assert [change.before for entry in trail for change in entry.changes.values()] == [
        authored.note_of(first),
        authored.note_of(second),
    ]


@each_authored
@contract
async def test_an_entity_that_is_gone_still_has_its_trail(
    backend: Backend, authored: Subject
) -> None:
    """And one that comes back under its id goes on with it, whatever its revision is then."""
    here, there = backend.rivals()
    repository = authored.of(here)
    made = await repository.create(authored.draft())
    await repository.delete(made.id)
    back = await repository.create(attrs.evolve(made, revision=41))
    await repository.update(back)
    page = await there.audit.of_entity(authored.name, made.id)
    assert told(list(page.items)) == [
        ("updated", made.id, 42),
        ("created", made.id, 41),
        ("deleted", made.id, 1),
        ("created", made.id, 1),
    ]


@each_authored
@contract
async def test_another_tenants_trail_does_not_exist(backend: Backend, authored: Subject) -> None:
    """Neither its entries, nor its head, nor its pages; though the entities' ids are the same."""
    mine, theirs = backend.fresh(), backend.fresh()
    made = await authored.of(mine).create(authored.draft())
    twin = attrs.evolve(made, tenant_id=theirs.tenant)
    await authored.of(theirs).create_many([twin, authored.draft("more")])
    await mine.audit.seal()
    (entry,) = await trail_of(mine)
    assert entry.tenant_id == mine.tenant
    assert await theirs.audit.get_by_id(entry.id) is None
    assert not await theirs.audit.exists(entry.id)
    assert await theirs.audit.count() == 2
    assert (await theirs.audit.head()).sequence == 0
    page = await theirs.audit.by_actor("nobody")
    assert page.items == ()
    found = await theirs.audit.of_entity(authored.name, made.id)
    assert [entry.tenant_id for entry in found.items] == [theirs.tenant]
    end = entry.at + timedelta(days=1)
    cursor = (await theirs.audit.between(entry.at, end, limit=1)).next
    foreign = mine.audit.between(entry.at, end, after=cursor)
    assert isinstance(await raised_by(foreign), InvalidQueryError)


@each_authored
@contract
async def test_an_erased_tenants_trail_is_gone(backend: Backend, authored: Subject) -> None:
    """It counts for nothing, and a tenant of whom nothing else is left isn't named."""
    here, there = backend.rivals()
    maintenance = backend.instances[0].store(authored.group).maintenance()
    made = await authored.of(here).create_many([authored.draft("one"), authored.draft("two")])
    await here.audit.seal()
    await authored.of(here).delete(made[0].id)
    assert await maintenance.erase_tenant(here.tenant) == 1
    assert await trail_of(there) == []
    assert (await there.audit.head()).sequence == 0
    await authored.of(here).create(made[1])
    await authored.of(here).delete(made[1].id)
    assert here.tenant not in [tenant async for tenant in maintenance.tenants()]
    assert told(await trail_of(there)) == [("created", made[1].id, 1), ("deleted", made[1].id, 1)]
    assert (await there.audit.verify()).sound


@each_authored
@contract
async def test_an_unknown_entity_has_no_trail(scope: TenantScope, authored: Subject) -> None:
    """Its page is empty, and so is that of a type that there isn't."""
    made = await authored.of(scope).create(authored.draft())
    assert (await scope.audit.of_entity(authored.name, uuid4())).items == ()
    assert (await scope.audit.of_entity("no such type", made.id)).items == ()
