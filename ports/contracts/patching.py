"""Changing what is stored in part: patch, modify and update_where."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationError
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by, raised_by_each
from ports.contracts.queries import criteria
from ports.contracts.repository import distinct
from ports.contracts.subjects import Entity, Subject
from ports.contracts.writing import as_stored
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
)
from ports.stores import TenantScope


@given(data=st.data())
@examples(0.3)
@contract
async def test_a_patch_sets_every_admitted_value(
    backend: Backend, scope: TenantScope, subject: Subject, data: st.DataObject
) -> None:
    """It changes the named fields and nothing else, and returns the entity as stored."""
    repository = subject.of(scope)
    entity = await repository.create(data.draw(subject.entities(scope.tenant)))
    changes = data.draw(subject.patches)
    backend.clock.advance(seconds=1)
    patched = await repository.patch(entity.id, **changes)
    assert exact(patched) == as_stored(backend, entity, **changes)
    assert exact(await repository.require(entity.id)) == exact(patched)


@contract
async def test_a_patch_can_set_none(scope: TenantScope, subject: Subject) -> None:
    """None is a value like any other, not the absence of a change."""
    if not subject.note_is_optional:
        pytest.skip(f"the {subject.note} of a {subject.name} can't be None")
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    await repository.patch(made.id, **subject.note_to("x"), **subject.remark_to("y"))
    patched = await repository.patch(made.id, **subject.note_to(None))
    assert subject.note_of(patched) is None
    assert subject.note_of(await repository.require(made.id)) is None
    assert getattr(patched, subject.remark) == "y"


@contract
async def test_what_can_be_no_revision_is_refused(scope: TenantScope, subject: Subject) -> None:
    """Before a store could take it for a condition of its own; nothing is changed or deleted."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    wrong: list[Any] = [0, -1, True, "1", 1.0, 2**63, {"$gt": 0}, [1]]
    for revision in wrong:
        for error in await raised_by_each(
            repository.patch(made.id, revision, **subject.note_to("x")),
            repository.modify(made.id, lambda entity: subject.noted(entity, "x"), revision),
            repository.delete(made.id, revision),
        ):
            assert isinstance(error, ValidationError)
            assert [fault.path for fault in error.faults] == ["expected_revision"]
    assert exact(await repository.require(made.id)) == exact(made)


@contract
async def test_a_patch_with_an_expected_revision_is_a_compare_and_set(
    scope: TenantScope, subject: Subject
) -> None:
    """It takes effect at that revision only."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    patched = await repository.patch(made.id, 1, **subject.note_to("first"))
    with pytest.raises(ConflictError) as caught:
        await repository.patch(made.id, 1, **subject.note_to("second"))
    error = caught.value
    assert (error.entity_id, error.expected, error.actual) == (made.id, 1, 2)
    assert exact(await repository.require(made.id)) == exact(patched)


@contract
async def test_a_patch_names_every_fault_and_changes_nothing(
    scope: TenantScope, subject: Subject
) -> None:
    """Unknown, unpatchable and inadmissible fields are refused together, by name."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    wrong: dict[str, Any] = {
        "revision": 9,
        "tenant_id": "other",
        "no_such_field": 1,
        subject.note: "NUL \x00",
        subject.remark: "fine",
    }
    for error in await raised_by_each(
        repository.patch(made.id, **wrong), repository.update_where(None, **wrong)
    ):
        assert isinstance(error, ValidationError)
        assert {fault.path for fault in error.faults} == wrong.keys() - {subject.remark}
    assert isinstance(await raised_by(repository.patch(made.id)), ValidationError)
    assert isinstance(await raised_by(repository.update_where(None)), ValidationError)
    assert exact(await repository.require(made.id)) == exact(made)


@contract
async def test_a_patch_of_what_is_not_there_is_refused(
    scope: TenantScope, subject: Subject
) -> None:
    """With and without an expected revision."""
    repository, unknown = subject.of(scope), subject.ids.new()
    for expected in (None, 1):
        with pytest.raises(EntityNotFoundError) as caught:
            await repository.patch(unknown, expected, **subject.note_to("x"))
        assert caught.value.entity_id == unknown
    assert await repository.count() == 0


@contract
async def test_a_patch_may_not_take_anothers_key(scope: TenantScope, subject: Subject) -> None:
    """A patch that would break a unique key changes nothing; nor does one of many."""
    repository = subject.of(scope)
    first = await repository.create(subject.draft("first"))
    second = await repository.create(subject.draft("second"))
    key = subject.same_key(first)
    taken = {name: key[name] for name in key.keys() & subject.schema.patchable}
    assert taken
    for error in await raised_by_each(
        repository.patch(second.id, **taken),
        repository.update_where(repository.where("id").eq(second.id), **taken),
        repository.update_where(None, **taken),
    ):
        assert isinstance(error, DuplicateEntityError)
        assert error.key == subject.key
    assert exact(await repository.get_many([first.id, second.id])) == exact((first, second))


@contract
async def test_modify_applies_the_change_and_returns_it_as_stored(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """It is one write."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    backend.clock.advance(minutes=1)
    modified = await repository.modify(made.id, lambda entity: subject.noted(entity, "m"))
    assert exact(modified) == as_stored(backend, made, **subject.note_to("m"))
    assert exact(await repository.require(made.id)) == exact(modified)


@contract
async def test_modify_writes_nothing_if_nothing_is_to_change(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """A change that returns its argument leaves revision and time alone."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    backend.clock.advance(minutes=1)
    assert exact(await repository.modify(made.id, lambda entity: entity)) == exact(made)
    assert exact(await repository.require(made.id)) == exact(made)


@contract
async def test_modify_tries_again_when_another_writer_came_between(
    backend: Backend, subject: Subject
) -> None:
    """The change is applied anew to what the other left, so nothing of either is lost."""
    here, there = map(subject.of, backend.rivals())
    made = await here.create(subject.draft())
    await there.patch(made.id, **subject.remark_to("theirs"))
    stale = [made]

    def change(entity: Entity) -> Entity:
        # What the first attempt is made from is out of date, as in a lost race.
        return subject.noted(stale.pop() if stale else entity, "ours")

    await here.modify(made.id, change)
    stored = await there.require(made.id)
    assert (subject.note_of(stored), getattr(stored, subject.remark)) == ("ours", "theirs")
    assert stored.revision == 3


@contract
async def test_modify_with_an_expected_revision_does_not_try_again(
    scope: TenantScope, subject: Subject
) -> None:
    """It is a compare-and-set, and `change` isn't even asked."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    await repository.patch(made.id, **subject.note_to("newer"))
    with pytest.raises(ConflictError) as caught:
        await repository.modify(made.id, lambda entity: pytest.fail("asked"), 1)
    assert (caught.value.expected, caught.value.actual) == (1, 2)


@contract
async def test_modify_passes_on_what_the_change_raises(
    scope: TenantScope, subject: Subject
) -> None:
    """And stores nothing."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())

    def change(entity: Entity) -> Entity:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await repository.modify(made.id, change)
    with pytest.raises(EntityNotFoundError):
        await repository.modify(subject.ids.new(), lambda entity: entity)
    assert exact(await repository.require(made.id)) == exact(made)


@given(data=st.data())
@examples(0.15)
@contract
async def test_update_where_patches_every_match_and_nothing_else(
    backend: Backend, scope: TenantScope, subject: Subject, data: st.DataObject
) -> None:
    """Each match is one revision on with the changes; the number of matches is returned."""
    repository = subject.of(scope)
    entities = await repository.create_many(data.draw(distinct(subject, scope)))
    changes = data.draw(subject.patches)
    for unique in subject.schema.unique:
        for name in unique.fields:
            changes.pop(name, None)
    changes |= subject.note_to("patched")
    wanted = data.draw(criteria(subject.schema, entities, regex=False))
    backend.clock.advance(seconds=1)
    expected = {
        entity.id: as_stored(backend, entity, **changes)
        if wanted.matches(entity)
        else exact(entity)
        for entity in entities
    }
    count = await repository.update_where(wanted, **changes)
    assert count == sum(map(wanted.matches, entities))
    assert {entity.id: exact(entity) async for entity in repository.stream()} == expected


@contract
async def test_update_where_without_criteria_patches_everything(
    scope: TenantScope, subject: Subject
) -> None:
    """None means every entity, and None can be set where a field admits it."""
    repository = subject.of(scope)
    first, *_ = await repository.create_many(subject.draft(f"label {n}") for n in range(3))
    plain = subject.note_of(first)
    assert (plain is None) == subject.note_is_optional
    assert await repository.update_where(None, **subject.note_to("x")) == 3
    assert await repository.update_where(None, **subject.note_to(plain)) == 3
    assert [(subject.note_of(entity), entity.revision) async for entity in repository.stream()] == [
        (plain, 3)
    ] * 3
    assert await repository.update_where({subject.note: "x"}, **subject.note_to("y")) == 0
