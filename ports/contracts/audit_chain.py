"""The audit trail's chain: how entries get their places in it, whoever writes and seals."""

import asyncio
from collections.abc import Coroutine
from itertools import pairwise
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from domain.audit import NO_ENTRY, AuditEntry, AuditHead
from domain.audit_chain import AuditFault
from domain.errors import ValidationError
from domain.flows import Flow
from ports.capabilities import Capability
from ports.contracts.audit_model import digest_of, each_authored, trail_of
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by
from ports.contracts.subjects import Subject
from ports.dispatch import Dispatcher
from ports.errors import InvalidQueryError
from ports.stores import TenantScope

WRITERS = 8


async def written(scope: TenantScope, count: int = 5) -> list[AuditEntry]:
    """A trail of so many entries, none of them sealed."""
    flow = await scope.flows.create(Flow.draft(name="flow"))
    for number in range(1, count):
        await scope.flows.patch(flow.id, description=f"{number}")
    return await trail_of(scope)


def follows(trail: list[AuditEntry]) -> None:
    """The entries, all of them sealed, are a chain by the description alone."""
    chain = sorted(trail, key=lambda entry: entry.sequence or 0)
    assert [entry.sequence for entry in chain] == list(range(1, len(chain) + 1))
    previous = "0" * 64
    for entry in chain:
        assert entry.digest == digest_of(entry, previous)
        previous = entry.digest or ""


@contract
async def test_an_entry_is_sealed_once(backend: Backend) -> None:
    """In the order of the writing; nothing of it changes but its place and digest."""
    here, there = backend.rivals()
    before = await written(here)
    assert await there.audit.seal() == 5
    assert await here.audit.seal() == 0
    after = await trail_of(here)
    place = ("sequence", "digest")
    assert exact(after, without=place) == exact(before, without=place)
    assert [entry.sequence for entry in after] == [1, 2, 3, 4, 5]
    follows(after)
    assert await here.audit.head() == AuditHead(sequence=5, digest=after[-1].digest or "")


@contract
async def test_sealing_goes_on_where_it_ended(backend: Backend) -> None:
    """By as many as it was asked for, and with what came since."""
    here, there = backend.rivals()
    await written(here)
    assert [await scope.audit.seal(2) for scope in (here, there, here, there)] == [2, 2, 1, 0]
    await here.flows.create(Flow.draft(name="other"))
    assert await there.audit.seal(1_000) == 1
    follows(await trail_of(here))


@contract
async def test_nothing_to_seal(scope: TenantScope) -> None:
    """A tenant without entries has the head of an empty chain, and a sound trail."""
    assert await scope.audit.seal() == 0
    assert await scope.audit.head() == NO_ENTRY
    verified = await scope.audit.verify()
    assert (verified.sound, verified.entries, verified.head) == (True, 0, NO_ENTRY)


@contract
async def test_what_a_dispatcher_left_unsealed_is_found(backend: Backend) -> None:
    """One that told of it, and ended before it sealed it: nothing new has to happen."""
    scope = backend.fresh()
    store = backend.instances[1].authoring
    assert store is not None
    works = store.maintenance()
    await scope.flows.create(Flow.draft(name="a"))
    await Dispatcher(works.outbox, ()).once()
    before = scope.tenant[:-1]
    assert scope.tenant in await works.unsealed(before, 1_000)
    assert scope.tenant not in await works.unsealed(scope.tenant, 1_000)
    await works.dispatcher(()).once()
    assert (await scope.audit.head()).sequence == 1
    assert scope.tenant not in await works.unsealed(before, 1_000)


@contract
async def test_maintenance_seals_without_a_scope(backend: Backend) -> None:
    """A tenant's entries, and no other's; a name or number that can be none is refused."""
    here, other = backend.fresh(), backend.fresh()
    await written(here)
    await written(other)
    store = backend.instances[1].authoring
    assert store is not None
    maintenance = store.maintenance()
    assert [await maintenance.seal_audit(here.tenant, 3) for _ in range(3)] == [3, 2, 0]
    assert await maintenance.seal_audit(backend.tenant()) == 0
    assert await other.audit.head() == NO_ENTRY
    wrong: Any = "no tenant's name"
    assert isinstance(await raised_by(maintenance.seal_audit(wrong)), ValidationError)
    assert isinstance(await raised_by(maintenance.seal_audit(here.tenant, 0)), InvalidQueryError)


@given(data=st.data())
@examples(0.2)
@each_authored
@contract
async def test_whatever_is_admitted_can_be_sealed(
    backend: Backend, scope: TenantScope, authored: Subject, data: st.DataObject
) -> None:
    """And its digest is what the description says, in every store."""
    repository = authored.of(scope)
    made = await repository.create(data.draw(authored.entities(scope.tenant)))
    await repository.patch(made.id, **data.draw(authored.patches))
    verified = await backend.scope(scope.tenant, 1).audit.verify()
    assert verified.finding is None
    follows(await trail_of(scope))


@contract
async def test_verify_seals_what_is_there_and_says_where_the_chain_ends(backend: Backend) -> None:
    """Its head is the one to keep; it is found again however the chain has grown since."""
    here, there = backend.rivals()
    await written(here)
    verified = await there.audit.verify()
    assert (verified.sound, verified.entries, verified.head.sequence) == (True, 5, 5)
    assert verified.head == await here.audit.head()
    await here.flows.create(Flow.draft(name="other"))
    again = await here.audit.verify(expected=verified.head)
    assert (again.sound, again.entries) == (True, 6)
    assert (await here.audit.verify(expected=again.head)).sound
    assert (await here.audit.verify(expected=NO_ENTRY)).sound


@contract
async def test_a_head_that_the_chain_never_had_is_told(scope: TenantScope) -> None:
    """Whether it names another entry, or one that the chain hasn't come to."""
    await written(scope)
    head = (await scope.audit.verify()).head
    for sequence, digest in ((3, head.digest), (5, "0" * 64), (6, head.digest), (0, head.digest)):
        kept = AuditHead(sequence=sequence, digest=digest)
        verified = await scope.audit.verify(expected=kept)
        assert verified.finding is not None
        assert verified.finding.fault is AuditFault.REWRITTEN
        assert verified.finding.sequence == sequence


@contract(needs=Capability.TRANSACTIONS)
async def test_what_is_not_committed_is_not_sealed(backend: Backend) -> None:
    """It takes its place when it is, after what was sealed meanwhile; nobody waited for it."""
    here, there = backend.rivals()
    async with here.authoring() as work:
        late = await work.flows.create(Flow.draft(name="late"))
        early = await there.flows.create(Flow.draft(name="early"))
        assert await there.audit.seal() == 1
        assert (await there.audit.verify()).entries == 1
    assert await there.audit.seal() == 1
    trail = await trail_of(there)
    places = {entry.entity_id: entry.sequence for entry in trail}
    assert places == {early.id: 1, late.id: 2}
    assert (await here.audit.verify()).sound


@contract
async def test_a_deletion_begins_an_entitys_revisions_anew(scope: TenantScope) -> None:
    """What was deleted is created again at whatever revision: an export is restored."""
    flow = await scope.flows.create(Flow.draft(name="flow"))
    for revision in (1, 7, 3):
        restored = attrs.evolve(flow, revision=revision)
        await scope.flows.delete(flow.id)
        await scope.flows.create(restored)
        await scope.flows.patch(flow.id, description="x")
    assert (await scope.audit.verify()).sound


@contract
async def test_writers_and_sealers_at_once_leave_one_chain(backend: Backend) -> None:
    """Entries are neither lost nor sealed twice, and an entity's are never out of order."""
    rivals = backend.rivals()
    flows = await rivals[0].flows.create_many(Flow.draft(name=f"flow {n}") for n in range(3))
    busy = asyncio.Event()

    async def seal(scope: TenantScope) -> None:
        while not busy.is_set():
            await scope.audit.seal(3)
            await asyncio.sleep(0)

    def write(number: int, scope: TenantScope) -> Coroutine[Any, Any, None]:
        return _written_by(number, scope, [flow.id for flow in flows])

    sealers = [asyncio.ensure_future(seal(scope)) for scope in (*rivals, rivals[1])]
    try:
        _, lost = split(await all_at_once(rivals, write, WRITERS))
    finally:
        busy.set()
        await asyncio.gather(*sealers)
    assert lost == []
    verified = await rivals[1].audit.verify()
    assert verified.finding is None
    trail = await trail_of(rivals[0])
    assert verified.entries == len(trail) == 3 + WRITERS * 5
    follows(trail)
    for flow in flows:
        own = [entry for entry in trail if entry.entity_id == flow.id]
        assert all(
            one.position < other.position and (one.sequence or 0) < (other.sequence or 0)
            for one, other in pairwise(sorted(own, key=lambda entry: entry.revision))
        )


async def _written_by(number: int, scope: TenantScope, ids: list[Any]) -> None:
    for turn, id in enumerate(ids):
        await scope.flows.patch(id, description=f"{number} {turn}")
    made = await scope.flows.create(Flow.draft(name=f"of {number}"))
    await scope.flows.delete(made.id)
