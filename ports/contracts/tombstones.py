"""Tombstones: who was erased in a store, for how long, and what the receipts say."""

from datetime import timedelta
from typing import Any

import attrs

from domain.erasure import Tombstone, user_hash
from domain.errors import ValidationError
from domain.frozen import FrozenDict
from domain.identity import TenantId, UserId
from ports.contracts.exact import exact
from ports.contracts.harness import RETENTION, Backend, Group, contract, race, raised_by
from ports.errors import EntityNotFoundError
from ports.tombstones import Tombstones

ADA, BOB = UserId("ada"), UserId("bob")


def tombstones_of(backend: Backend, group: Group, instance: int = 0) -> Tombstones:
    """Those of a group's store."""
    return backend.instances[instance].store(group).maintenance().tombstones


def stone(
    backend: Backend, tenant: TenantId, user: UserId | None = None, **fields: Any
) -> Tombstone:
    """One that is to stand for longer than any test, whatever clock the server has beside."""
    now = backend.clock.kept
    return Tombstone(
        **{
            "tenant_id": tenant,
            "user_id": user,
            "at": now,
            "until": now + RETENTION,
            **fields,
        }
    )


async def found(tombstones: Tombstones, tenant: TenantId) -> list[Tombstone]:
    """All of a tenant's that stand."""
    return [each async for each in tombstones.standing(tenant)]


@contract
async def test_who_was_buried_is_found_by_name_alone(backend: Backend, group: Group) -> None:
    """Through every instance: the tenant, a user of it, and nobody else."""
    tenant, other = backend.tenant(), backend.tenant()
    near, far = (tombstones_of(backend, group, place) for place in (0, 1))
    assert await near.find(tenant) is None
    own, users = stone(backend, tenant), stone(backend, tenant, ADA)
    assert exact(await near.bury(own)) == exact(own)
    assert exact(await near.find(tenant)) == exact(own)
    assert await near.find(tenant, ADA) is None
    assert exact(await far.bury(users)) == exact(users)
    for tombstones in (near, far):
        assert exact(await tombstones.find(tenant)) == exact(own)
        assert exact(await tombstones.find(tenant, ADA)) == exact(users)
        for user in (BOB, UserId("ADA"), UserId("ada "), UserId(users.user_hash or "")):
            assert await tombstones.find(tenant, user) is None
        assert await tombstones.find(other) is None
        assert await tombstones.find(other, ADA) is None


@contract
async def test_one_that_stands_stays_as_it_is(backend: Backend, group: Group) -> None:
    """Receipt and time included; of the ends the later one holds."""
    tenant, day = backend.tenant(), timedelta(days=1)
    near, far = (tombstones_of(backend, group, place) for place in (0, 1))
    for user in (None, ADA):
        first = await near.bury(stone(backend, tenant, user))
        noted = await near.note(tenant, user, {"things": 3})
        sooner = stone(backend, tenant, user, at=first.at + day, until=first.until - day)
        assert exact(await far.bury(sooner)) == exact(noted)
        later = attrs.evolve(sooner, until=first.until + day)
        prolonged = attrs.evolve(noted, until=later.until)
        assert exact(await far.bury(later)) == exact(prolonged)
        assert exact(await near.find(tenant, user)) == exact(prolonged)


@contract
async def test_what_several_note_adds_up(backend: Backend, group: Group) -> None:
    """At once, on two instances, of the same kinds and of others."""
    tenant = backend.tenant()
    both = [tombstones_of(backend, group, place) for place in (0, 1)]
    for user in (None, ADA):
        buried = await both[0].bury(stone(backend, tenant, user))
        noting = [
            both[n % 2].note(tenant, user, {"things": n, f"kind_{n % 3}": 1, "none": 0})
            for n in range(10)
        ]
        for noted in await race(*noting):
            assert isinstance(noted, Tombstone)
        counts = {"things": 45, "kind_0": 4, "kind_1": 3, "kind_2": 3, "none": 0}
        last = await both[1].note(tenant, user, {})
        assert exact(last) == exact(attrs.evolve(buried, erased=FrozenDict.holding(counts)))


@contract
async def test_a_user_is_forgotten_when_the_erasure_is_finished(
    backend: Backend, group: Group
) -> None:
    """Until then the id is there to go on by; then only who knows it finds it."""
    tenant, tombstones = backend.tenant(), tombstones_of(backend, group)
    buried = await tombstones.bury(stone(backend, tenant, ADA))
    assert exact(await found(tombstones, tenant)) == exact([buried])
    now = backend.clock.advance(minutes=1)
    finished = await tombstones.note(tenant, ADA, {"things": 1}, now)
    assert exact(finished) == exact(
        attrs.evolve(buried, erased=FrozenDict.holding({"things": 1}), finished_at=now)
    )
    (left,) = await found(tombstones, tenant)
    assert left.user_id is None
    assert left.user_hash == user_hash(tenant, ADA)
    assert not left.is_tenants
    again = await tombstones.bury(buried)
    assert exact(again) == exact(finished)
    more = await tombstones.note(tenant, ADA, {"things": 1})
    assert more.finished_at == now
    assert [each.user_id for each in await found(tombstones, tenant)] == [None]


@contract
async def test_those_whose_erasure_is_under_way_can_be_told(backend: Backend, group: Group) -> None:
    """Of a tenant or of all; each is told once."""
    tenant, other = backend.tenant(), backend.tenant()
    tombstones, now = tombstones_of(backend, group), backend.clock.kept
    users = [UserId(f"user {n}") for n in range(12)]
    for user in (None, *users):
        await tombstones.bury(stone(backend, tenant, user))
        if user is None or user in users[::2]:
            await tombstones.note(tenant, user, {}, now)
    await tombstones.bury(stone(backend, other))
    assert len(await found(tombstones, tenant)) == 13
    for asked in (tenant, None):
        left = [
            each.user_id
            async for each in tombstones.standing(asked, unfinished=True)
            if each.tenant_id == tenant
        ]
        assert sorted(map(str, left)) == sorted(users[1::2])
    everyone = [each.tenant_id async for each in tombstones.standing()]
    assert everyone.count(tenant) == 13
    assert everyone.count(other) == 1


@contract
async def test_one_that_is_lifted_is_gone(backend: Backend, group: Group) -> None:
    """Its receipt with it; the tenant's and its users' know nothing of each other."""
    tenant = backend.tenant()
    near, far = (tombstones_of(backend, group, place) for place in (0, 1))
    for user in (None, ADA, BOB):
        await near.bury(stone(backend, tenant, user))
    await near.note(tenant, ADA, {"things": 3})
    assert await far.lift(tenant, ADA) is True
    assert await far.lift(tenant, ADA) is False
    assert await near.find(tenant, ADA) is None
    assert {each.user_id for each in await found(near, tenant)} == {None, BOB}
    assert isinstance(await raised_by(near.note(tenant, ADA, {"things": 1})), EntityNotFoundError)
    fresh = stone(backend, tenant, ADA)
    assert exact(await near.bury(fresh)) == exact(fresh)
    assert await far.lift(tenant) is True
    assert {each.user_id for each in await found(near, tenant)} == {ADA, BOB}


@contract
async def test_one_that_ran_out_is_no_more(backend: Backend, group: Group) -> None:
    """Whether or not the store removed it by then; who is buried later begins anew."""
    tenant, tombstones = backend.tenant(), tombstones_of(backend, group)
    hour = timedelta(hours=1)
    for user in (None, ADA):
        brief = stone(backend, tenant, user, until=backend.clock.kept + hour)
        assert exact(await tombstones.bury(brief)) == exact(brief)
    await tombstones.bury(stone(backend, tenant, BOB))
    now = backend.clock.advance(hours=1)
    for user in (None, ADA):
        assert await tombstones.find(tenant, user) is None
        assert isinstance(await raised_by(tombstones.note(tenant, user, {})), EntityNotFoundError)
        assert await tombstones.lift(tenant, user) is False
    assert [each.user_id for each in await found(tombstones, tenant)] == [BOB]
    fresh = stone(backend, tenant, ADA, at=now)
    assert exact(await tombstones.bury(fresh)) == exact(fresh)
    await tombstones.bury(stone(backend, tenant, until=now + hour))
    await tombstones.purge(now)
    assert len(await found(tombstones, tenant)) == 3
    now = backend.clock.advance(hours=2)
    await tombstones.purge(now)
    assert {each.user_id for each in await found(tombstones, tenant)} == {ADA, BOB}


@contract
async def test_a_tenants_users_can_be_forgotten(backend: Backend, group: Group) -> None:
    """All of them; the tenant's own tombstone stays, and another tenant's users."""
    tenant, other = backend.tenant(), backend.tenant()
    tombstones = tombstones_of(backend, group)
    for user in (None, ADA, BOB):
        await tombstones.bury(stone(backend, tenant, user))
    await tombstones.bury(stone(backend, other, ADA))
    assert await tombstones.forget_users(tenant) == 2
    assert await tombstones.forget_users(tenant) == 0
    assert [each.user_id for each in await found(tombstones, tenant)] == [None]
    assert await tombstones.find(other, ADA) is not None


@contract
async def test_an_erasure_leaves_the_tombstones(backend: Backend, group: Group) -> None:
    """The tenant's and its users', which are none of its data: nobody is told that it has any."""
    tenant = backend.tenant()
    store = backend.instances[0].store(group)
    tombstones = store.maintenance().tombstones
    buried = {user: await tombstones.bury(stone(backend, tenant, user)) for user in (None, ADA)}
    assert await store.maintenance().erase_tenant(tenant) == 0
    assert tenant not in [each async for each in store.maintenance().tenants()]
    for user, stood in buried.items():
        assert exact(await tombstones.find(tenant, user)) == exact(stood)


@contract
async def test_what_can_be_nobody_is_refused(backend: Backend, group: Group) -> None:
    """And so are counts that can't be."""
    tombstones: Any = tombstones_of(backend, group)
    tenant = backend.tenant()
    await tombstones.bury(stone(backend, tenant))
    for name in (f"{tenant}*", "", "\ud800", None, 7):
        for operation in (tombstones.find(name), tombstones.lift(name)):
            assert isinstance(await raised_by(operation), ValidationError), name
    for user in ("", "\0", "\ud800", 7, "x" * 257):
        assert isinstance(await raised_by(tombstones.find(tenant, user)), ValidationError), user
    for counts in ({"things": -1}, {"things": 1.0}, {"Things": 1}, {"a.b": 1}, {"$a": 1}, [1], 7):
        operation = tombstones.note(tenant, None, counts)
        assert isinstance(await raised_by(operation), ValidationError), counts
    for nothing in (None, tenant, 7):
        assert isinstance(await raised_by(tombstones.bury(nothing)), ValidationError)
    left = await tombstones.find(tenant)
    assert left is not None
    assert left.erased == {}
