"""Authoring data that were put back: the trail, what others are told, and what goes on."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import attrs

from domain.audit import AuditAction, AuditEntry, AuditHead
from domain.audit_chain import AuditFault
from domain.flows import Flow
from domain.identity import Author
from domain.integrations import CallReport
from domain.rules import restored
from ports import archives as kinds
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, Group, contract, raised_by
from ports.contracts.tenant_contents import Contents, archive_of, contents, fill, put_back
from ports.errors import IdempotencyKeyReusedError
from ports.stores import AuthoringMaintenance, TenantScope


def maintenance_of(backend: Backend) -> AuthoringMaintenance:
    """Another instance's."""
    store = backend.instances[1].authoring
    assert store is not None
    return store.maintenance()


async def moved(backend: Backend, scope: TenantScope) -> Contents:
    """All of a tenant's, taken out, erased and put back."""
    before = await fill(backend, scope, Group.AUTHORING)
    await maintenance_of(backend).erase_tenant(scope.tenant)
    await put_back(archive_of(backend, Group.AUTHORING, 1), scope.tenant, before)
    return before


@contract
async def test_a_trail_verifies_as_it_did(backend: Backend, scope: TenantScope) -> None:
    """The same entries, the same head, and a head that was kept elsewhere still holds."""
    before = await fill(backend, scope, Group.AUTHORING)
    kept = await scope.audit.head()
    await maintenance_of(backend).erase_tenant(scope.tenant)
    await put_back(archive_of(backend, Group.AUTHORING, 1), scope.tenant, before)
    assert await scope.audit.head() == kept
    verified = await scope.audit.verify(kept)
    assert verified.sound
    assert verified.entries == len(before[kinds.AUDIT_ENTRIES])


@contract
async def test_a_trail_whose_beginning_was_purged_comes_back_so(
    backend: Backend, scope: TenantScope
) -> None:
    """Its anchor comes back with it: what is gone is explained there, too."""
    await fill(backend, scope, Group.AUTHORING)
    backend.clock.advance(days=2)
    flow = (await scope.flows.scan(limit=1)).items[0]
    await scope.flows.patch(flow.id, description="later")
    past = backend.clock.now() - timedelta(days=1)
    # What it raises is of other tenants, whose trails are broken.
    await raised_by(maintenance_of(backend).purge_audit(past))
    kept = await scope.audit.anchor()
    assert kept.sequence > 0
    archive = archive_of(backend, Group.AUTHORING)
    before = await contents(archive, scope.tenant)
    assert before[kinds.AUDIT_ANCHOR] == [kept]
    await maintenance_of(backend).erase_tenant(scope.tenant)
    await put_back(archive, scope.tenant, before)
    verified = await scope.audit.verify()
    assert (verified.sound, verified.anchor) == (True, kept)
    assert exact(await contents(archive, scope.tenant))[()] == exact(before)[()]


@contract
async def test_what_was_purged_since_stays_so(backend: Backend, scope: TenantScope) -> None:
    """Put back again, after the oldest entries went: these have expired, the rest is unchanged, and
    so is where the chain begins."""
    await fill(backend, scope, Group.AUTHORING)
    archive, kept = archive_of(backend, Group.AUTHORING), []
    for _ in range(3):
        backend.clock.advance(days=2)
        flow = (await scope.flows.scan(limit=1)).items[0]
        await scope.flows.patch(flow.id, description=str(backend.clock.kept))
        await scope.audit.seal()
        kept.append(await contents(archive, scope.tenant))
        past = backend.clock.now() - timedelta(days=1)
        await raised_by(maintenance_of(backend).purge_audit(past))
    after = await contents(archive, scope.tenant)
    for before in kept:
        for kind in (kinds.AUDIT_ANCHOR, kinds.AUDIT_HEAD, kinds.AUDIT_ENTRIES):
            if before[kind]:
                done = await archive.restore(scope.tenant, kind, before[kind])
                assert (done.added, dict(done.refused)) == (0, {}), kind
        assert done.expired + done.unchanged == len(before[kinds.AUDIT_ENTRIES])
        assert done.expired > 0
    assert exact(await contents(archive, scope.tenant)) == exact(after)
    assert (await scope.audit.verify()).sound


@contract
async def test_a_trail_that_was_altered_is_found_altered(
    backend: Backend, scope: TenantScope
) -> None:
    """What is put back isn't made good: the same entry is named, with the same fault."""
    before = await fill(backend, scope, Group.AUTHORING)
    entries: list[AuditEntry] = list(before[kinds.AUDIT_ENTRIES])
    fields = {field.name: getattr(entries[2], field.name) for field in attrs.fields(AuditEntry)}
    entries[2] = restored(AuditEntry, {**fields, "reason": "another"})
    await maintenance_of(backend).erase_tenant(scope.tenant)
    altered = {**before, kinds.AUDIT_ENTRIES: entries}
    await put_back(archive_of(backend, Group.AUTHORING), scope.tenant, altered)
    finding = (await scope.audit.verify()).finding
    assert finding is not None
    assert (finding.fault, finding.entry_id) == (AuditFault.ALTERED, entries[2].id)


@contract
async def test_putting_back_tells_nobody_and_writes_nothing_of_its_own(
    backend: Backend, scope: TenantScope
) -> None:
    """No entry and no event beside what was restored: consumers have nothing to be told."""
    outbox, name = maintenance_of(backend).outbox, f"c-{scope.tenant[:40]}"
    before = await fill(backend, scope, Group.AUTHORING)
    await maintenance_of(backend).erase_tenant(scope.tenant)
    await outbox.subscribe(name)
    try:
        await put_back(archive_of(backend, Group.AUTHORING), scope.tenant, before)
        after = ""
        while found := await outbox.with_news(after, 100):
            assert scope.tenant not in found
            after = found[-1]
    finally:
        await outbox.unsubscribe(name)
    assert len([one async for one in scope.audit.stream()]) == len(before[kinds.AUDIT_ENTRIES])


@contract
async def test_the_trail_goes_on_where_it_ended(backend: Backend, scope: TenantScope) -> None:
    """A change after it has a later position than all that was put back, and the chain holds it;
    also if what was put back had positions that this store never gave.
    """
    before = await fill(backend, scope, Group.AUTHORING)
    await maintenance_of(backend).erase_tenant(scope.tenant)
    far = max(entry.position for entry in before[kinds.AUDIT_ENTRIES]) + 5_000_000
    unsealed = before[kinds.AUDIT_ENTRIES][-1]
    assert unsealed.sequence is None
    fields = {field.name: getattr(unsealed, field.name) for field in attrs.fields(AuditEntry)}
    last = restored(AuditEntry, {**fields, "position": far})
    entries = [*before[kinds.AUDIT_ENTRIES][:-1], last]
    await put_back(
        archive_of(backend, Group.AUTHORING),
        scope.tenant,
        {**before, kinds.AUDIT_ENTRIES: entries},
    )
    flow = before[kinds.FLOWS][0]
    author = backend.scope(scope.tenant, 1, Author("zoe"))
    await author.flows.patch(flow.id, description="later")
    page = await author.audit.by_actor("zoe")
    assert page.items[0].position > far
    assert (await scope.audit.verify()).sound


@contract
async def test_a_forged_trails_positions_keep_nobody_from_writing(
    backend: Backend, scope: TenantScope
) -> None:
    """One that two entries have, and the last one that there is: all are sealed, what is written
    afterwards, also by others, has a position that can be, and it comes back in its turn."""
    before = await fill(backend, scope, Group.AUTHORING)
    await maintenance_of(backend).erase_tenant(scope.tenant)
    last = before[kinds.AUDIT_ENTRIES][-1]
    fields = {field.name: getattr(last, field.name) for field in attrs.fields(AuditEntry)}
    fields |= {"action": AuditAction.CREATED, "revision": 1}
    forged = [
        restored(AuditEntry, {**fields, "id": uuid4(), "entity_id": uuid4(), "position": position})
        for position in (2**53, 2**53, 2**63 - 1, 2**63 - 1)
    ]
    entries = [*before[kinds.AUDIT_ENTRIES], *forged]
    archive = archive_of(backend, Group.AUTHORING)
    await put_back(archive, scope.tenant, {**before, kinds.AUDIT_ENTRIES: entries})
    other = backend.scope(backend.tenant(), 1)
    for author in (scope, other):
        await author.flows.create(Flow.draft(name="later"))
        assert (await author.audit.verify()).sound
        found = (await contents(archive, author.tenant))[kinds.AUDIT_ENTRIES]
        assert all(entry.is_sealed and entry.position < 2**63 for entry in found)
        await maintenance_of(backend).erase_tenant(author.tenant)
        done = await archive.restore(author.tenant, kinds.AUDIT_ENTRIES, found)
        assert done.added == len(found)
    assert len(found) < len(entries)


@contract
async def test_after_what_nothing_can_be_sealed_is_refused(
    backend: Backend, scope: TenantScope
) -> None:
    """A place without a digest, or the reverse; the last places that there are."""
    before = await fill(backend, scope, Group.AUTHORING)
    await maintenance_of(backend).erase_tenant(scope.tenant)
    archive, last = archive_of(backend, Group.AUTHORING), before[kinds.AUDIT_ENTRIES][-1]
    fields = {field.name: getattr(last, field.name) for field in attrs.fields(AuditEntry)}
    digest, far = "0" * 64, 2**63 - 1
    for change in ({"digest": digest}, {"sequence": 99}, {"digest": digest, "sequence": far}):
        entry = restored(AuditEntry, {**fields, **change})
        done = await archive.restore(scope.tenant, kinds.AUDIT_ENTRIES, [entry])
        assert (done.added, list(done.refused)) == (0, [0]), change
    for kind in (kinds.AUDIT_ANCHOR, kinds.AUDIT_HEAD):
        end = AuditHead(sequence=far, digest=digest)
        done = await archive.restore(scope.tenant, kind, [end])
        assert (done.added, list(done.refused)) == (0, [0]), kind
    await put_back(archive, scope.tenant, before)
    assert (await scope.audit.verify()).sound


@contract
async def test_what_goes_on_goes_on_from_what_was_put_back(
    backend: Backend, scope: TenantScope
) -> None:
    """Numbers, counters, variants, idempotency keys, revisions and unique names."""
    before = await moved(backend, scope)
    crm = next(one for one in before[kinds.INTEGRATIONS] if one.name == "crm")
    call = await scope.integrations.record_call(crm.id, CallReport(success=True, latency_ms=1))
    assert call.call.sequence == crm.call_count + 1
    calls = (await scope.integrations.calls(crm.id)).items
    assert [one.sequence for one in calls] == list(range(crm.call_count + 1, 0, -1))
    experiment = before[kinds.EXPERIMENTS][0]
    for assigned in before[kinds.ASSIGNMENTS]:
        assert await scope.experiments.assign(experiment.id, assigned.unit) == assigned
    record = scope.experiments.record_outcome
    assert not await record(experiment.id, "zoe", "spent", 2.5, key="once")
    failure = await raised_by(record(experiment.id, "zoe", "spent", 3, key="once"))
    assert isinstance(failure, IdempotencyKeyReusedError)
    assert await scope.flows.get_default() == next(
        one for one in before[kinds.FLOWS] if one.is_default
    )
    for flow in before[kinds.FLOWS]:
        assert (await scope.flows.update(flow)).revision == flow.revision + 1
    for integration in before[kinds.INTEGRATIONS]:
        found = await scope.integrations.require(integration.id)
        if integration.credentials is not None:
            assert found.credentials is not None
            assert found.credentials.reveal() == {"api_key": "k-123", "n": [1, 1.5]}


@contract
async def test_what_belongs_to_nothing_that_is_there_is_refused(
    backend: Backend, scope: TenantScope
) -> None:
    """Versions, figures, assignments, outcomes and calls: each is told, nothing is stored."""
    before = await fill(backend, scope, Group.AUTHORING)
    await maintenance_of(backend).erase_tenant(scope.tenant)
    archive = archive_of(backend, Group.AUTHORING)
    owned = (
        *(kinds.FLOW_VERSIONS, kinds.FLOW_METRICS, kinds.ASSIGNMENTS, kinds.OUTCOMES),
        *(kinds.OUTCOME_KEYS, kinds.CALLS),
    )
    for kind in owned:
        done = await archive.restore(scope.tenant, kind, before[kind])
        assert (done.added, len(done.refused)) == (0, len(before[kind])), kind
    assert not any((await contents(archive, scope.tenant)).values())


@contract
async def test_what_would_break_a_unique_key_is_refused_alone(
    backend: Backend, scope: TenantScope
) -> None:
    """A name, a version, a second default: each is told, and what stands stays."""
    before = await moved(backend, scope)
    archive, tenant = archive_of(backend, Group.AUTHORING), scope.tenant
    for kind in (kinds.FLOWS, kinds.EXPERIMENTS, kinds.INTEGRATIONS, kinds.FLOW_VERSIONS):
        clashing = attrs.evolve(before[kind][0], id=uuid4())
        done = await archive.restore(tenant, kind, [clashing, before[kind][0]])
        assert (done.added, done.unchanged, list(done.refused)) == (0, 1, [0]), kind
    default = next(one for one in before[kinds.FLOWS] if one.is_default)
    second = attrs.evolve(default, id=uuid4(), name="second")
    other = attrs.evolve(default, id=uuid4(), name="third", is_default=False)
    done = await archive.restore(tenant, kinds.FLOWS, [second, other])
    assert (done.added, list(done.refused)) == (1, [0])
    assert exact(await scope.flows.require(other.id)) == exact(other)


@contract
async def test_what_is_read_is_of_one_moment(backend: Backend, scope: TenantScope) -> None:
    """Whoever writes while it is read changes nothing of it: no version without its flow, no entry
    beyond the chain's head."""
    before = await fill(backend, scope, Group.AUTHORING)
    found: dict[Any, list[Any]] = {kind: [] for kind in before}
    other = backend.scope(scope.tenant, 1)
    first = True
    async for kind, records in archive_of(backend, Group.AUTHORING).read(scope.tenant):
        found[kind].extend(records)
        if first:
            first = False
            for flow in before[kinds.FLOWS]:
                await other.flows.patch(flow.id, description="meanwhile")
            await other.flows.delete(before[kinds.FLOWS][0].id)
            await other.audit.seal()
    for kind in before:
        assert exact(found[kind]) == exact(before[kind]), kind
