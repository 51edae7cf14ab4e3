"""What works across tenants, over all that lives for a while."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import ValidationError
from domain.executions import ExecutionState
from domain.identity import TenantId
from ports.contracts.harness import Backend, contract, race, raised_by
from ports.contracts.runtime_uses import (
    AWKWARD,
    COUNTED,
    EVERYWHERE,
    HOUR,
    USES,
    Use,
    leave_all,
    there_in,
)
from ports.errors import LockLostError
from ports.stores import RuntimeMaintenance, TenantScope

LONG_PAST = timedelta(days=5)
"""Until then, what is remembered of a lock or state that is gone is gone as well."""


def maintenance_of(backend: Backend, instance: int = 0) -> RuntimeMaintenance:
    """An instance's."""
    store = backend.instances[instance].runtime
    assert store is not None
    return store.maintenance()


async def named(backend: Backend) -> list[TenantId]:
    """The tenants that have something, as another instance says."""
    return [tenant async for tenant in maintenance_of(backend, 1).tenants()]


@contract
async def test_every_tenant_with_something_is_named_once_and_in_order(backend: Backend) -> None:
    """By code point, whichever port it was; one that was only looked at is none."""
    tenants = [backend.tenant(prefix) for prefix in ("a", "B", "b", "Z", "0", "a.", "a:")]
    looked_at = backend.fresh()
    async with AsyncExitStack() as stack:
        for place, tenant in enumerate(tenants):
            scope = backend.scope(tenant)
            for name in AWKWARD[: 1 + place]:
                await USES[place % len(USES)].leave(scope, name, stack)
        for use in USES:
            if use.name != "locks":
                assert not await use.there(looked_at, "x")
        found = await named(backend)
        assert [tenant for tenant in found if tenant in tenants] == sorted(tenants)
        assert found == sorted(set(found))
        assert looked_at.tenant not in found


@pytest.mark.parametrize("use", USES, ids=[use.name for use in USES])
@contract
async def test_a_tenant_all_of_whose_things_expired_is_none(
    backend: Backend, scope: TenantScope, use: Use
) -> None:
    """Nothing is kept for ever by accident."""
    async with AsyncExitStack() as stack:
        await use.leave(scope, "x", stack)
        assert scope.tenant in await named(backend)
    backend.clock.advance(seconds=LONG_PAST.total_seconds())
    assert scope.tenant not in await named(backend)
    assert await maintenance_of(backend).erase_tenant(scope.tenant) == 0


@pytest.mark.parametrize("way", ["deleted", "logged out", "looked for", "shortened", "rotated"])
@contract
async def test_a_session_that_went_early_leaves_no_tenant_behind(
    backend: Backend, scope: TenantScope, way: str
) -> None:
    """When the user's other one has expired, too, nothing is left of either, though the first
    might have lived for longer.
    """
    sessions = scope.sessions
    short = (await sessions.create("ada", idle_timeout=HOUR, lifetime=HOUR)).token
    long = (await sessions.create("ada", idle_timeout=HOUR / 2, lifetime=100 * HOUR)).token
    match way:
        case "deleted":
            await sessions.delete(long)
        case "logged out":
            await sessions.delete_for_user("ada", keep=short)
        case "looked for":
            backend.clock.advance(seconds=HOUR.total_seconds() / 2)
            assert len(await sessions.for_user("ada")) == 1
        case "shortened":
            await sessions.extend(long, lifetime=HOUR)
        case "rotated":
            await sessions.delete((await sessions.rotate(long)).token)
    backend.clock.advance(seconds=HOUR.total_seconds())
    assert scope.tenant not in await named(backend)


@contract
async def test_an_erased_tenant_is_gone_from_every_port(backend: Backend) -> None:
    """Others keep theirs, whatever they are called; it may come again, and begins from nothing."""
    gone = backend.fresh()
    others = [backend.scope(f"{gone.tenant}{end}") for end in (".", ":", "-", "_", ":x", "0")]
    others.append(backend.scope(gone.tenant[:-1]))
    names = ["x", *AWKWARD[:10]]
    async with AsyncExitStack() as stack:
        for name in names:
            await leave_all(gone, name, stack)
        for other in others:
            await leave_all(other, "x", stack)
        maintenance = maintenance_of(backend, 1)
        assert await maintenance.erase_tenant(gone.tenant) == COUNTED * len(names)
        assert gone.tenant not in await named(backend)
        assert await maintenance.erase_tenant(gone.tenant) == 0
        for name in names:
            assert await there_in(gone, name) == []
        for other in others:
            assert await there_in(other, "x") == EVERYWHERE
    async with AsyncExitStack() as stack:
        await leave_all(gone, "x", stack)
        assert await there_in(gone, "x") == EVERYWHERE
        assert await maintenance.erase_tenant(gone.tenant) == COUNTED


@contract
async def test_a_tenant_that_never_was_is_erased_without_effect(backend: Backend) -> None:
    """And doesn't come to be by it."""
    tenant = backend.tenant()
    assert await maintenance_of(backend).erase_tenant(tenant) == 0
    assert tenant not in await named(backend)


@contract
async def test_no_pattern_is_taken_for_tenants(backend: Backend) -> None:
    """What can't be a tenant's name is refused, and erases nobody whom it could stand for."""
    scope = backend.fresh()
    name = scope.tenant
    patterns: list[Any] = [f"{name}*", f"{name[:-1]}?", f"{name[:-1]}[!/]", f"{name}/", f"{name}\\"]
    async with AsyncExitStack() as stack:
        await leave_all(scope, "x", stack)
        for pattern in [*patterns, f"{name}\n", f"{name}\0", "", None, 7, name.encode()]:
            error = await raised_by(maintenance_of(backend).erase_tenant(pattern))
            assert isinstance(error, ValidationError), pattern
        assert await there_in(scope, "x") == EVERYWHERE


@contract
async def test_an_erasure_goes_in_batches_and_counts_each_thing_once(backend: Backend) -> None:
    """Two at the same time share the work, and the count."""
    here, there = backend.rivals()
    await here.cache.set_many({f"key {number}": number for number in range(1_500)})
    for number in range(40):
        await here.sessions.create(f"user {number % 4}")
        await there.executions.save(ExecutionState.draft(f"talk {number}"))
    erased = await race(
        maintenance_of(backend, 0).erase_tenant(here.tenant),
        maintenance_of(backend, 1).erase_tenant(here.tenant),
    )
    assert sum(count for count in erased if isinstance(count, int)) == 80, erased
    assert here.tenant not in await named(backend)
    assert await here.cache.get_many(f"key {number}" for number in range(1_500)) == {}
    assert await there.sessions.for_user("user 1") == ()


@contract
async def test_what_has_expired_is_not_counted_as_erased(
    backend: Backend, scope: TenantScope
) -> None:
    """It went by itself before."""
    for ttl in (HOUR, 3 * HOUR):
        await scope.sessions.create("ada", idle_timeout=ttl, lifetime=ttl)
        await scope.executions.save(ExecutionState.draft(f"{ttl}", ttl=ttl))
    backend.clock.advance(hours=2)
    assert await maintenance_of(backend).erase_tenant(scope.tenant) == 2


@contract
async def test_who_holds_a_lock_of_an_erased_tenant_has_lost_it(
    backend: Backend, scope: TenantScope
) -> None:
    """It is told; and whoever comes next has a greater fencing token."""
    with pytest.raises(LockLostError):
        async with scope.locks.hold("x") as lost:
            await maintenance_of(backend).erase_tenant(scope.tenant)
    backend.clock.advance(milliseconds=2)
    async with scope.locks.hold("x") as held:
        assert held.fencing_token > lost.fencing_token
    await maintenance_of(backend).erase_tenant(scope.tenant)
