"""The audit trail: what shows when somebody goes behind the port.

A backend whose trail can be reached so overrides `tamper` and `tamper_head`.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import attrs
import pytest

from domain.audit import NO_ENTRY, AuditAction, AuditEntry, AuditHead, FieldChange
from domain.audit_chain import AuditFault
from domain.flows import Flow
from domain.frozen import FrozenDict
from domain.identity import Author
from domain.rules import restored
from ports.contracts.audit_model import digest_of, trail_of
from ports.contracts.harness import Backend, contract, raised_by
from ports.errors import CorruptRecordError
from ports.stores import TenantScope

LENGTH = 6


async def sealed(backend: Backend) -> tuple[TenantScope, list[AuditEntry]]:
    """A sound chain of so many entries, two flows' by turns."""
    scope = backend.scope(backend.tenant(), author=Author("ada", "why"))
    one, two = await scope.flows.create_many([Flow.draft(name="one"), Flow.draft(name="two")])
    for turn in range(2):
        for flow in (one, two):
            await scope.flows.patch(flow.id, description=f"{turn}")
    assert (await scope.audit.verify()).sound
    trail = await trail_of(scope)
    return scope, sorted(trail, key=lambda entry: entry.sequence or 0)


def other(entry: AuditEntry, **fields: Any) -> AuditEntry:
    """The entry with other fields, whatever they are."""
    return restored(AuditEntry, {**_fields(entry), **fields})


def _fields(entry: AuditEntry) -> dict[str, Any]:
    return {field.name: getattr(entry, field.name) for field in attrs.fields(AuditEntry)}


async def finding(
    backend: Backend, scope: TenantScope, expected: AuditHead | None = None
) -> tuple[AuditFault, int | None, UUID | None, int] | None:
    """What a verification finds, from another instance, and how many it found sound before."""
    verified = await backend.scope(scope.tenant, 1).audit.verify(expected)
    found = verified.finding
    assert verified.sound is (found is None)
    if found is None:
        return None
    assert found.says
    return found.fault, found.sequence, found.entry_id, verified.entries


ALTERED: Mapping[str, Callable[[AuditEntry], Any]] = {
    "at": lambda entry: entry.at + timedelta(milliseconds=1),
    "at, by less than what is kept of it": lambda entry: entry.at + timedelta(microseconds=1),
    "actor": lambda entry: "bob",
    "reason": lambda entry: None,
    "action": lambda entry: AuditAction.DELETED,
    "entity_type": lambda entry: "experiment",
    "entity_id": lambda entry: uuid4(),
    "revision": lambda entry: entry.revision + 1,
    "position": lambda entry: entry.position + 10_000,
    "changes": lambda entry: FrozenDict({"description": FieldChange(None, "another")}),
    "digest": lambda entry: "0" * 64,
}


@pytest.mark.parametrize("place", [1, 3, LENGTH])
@pytest.mark.parametrize("field", ALTERED)
@contract
async def test_an_altered_entry_is_named(backend: Backend, field: str, place: int) -> None:
    """Whichever of its fields was changed."""
    scope, chain = await sealed(backend)
    entry = chain[place - 1]
    altered = other(entry, **{field.partition(",")[0]: ALTERED[field](entry)})
    await backend.tamper(scope.tenant, {entry.id: altered})
    assert await finding(backend, scope) == (AuditFault.ALTERED, place, entry.id, place - 1)


@pytest.mark.parametrize("place", [1, 3, LENGTH])
@contract
async def test_a_removed_entry_is_missed(backend: Backend, place: int) -> None:
    """The first, one in the middle, and the last; and still when more has been sealed since."""
    scope, chain = await sealed(backend)
    await backend.tamper(scope.tenant, {chain[place - 1].id: None})
    assert await finding(backend, scope) == (AuditFault.MISSING, place, None, place - 1)
    await scope.flows.create(Flow.draft(name="later"))
    assert await finding(backend, scope) == (AuditFault.MISSING, place, None, place - 1)


@contract
async def test_all_entries_removed_are_missed(backend: Backend) -> None:
    """The head tells that there were some."""
    scope, chain = await sealed(backend)
    await backend.tamper(scope.tenant, {entry.id: None for entry in chain})
    assert await finding(backend, scope) == (AuditFault.MISSING, 1, None, 0)


@contract
async def test_entries_that_changed_places_are_found(backend: Backend) -> None:
    """With their digests, or each keeping its own."""
    for also in ((), ("digest",)):
        scope, chain = await sealed(backend)
        one, two = chain[1], chain[3]
        place = ("sequence", *also)
        changed = {
            one.id: other(one, **{name: getattr(two, name) for name in place}),
            two.id: other(two, **{name: getattr(one, name) for name in place}),
        }
        await backend.tamper(scope.tenant, changed)
        assert await finding(backend, scope) == (AuditFault.ALTERED, 2, two.id, 1)


@contract
async def test_an_added_entry_is_found(backend: Backend) -> None:
    """After the end, though its digest fits, and before the beginning."""
    scope, chain = await sealed(backend)
    last = chain[-1]
    added = other(last, id=uuid4(), position=last.position + 10_000, sequence=LENGTH + 1)
    fitting = other(added, digest=digest_of(added, last.digest or ""))
    await backend.tamper(scope.tenant, {fitting.id: fitting})
    expected = (AuditFault.HEAD, LENGTH + 1, fitting.id, LENGTH)
    assert await finding(backend, scope) == expected
    await scope.flows.create(Flow.draft(name="later"))
    error = await raised_by(scope.audit.seal())
    assert isinstance(error, CorruptRecordError)
    assert error.entity_id == fitting.id
    assert await finding(backend, scope) == expected
    early = other(fitting, id=uuid4(), sequence=0)
    await backend.tamper(scope.tenant, {fitting.id: None, early.id: early})
    assert await finding(backend, scope) == (AuditFault.FOREIGN, 0, early.id, 0)


@contract
async def test_a_head_that_was_set_back_is_found(backend: Backend) -> None:
    """Or forward, or removed, or given another digest; nothing is sealed after a wrong one."""
    scope, chain = await sealed(backend)
    head = await scope.audit.head()
    back = AuditHead(sequence=4, digest=chain[3].digest or "")
    await backend.tamper_head(scope.tenant, back)
    assert await finding(backend, scope) == (AuditFault.HEAD, 5, chain[4].id, 4)
    await backend.tamper_head(scope.tenant, None)
    await scope.flows.create(Flow.draft(name="later"))
    assert isinstance(await raised_by(scope.audit.seal()), CorruptRecordError)
    assert await finding(backend, scope) == (AuditFault.HEAD, 1, chain[0].id, 0)
    await backend.tamper_head(scope.tenant, head)
    assert await finding(backend, scope) is None
    head = await scope.audit.head()
    await backend.tamper_head(scope.tenant, attrs.evolve(head, sequence=9))
    assert await finding(backend, scope) == (AuditFault.MISSING, LENGTH + 2, None, LENGTH + 1)
    await backend.tamper_head(scope.tenant, attrs.evolve(head, digest=NO_ENTRY.digest))
    for name in ("after that", "and that"):
        assert await finding(backend, scope) == (AuditFault.HEAD, None, None, LENGTH + 1)
        await scope.flows.create(Flow.draft(name=name))
        assert isinstance(await raised_by(scope.audit.seal()), CorruptRecordError)


@contract
async def test_a_chain_that_was_written_anew_is_found_by_whoever_kept_a_head(
    backend: Backend,
) -> None:
    """By itself it is as sound as any: that is what a head is kept elsewhere for."""
    scope, chain = await sealed(backend)
    kept = await scope.audit.head()
    anew: dict[UUID, AuditEntry | None] = {}
    head = NO_ENTRY
    for entry in chain:
        forged = other(entry, actor="bob") if entry is chain[2] else entry
        anew[entry.id], head = head.followed_by(forged)
    await backend.tamper(scope.tenant, anew)
    await backend.tamper_head(scope.tenant, head)
    assert await finding(backend, scope) is None
    assert await finding(backend, scope, kept) == (AuditFault.REWRITTEN, LENGTH, chain[-1].id, 6)
    early = AuditHead(sequence=3, digest=chain[2].digest or "")
    assert await finding(backend, scope, early) == (AuditFault.REWRITTEN, 3, chain[2].id, 3)
    first = AuditHead(sequence=2, digest=chain[1].digest or "")
    assert await finding(backend, scope, first) is None


@contract
async def test_an_entry_that_was_removed_before_it_was_sealed_leaves_a_gap(
    backend: Backend,
) -> None:
    """Its entity's revisions have one; so has an entity that was deleted and created again."""
    scope = backend.fresh()
    flow = await scope.flows.create(Flow.draft(name="flow"))
    for turn in range(3):
        await scope.flows.patch(flow.id, description=f"{turn}")
    trail = await trail_of(scope)
    await backend.tamper(scope.tenant, {trail[1].id: None})
    assert await finding(backend, scope) == (AuditFault.MISSING, 2, trail[2].id, 3)
    scope = backend.fresh()
    flow = await scope.flows.create(Flow.draft(name="flow"))
    await scope.flows.delete(flow.id)
    await scope.flows.create(flow)
    trail = await trail_of(scope)
    await backend.tamper(scope.tenant, {trail[1].id: None})
    assert await finding(backend, scope) == (AuditFault.MISSING, 2, trail[2].id, 2)


@contract
async def test_another_tenants_trail_stays_sound(backend: Backend) -> None:
    """What was done to one says nothing of another."""
    scope, chain = await sealed(backend)
    unharmed, _ = await sealed(backend)
    await backend.tamper(scope.tenant, {chain[0].id: None})
    assert await finding(backend, unharmed) is None
