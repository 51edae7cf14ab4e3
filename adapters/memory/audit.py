"""The audit trail in memory."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from heapq import nsmallest
from itertools import takewhile
from typing import Any, Final
from uuid import UUID

from adapters.audit_form import form_of
from adapters.memory.outbox import EVENTS, outbox_row
from adapters.memory.reading import MemoryReading
from adapters.memory.session import SingleSession
from adapters.memory.tables import Table, Transaction
from domain.audit import NO_ENTRY, AuditAction, AuditEntry, AuditHead
from domain.identity import Entity
from domain.outbox import ChangeEvent
from domain.rules import instant
from ports.audit import AUDIT_SCHEMA, AuditLog
from ports.errors import CorruptRecordError, UnsupportedOperationError
from ports.reading import Context
from ports.retention import purgeable
from ports.schema import EntitySchema, Unique

ENTRIES: Final = AUDIT_SCHEMA.name
UNSEALED: Final = "unsealed audit entry"
"""Entries again, by position."""
HEADS: Final = "audit head"
ANCHORS: Final = "audit anchor"
_PLACE: Final = Unique(("sequence",), where="is_sealed")
_ONLY: Final = 0


def record(
    transaction: Transaction,
    context: Context,
    schema: EntitySchema[Any],
    before: Entity | None,
    after: Entity | None,
) -> None:
    """Write what happened to an entity into the trail and the outbox, where the tenant has them."""
    if ENTRIES not in transaction.base.tables:
        return
    form = form_of(schema)
    if before is None:
        action, load = AuditAction.CREATED, partial(_loaded, form.created, after)
    elif after is None:
        action, load = AuditAction.DELETED, partial(_loaded, form.deleted, before)
    else:
        action, load = AuditAction.UPDATED, partial(_loaded, form.updated, before, after)
    entity: Any = before if after is None else after
    author = context.author
    event = ChangeEvent(
        id=context.ids.new_uuid(),
        tenant_id=context.tenant,
        at=instant(context.clock.now()),
        actor=author.actor,
        action=action,
        entity_type=schema.name,
        entity_id=entity.id,
        revision=entity.revision,
    )
    told = outbox_row(event)
    # Worked out when somebody reads it: entities don't change, and most entries nobody reads.
    entry = AuditEntry.deferred(load)
    vars(entry).update(
        id=event.id,
        tenant_id=event.tenant_id,
        at=event.at,
        actor=event.actor,
        reason=author.reason,
        action=action,
        entity_type=event.entity_type,
        entity_id=event.entity_id,
        revision=event.revision,
        position=told.position,
        sequence=None,
        digest=None,
    )
    transaction.append(ENTRIES, entry.id, entry)
    transaction.append(UNSEALED, in_turn(entry), entry)
    transaction.append(EVENTS, told.position, told)


def _loaded(changes: Callable[..., Any], *entities: Entity | None) -> Mapping[str, Any]:
    return {"changes": changes(*entities)}


def in_turn(entry: AuditEntry) -> tuple[int, UUID]:
    """What unsealed entries are sealed by: a trail that is restored may have a position twice."""
    return entry.position, entry.id


class MemoryAuditLog(MemoryReading[AuditEntry], AuditLog):
    """The trail of a tenant; one that isn't a unit's is alone while it seals."""

    @classmethod
    def tables(cls) -> dict[str, Table]:
        """The tables that it needs, empty; the outbox, which is written with it, has its own."""
        return {
            ENTRIES: Table(
                ENTRIES,
                key=lambda row: row.id,
                unique=(_PLACE,),
                group=lambda row: row.entity_id,
                grouped_by="entity_id",
                ordered=True,
            ),
            UNSEALED: Table(UNSEALED, key=in_turn),
            HEADS: Table(HEADS, key=lambda row: _ONLY),
            ANCHORS: Table(ANCHORS, key=lambda row: _ONLY),
        }

    async def _head(self) -> AuditHead:
        return self._session.reading().get(HEADS, _ONLY) or NO_ENTRY

    async def _anchor(self) -> AuditHead:
        return self._session.reading().get(ANCHORS, _ONLY) or NO_ENTRY

    async def _seal(self, limit: int) -> int:
        if not isinstance(self._session, SingleSession):
            raise UnsupportedOperationError("a unit of work seals nothing: ask the scope's audit")
        with self._session.writing() as transaction:
            return seal(transaction, limit)


def seal(transaction: Transaction, limit: int) -> int:
    """Seal the first entries that aren't; how many."""
    head: AuditHead = transaction.get(HEADS, _ONLY) or NO_ENTRY
    entries = transaction.table(ENTRIES)
    for place, digest in ((head.sequence + 1, None), (head.sequence, head.digest)):
        taken = entries.holders[_PLACE].get((place,))
        if taken is not None and entries.rows[taken].digest != digest:
            raise CorruptRecordError(ENTRIES, taken, ("sequence",))
    unsealed: Iterable[Any] = transaction.table(UNSEALED).rows
    turns = nsmallest(limit, unsealed)
    for turn in turns:
        entry, head = head.followed_by(transaction.get(UNSEALED, turn))
        transaction.replace(ENTRIES, entry)
        transaction.remove(UNSEALED, turn)
    if turns:
        transaction.replace(HEADS, head)
    return len(turns)


def old(entries: Iterable[AuditEntry], before: datetime) -> list[AuditEntry]:
    """Those from before a time that nothing younger is ahead of, in the order of their chain; last
    those that would be sealed next.
    """
    chain = sorted(entries, key=lambda one: (one.sequence is None, one.sequence or one.position))
    return list(takewhile(lambda entry: entry.at < before, chain))


def purge(transaction: Transaction, before: datetime, limit: int) -> tuple[int, bool]:
    """Remove the first entries that are old enough; how many, and whether there may be more."""
    anchor: AuditHead = transaction.get(ANCHORS, _ONLY) or NO_ENTRY
    head: AuditHead = transaction.get(HEADS, _ONLY) or NO_ENTRY
    entries = transaction.table(ENTRIES)
    places = entries.holders[_PLACE]
    numbers = [
        (n + 1,) for n in range(anchor.sequence, min(anchor.sequence + limit, head.sequence))
    ]
    if len(places) != head.sequence - anchor.sequence:  # some stand where there should be none
        numbers = nsmallest(limit, places)
    oldest = [entries.rows[places[number]] for number in numbers if number in places]
    through = purgeable(anchor, head, oldest, before)
    gone = [entry for entry in oldest if (entry.sequence or 0) <= through.sequence]
    for entry in gone:
        transaction.remove(ENTRIES, entry.id)
    if gone:
        transaction.replace(ANCHORS, through)
    return len(gone), len(gone) == limit
