"""Credentials of integrations: who sees them, what they are stored under, and where they aren't."""

import json
import pickle
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import attrs
import pytest

from domain.documents import JsonObject
from domain.errors import ValidationError
from domain.integrations import CallReport, Integration, IntegrationHealth
from domain.secrets import Secret
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.contracts.integrations import new_integration
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EncryptionKeyError,
    EntityNotFoundError,
    InvalidQueryError,
    TenantMismatchError,
)
from ports.stores import TenantScope

USER, PASSWORD = "ada@example", "hunter2/+ ü"
SECRET = Secret({"user": USER, "password": PASSWORD, "pin": 73_019_284})
BASIC = b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@contract
async def test_credentials_come_back_to_who_reveals_them(scope: TenantScope) -> None:
    """Whichever way the integration was written and read."""
    integrations = scope.integrations
    made = await new_integration(integrations, credentials=SECRET)
    patched = await integrations.patch(made.id, timeout_ms=5)
    updated = await integrations.update(patched.edited(timeout_ms=6))
    for one in (
        made,
        patched,
        updated,
        await integrations.require(made.id),
        *await integrations.get_many([made.id]),
        *(await integrations.list()).items,
        *[one async for one in integrations.stream()],
    ):
        assert one.credentials is not None
        assert exact(one.credentials.reveal()) == exact(SECRET.reveal())


@contract
async def test_reading_opens_nothing(backend: Backend, scope: TenantScope) -> None:
    """Not one, and not a list of fifty: only who reveals does."""
    integrations = scope.integrations
    await integrations.create_many(
        Integration.draft(name=f"{n}", type="webhook", credentials=SECRET) for n in range(50)
    )
    opened = backend.keys.opened
    listed = (await integrations.list()).items
    await integrations.get_by_id(listed[0].id)
    await integrations.patch(listed[0].id, timeout_ms=5)
    assert backend.keys.opened == opened
    assert [one.credentials for one in listed] == [SECRET] * 50


@contract
async def test_credentials_are_set_and_taken_away(scope: TenantScope) -> None:
    """A change like any other; what is no secret is refused, and a stale writer is told."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    given = await integrations.set_credentials(made.id, SECRET)
    assert (given.credentials, given.revision) == (SECRET, 2)
    assert exact(await integrations.require(made.id)) == exact(given)
    taken = await integrations.set_credentials(made.id, None, expected_revision=2)
    assert (taken.credentials, taken.revision) == (None, 3)
    plain: Any = {"password": PASSWORD}
    errors = await raised_by_each(
        integrations.set_credentials(made.id, plain),
        integrations.set_credentials(made.id, SECRET, expected_revision=2),
        integrations.set_credentials(uuid4(), SECRET),
        integrations.patch(made.id, credentials=SECRET),
        integrations.update_where(None, credentials=None),
    )
    assert [type(error) for error in errors] == [
        ValidationError,
        ConflictError,
        EntityNotFoundError,
        ValidationError,
        ValidationError,
    ]
    with pytest.raises(ValidationError):
        Integration.draft(name="x", type="webhook", credentials=plain)
    assert exact(await integrations.require(made.id)) == exact(taken)


@contract
async def test_credentials_may_be_handed_on(backend: Backend, scope: TenantScope) -> None:
    """To another integration, and to another tenant's: what was read can be stored anew."""
    made = await new_integration(scope.integrations, credentials=SECRET)
    read = await scope.integrations.require(made.id)
    for other in (scope, backend.fresh()):
        copy = await new_integration(other.integrations, "copy", credentials=read.credentials)
        stored = await other.integrations.require(copy.id)
        assert stored.credentials == SECRET


@contract
async def test_a_token_is_bound_to_whose_it_is(backend: Backend, scope: TenantScope) -> None:
    """So that one which is moved to another row, by whoever writes there, doesn't open: no two
    integrations are sealed for alike, not even under one id in two tenants.
    """
    other = backend.fresh()
    before = len(backend.keys.associated)
    one = await new_integration(scope.integrations, "one", credentials=SECRET)
    await new_integration(scope.integrations, "two", credentials=SECRET)
    await other.integrations.create(attrs.evolve(one, tenant_id=other.tenant))
    bound = backend.keys.associated[before:]
    if not bound:
        pytest.skip(f"{backend.name} writes nothing down, and encrypts nothing")
    assert len(set(bound)) == len(bound) == 3


@contract
async def test_criteria_can_not_ask_for_credentials(scope: TenantScope) -> None:
    """Neither for what they are nor for whether there are any; nor can an order."""
    integrations = scope.integrations
    with pytest.raises(InvalidQueryError):
        integrations.where("credentials")
    for error in await raised_by_each(
        integrations.count({"credentials": None}),
        integrations.scan(None, "credentials"),
        integrations.scan({"credentials": {"operator": "contains", "value": "h"}}),
    ):
        assert isinstance(error, InvalidQueryError)


@contract
async def test_the_trail_says_that_they_changed_and_no_more(scope: TenantScope) -> None:
    """Masked on both sides; and nothing of them where something else was changed."""
    integrations = scope.integrations
    made = await new_integration(integrations, credentials=SECRET)
    read = await integrations.require(made.id)
    await integrations.update(read.edited(timeout_ms=5))
    await integrations.update((await integrations.require(made.id)).edited(credentials=SECRET))
    await integrations.set_credentials(made.id, Secret({"key": "another"}))
    await integrations.set_credentials(made.id, None)
    trail = (await scope.audit.of_entity("integration", made.id)).items[::-1]
    told = [
        None if (change := entry.changes.get("credentials")) is None else attrs.astuple(change)
        for entry in trail
    ]
    assert told == [(None, "***"), None, None, ("***", "***"), ("***", None)]


@contract
async def test_the_trail_tells_of_no_new_key(backend: Backend, scope: TenantScope) -> None:
    """Whoever changes something else, or sets what stands there already, changed no credentials:
    though they are under the new key from then on.
    """
    integrations = scope.integrations
    made = await new_integration(integrations, credentials=SECRET)
    former = backend.keys.active
    backend.keys.another()
    updated = await integrations.update((await integrations.require(made.id)).edited(timeout_ms=5))
    assert await integrations.rotate_credentials() == 0
    backend.keys.another()
    await integrations.update(updated.edited(credentials=Secret(SECRET.reveal()), timeout_ms=6))
    backend.keys.another()
    await integrations.set_credentials(made.id, Secret(SECRET.reveal()))
    read = await integrations.require(made.id)
    backend.keys.another()
    assert await integrations.rotate_credentials() == 1
    await integrations.update(read.edited(timeout_ms=7))
    backend.keys.another()
    await integrations.update((await integrations.require(made.id)).edited(credentials=None))
    await integrations.set_credentials(made.id, read.credentials)
    backend.keys.retire(former)
    assert await integrations.rotate_credentials() == 0
    trail = (await scope.audit.of_entity("integration", made.id)).items[::-1]
    assert [set(entry.changes) for entry in trail[1:]] == [
        {"timeout_ms"},
        {"timeout_ms"},
        set(),
        {"timeout_ms"},
        {"credentials"},
        {"credentials"},
    ]


@contract
async def test_credentials_are_encrypted_anew_under_another_key(
    backend: Backend, scope: TenantScope
) -> None:
    """Once each; they stay what they are, and so do revision and trail."""
    integrations = scope.integrations
    made = [
        await new_integration(integrations, f"{n}", credentials=Secret({"n": n})) for n in range(5)
    ]
    await new_integration(integrations, "without")
    former = backend.keys.active
    assert await integrations.rotate_credentials() == 0
    backend.keys.another()
    assert await integrations.rotate_credentials(limit=2) == 2
    await integrations.set_credentials(made[4].id, Secret({"n": 4}))
    assert await integrations.rotate_credentials() == 2
    assert await integrations.rotate_credentials() == 0
    backend.keys.retire(former)
    for n, one in enumerate(made):
        stored = await integrations.require(one.id)
        assert stored.credentials == Secret({"n": n})
        assert (stored.revision, stored.updated_at) == (2 if n == 4 else 1, one.updated_at)
    assert await scope.audit.count() == 7
    error = await raised_by(integrations.rotate_credentials(limit=0))
    assert isinstance(error, InvalidQueryError)


@contract
async def test_more_than_a_batch_is_encrypted_anew(backend: Backend, scope: TenantScope) -> None:
    """All of it by one call; what can't be opened keeps it from nothing, however much that is."""
    integrations = scope.integrations

    async def filled(name: str, count: int) -> None:
        await integrations.create_many(
            Integration.draft(name=f"{name} {n}", type="webhook", credentials=SECRET)
            for n in range(count)
        )

    lost = backend.keys.active
    await filled("lost", 501)
    backend.keys.another()
    former = backend.keys.active
    await filled("former", 2)
    backend.keys.another()
    backend.keys.retire(lost)
    error = await raised_by(integrations.rotate_credentials())
    assert isinstance(error, EncryptionKeyError)
    backend.keys.retire(former)
    for n in range(2):
        found = await integrations.get_by_name(f"former {n}")
        assert found is not None
        assert found.credentials == SECRET
    await filled("many", 501)
    backend.keys.another()
    await integrations.delete_where(integrations.where("name").startswith("lost"))
    assert await integrations.rotate_credentials() == 503


@contract
async def test_what_is_under_a_retired_key_is_not_shown(
    backend: Backend, scope: TenantScope
) -> None:
    """Everything else of the integration can be read and changed; a rotation does what it can, and
    names the key.
    """
    integrations = scope.integrations
    made = await new_integration(integrations, credentials=SECRET)
    lost = backend.keys.active
    backend.keys.another()
    other = await new_integration(integrations, "other", credentials=Secret({"n": 1}))
    backend.keys.another()
    backend.keys.retire(lost)
    read = await integrations.require(made.id)
    assert read.credentials is not None
    with pytest.raises(EncryptionKeyError) as told:
        read.credentials.reveal()
    assert told.value.key_id == lost
    updated = await integrations.update(read.edited(timeout_ms=5))
    assert updated.timeout_ms == 5
    recorded = await integrations.record_call(
        made.id,
        CallReport(success=False, latency_ms=1, error=PASSWORD, metadata=JsonObject.of({"a": 1})),
    )
    assert (recorded.call.error, recorded.call.metadata) == ("***", {})
    error = await raised_by(integrations.rotate_credentials())
    assert isinstance(error, EncryptionKeyError)
    assert error.key_id == lost
    token = (await integrations.require(other.id)).credentials
    assert token == Secret({"n": 1})
    new = await integrations.set_credentials(made.id, SECRET)
    assert new.credentials == SECRET
    assert await integrations.rotate_credentials() == 0


def _texts(value: Any) -> Iterator[str]:
    """Every way in which something is usually shown."""
    for show in (repr, str, "{}".format, lambda one: json.dumps(one, default=str)):
        yield show(value)
    if attrs.has(type(value)):
        yield repr(attrs.asdict(value, recurse=False))
        yield str(getattr(value, "__dict__", ""))


def _tells(text: str) -> bool:
    return any(part in text for part in (PASSWORD, "hunter2", BASIC, "73019284"))


@contract
async def test_nothing_shows_a_secret(backend: Backend, scope: TenantScope) -> None:
    """No entity, draft, error, entry of the trail or of the log; and none can be pickled."""
    integrations = scope.integrations
    draft = Integration.draft(name="crm", type="webhook", credentials=SECRET)
    made = await integrations.create(draft)
    read = await integrations.require(made.id)
    report = CallReport(
        success=False,
        latency_ms=1,
        error=f"401 for {USER}:{PASSWORD}, {BASIC}, hunter2%2F%2B%20%C3%BC and 73019284",
        metadata=JsonObject.of({"Authorization": f"Basic {BASIC}", "sent": [PASSWORD, 73019284]}),
    )
    recorded = await integrations.record_call(made.id, report)
    marked = await integrations.mark_health(made.id, IntegrationHealth.UNHEALTHY, report.error)
    foreign = backend.fresh().integrations
    errors = await raised_by_each(
        integrations.create(draft),
        integrations.create(made),
        integrations.create_many([draft, draft]),
        integrations.update(made),
        integrations.update(attrs.evolve(made, id=uuid4())),
        foreign.update(read),
        integrations.patch(made.id, credentials={"password": PASSWORD}),
        integrations.record_call(uuid4(), report),
    )
    assert [type(error) for error in errors] == [
        DuplicateEntityError,
        DuplicateEntityError,
        DuplicateEntityError,
        ConflictError,
        EntityNotFoundError,
        TenantMismatchError,
        ValidationError,
        EntityNotFoundError,
    ]
    shown: list[Any] = [draft, made, read, recorded, marked, scope, repr(report), *errors]
    shown += [error.args for error in errors if error is not None]
    shown += (await integrations.calls(made.id)).items
    shown += (await scope.audit.scan()).items
    for value in shown:
        assert not any(map(_tells, _texts(value))), type(value)
    log = (await integrations.calls(made.id)).items[0]
    assert (log.error, marked.last_error) == ("401 for ***:***, ***, *** and ***",) * 2
    assert log.metadata == {"Authorization": "Basic ***", "sent": ["***", "***"]}
    for one in (made, read):
        with pytest.raises(TypeError):
            pickle.dumps(one)
