"""Replacing what is stored: the compare-and-set that every update is."""

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import TransitionNotAllowedError
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by, raised_by_each
from ports.contracts.subjects import Entity, Subject
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    InvalidQueryError,
    TenantMismatchError,
)
from ports.stores import TenantScope


def as_stored(backend: Backend, before: Entity, **changes: Any) -> object:
    """What a write makes of an entity: one revision on, changed now."""
    now, revision = backend.clock.kept, before.revision + 1
    return exact(attrs.evolve(before, **changes, updated_at=now, revision=revision))


@contract
async def test_an_update_is_stored_one_revision_on(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """It returns the entity as stored: revision raised by one, updated now, created as before."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    backend.clock.advance(hours=1, microseconds=777)
    updated = await repository.update(subject.noted(made, "changed"))
    assert exact(updated) == as_stored(backend, made, **subject.note_to("changed"))
    assert exact(await repository.require(made.id)) == exact(updated)
    assert updated.created_at == made.created_at < updated.updated_at


@contract
async def test_an_update_that_changes_nothing_is_a_write(
    scope: TenantScope, subject: Subject
) -> None:
    """It succeeds and raises the revision, as every write does."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    assert (await repository.update(made)).revision == 2


@given(data=st.data())
@examples(0.3)
@contract
async def test_an_update_stores_every_admitted_value(
    backend: Backend, scope: TenantScope, subject: Subject, data: st.DataObject
) -> None:
    """Any entity can be replaced by any other of its id that its lifecycle allows."""
    before, after = data.draw(
        st.tuples(subject.entities(scope.tenant), subject.entities(scope.tenant))
    )
    lifecycle = subject.schema.lifecycle
    after = attrs.evolve(after, id=before.id, revision=before.revision)
    repository = subject.of(scope)
    await repository.create(before)
    backend.clock.advance(seconds=1)
    if lifecycle is not None and not lifecycle.allows(before.status, after.status):
        assert isinstance(await raised_by(repository.update(after)), TransitionNotAllowedError)
        assert exact(await repository.require(before.id)) == exact(before)
        return
    updated = await repository.update(after)
    kept = {name: getattr(before, name) for name in (*subject.schema.maintained, "created_at")}
    assert exact(updated) == as_stored(backend, after, **kept)
    assert exact(await repository.require(before.id)) == exact(updated)


@contract
async def test_a_stale_writer_is_told_and_loses_nothing(
    scope: TenantScope, subject: Subject
) -> None:
    """The second of two writers that read the same revision gets both revisions named."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    winner = await repository.update(subject.noted(made, "first"))
    with pytest.raises(ConflictError) as caught:
        await repository.update(subject.noted(made, "second"))
    error = caught.value
    assert (error.entity_type, error.entity_id) == (subject.schema.name, made.id)
    assert (error.expected, error.actual) == (1, 2)
    assert exact(await repository.require(made.id)) == exact(winner)


@contract
async def test_a_revision_from_the_future_conflicts_too(
    scope: TenantScope, subject: Subject
) -> None:
    """Only the very revision that is stored will do."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    with pytest.raises(ConflictError) as caught:
        await repository.update(attrs.evolve(made, revision=7))
    assert (caught.value.expected, caught.value.actual) == (7, 1)
    assert exact(await repository.require(made.id)) == exact(made)


@contract
async def test_an_update_of_what_is_not_there_is_refused(
    scope: TenantScope, subject: Subject
) -> None:
    """It is not created by it, also if it was there once."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    await repository.delete(made.id)
    with pytest.raises(EntityNotFoundError) as caught:
        await repository.update(subject.noted(made, "late"))
    assert (caught.value.entity_type, caught.value.entity_id) == (subject.schema.name, made.id)
    assert await repository.count() == 0


@contract
async def test_an_update_may_not_jump_in_the_lifecycle(
    scope: TenantScope, subject: Subject
) -> None:
    """A status that can't follow the stored one is refused, however the caller came by it."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    with pytest.raises(TransitionNotAllowedError) as caught:
        await repository.update(subject.misplaced(made))
    assert caught.value.current == made.status
    assert exact(await repository.require(made.id)) == exact(made)


@contract
async def test_an_update_leaves_what_the_store_maintains(
    scope: TenantScope, subject: Subject
) -> None:
    """Neither counters nor the time of creation can be overwritten by an update."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    maintained = subject.schema.maintained
    if maintained:
        await subject.use(repository, made.id)
    used = await repository.require(made.id)
    kept = (*maintained, "created_at")
    assert not maintained or any(getattr(used, n) != getattr(made, n) for n in maintained)
    forged = attrs.evolve(subject.noted(made, "x"), created_at=made.created_at.replace(year=1999))
    updated = await repository.update(forged)
    for name in kept:
        assert getattr(updated, name) == getattr(used, name)
    assert exact(await repository.require(made.id)) == exact(updated)


@contract
async def test_an_update_may_not_take_anothers_key(scope: TenantScope, subject: Subject) -> None:
    """The key is named, and both stay as they were."""
    repository = subject.of(scope)
    first = await repository.create(subject.draft("first"))
    second = await repository.create(subject.draft("second"))
    with pytest.raises(DuplicateEntityError) as caught:
        await repository.update(attrs.evolve(second, **subject.same_key(first)))
    assert (caught.value.entity_type, caught.value.key) == (subject.schema.name, subject.key)
    assert exact(await repository.get_many([first.id, second.id])) == exact((first, second))


@contract
async def test_what_is_wrong_with_an_update_is_told_in_one_order(
    scope: TenantScope, subject: Subject
) -> None:
    """A stale revision comes before a forbidden status, for the stale don't know the status."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    await repository.update(made)
    assert isinstance(await raised_by(repository.update(subject.misplaced(made))), ConflictError)


@contract
async def test_no_argument_is_changed(scope: TenantScope, subject: Subject) -> None:
    """Entities, lists, criteria and orders that a caller hands in stay the caller's."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    entity = subject.noted(made, "changed")
    before = exact(entity)
    await repository.update(entity)
    assert exact(entity) == before
    drafts = [subject.draft("a"), subject.draft("b")]
    originals = list(drafts)
    await repository.create_many(drafts)
    assert all(draft is original for draft, original in zip(drafts, originals, strict=True))
    criteria, order, ids = {subject.note: ["a", None]}, ["-created_at", "id"], [made.id, made.id]
    with pytest.raises(InvalidQueryError):
        await repository.list(criteria, None, order)
    criteria = {subject.note: ["a", "changed"], "and": []}
    await repository.list(criteria, None, order)
    await repository.get_many(ids)
    assert criteria == {subject.note: ["a", "changed"], "and": []}
    assert order == ["-created_at", "id"]
    assert ids == [made.id, made.id]


@contract
async def test_a_change_of_what_was_returned_is_not_stored(
    scope: TenantScope, subject: Subject
) -> None:
    """An entity changes by a write, and by nothing else; the one in hand is still what it was."""
    repository = subject.of(scope)
    held = [await repository.create(subject.draft())]
    id = held[0].id
    held.append(await repository.update(subject.noted(held[0], "changed")))
    held.append(await repository.patch(id, **subject.note_to("again")))
    held.append(await repository.require(id))
    before = exact(held)
    await subject.use(repository, id)
    await repository.patch(id, **subject.note_to("last"))
    await repository.update_where(None, **subject.remark_to("all"))
    await repository.delete(id)
    assert exact(held) == before
    with pytest.raises((AttributeError, TypeError)):
        setattr(held[0], subject.note, "x")


@contract
async def test_what_belongs_to_another_tenant_is_refused(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """A whole entity of another tenant is no argument here, even if its id is known here too."""
    repository, other = subject.of(scope), backend.fresh()
    foreign = await subject.of(other).create(subject.draft("x"))
    own = await repository.create(subject.draft("x", id=foreign.id))
    for error in await raised_by_each(
        repository.create(foreign), repository.update(subject.noted(foreign, "mine"))
    ):
        assert isinstance(error, TenantMismatchError)
        assert (error.entity_type, error.scope) == (subject.schema.name, scope.tenant)
    assert exact(await repository.require(own.id)) == exact(own)
    assert exact(await subject.of(other).require(foreign.id)) == exact(foreign)
