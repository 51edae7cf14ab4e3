"""Units of work: atomic, isolated, and over when they end."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from domain.definitions import FlowDefinition
from domain.errors import ValidationError
from domain.flows import Flow
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
async def test_undeclared_transactions_are_refused(backend: Backend, scope: TenantScope) -> None:
    """A store without units of work says so; one with them runs them."""

    async def unit() -> None:
        async with scope.authoring() as work:
            await work.flows.count()

    error = await raised_by(unit())
    if Capability.TRANSACTIONS in backend.capabilities:
        assert error is None
    else:
        assert isinstance(error, UnsupportedOperationError)


@in_units
async def test_a_clean_exit_commits_everything(backend: Backend, subject: Subject) -> None:
    """All of it shows afterwards, to every instance."""
    here, there = backend.rivals()
    old = await subject.of(here).create(subject.draft("old"))
    gone = await subject.of(here).create(subject.draft("gone"))
    async with here.authoring() as work:
        repository = subject.of(work)
        new = await repository.create(subject.draft("new"))
        changed = await repository.update(subject.noted(old, "changed"))
        assert await repository.delete(gone.id) is True
    stored = [entity async for entity in subject.of(there).stream()]
    assert exact(stored) == exact([changed, new])


@in_units
async def test_an_empty_unit_commits(scope: TenantScope, subject: Subject) -> None:
    """Nothing is needed in between; reads alone do as well."""
    async with scope.authoring():
        pass
    async with scope.authoring() as work:
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
        async with here.authoring() as work:
            repository = subject.of(work)
            await repository.create(subject.draft("new"))
            await repository.update(subject.noted(old, "changed"))
            await repository.create_many([subject.draft("a"), subject.draft("b")])
            await subject.use(repository, old.id)
            raise thrown

    with pytest.raises(kind) as caught:
        await unit()
    assert caught.value is thrown
    assert exact([entity async for entity in subject.of(there).stream()]) == exact([old])
    assert await subject.of(here).create(subject.draft("new"))


@in_units
async def test_a_unit_sees_its_own_changes(scope: TenantScope, subject: Subject) -> None:
    """In every kind of read: by id, by key, in lists, counts and searches by criteria."""
    old = await subject.of(scope).create(subject.draft("old"))
    gone = await subject.of(scope).create(subject.draft("gone"))
    async with scope.authoring() as work:
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
        assert await repository.create(subject.draft("gone"))


@in_units
async def test_nobody_sees_a_change_before_the_commit(backend: Backend, subject: Subject) -> None:
    """Neither another instance nor the same scope outside the unit; then all shows at once."""
    here, there = backend.rivals()
    old = await subject.of(here).create(subject.draft("old"))
    outside = (subject.of(here), subject.of(there))
    async with here.authoring() as work:
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
    "a taken key": (DuplicateEntityError, lambda r, s, e: r.create(s.draft("taken"))),
    "a taken id": (DuplicateEntityError, lambda r, s, e: r.create(s.draft("x", id=e.id))),
    "taken keys": (DuplicateEntityError, lambda r, s, e: r.create_many([s.draft("taken")])),
    "a stale update": (ConflictError, lambda r, s, e: r.update(s.noted(e, "x"))),
    "an update of nothing": (
        EntityNotFoundError,
        lambda r, s, e: r.update(
            s.draft("x", id=uuid4()).assigned(tenant=e.tenant_id, new_id=None, at=e.created_at)
        ),
    ),
    "a stale patch": (ConflictError, lambda r, s, e: r.patch(e.id, 1, **s.note_to("x"))),
    "a patch of nothing": (EntityNotFoundError, lambda r, s, e: r.patch(uuid4(), **s.note_to("x"))),
    "a stale deletion": (ConflictError, lambda r, s, e: r.delete(e.id, 1)),
    "a use of nothing": (EntityNotFoundError, lambda r, s, e: s.use(r, uuid4())),
}


@pytest.mark.parametrize("fault", DOOMING)
@in_units
async def test_a_write_that_fails_dooms_the_unit(
    scope: TenantScope, subject: Subject, fault: str
) -> None:
    """Also if its error is caught: whatever follows, and the commit, fail; nothing is kept."""
    kind, act = DOOMING[fault]
    stale = await subject.of(scope).create(subject.draft("taken"))
    await subject.of(scope).update(stale)
    before = [exact(entity) async for entity in subject.of(scope).stream()]

    async def unit() -> None:
        async with scope.authoring() as work:
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
        async with scope.authoring() as work:
            await raised_by(subject.of(work).patch(uuid4(), **subject.note_to("x")))
            raise Mishap

    async def passing_on() -> None:
        async with scope.authoring() as work:
            await subject.of(work).create(subject.draft())
            await subject.of(work).patch(uuid4(), **subject.note_to("x"))

    assert isinstance(await raised_by(catching()), Mishap)
    assert isinstance(await raised_by(passing_on()), EntityNotFoundError)
    assert await subject.of(scope).count() == 0


@in_units
async def test_what_is_refused_before_the_store_is_asked_dooms_nothing(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """Bad values and queries, entities of another tenant, and reads that find nothing."""
    foreign = await subject.of(backend.fresh()).create(subject.draft())
    async with scope.authoring() as work:
        repository = subject.of(work)
        made = await repository.create(subject.draft("kept"))
        wrong: list[tuple[type[Exception], Awaitable[object]]] = [
            (ValidationError, repository.patch(made.id, revision=7)),
            (ValidationError, repository.patch(made.id, **subject.note_to("\x00"))),
            (ValidationError, repository.get_by_id("no id")),
            (InvalidQueryError, repository.count({"no_such_field": 1})),
            (InvalidQueryError, repository.scan(after="no cursor")),
            (TenantMismatchError, repository.create(foreign)),
            (TenantMismatchError, repository.update(foreign)),
            (EntityNotFoundError, repository.require(uuid4())),
        ]
        for kind, call in wrong:
            assert isinstance(await raised_by(call), kind)
        assert await repository.delete(uuid4()) is False
        await repository.patch(made.id, **subject.note_to("fine"))
    assert subject.note_of(await subject.of(scope).require(made.id)) == "fine"


@in_units
async def test_an_ended_unit_refuses_everything(scope: TenantScope, subject: Subject) -> None:
    """After a commit and after a rollback: reads, writes, and a repository kept from inside."""
    async with scope.authoring() as committed:
        units, repositories = [committed], [subject.of(committed)]
        made = await repositories[0].create(subject.draft("made"))

    async def unit() -> None:
        async with scope.authoring() as aborted:
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


@in_units
async def test_named_operations_join_the_unit(scope: TenantScope) -> None:
    """Publishing, defaults, versions, uses and figures roll back together, too."""
    made = await scope.flows.create(
        Flow.draft(name="flow", definition=FlowDefinition.external({"a": 1}))
    )

    async def unit() -> None:
        async with scope.authoring() as work:
            await work.flows.publish(made.id, by="ada")
            await work.flows.set_default(made.id)
            await work.flows.create_version(made.id)
            await work.flows.increment_usage(made.id, 4)
            flow = await work.flows.get_default()
            assert flow is not None
            assert (flow.version, flow.usage_count, flow.status) == ("1.1", 4, "active")
            assert len(await work.flows.get_versions(made.id)) == 2
            raise Mishap

    with pytest.raises(Mishap):
        await unit()
    assert exact(await scope.flows.require(made.id)) == exact(made)
    assert await scope.flows.get_versions(made.id) == ()
    assert await scope.flows.get_default() is None


@in_units
async def test_what_only_read_before_it_failed_dooms_nothing(scope: TenantScope) -> None:
    """Named operations that found no flow, or were refused by what the flow is."""
    made = await scope.flows.create(Flow.draft(name="incomplete"))
    async with scope.authoring() as work:
        for kind, call in (
            (EntityNotFoundError, work.flows.publish(uuid4())),
            (EntityNotFoundError, work.flows.rollback_to(made.id, "9.9")),
            (ValidationError, work.flows.publish(made.id)),
            (ValidationError, work.flows.restore(made.id)),
        ):
            assert isinstance(await raised_by(call), kind)
        await work.flows.patch(made.id, description="kept")
    assert (await scope.flows.require(made.id)).description == "kept"
