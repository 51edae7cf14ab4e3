"""Late writes: once somebody was erased, nothing more is written of them, by whatever operation."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from domain.conversations import Conversation
from domain.flows import Flow
from domain.identity import TenantId, UserId
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, Group, contract, raised_by
from ports.contracts.late_hot import deletions, prepared, seen, writes
from ports.contracts.late_operations import Given, Late
from ports.contracts.tombstones import stone, tombstones_of
from ports.errors import ErasedError, TransactionError
from ports.stores import TenantScope, TransactionalStore

ADA, BOB = UserId("ada"), UserId("bob")
subjects = pytest.mark.parametrize("user", [None, ADA], ids=["tenant", "user"])


async def _refused(
    holder: Any, given: Given, lates: Iterable[Late], tenant: TenantId, user: UserId | None
) -> None:
    for late in lates:
        error = await raised_by(late.into(holder, given))
        assert isinstance(error, ErasedError), (late, error)
        assert (error.tenant_id, error.user_id) == (tenant, user), late


def _concerned(group: Group, user: UserId | None) -> list[Late]:
    return [late for late in writes(group) if late.users or user is None]


async def _heard(backend: Backend) -> None:
    """Every instance must have heard of what was buried."""
    await asyncio.sleep(backend.staleness.total_seconds())


@contract
@subjects
async def test_who_was_erased_is_written_of_no_more(
    backend: Backend, group: Group, user: UserId | None
) -> None:
    """By no operation: at once through what buried them, and through others in a moment. What was
    there stays as it is, and can be read and deleted.
    """
    near, far = backend.rivals()
    given = await prepared(near, group, ADA)
    await prepared(far, group, BOB)  # it knows of nobody erased
    before = await seen(near, group, ADA)
    await tombstones_of(backend, group).bury(stone(backend, near.tenant, user))
    await _refused(near, given, _concerned(group, user), near.tenant, user)
    await _heard(backend)
    await _refused(far, given, _concerned(group, user), near.tenant, user)
    for scope in (near, far):
        assert exact(await seen(scope, group, ADA)) == exact(before)
    for late in deletions(group):
        await late.into(far, given)


@contract
async def test_what_concerns_others_is_written(backend: Backend, group: Group) -> None:
    """Of another tenant, of another user, and of the tenant but not of the user; by every
    operation, which so can be done.
    """
    near, far = backend.rivals()
    other = backend.scope(backend.tenant())
    theirs, bobs = await prepared(other, group, ADA), await prepared(near, group, BOB)
    adas = await prepared(far, group, ADA)
    await tombstones_of(backend, group).bury(stone(backend, near.tenant, ADA))
    await _heard(backend)
    for late in writes(group):
        await late.into(other, theirs)
        await late.into(far, bobs)
    for late in writes(group):
        if not late.users:
            await late.into(near, adas)


@contract
@subjects
async def test_a_unit_of_work_refuses_late_writes(
    backend: Backend, group: Group, user: UserId | None
) -> None:
    """Each of them; what else is in it is committed."""
    near, far = backend.rivals()
    given = await prepared(far, group, ADA)
    unit = _unit(backend, near, group)
    before = await seen(near, group, ADA)
    await tombstones_of(backend, group).bury(stone(backend, near.tenant, user))
    async with unit as work:
        await _refused(work, given, _concerned(group, user), near.tenant, user)
    assert exact(await seen(far, group, ADA)) == exact(before)


@contract
@subjects
async def test_a_unit_that_wrote_before_the_burial_is_not_committed(
    backend: Backend, group: Group, user: UserId | None
) -> None:
    """However long it takes: it is asked once more before it ends."""
    near, far = backend.rivals()
    given = await prepared(near, group, ADA)
    unit = _unit(backend, near, group)
    before = await seen(near, group, ADA)
    late = next(each for each in _concerned(group, user) if not each.verb.startswith("unset"))

    async def slow() -> None:
        async with unit as work:
            await late.into(work, given)
            await tombstones_of(backend, group, 1).bury(stone(backend, near.tenant, user))
            await _heard(backend)

    assert isinstance(await raised_by(slow()), ErasedError)
    assert exact(await seen(far, group, ADA)) == exact(before)


@contract
async def test_a_unit_of_work_ends_whoever_waits_for_it(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """As many as there may be: what is to be known before its end isn't kept from it by those who
    wait for what it has written.
    """
    unit, named = _unit(backend, scope, group), group is Group.AUTHORING
    port, field = ("flows", "description") if named else ("conversations", "summary")
    draft = Flow.draft(name="one") if named else Conversation.draft(user_id=ADA)
    made = await getattr(scope, port).create(draft)

    waiting: list[asyncio.Future[Any]] = []

    async def slow() -> None:
        async with unit as work:
            await getattr(work, port).patch(made.id, **{field: "first"})
            others = [getattr(scope, port).patch(made.id, **{field: "then"}) for _ in range(20)]
            waiting.extend(map(asyncio.ensure_future, others))
            await _heard(backend)

    error = await raised_by(slow())
    assert error is None or isinstance(error, TransactionError)  # if they came first
    await asyncio.gather(*waiting)


def _unit(backend: Backend, scope: TenantScope, group: Group) -> Any:
    store = backend.instances[0].store(group)
    if not isinstance(store, TransactionalStore):
        pytest.skip(f"{group} data has no unit of work")
    return scope.authoring() if group is Group.AUTHORING else scope.dialogue()


@contract
@subjects
async def test_who_is_lifted_is_written_of_again(
    backend: Backend, group: Group, user: UserId | None
) -> None:
    """Everywhere at once: of whom it knows, an instance asks the store."""
    near, far = backend.rivals()
    given = await prepared(near, group, ADA)
    tombstones = tombstones_of(backend, group)
    first = _concerned(group, user)[0]
    for _ in range(2):
        await tombstones.bury(stone(backend, near.tenant, user))
        await _heard(backend)
        for scope in (near, far):
            await _refused(scope, given, [first], near.tenant, user)
        assert await tombstones.lift(near.tenant, user)
        for scope in (far, near):
            await first.into(scope, given)


@contract
@subjects
async def test_until_has_passed_and_they_are_written_of_again(
    backend: Backend, group: Group, user: UserId | None
) -> None:
    """By the store's clock."""
    near, far = backend.rivals()
    given = await prepared(near, group, ADA)
    until = backend.clock.advance(hours=1)
    backend.clock.advance(hours=-1)
    brief = stone(backend, near.tenant, user, until=until)
    await tombstones_of(backend, group).bury(brief)
    await _heard(backend)
    backend.clock.advance(hours=1)
    first = _concerned(group, user)[0]
    for scope in (near, far):
        await first.into(scope, given)
