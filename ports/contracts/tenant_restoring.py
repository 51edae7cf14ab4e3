"""Archives: a tenant's records are read, and put back as they were; whichever store it is."""

from datetime import timedelta
from typing import Any

import attrs

from domain.erasure import Tombstone
from domain.errors import ValidationError
from domain.identity import TenantId, UserId
from domain.rules import restored
from ports.archives import MAX_RESTORED, Record, RecordKind
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, Group, contract, raised_by
from ports.contracts.tenant_contents import archive_of, contents, fill, put_back
from ports.errors import ErasedError, TenantMismatchError, UnsupportedOperationError
from ports.stores import TenantScope


async def emptied(backend: Backend, scope: TenantScope, group: Group) -> None:
    """The tenant has nothing of that group any more."""
    await backend.instances[1].store(group).maintenance().erase_tenant(scope.tenant)


def another(kind: RecordKind, record: Record) -> Record:
    """A record that has the same key, and something else in it."""
    if hasattr(record, "state"):
        state = restored(type(record.state), {**vars(record.state), "turn_count": 99})
        return attrs.evolve(record, state=state)
    fields: dict[str, Any] = {f.name: getattr(record, f.name) for f in attrs.fields(kind.entity)}
    for name, value in (
        ("updated_at", fields.get("created_at")),
        *(("digest", "0" * 64), ("revision", 99)),
        *(("variant", "quite another"), ("value", 7), ("error", "another"), ("text", "another")),
        *(("change_description", "another"), ("type", "another"), ("deleted_at", None)),
        ("sender", "another"),
    ):
        if name in fields and fields[name] != value and value is not None:
            return restored(kind.entity, {**fields, name: value})
    raise AssertionError(kind)


def foreign(record: Record, tenant: TenantId) -> Record:
    """The same record of another tenant."""
    if hasattr(record, "state"):
        state = restored(type(record.state), {**vars(record.state), "tenant_id": tenant})
        return attrs.evolve(record, state=state)
    fields = {f.name: getattr(record, f.name) for f in attrs.fields(type(record))}
    return restored(type(record), {**fields, "tenant_id": tenant})


@contract(still=True)
async def test_everything_of_a_tenant_comes_back_as_it_was(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """Every kind of record, in the same order; another instance reads it; another tenant has none
    of it."""
    before = await fill(backend, scope, group)
    await emptied(backend, scope, group)
    archive = archive_of(backend, group, 1)
    assert not any((await contents(archive, scope.tenant)).values())
    await put_back(archive, scope.tenant, before)
    after = await contents(archive_of(backend, group), scope.tenant)
    for kind in before:
        assert exact(after[kind]) == exact(before[kind]), kind
    assert not any((await contents(archive, backend.tenant())).values())


@contract(still=True)
async def test_records_are_read_once_each(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """No key comes twice, and each is the tenant's."""
    found = await fill(backend, scope, group)
    for kind, records in found.items():
        keys = list(map(kind.key_of, records))
        assert len(set(keys)) == len(keys), kind
        assert {type(record) for record in records} <= {kind.entity}
        assert {getattr(one, "tenant_id", scope.tenant) for one in records} <= {scope.tenant}


@contract(still=True)
async def test_putting_back_what_is_there_changes_nothing(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """All of it is unchanged, also what comes twice in one call."""
    before = await fill(backend, scope, group)
    archive = archive_of(backend, group)
    for kind, records in before.items():
        restored = await archive.restore(scope.tenant, kind, [*records, *records[:1]])
        more = len(records[:1])
        assert (restored.added, restored.unchanged) == (0, len(records) + more), kind
        assert (dict(restored.refused), restored.expired) == ({}, 0)
    assert exact(await contents(archive, scope.tenant)) == exact(before)


@contract(still=True)
async def test_what_another_stands_in_the_place_of_is_refused(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """It stays as it is, each is told by its place, and the others go in."""
    before = await fill(backend, scope, group)
    archive = archive_of(backend, group)
    await emptied(backend, scope, group)
    for kind in archive.kinds:
        records = before[kind]
        if not records:
            continue
        last = len(records) - 1
        first = await archive.restore(scope.tenant, kind, records[:last])
        assert (first.added, dict(first.refused)) == (last, {}), kind
        given = [*records[:last], records[last]]
        if last and kind.key:
            given[0] = another(kind, records[0])
        again = await archive.restore(scope.tenant, kind, given)
        refused = [0] if last and kind.key else []
        assert (again.added, list(again.refused)) == (1, refused), kind
        assert again.unchanged == last - len(refused)
    assert exact(await contents(archive, scope.tenant)) == exact(before)


@contract(still=True)
async def test_who_was_erased_isnt_put_back(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """A tenant with a tombstone is refused whole; of an erased user, what names them is refused,
    and the rest goes in."""
    before = await fill(backend, scope, group)
    tombstones = backend.instances[0].store(group).maintenance().tombstones
    await emptied(backend, scope, group)
    archive, now = archive_of(backend, group), backend.clock.kept
    until = now + timedelta(days=1)
    user = Tombstone(tenant_id=scope.tenant, user_id=UserId("ada"), at=now, until=until)
    await tombstones.bury(user)
    for kind, records in before.items():
        done = await archive.restore(scope.tenant, kind, records)
        named = [getattr(one, "user_id", getattr(one, "unit", None)) == "ada" for one in records]
        assert all(named[place] for place in done.refused) or kind.name == "messages", kind
        assert not any(
            is_named and place not in done.refused for place, is_named in enumerate(named)
        ), kind
    await tombstones.bury(Tombstone(tenant_id=scope.tenant, at=now, until=until))
    await emptied(backend, scope, group)
    for kind, records in before.items():
        if records:
            failure = await raised_by(archive.restore(scope.tenant, kind, records))
            assert isinstance(failure, ErasedError), kind
    assert not any((await contents(archive, scope.tenant)).values())


@contract(still=True)
async def test_what_isnt_of_the_kind_or_the_tenant_is_refused_whole(
    backend: Backend, scope: TenantScope, group: Group
) -> None:
    """Another tenant's, another class, too many, another store's kind: nothing is stored."""
    before = await fill(backend, scope, group)
    await emptied(backend, scope, group)
    archive, tenant = archive_of(backend, group), scope.tenant
    other = next(each for each in Group if each is not group)
    for kind, records in before.items():
        if not records:
            continue
        for given in ([records[0], "text"], [None], [records[0]] * (MAX_RESTORED + 1)):
            assert isinstance(
                await raised_by(archive.restore(tenant, kind, given)), ValidationError
            )
        if hasattr(records[0], "tenant_id"):
            theirs = [records[0], foreign(records[0], backend.tenant())]
            failure = await raised_by(archive.restore(tenant, kind, theirs))
            assert isinstance(failure, TenantMismatchError)
    strange = RecordKind("strange", str, (), str(other))
    failure = await raised_by(archive.restore(tenant, strange, ["x"]))
    assert isinstance(failure, UnsupportedOperationError)
    for name in ("", "a b", None):
        nobody: Any = name
        failure = await raised_by(archive.restore(nobody, archive.kinds[0], []))
        assert isinstance(failure, ValidationError)
    assert not any((await contents(archive, tenant)).values())
