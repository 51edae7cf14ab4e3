"""Reading, creating and deleting: what every repository of entities promises."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationError
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by, raised_by_each
from ports.contracts.subjects import Subject
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    InvalidQueryError,
    TenantMismatchError,
)
from ports.reading import MAX_IDS
from ports.stores import TenantScope


@given(data=st.data())
@examples(0.4)
@contract
async def test_a_draft_comes_back_equal(
    backend: Backend, scope: TenantScope, subject: Subject, data: st.DataObject
) -> None:
    """Every draft that the domain admits is stored and read back equal in every part and type."""
    drafted = data.draw(subject.drafts)
    made = await subject.of(scope).create(drafted)
    found = await subject.of(backend.scope(scope.tenant, 1)).require(made.id)
    assert exact(found) == exact(made)
    assert exact(made) == exact(
        drafted.assigned(tenant=scope.tenant, new_id=made.id, at=backend.clock.now())
    )


@given(data=st.data())
@examples(0.5)
@contract
async def test_a_whole_entity_is_stored_exactly_as_it_is(
    backend: Backend, scope: TenantScope, subject: Subject, data: st.DataObject
) -> None:
    """An entity of an export keeps its id, times and revision, whatever the domain admits."""
    entity = data.draw(subject.entities(scope.tenant))
    made = await subject.of(scope).create(entity)
    found = await subject.of(backend.scope(scope.tenant, 1)).require(entity.id)
    assert exact(made) == exact(found) == exact(entity)


@given(data=st.data())
@examples(0.15)
@contract
async def test_many_come_back_equal(
    backend: Backend, scope: TenantScope, subject: Subject, data: st.DataObject
) -> None:
    """What `create_many` stored is read back equal in every part and type."""
    entities = data.draw(distinct(subject, scope))
    made = await subject.of(scope).create_many(entities)
    assert exact(made) == exact(tuple(entities))
    found = await subject.of(backend.scope(scope.tenant, 1)).get_many([e.id for e in entities])
    assert exact(found) == exact(tuple(entities))


def distinct(subject: Subject, scope: TenantScope, size: int = 4) -> st.SearchStrategy[list[Any]]:
    """Whole entities that break no unique key together."""
    keys = [
        lambda entity, unique=unique: (
            tuple(getattr(entity, name) for name in unique.fields)
            if unique.where is None or getattr(entity, unique.where)
            else entity.id
        )
        for unique in subject.schema.unique
    ]
    entities = subject.entities(scope.tenant)
    return st.lists(entities, max_size=size, unique_by=(lambda entity: entity.id, *keys))


@contract
async def test_a_draft_gets_tenant_times_and_first_revision(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """A created draft is the tenant's, made now in whole milliseconds, at revision 1."""
    made = await subject.of(scope).create(subject.draft())
    now = backend.clock.kept
    assert (made.tenant_id, made.created_at, made.updated_at) == (scope.tenant, now, now)
    assert made.revision == 1
    assert now.microsecond % 1000 == 0
    assert backend.clock.now().microsecond % 1000 != 0


@contract
async def test_an_id_is_minted_unless_the_caller_chose_one(
    scope: TenantScope, subject: Subject
) -> None:
    """Drafts without an id get new ones, greater as they go; a chosen id is kept."""
    if not subject.mints:
        pytest.skip(f"a {subject.name} is named by whoever makes it")
    chosen = subject.ids.new()
    repository = subject.of(scope)
    assert (await repository.create(subject.draft("chosen", id=chosen))).id == chosen
    minted = [(await repository.create(subject.draft(f"label {n}"))).id for n in range(5)]
    minted += [
        made.id
        for made in await repository.create_many(subject.draft(f"many {n}") for n in range(5))
    ]
    assert minted == sorted(set(minted))


@contract
async def test_what_is_read_is_what_was_created(scope: TenantScope, subject: Subject) -> None:
    """get_by_id, require, get_many and exists agree with what create returned."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    assert exact(await repository.get_by_id(made.id)) == exact(made)
    assert exact(await repository.require(made.id)) == exact(made)
    assert exact(await repository.get_many([made.id])) == exact((made,))
    assert await repository.exists(made.id) is True


@contract
async def test_what_is_not_there_is_said_to_be_absent(scope: TenantScope, subject: Subject) -> None:
    """An unknown id is None, False, left out, or an error that names it."""
    repository, unknown = subject.of(scope), subject.ids.new()
    assert await repository.get_by_id(unknown) is None
    assert await repository.exists(unknown) is False
    assert await repository.get_many([unknown]) == ()
    assert await repository.delete(unknown) is False
    assert await repository.delete(unknown, expected_revision=1) is False
    with pytest.raises(EntityNotFoundError) as caught:
        await repository.require(unknown)
    assert (caught.value.entity_type, caught.value.entity_id) == (subject.schema.name, unknown)
    assert isinstance(caught.value, LookupError)


@contract
async def test_get_many_keeps_the_order_asked_for(scope: TenantScope, subject: Subject) -> None:
    """Those that exist come in the order asked for, each once."""
    repository = subject.of(scope)
    made = await repository.create_many([subject.draft(f"label {n}") for n in range(6)])
    asked = [made[4].id, subject.ids.new(), made[0].id, made[4].id, made[2].id]
    found = await repository.get_many(asked)
    assert [entity.id for entity in found] == [made[4].id, made[0].id, made[2].id]
    assert await repository.get_many([]) == ()


@contract
async def test_get_many_takes_ten_thousand_ids_and_no_more(
    scope: TenantScope, subject: Subject
) -> None:
    """The bound is an error, not a cut."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    ids = [subject.ids.nth(n) for n in range(MAX_IDS - 1)]
    assert len(await repository.get_many([*ids, made.id])) == 1
    with pytest.raises(InvalidQueryError):
        await repository.get_many([*ids, made.id, subject.ids.new()])


@contract
async def test_what_cannot_be_an_id_is_refused(scope: TenantScope, subject: Subject) -> None:
    """Every operation refuses it as a value, before the store is asked."""
    repository = subject.of(scope)
    for wrong in subject.ids.wrong:
        calls = [
            repository.get_by_id(wrong),
            repository.require(wrong),
            repository.exists(wrong),
            repository.get_many([wrong]),
            repository.delete(wrong),
            repository.patch(wrong, **subject.note_to("x")),
            repository.modify(wrong, lambda entity: entity),
        ]
        for error in await raised_by_each(*calls):
            assert isinstance(error, ValidationError), wrong


@contract
async def test_a_taken_key_is_refused_and_named(scope: TenantScope, subject: Subject) -> None:
    """A second entity of the same unique key is refused, and the first stays as it was."""
    repository = subject.of(scope)
    first = await repository.create(subject.keyed("taken"))
    with pytest.raises(DuplicateEntityError) as caught:
        await repository.create(subject.keyed("taken"))
    assert (caught.value.entity_type, caught.value.key) == (subject.schema.name, subject.key)
    assert exact(await repository.require(first.id)) == exact(first)
    assert await repository.count() == 1


@contract
async def test_a_taken_id_is_refused_and_named(scope: TenantScope, subject: Subject) -> None:
    """A second entity of the same id is refused, and the first stays as it was."""
    repository = subject.of(scope)
    first = await repository.create(subject.draft("first"))
    with pytest.raises(DuplicateEntityError) as caught:
        await repository.create(subject.draft("second", id=first.id))
    assert (caught.value.entity_type, caught.value.key) == (subject.schema.name, ("id",))
    assert exact(await repository.require(first.id)) == exact(first)


@contract
async def test_a_key_is_free_again_after_its_holder_is_gone(
    scope: TenantScope, subject: Subject
) -> None:
    """Neither id nor unique key outlives its entity."""
    repository = subject.of(scope)
    first = await repository.create(subject.draft("same"))
    assert await repository.delete(first.id) is True
    again = await repository.create(subject.draft("same", id=first.id))
    assert exact(await repository.require(first.id)) == exact(again)


@contract
async def test_create_many_stores_all_of_them_in_the_order_given(
    scope: TenantScope, subject: Subject
) -> None:
    """What comes back is in the order given, also for none at all."""
    repository = subject.of(scope)
    drafts = [subject.draft(f"label {n}") for n in (5, 1, 3, 2, 4)]
    made = await repository.create_many(iter(drafts))
    expected = [
        draft.assigned(tenant=scope.tenant, new_id=entity.id, at=entity.created_at)
        for draft, entity in zip(drafts, made, strict=True)
    ]
    assert exact(made) == exact(tuple(expected))
    assert await repository.create_many([]) == ()
    assert await repository.count() == 5


@pytest.mark.parametrize("at", [0, 2, 4])
@contract
async def test_create_many_stores_none_if_one_is_taken(
    scope: TenantScope, subject: Subject, at: int
) -> None:
    """One that stands already keeps all the others out, wherever it is in the list."""
    repository = subject.of(scope)
    first = await repository.create(subject.keyed("taken"))
    drafts = [subject.draft(f"label {n}") for n in range(4)]
    drafts.insert(at, subject.keyed("taken"))
    with pytest.raises(DuplicateEntityError) as caught:
        await repository.create_many(drafts)
    assert caught.value.key == subject.key
    assert [entity.id async for entity in repository.stream()] == [first.id]


@contract
async def test_create_many_stores_none_if_two_of_them_clash(
    scope: TenantScope, subject: Subject
) -> None:
    """Two of the list that share a unique key or an id keep all of it out."""
    repository, id = subject.of(scope), subject.ids.new()
    twins = [subject.keyed("same"), subject.draft("other"), subject.keyed("same")]
    error = await raised_by(repository.create_many(twins))
    assert isinstance(error, DuplicateEntityError)
    assert error.key == subject.key
    error = await raised_by(
        repository.create_many([subject.draft("a", id=id), subject.draft("b", id=id)])
    )
    assert isinstance(error, DuplicateEntityError)
    assert error.key == ("id",)
    assert await repository.count() == 0


@contract
async def test_create_many_stores_none_if_one_is_a_strangers(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """An entity of another tenant, or no entity at all, keeps all the others out."""
    repository = subject.of(scope)
    foreign = await subject.of(backend.fresh()).create(subject.draft("foreign"))
    with pytest.raises(TenantMismatchError):
        await repository.create_many([subject.draft("own"), foreign])
    with pytest.raises(ValidationError):
        await repository.create_many([subject.draft("own"), {"name": "not one"}])
    assert await repository.count() == 0


@contract
async def test_thousands_are_created_at_once(scope: TenantScope, subject: Subject) -> None:
    """A list longer than any batch of a store's is stored whole."""
    repository = subject.of(scope)
    made = await repository.create_many(subject.draft(f"label {n}") for n in range(2_500))
    assert len({entity.id for entity in made}) == await repository.count() == 2_500


@pytest.mark.parametrize("wrong", [None, "text", {"name": "x"}, 7], ids=repr)
@contract
async def test_what_is_no_entity_is_refused(
    scope: TenantScope, subject: Subject, wrong: Any
) -> None:
    """Neither create nor update takes anything else."""
    repository = subject.of(scope)
    assert isinstance(await raised_by(repository.create(wrong)), ValidationError)
    assert isinstance(await raised_by(repository.update(wrong)), ValidationError)
    assert await repository.count() == 0


@contract
async def test_a_deleted_entity_is_gone(scope: TenantScope, subject: Subject) -> None:
    """Nothing finds it any more, and deleting it again says that there was none."""
    repository = subject.of(scope)
    gone = await repository.create(subject.draft("gone"))
    kept = await repository.create(subject.draft("kept"))
    assert await repository.delete(gone.id) is True
    assert await repository.get_by_id(gone.id) is None
    assert await repository.exists(gone.id) is False
    assert await repository.get_many([gone.id, kept.id]) == (kept,)
    assert (await repository.list()).items == (kept,)
    assert await repository.count() == 1
    assert await repository.delete(gone.id) is False


@contract
async def test_a_stale_delete_is_refused(scope: TenantScope, subject: Subject) -> None:
    """With an expected revision, only the entity that stands at it is deleted."""
    repository = subject.of(scope)
    made = await repository.create(subject.draft())
    current = await repository.update(subject.noted(made, "changed"))
    with pytest.raises(ConflictError) as caught:
        await repository.delete(made.id, expected_revision=made.revision)
    error = caught.value
    assert (error.entity_type, error.entity_id) == (subject.schema.name, made.id)
    assert (error.expected, error.actual) == (1, 2)
    assert exact(await repository.require(made.id)) == exact(current)
    assert await repository.delete(made.id, expected_revision=2) is True
    assert await repository.exists(made.id) is False


@contract
async def test_delete_where_removes_every_match_and_nothing_else(
    scope: TenantScope, subject: Subject
) -> None:
    """It says how many it removed; without criteria it removes everything."""
    repository = subject.of(scope)
    made = await repository.create_many(subject.draft(f"label {n}") for n in range(6))
    for entity in made[:2]:
        await repository.patch(entity.id, **subject.note_to("old"))
    old = repository.where(subject.note).eq("old")
    assert await repository.delete_where(old) == 2
    assert {entity.id async for entity in repository.stream()} == {e.id for e in made[2:]}
    assert await repository.delete_where(old) == 0
    assert await repository.delete_where(None) == 4
    assert await repository.count() == 0
