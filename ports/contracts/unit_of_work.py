"""Units of work: atomic, isolated, and over when they end."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from domain.errors import ValidationError
from ports.capabilities import Capability
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.contracts.subjects import Entity, Subject
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    InvalidQueryError,
    TenantMismatchError,
    TransactionError,
    UnsupportedOperationError,
)
from ports.repository import Repository
from ports.stores import TenantScope

in_units = contract(needs=Capability.TRANSACTIONS)


class Mishap(Exception):
    """What a caller's own code raises."""


@contract
async def test_undeclared_transactions_are_refused(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """A store without units of work says so; one with them runs them."""

    async def unit() -> None:
        async with subject.unit(scope) as work:
            await subject.of(work).count()

    error = await raised_by(unit())
    if Capability.TRANSACTIONS in backend.capabilities(subject.group):
        assert error is None
    else:
        assert isinstance(error, UnsupportedOperationError)


@in_units
async def test_a_clean_exit_commits_everything(backend: Backend, subject: Subject) -> None:
    """All of it shows afterwards, to every instance."""
    here, there = backend.rivals()
    old = await subject.of(here).create(subject.draft("old"))
    gone = await subject.of(here).create(subject.draft("gone"))
    async with subject.unit(here) as work:
        repository = subject.of(work)
        new = await repository.create(subject.draft("new"))
        changed = await repository.update(subject.noted(old, "changed"))
        assert await repository.delete(gone.id) is True
    stored = [entity async for entity in subject.of(there).stream()]
    assert exact(stored) == exact([changed, new])


@in_units
async def test_an_empty_unit_commits(scope: TenantScope, subject: Subject) -> None:
    """Nothing is needed in between; reads alone do as well."""
    async with subject.unit(scope):
        pass
    async with subject.unit(scope) as work:
        assert await subject.of(work).count() == 0


@pytest.mark.parametrize("kind", [Mishap, KeyError, asyncio.CancelledError])
@in_units
async def test_an_exception_rolls_everything_back(
    backend: Backend, subject: Subject, kind: type[BaseException]
) -> None:
    """And reaches the caller as it is, whatever its kind."""
    here, there = backend.rivals()
    old = await subject.of(here).create(subject.draft("old"))
    thrown = kind("mishap")

    async def unit() -> None:
        async with subject.unit(here) as work:
            repository = subject.of(work)
            await repository.create(subject.keyed("new"))
            await repository.update(subject.noted(old, "changed"))
            await repository.create_many([subject.draft("a"), subject.draft("b")])
            await subject.use(repository, old.id)
            raise thrown

    with pytest.raises(kind) as caught:
        await unit()
    assert caught.value is thrown
    assert exact([entity async for entity in subject.of(there).stream()]) == exact([old])
    assert await subject.of(here).create(subject.keyed("new"))


@in_units
async def test_a_unit_sees_its_own_changes(scope: TenantScope, subject: Subject) -> None:
    """In every kind of read: by id, by key, in lists, counts and searches by criteria."""
    old = await subject.of(scope).create(subject.draft("old"))
    gone = await subject.of(scope).create(subject.keyed("gone"))
    async with subject.unit(scope) as work:
        repository = subject.of(work)
        new = await repository.create(subject.draft("new"))
        changed = await repository.update(subject.noted(old, "changed"))
        await repository.delete(gone.id)
        assert exact(await repository.get_by_id(old.id)) == exact(changed)
        assert await repository.get_by_id(gone.id) is None
        assert await repository.exists(new.id) is True
        assert exact(await repository.get_many([new.id, gone.id, old.id])) == exact((new, changed))
        assert await repository.count() == 2
        assert await repository.count({subject.note: "changed"}) == 1
        assert exact((await repository.list()).items) == exact((changed, new))
        assert exact((await repository.scan(order="-id")).items) == exact((new, changed))
        assert exact([entity async for entity in repository.stream()]) == exact([changed, new])
        again = await repository.update(subject.noted(changed, "again"))
        assert again.revision == 3
        assert await repository.delete(new.id, expected_revision=1) is True
        assert await repository.update_where(None, **subject.note_to("all")) == 1
        assert await repository.create(subject.keyed("gone"))


@in_units
async def test_nobody_sees_a_change_before_the_commit(backend: Backend, subject: Subject) -> None:
    """Neither another instance nor the same scope outside the unit; then all shows at once."""
    here, there = backend.rivals()
    old = await subject.of(here).create(subject.draft("old"))
    outside = (subject.of(here), subject.of(there))
    async with subject.unit(here) as work:
        repository = subject.of(work)
        new = await repository.create(subject.draft("new"))
        changed = await repository.update(subject.noted(old, "changed"))
        for one in outside:
            assert await one.count() == 1
            assert await one.get_by_id(new.id) is None
            assert exact(await one.require(old.id)) == exact(old)
            assert exact((await one.list()).items) == exact((old,))
    for one in outside:
        assert exact([entity async for entity in one.stream()]) == exact([changed, new])


Fault = Callable[[Repository[Entity], Subject, Entity], Awaitable[object]]

DOOMING: dict[str, tuple[type[Exception], Fault]] = {
    "a taken key": (DuplicateEntityError, lambda r, s, e: r.create(s.keyed("taken"))),
    "a taken id": (DuplicateEntityError, lambda r, s, e: r.create(s.draft("x", id=e.id))),
    "taken keys": (DuplicateEntityError, lambda r, s, e: r.create_many([s.keyed("taken")])),
    "a stale update": (ConflictError, lambda r, s, e: r.update(s.noted(e, "x"))),
    "an update of nothing": (
        EntityNotFoundError,
        lambda r, s, e: r.update(
            s.draft("x", id=s.ids.new()).assigned(tenant=e.tenant_id, new_id=None, at=e.created_at)
        ),
    ),
    "a stale patch": (ConflictError, lambda r, s, e: r.patch(e.id, 1, **s.note_to("x"))),
    "a patch of nothing": (
        EntityNotFoundError,
        lambda r, s, e: r.patch(s.ids.new(), **s.note_to("x")),
    ),
    "a stale deletion": (ConflictError, lambda r, s, e: r.delete(e.id, 1)),
    "a use of nothing": (EntityNotFoundError, lambda r, s, e: s.use(r, s.ids.new())),
}


@pytest.mark.parametrize("fault", DOOMING)
@in_units
async def test_a_write_that_fails_dooms_the_unit(
    scope: TenantScope, subject: Subject, fault: str
) -> None:
    """Also if its error is caught: whatever follows, and the commit, fail; nothing is kept."""
    kind, act = DOOMING[fault]
    stale = await subject.of(scope).create(subject.keyed("taken"))
    await subject.of(scope).update(stale)
    before = [exact(entity) async for entity in subject.of(scope).stream()]

    async def unit() -> None:
        async with subject.unit(scope) as work:
            repository = subject.of(work)
            await repository.create(subject.draft("before"))
            assert type(await raised_by(act(repository, subject, stale))) is kind
            for error in await raised_by_each(
                repository.get_by_id(stale.id),
                repository.count(),
                repository.list(),
                repository.create(subject.draft("after")),
                repository.delete(stale.id),
            ):
                assert isinstance(error, TransactionError)

    with pytest.raises(TransactionError):
        await unit()
    assert [exact(entity) async for entity in subject.of(scope).stream()] == before


@in_units
async def test_the_callers_own_error_leaves_a_doomed_unit(
    scope: TenantScope, subject: Subject
) -> None:
    """It isn't replaced by the unit's."""

    async def catching() -> None:
        async with subject.unit(scope) as work:
            await raised_by(subject.of(work).patch(subject.ids.new(), **subject.note_to("x")))
            raise Mishap

    async def passing_on() -> None:
        async with subject.unit(scope) as work:
            await subject.of(work).create(subject.draft())
            await subject.of(work).patch(subject.ids.new(), **subject.note_to("x"))

    assert isinstance(await raised_by(catching()), Mishap)
    assert isinstance(await raised_by(passing_on()), EntityNotFoundError)
    assert await subject.of(scope).count() == 0


@in_units
async def test_what_is_refused_before_the_store_is_asked_dooms_nothing(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """Bad values and queries, entities of another tenant, and reads that find nothing."""
    foreign = await subject.of(backend.fresh()).create(subject.draft())
    async with subject.unit(scope) as work:
        repository = subject.of(work)
        made = await repository.create(subject.draft("kept"))
        wrong: list[tuple[type[Exception], Awaitable[object]]] = [
            (ValidationError, repository.patch(made.id, revision=7)),
            (ValidationError, repository.patch(made.id, **subject.note_to("\x00"))),
            (ValidationError, repository.get_by_id(subject.ids.wrong[-1])),
            (InvalidQueryError, repository.count({"no_such_field": 1})),
            (InvalidQueryError, repository.scan(after="no cursor")),
            (TenantMismatchError, repository.create(foreign)),
            (TenantMismatchError, repository.update(foreign)),
            (EntityNotFoundError, repository.require(subject.ids.new())),
        ]
        for kind, call in wrong:
            assert isinstance(await raised_by(call), kind)
        assert await repository.delete(subject.ids.new()) is False
        await repository.patch(made.id, **subject.note_to("fine"))
    assert subject.note_of(await subject.of(scope).require(made.id)) == "fine"


@in_units
async def test_an_ended_unit_refuses_everything(scope: TenantScope, subject: Subject) -> None:
    """After a commit and after a rollback: reads, writes, and a repository kept from inside."""
    async with subject.unit(scope) as committed:
        units, repositories = [committed], [subject.of(committed)]
        made = await repositories[0].create(subject.draft("made"))

    async def unit() -> None:
        async with subject.unit(scope) as aborted:
            units.append(aborted)
            repositories.append(subject.of(aborted))
            raise Mishap

    with pytest.raises(Mishap):
        await unit()
    for repository in (*repositories, *map(subject.of, units)):
        for error in await raised_by_each(
            repository.get_by_id(made.id),
            repository.count(),
            repository.list(),
            repository.create(subject.draft("late")),
            repository.update(made),
            repository.patch(made.id, **subject.note_to("late")),
            repository.delete(made.id),
        ):
            assert isinstance(error, TransactionError)
    assert exact([entity async for entity in subject.of(scope).stream()]) == exact([made])
