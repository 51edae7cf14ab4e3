"""Units of work side by side: snapshots, and who commits when two change the same."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ports.contracts.exact import exact
from ports.contracts.harness import Backend, raised_by
from ports.contracts.subjects import Entity, Subject
from ports.contracts.unit_of_work import in_units
from ports.errors import (
    DuplicateEntityError,
    TransactionError,
)
from ports.repository import Repository
from ports.stores import TenantScope


@in_units
async def test_a_unit_sees_the_store_as_it_stood_at_its_first_operation(
    backend: Backend, subject: Subject
) -> None:
    """What others commit later doesn't show in it; what they committed before its first, does."""
    here, there = backend.rivals()
    others = subject.of(there)
    old = await others.create(subject.draft("old"))
    gone = await others.create(subject.draft("gone"))
    async with subject.unit(here) as work:
        repository = subject.of(work)
        early = await others.create(subject.draft("before the first operation"))
        before = [old, gone, early]
        assert await repository.count() == 3
        await others.update(subject.noted(old, "later"))
        await others.delete(gone.id)
        late = await others.create(subject.draft("later"))
        await others.update_where({"id": str(early.id)}, **subject.note_to("later"))
        assert exact([entity async for entity in repository.stream()]) == exact(before)
        assert exact(await repository.require(old.id)) == exact(old)
        assert await repository.exists(gone.id) is True
        assert await repository.get_by_id(late.id) is None
        assert await repository.count({subject.note: "later"}) == 0
        assert exact((await repository.list(order="-id")).items) == exact(tuple(before[::-1]))
    assert await subject.of(here).count({subject.note: "later"}) == 2


async def overlapping(
    backend: Backend,
    first: Callable[[Repository[Entity]], Awaitable[object]],
    second: Callable[[Repository[Entity]], Awaitable[object]],
    scopes: tuple[TenantScope, TenantScope],
    subject: Subject,
) -> list[BaseException | None]:
    """Two units whose views both begin before either writes; what each ended with."""
    seen = [asyncio.Event(), asyncio.Event()]

    async def unit(number: int, act: Callable[[Repository[Entity]], Awaitable[object]]) -> None:
        async with subject.unit(scopes[number]) as work:
            repository = subject.of(work)
            await repository.count()
            seen[number].set()
            await seen[1 - number].wait()
            await act(repository)

    ends = await asyncio.gather(unit(0, first), unit(1, second), return_exceptions=True)
    return list(ends)


@pytest.mark.parametrize("way", ["update", "patch", "delete", "update_where", "delete_where"])
@in_units
async def test_of_two_units_that_change_one_entity_one_commits(
    backend: Backend, subject: Subject, way: str
) -> None:
    """The other gets a retryable error at its write or its end, and leaves nothing behind."""
    scopes = backend.rivals()
    made = await subject.of(scopes[0]).create(subject.draft())

    def writer(label: str) -> Callable[[Repository[Entity]], Awaitable[object]]:
        async def act(repository: Repository[Entity]) -> None:
            await repository.create(subject.draft(label))
            if way == "update":
                await repository.update(subject.noted(made, label))
            elif way == "patch":
                await repository.patch(made.id, **subject.note_to(label))
            elif way == "update_where":
                await repository.update_where({"id": str(made.id)}, **subject.note_to(label))
            elif way == "delete":
                await repository.delete(made.id)
            else:
                await repository.delete_where({"id": str(made.id)})

        return act

    ends = await overlapping(backend, writer("ours"), writer("theirs"), scopes, subject)
    assert sorted(type(end).__name__ for end in ends) == ["NoneType", "TransactionError"]
    assert TransactionError.retryable
    winner = "ours" if ends[0] is None else "theirs"
    stored = [entity async for entity in subject.of(scopes[1]).stream()]
    if way.startswith("delete"):
        assert len(stored) == 1
    else:
        assert sorted(entity.revision for entity in stored) == [1, 2]
        assert {subject.note_of(entity) for entity in stored} == {winner, subject.note_of(made)}
    # Run again from its beginning, the loser's unit succeeds.
    loser = "theirs" if winner == "ours" else "ours"
    async with subject.unit(scopes[0]) as work:
        await subject.of(work).create(subject.draft(loser))


@in_units
async def test_a_unit_whose_entity_was_changed_outside_cannot_commit(
    backend: Backend, subject: Subject
) -> None:
    """A single operation of another instance, after the unit's view began, comes first."""
    here, there = backend.rivals()
    made = await subject.of(here).create(subject.draft())
    winner: list[Entity] = []

    async def unit() -> None:
        async with subject.unit(here) as work:
            repository = subject.of(work)
            seen = await repository.require(made.id)
            winner.append(await subject.of(there).update(subject.noted(made, "outside")))
            await repository.create(subject.draft("also"))
            await repository.update(subject.noted(seen, "inside"))

    assert isinstance(await raised_by(unit()), TransactionError)
    assert exact([entity async for entity in subject.of(here).stream()]) == exact(winner)


@in_units
async def test_units_that_change_different_entities_both_commit(
    backend: Backend, subject: Subject
) -> None:
    """Only the same entity makes them rivals."""
    scopes = backend.rivals()
    one = await subject.of(scopes[0]).create(subject.draft("one"))
    two = await subject.of(scopes[0]).create(subject.draft("two"))
    ends = await overlapping(
        backend,
        lambda repository: repository.update(subject.noted(one, "x")),
        lambda repository: repository.update(subject.noted(two, "x")),
        scopes,
        subject,
    )
    assert ends == [None, None]
    assert await subject.of(scopes[1]).count({subject.note: "x"}) == 2


@in_units
async def test_of_two_units_that_create_one_key_one_commits(
    backend: Backend, subject: Subject
) -> None:
    """The other is told that the key is taken, or that it lost the race; nothing of it is kept."""
    scopes = backend.rivals()

    def creator(label: str) -> Callable[[Repository[Entity]], Awaitable[object]]:
        async def act(repository: Repository[Entity]) -> None:
            await repository.create(subject.draft(label))
            await repository.create(subject.keyed("wanted"))

        return act

    ends = await overlapping(backend, creator("one"), creator("two"), scopes, subject)
    (lost,) = [end for end in ends if end is not None]
    assert isinstance(lost, DuplicateEntityError | TransactionError)
    assert await subject.of(scopes[0]).count() == 2


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@in_units
async def test_a_unit_cannot_create_what_it_still_sees(
    backend: Backend, subject: Subject, many: bool
) -> None:
    """What was deleted outside since its view began is there for it, and never there twice."""
    here, there = backend.rivals()
    made = await subject.of(here).create(subject.draft("old"))

    async def unit() -> None:
        async with subject.unit(here) as work:
            repository = subject.of(work)
            await repository.require(made.id)
            assert await subject.of(there).delete(made.id) is True
            again = subject.draft("new", id=made.id)
            if many:
                await repository.create_many([subject.draft("other"), again])
            else:
                await repository.create(again)
            assert await repository.count({"id": str(made.id)}) == 1

    assert isinstance(await raised_by(unit()), TransactionError | DuplicateEntityError)
    assert await subject.of(there).count() == 0
