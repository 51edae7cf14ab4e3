"""Races between two instances of a store: exactly one wins, everybody else is told."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, race
from ports.contracts.subjects import Entity, Subject
from ports.errors import ConflictError, DuplicateEntityError, EntityNotFoundError
from ports.repository import Repository

T = TypeVar("T")
RACERS = 8
ROUNDS = 3


def pair(backend: Backend, subject: Subject) -> tuple[Repository[Entity], Repository[Entity]]:
    """An unused tenant's repository on each of two instances."""
    here, there = backend.rivals()
    return subject.of(here), subject.of(there)


async def all_at_once(
    repositories: Sequence[T], act: Callable[[int, T], Coroutine[Any, Any, Any]], n: int = RACERS
) -> list[Any]:
    """`n` contenders, by turns on each instance, let go together; what each came to."""
    gate = asyncio.Barrier(n)

    async def contend(number: int) -> Any:
        await gate.wait()
        return await act(number, repositories[number % len(repositories)])

    return await race(*(contend(number) for number in range(n)))


def split(results: Sequence[Any]) -> tuple[list[Any], list[BaseException]]:
    """What was returned and what was raised."""
    failed = [result for result in results if isinstance(result, BaseException)]
    return [result for result in results if not isinstance(result, BaseException)], failed


@contract
async def test_of_many_writers_of_one_revision_exactly_one_wins(
    backend: Backend, subject: Subject
) -> None:
    """The rest get a conflict that names the winner's revision; the winner's write stands."""
    repositories = pair(backend, subject)
    made = await repositories[0].create(subject.draft())
    for _ in range(ROUNDS):
        rivals = [subject.noted(made, f"{number}") for number in range(RACERS)]

        def act(
            number: int, repository: Repository[Entity], rivals: Sequence[Entity] = rivals
        ) -> Coroutine[Any, Any, Entity]:
            return repository.update(rivals[number])

        won, lost = split(await all_at_once(repositories, act))
        assert len(won) == 1
        assert all(isinstance(error, ConflictError) for error in lost)
        assert {(e.expected, e.actual) for e in lost if isinstance(e, ConflictError)} == {
            (made.revision, made.revision + 1)
        }
        made = await repositories[1].require(made.id)
        assert exact(made) == exact(won[0])


@contract
async def test_of_many_patches_of_one_revision_exactly_one_wins(
    backend: Backend, subject: Subject
) -> None:
    """A patch with an expected revision is a compare-and-set, too."""
    repositories = pair(backend, subject)
    made = await repositories[0].create(subject.draft())
    won, lost = split(
        await all_at_once(
            repositories, lambda n, repository: repository.patch(made.id, 1, **subject.note_to("x"))
        )
    )
    assert (len(won), {type(error) for error in lost}) == (1, {ConflictError})
    assert (await repositories[1].require(made.id)).revision == 2


@contract
async def test_concurrent_patches_all_take_effect(backend: Backend, subject: Subject) -> None:
    """Patches of different fields don't undo each other, and each raises the revision."""
    repositories = pair(backend, subject)
    made = await repositories[0].create(subject.draft())

    def act(number: int, repository: Repository[Entity]) -> Coroutine[Any, Any, Entity]:
        # By twos, so that both instances patch both fields.
        patch = subject.note_to if number // 2 % 2 else subject.remark_to
        return repository.patch(made.id, **patch("patched"))

    won, lost = split(await all_at_once(repositories, act))
    assert lost == []
    stored = await repositories[1].require(made.id)
    assert (subject.note_of(stored), getattr(stored, subject.remark)) == ("patched", "patched")
    assert stored.revision == 1 + RACERS
    assert sorted(entity.revision for entity in won) == list(range(2, 2 + RACERS))


@contract
async def test_modifications_are_not_lost(backend: Backend, subject: Subject) -> None:
    """Each is applied to what the one before it left."""
    repositories = pair(backend, subject)
    made = await repositories[0].create(subject.draft())
    await repositories[0].patch(made.id, **subject.note_to("-"))

    def act(number: int, repository: Repository[Entity]) -> Coroutine[Any, Any, Entity]:
        return repository.modify(
            made.id, lambda e: subject.noted(e, f"{subject.note_of(e)}{number}")
        )

    _, lost = split(await all_at_once(repositories, act))
    assert lost == []
    stored = await repositories[1].require(made.id)
    assert sorted(subject.note_of(stored) or "") == ["-", *(f"{n}" for n in range(RACERS))]


@contract
async def test_of_many_creators_of_one_key_exactly_one_wins(
    backend: Backend, subject: Subject
) -> None:
    """One by one or in lists; the others are told which key is taken, and leave nothing."""
    repositories = pair(backend, subject)

    def act(number: int, repository: Repository[Entity]) -> Coroutine[Any, Any, Any]:
        if number // 2 % 2:
            return repository.create(subject.keyed("wanted"))
        return repository.create_many([subject.draft(f"{number}"), subject.keyed("wanted")])

    won, lost = split(await all_at_once(repositories, act))
    assert len(won) == 1
    assert {(type(e), getattr(e, "key", None)) for e in lost} == {
        (DuplicateEntityError, subject.key)
    }
    assert await repositories[1].count() == (2 if isinstance(won[0], tuple) else 1)


@contract
async def test_lists_created_in_opposite_orders_do_not_block_each_other(
    backend: Backend, subject: Subject
) -> None:
    """Of lists with the same keys exactly one is stored, whole; nobody waits for ever."""
    repositories = pair(backend, subject)
    labels = [f"label {n}" for n in range(20)]

    def act(number: int, repository: Repository[Entity]) -> Coroutine[Any, Any, Any]:
        ordered = labels if number % 2 else labels[::-1]
        return repository.create_many([subject.keyed(label) for label in ordered])

    won, lost = split(await all_at_once(repositories, act))
    assert (len(won), {type(error) for error in lost}) == (1, {DuplicateEntityError})
    assert await repositories[0].count() == len(labels)


@contract
async def test_updates_of_many_in_opposite_orders_all_take_effect(
    backend: Backend, subject: Subject
) -> None:
    """Steps that change every entity follow each other; none is lost, none dies of the other."""
    repositories = pair(backend, subject)
    made = await repositories[0].create_many(subject.draft(f"label {n}") for n in range(30))
    where = repositories[0].where("id")
    criteria = [where.gte(made[0].id), where.lte(made[-1].id)]
    won, lost = split(
        await all_at_once(
            repositories,
            lambda n, repository: repository.update_where(criteria[n % 2], **subject.note_to("x")),
        )
    )
    assert (won, lost) == ([30] * RACERS, [])
    revisions = {entity.revision async for entity in repositories[1].stream()}
    assert revisions == {1 + RACERS}


@contract
async def test_a_change_of_many_is_seen_whole_or_not_at_all(
    backend: Backend, subject: Subject
) -> None:
    """By whoever reads many of them meanwhile: by ids, by criteria or in numbers."""
    here, there = pair(backend, subject)
    made = await here.create_many(subject.draft(f"label {n}") for n in range(1_500))
    ids = [entity.id for entity in made]
    await here.update_where(None, **subject.note_to("even"))
    done = asyncio.Event()

    async def write() -> None:
        for turn in range(4):
            note = "even" if turn % 2 else "odd"
            assert await here.update_where(None, **subject.note_to(note)) == len(ids)
        done.set()

    async def read() -> None:
        while not done.is_set():
            notes = {subject.note_of(entity) for entity in await there.get_many(ids)}
            assert len(notes) == 1
            assert await there.count({subject.note: "odd"}) in (0, len(ids))
            page = await there.scan({subject.note: "even"}, limit=1_000)
            assert len(page.items) in (0, 1_000)

    await asyncio.gather(write(), read())


@contract
async def test_of_many_deletions_exactly_one_deletes(backend: Backend, subject: Subject) -> None:
    """The others say that there was nothing to delete."""
    repositories = pair(backend, subject)
    made = await repositories[0].create(subject.draft())
    results = await all_at_once(repositories, lambda n, repository: repository.delete(made.id))
    assert sorted(results) == [False] * (RACERS - 1) + [True]


@contract
async def test_a_deletion_and_updates_do_not_mix(backend: Backend, subject: Subject) -> None:
    """What was deleted stays deleted, whatever was written at the same moment."""
    for _ in range(ROUNDS):
        repositories = pair(backend, subject)
        made = await repositories[0].create(subject.draft())

        def act(
            number: int, repository: Repository[Entity], made: Entity = made
        ) -> Coroutine[Any, Any, Any]:
            if number == 0:
                return repository.delete(made.id)
            return repository.patch(made.id, **subject.note_to("x"))

        results = await all_at_once(repositories, act)
        assert results[0] is True
        assert {type(e) for e in split(results)[1]} <= {EntityNotFoundError}
        assert await repositories[1].count() == 0
