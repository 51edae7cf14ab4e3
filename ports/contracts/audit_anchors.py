"""What a purge leaves of an audit trail: whoever goes behind it is found, and of what is broken
nothing more is purged.
"""

from collections.abc import Callable
from uuid import UUID

import attrs
import pytest

from domain.audit import AuditEntry, AuditHead
from domain.audit_chain import AuditFault
from ports.contracts.audit_retention import LENGTH, emptied, place, purged, written
from ports.contracts.audit_tampering import finding, other
from ports.contracts.harness import Backend, contract, raised_by
from ports.errors import CorruptRecordError


@contract
async def test_whoever_goes_behind_what_is_left_is_found(backend: Backend) -> None:
    """As in a trail of which nothing was purged; a further removal is told by no anchor."""
    await emptied(backend)
    scope, trail = await written(backend)
    await purged(backend)
    first, second, last = trail[3:]

    async def found(**entries: AuditEntry | None) -> object:
        by_name = {"first": first, "second": second, "last": last, "gone": trail[2]}
        await backend.tamper(
            scope.tenant, {by_name[name].id: entry for name, entry in entries.items()}
        )
        told = await finding(backend, scope)
        restored = {one.id: one for name, one in by_name.items() if name != "gone"}
        await backend.tamper(scope.tenant, {**restored, trail[2].id: None})
        assert await finding(backend, scope) is None
        return told

    fault = AuditFault
    assert await found(first=None) == (fault.MISSING, 4, None, 0)
    assert await found(second=None) == (fault.MISSING, 5, None, 1)
    assert await found(last=None) == (fault.MISSING, 6, None, 2)
    assert await found(first=None, second=None, last=None) == (fault.MISSING, 4, None, 0)
    assert await found(first=other(first, actor="bob")) == (fault.ANCHOR, 4, first.id, 0)
    assert await found(second=other(second, actor="bob")) == (fault.ALTERED, 5, second.id, 1)
    assert await found(gone=trail[2]) == (fault.ANCHOR, 3, trail[2].id, 0)


FORGED: dict[str, Callable[[list[AuditEntry]], tuple[AuditHead | None, AuditFault, int | None]]] = {
    "moved on": lambda trail: (place(trail[3]), AuditFault.ANCHOR, 4),
    "moved on to the end": lambda trail: (place(trail[-1]), AuditFault.ANCHOR, 4),
    "moved beyond the end": lambda trail: (
        AuditHead(sequence=99, digest="1" * 64),
        AuditFault.ANCHOR,
        4,
    ),
    "set back": lambda trail: (place(trail[1]), AuditFault.MISSING, 3),
    "given another digest": lambda trail: (
        AuditHead(sequence=3, digest="1" * 64),
        AuditFault.ANCHOR,
        4,
    ),
    "taken away": lambda trail: (None, AuditFault.MISSING, 1),
}


@pytest.mark.parametrize("way", FORGED)
@contract
async def test_an_altered_anchor_is_found(backend: Backend, way: str) -> None:
    """Whatever it was made; and no further purge takes away what shows it."""
    await emptied(backend)
    scope, trail = await written(backend)
    await purged(backend)
    anchor, fault, sequence = FORGED[way](trail)
    await backend.tamper_anchor(scope.tenant, anchor)
    told = await finding(backend, scope)
    assert told is not None
    assert told[:2] == (fault, sequence)
    assert isinstance(await raised_by(purged(backend, LENGTH)), CorruptRecordError)
    assert await scope.audit.count() == 3
    assert await finding(backend, scope) == told
    await backend.tamper_anchor(scope.tenant, place(trail[2]))
    assert await finding(backend, scope) is None
    assert await purged(backend, LENGTH) == 3


@contract
async def test_an_anchor_after_the_last_entry_is_checked_by_the_head(backend: Backend) -> None:
    """Also when no entry is left that could tell."""
    await emptied(backend)
    scope, trail = await written(backend)
    await purged(backend, LENGTH)
    for forged in (place(trail[2]), AuditHead(sequence=LENGTH, digest="1" * 64)):
        await backend.tamper_anchor(scope.tenant, forged)
        told = await finding(backend, scope)
        assert told is not None
        expected = AuditFault.MISSING if forged.sequence < LENGTH else AuditFault.ANCHOR
        assert told[0] is expected
    await backend.tamper_anchor(scope.tenant, place(trail[-1]))
    assert await finding(backend, scope) is None


@pytest.mark.parametrize("number", [1, 2])
@contract
async def test_a_broken_chain_is_left_for_whoever_looks_into_it(
    backend: Backend, number: int
) -> None:
    """Nothing is removed from where it is broken on, of others all that is due; then it is told."""
    await emptied(backend)
    broken, trail = await written(backend)
    others = [(await written(backend))[0] for _ in range(2)]
    entry = trail[number - 1]
    await backend.tamper(broken.tenant, {entry.id: other(entry, actor="bob")})
    error = await raised_by(purged(backend))
    assert isinstance(error, CorruptRecordError)
    assert error.entity_id == entry.id
    assert await broken.audit.count() == LENGTH
    assert await finding(backend, broken) == (AuditFault.ALTERED, number, entry.id, number - 1)
    for one in others:
        assert await one.audit.count() == 3
        assert (await one.audit.verify()).sound
    await backend.tamper(broken.tenant, {entry.id: entry})
    assert await purged(backend) == 3


STRAY: dict[str, int] = {
    "the first that was purged": 1,
    "the last that was purged": 3,
    "next after the head": LENGTH + 1,
    "beyond the head": LENGTH + 2,
}


@pytest.mark.parametrize("way", STRAY)
@contract
async def test_an_entry_outside_of_the_chain_keeps_the_rest_of_it(
    backend: Backend, way: str
) -> None:
    """Put back where entries were purged, or put where none was sealed: it, too, is a break, and
    what `verify` says of it is what it said before.
    """
    await emptied(backend)
    scope, trail = await written(backend)
    await purged(backend)
    stray = attrs.evolve(trail[0], id=UUID(int=STRAY[way]), sequence=STRAY[way])
    await backend.tamper(scope.tenant, {stray.id: stray})
    told = await finding(backend, scope)
    assert told is not None
    assert isinstance(await raised_by(purged(backend, LENGTH)), CorruptRecordError)
    assert await scope.audit.count() == LENGTH - 3 + 1
    assert await finding(backend, scope) == told
    await backend.tamper(scope.tenant, {stray.id: None})
    assert await finding(backend, scope) is None
    assert await purged(backend, LENGTH) == 3
