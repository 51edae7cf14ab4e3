"""Retention of the audit trail: the oldest entries go, and the rest can be verified as before."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs
from hypothesis import given
from hypothesis import strategies as st

from domain.audit import NO_ENTRY, AuditEntry, AuditHead
from domain.audit_chain import AuditFault
from domain.erasure import Tombstone
from domain.flows import Flow
from domain.identity import Author
from domain.retention import Swept
from ports.contracts.audit_model import trail_of
from ports.contracts.call_retention import HOUR, LONG_AGO, maintenance
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples
from ports.stores import TenantScope

LENGTH = 6
BOUND = LONG_AGO + 3 * HOUR


@contextmanager
def at(backend: Backend, hours: float) -> Iterator[None]:
    """For the block it is so many hours after `LONG_AGO`."""
    now = backend.clock.now()
    backend.clock.set(LONG_AGO + hours * HOUR)
    try:
        yield
    finally:
        backend.clock.set(now)


async def written(
    backend: Backend, hours: Sequence[float] = range(LENGTH), *, seal: bool = True
) -> tuple[TenantScope, list[AuditEntry]]:
    """A trail with an entry at each of these hours, of two flows by turns, in their order."""
    scope = backend.scope(backend.tenant(), author=Author("ada", "why"))
    flows: list[Flow] = []
    for number, hour in enumerate(hours):
        with at(backend, hour):
            if number < 2:
                flows.append(await scope.flows.create(Flow.draft(name=f"{number}")))
            else:
                await scope.flows.patch(flows[number % 2].id, description=f"{number}")
    if seal:
        await scope.audit.seal()
    return scope, await trail_of(scope)


def place(entry: AuditEntry) -> AuditHead:
    """What a chain that ends, or begins, with an entry has as its head, or anchor."""
    return AuditHead(sequence=entry.sequence or 0, digest=entry.digest or "")


async def purged(backend: Backend, hours: float = 3) -> int:
    """What a purge of everything before then takes."""
    return await maintenance(backend).purge_audit(LONG_AGO + hours * HOUR)


async def emptied(backend: Backend) -> None:
    """Nothing of another contract's is due any more."""
    await purged(backend, 1_000)


@contract
async def test_the_oldest_entries_go_and_the_rest_is_sound(backend: Backend) -> None:
    """Those before the time and not at it; what is left is what it was, wherever it is asked for.
    That an entity's first revisions are gone is no fault.
    """
    await emptied(backend)
    scope, trail = await written(backend)
    young, _ = await written(backend, [5, 6])
    head = await scope.audit.head()
    assert await scope.audit.anchor() == NO_ENTRY
    assert await purged(backend) == 3
    assert await purged(backend) == 0
    assert exact(await trail_of(scope)) == exact(trail[3:])
    assert await scope.audit.anchor() == place(trail[2])
    assert await scope.audit.head() == head
    verified = await backend.scope(scope.tenant, 1).audit.verify()
    assert verified.sound
    assert (verified.entries, verified.head, verified.anchor) == (3, head, place(trail[2]))
    for entry in trail[:3]:
        assert await scope.audit.get_by_id(entry.id) is None
    about = await scope.audit.of_entity("flow", trail[5].entity_id)
    assert exact(about.items) == exact((trail[5], trail[3]))
    assert await scope.audit.count() == 3
    found = await young.audit.verify()
    assert (found.sound, found.entries, found.anchor) == (True, 2, NO_ENTRY)


@contract
async def test_a_trail_goes_on_after_a_purge_of_all_of_it(backend: Backend) -> None:
    """Its head and its anchor are then the same, and the next entry follows them."""
    await emptied(backend)
    scope, trail = await written(backend)
    assert await purged(backend, LENGTH) == LENGTH
    assert await scope.audit.anchor() == await scope.audit.head() == place(trail[-1])
    verified = await scope.audit.verify()
    assert (verified.sound, verified.entries) == (True, 0)
    with at(backend, 9):
        await scope.flows.patch(trail[0].entity_id, description="later")
    verified = await scope.audit.verify(place(trail[-1]))
    assert (verified.sound, verified.entries, verified.head.sequence) == (True, 1, LENGTH + 1)
    assert await purged(backend, 10) == 1
    assert (await scope.audit.anchor()).sequence == LENGTH + 1


@contract
async def test_what_stands_behind_a_younger_entry_goes_with_it(backend: Backend) -> None:
    """Whoever wrote it had another clock: the chain is removed from its beginning only."""
    await emptied(backend)
    scope, trail = await written(backend, [0, 1, 5, 2, 6])
    assert await maintenance(backend).due(Swept.AUDIT_ENTRIES, BOUND) == 2
    assert await purged(backend) == 2
    assert await maintenance(backend).due(Swept.AUDIT_ENTRIES, BOUND) == 0
    assert await purged(backend) == 0
    assert exact(await trail_of(scope)) == exact(trail[2:])
    assert await purged(backend, 6) == 2
    assert (await scope.audit.verify()).sound


@given(
    hours=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    bounds=st.lists(st.tuples(st.integers(0, 10), st.integers(1, 4)), min_size=1, max_size=4),
)
@examples(0.2)
@contract
async def test_whatever_the_clocks_said_a_purge_takes_the_beginning(
    backend: Backend, hours: list[int], bounds: list[tuple[int, int]]
) -> None:
    """Up to the first entry that is young enough, or as many as asked; the rest is sound."""
    await emptied(backend)
    scope, trail = await written(backend, hours)
    kept = maintenance(backend)
    for hour, limit in bounds:
        bound = LONG_AGO + hour * HOUR
        old = next((n for n, entry in enumerate(trail) if entry.at >= bound), len(trail))
        assert await kept.due(Swept.AUDIT_ENTRIES, bound) == old
        gone = min(limit, old)
        assert await kept.purge_audit(bound, limit=limit) == gone
        trail = trail[gone:]
        assert exact(await trail_of(scope)) == exact(trail)
        verified = await scope.audit.verify()
        assert (verified.sound, verified.entries) == (True, len(trail))
        assert verified.anchor.sequence == len(hours) - len(trail)


@contract
async def test_what_is_not_sealed_is_sealed_before_it_goes(backend: Backend) -> None:
    """So its place in the chain is known; what is counted before is what then goes."""
    await emptied(backend)
    scope, _ = await written(backend, seal=False)
    partly, _ = await written(backend, seal=False)
    await partly.audit.seal(2)
    for _ in range(2):
        assert await maintenance(backend).due(Swept.AUDIT_ENTRIES, BOUND) == 6
    assert (await scope.audit.head(), (await partly.audit.head()).sequence) == (NO_ENTRY, 2)
    assert await purged(backend) == 6
    for one in (scope, partly):
        assert (await one.audit.anchor()).sequence == 3
        verified = await one.audit.verify()
        assert (verified.sound, verified.entries) == (True, 3)


@contract
async def test_as_many_as_asked_for_go(backend: Backend) -> None:
    """The first tenant's first; more than a batch of one's, too."""
    await emptied(backend)
    scopes = [(await written(backend))[0] for _ in range(2)]
    one, two = sorted(scopes, key=lambda scope: scope.tenant)
    purge = maintenance(backend).purge_audit
    assert await purge(BOUND, limit=4) == 4
    assert [await scope.audit.count() for scope in (one, two)] == [3, 5]
    assert await purge(BOUND, limit=4) == 2
    many = backend.fresh()
    with at(backend, 0):
        await many.flows.create_many(Flow.draft(name=f"{n}") for n in range(520))
    assert await purge(BOUND, limit=510) == 510
    assert (await many.audit.anchor()).sequence == 510
    assert await purge(BOUND) == 10
    assert (await many.audit.verify()).sound


@contract
async def test_a_head_that_was_kept_elsewhere_is_compared_where_that_can_be(
    backend: Backend,
) -> None:
    """At the anchor, too; one of an entry that is gone since can't be, and that is told."""
    await emptied(backend)
    scope, trail = await written(backend)
    await purged(backend)
    for kept in (*map(place, trail[2:]), NO_ENTRY):
        assert (await scope.audit.verify(kept)).sound
    early = await scope.audit.verify(place(trail[1]))
    assert early.finding is not None
    assert (early.finding.fault, early.finding.sequence) == (AuditFault.PURGED, 2)
    for entry in (trail[2], trail[4]):
        forged = attrs.evolve(place(entry), digest="1" * 64)
        verified = await scope.audit.verify(forged)
        assert verified.finding is not None
        assert verified.finding.fault is AuditFault.REWRITTEN


@contract
async def test_a_trail_that_is_half_erased_is_not_told_as_broken(backend: Backend) -> None:
    """Its tenant's tombstone stands, and the rest of it goes when the erasure goes on."""
    await emptied(backend)
    erased, trail = await written(backend)
    kept = maintenance(backend)
    now = backend.clock.now()
    await kept.tombstones.bury(
        Tombstone(tenant_id=erased.tenant, user_id=None, at=now, until=now + HOUR)
    )
    await backend.tamper(erased.tenant, {trail[0].id: None})
    young, _ = await written(backend)
    assert await purged(backend) == 3
    assert (await young.audit.verify()).sound
    await kept.erase_tenant(erased.tenant)


@contract
async def test_two_that_purge_at_once_count_each_entry_once(backend: Backend) -> None:
    """What they return adds up, while others write, seal and verify; the chain is one all along."""
    await emptied(backend)
    scope, trail = await written(backend, [n / 100 for n in range(40)])
    rival = backend.scope(scope.tenant, 1)
    flow = trail[0].entity_id

    async def act(number: int, by: TenantScope) -> int:
        if number < 4:
            return await maintenance(backend, number % 2).purge_audit(BOUND)
        if number == 4:
            for turn in range(5):
                await by.flows.patch(flow, category=f"{turn}")
                await by.audit.seal(1)
        else:
            for _ in range(5):
                verified = await by.audit.verify()
                assert verified.sound, verified
        return 0

    won, lost = split(await all_at_once([scope, rival], act, 8))
    assert (sum(won), lost) == (40, [])
    verified = await scope.audit.verify()
    assert (verified.sound, verified.entries, verified.anchor) == (True, 5, place(trail[-1]))


@contract
async def test_a_purge_that_was_interrupted_goes_on(backend: Backend) -> None:
    """Entries go with the anchor that tells of them, or not at all."""
    await emptied(backend)
    scope, _ = await written(backend, [0.01] * 20)
    kept = maintenance(backend)
    for turns in (1, 2, 3, 5, 8, 13):
        purging = asyncio.ensure_future(kept.purge_audit(BOUND, limit=3))
        for _ in range(turns):
            await asyncio.sleep(0)
        purging.cancel()
        await asyncio.gather(purging, return_exceptions=True)
        assert (await scope.audit.verify()).sound
    remaining = await scope.audit.count()
    assert await purged(backend) == remaining
    assert (await scope.audit.anchor()).sequence == 20


@contract
async def test_an_erased_tenants_chain_begins_anew(backend: Backend) -> None:
    """Its anchor goes with its trail."""
    await emptied(backend)
    scope, _ = await written(backend)
    await purged(backend)
    await maintenance(backend).erase_tenant(scope.tenant)
    assert await scope.audit.anchor() == NO_ENTRY
    await scope.flows.create(Flow.draft(name="anew"))
    verified = await scope.audit.verify()
    assert (verified.sound, verified.entries, verified.anchor) == (True, 1, NO_ENTRY)
