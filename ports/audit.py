"""The audit trail of a tenant's authoring data: what is written in it, and what can be asked.

Every change that an authoring repository makes writes one entry for each entity that it changed, in
the same transaction and without anybody asking for it: creating, deleting, and whatever raises a
revision. It says who acted (`for_tenant(…, actor=…, reason=…)`). What is only counted (uses,
figures, calls) raises no revision and has no entry; nor has what belongs to an entity alone and
goes with it. No request handler's port changes or removes an entry. Two operations of the
maintenance port remove some: erasing a tenant erases its trail, too; and `purge_audit` removes the
oldest, once they have been kept for long enough.

**Sealing.** An entry is written unsealed, so that nobody waits for anybody because of the chain.
Sealing gives the entries that are committed, in the order of their positions, the next places in
the tenant's chain: a sequence without gaps from 1, and a digest that depends on every entry before
(see `domain.audit`). So an entity's entries are never sealed out of order; of those that were
written at the same time, one that is committed later may be. The chain's head is kept apart.
Entries are sealed by whoever dispatches the outbox, by `verify`, and before any are purged.

**Purging.** What goes is the beginning of the chain, up to the first entry that isn't old enough
(times are those of the writers' clocks, so an old one may stand behind it: it goes with that one).
It is checked once more before it goes: a chain that is broken there is left as it is. The place and
digest of the last that went are kept as the chain's anchor, from which `verify` starts.
"""

from abc import abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from domain.audit import AuditAction, AuditEntry, AuditHead
from domain.audit_chain import (
    AuditFault,
    AuditFinding,
    AuditVerification,
    ChainCheck,
    RevisionCheck,
)
from domain.rules import argument, instance, optional
from ports.criteria import Criteria
from ports.errors import CorruptRecordError
from ports.paging import CursorPage, OrderLike, check_limit
from ports.reading import Reading
from ports.schema import EntitySchema, FieldSchema, Kind

AUDIT_SCHEMA: Final = EntitySchema(
    entity=AuditEntry,
    name="audit entry",
    fields=[
        FieldSchema("id", Kind.UUID, sortable=True),
        FieldSchema("at", Kind.INSTANT, sortable=True),
        FieldSchema("actor", Kind.TEXT, nullable=True),
        FieldSchema("action", Kind.ENUM, members=AuditAction),
        FieldSchema("entity_type", Kind.TEXT),
        FieldSchema("entity_id", Kind.UUID, sortable=True),
        FieldSchema("revision", Kind.INTEGER),
        FieldSchema("position", Kind.INTEGER, sortable=True),
        FieldSchema("sequence", Kind.INTEGER, nullable=True, sortable=True),
    ],
)
SEAL_BATCH: Final = 1_000
_EXPECTED = optional(instance(AuditHead))


class AuditLog(Reading[AuditEntry]):
    """A tenant's audit trail, to be read, sealed and verified.

    Where no order is asked for, entries go by id, as everything does: that is about by time.
    Within a unit of work it shows the unit's own entries, too, which are gone if it is rolled back.
    Positions order what an entity's entries tell; times are those of the clocks of whoever wrote
    them.
    """

    schema = AUDIT_SCHEMA

    async def of_entity(
        self, entity_type: str, entity_id: UUID, *, after: str | None = None, limit: int = 50
    ) -> CursorPage[AuditEntry]:
        """What happened to an entity, the last first, by position; by index.

        `entity_type` is the name that errors call it by: `flow`, `experiment`, `integration`. It
        need not exist any more. Pages as `scan`'s.
        """
        where = self.where
        wanted = where("entity_type").eq(entity_type) & where("entity_id").eq(entity_id)
        return await self.scan(wanted, "-position", after, limit)

    async def by_actor(
        self, actor: str, *, after: str | None = None, limit: int = 50
    ) -> CursorPage[AuditEntry]:
        """What somebody did, the last first, by position; by index. Pages as `scan`'s."""
        return await self.scan(self.where("actor").eq(actor), "-position", after, limit)

    async def between(
        self, start: datetime, end: datetime, *, after: str | None = None, limit: int = 50
    ) -> CursorPage[AuditEntry]:
        """What happened from `start` on and before `end`, the latest first; by index.

        What happened at the same time goes by position. Pages as `scan`'s.
        """
        time = self.where("at")
        wanted = time.gte(start) & time.lt(end)
        return await self.scan(wanted, ["-at", "-position"], after, limit)

    async def head(self) -> AuditHead:
        """Where the chain ends: `NO_ENTRY` if nothing was sealed yet."""
        return await self._head()

    async def anchor(self) -> AuditHead:
        """Where the chain begins: the last entry that was purged, `NO_ENTRY` if none was."""
        return await self._anchor()

    async def seal(self, limit: int = SEAL_BATCH) -> int:
        """Seal at most `limit` (1 to 1000) entries; how many: fewer than `limit` if all are sealed.

        Any number may seal at once; they wait for each other, and writers wait for none of them.
        What a unit of work has not committed is none of its business.

        Raises:
            UnsupportedOperationError: within a unit of work.
            CorruptRecordError: if the next place in the chain is taken, or the entry at its head
                has another digest, so that it can't be its end: `verify` says more.
        """
        return await self._seal(check_limit(limit))

    async def verify(self, expected: AuditHead | None = None) -> AuditVerification:
        """Seal what is there, and check all of it: every digest, every place, the head; that no
        entity's revisions have a gap; and that the chain holds `expected`, a head which was kept
        elsewhere. What this can't tell stands in `domain.audit_chain`.

        It starts where the chain begins: after what was purged. In constant memory; every entry is
        read twice. Others may write, seal, verify and purge meanwhile; if something seems wrong and
        the chain begins elsewhere by then, it starts again.

        Raises:
            UnsupportedOperationError: within a unit of work.
            ValidationError: if `expected` is no head.
        """
        kept: AuditHead | None = argument(self.schema.name, "expected", expected, _EXPECTED)
        while True:
            anchor = await self._anchor()
            verified = await self._verified(anchor, kept)
            if verified.sound or await self._anchor() == anchor:
                return verified

    async def _verified(self, anchor: AuditHead, kept: AuditHead | None) -> AuditVerification:
        last = await self._sealed_first("-sequence", None)
        head = await self._head()
        fits, unsealed = last is None or (last.sequence or 0) <= head.sequence, None
        if fits:
            unsealed = await self._seal_what_is_there()
            head = await self._head()
        chain = ChainCheck(head, kept, anchor)
        sealed = self.where("sequence").lte(head.sequence)
        finding = await self._followed(chain.follow, sealed, "sequence")
        if finding is None and not fits:
            beyond = self.where("sequence").gt(head.sequence)
            finding = chain.beyond(await self._sealed_first("sequence", beyond))
        finding = finding or chain.end() or unsealed
        if finding is None:
            order = ["entity_id", "position"]
            finding = await self._followed(RevisionCheck().follow, None, order)
        return AuditVerification(
            entries=chain.entries, head=head, finding=finding, anchor=chain.anchor
        )

    async def _seal_what_is_there(self) -> AuditFinding | None:
        """What keeps it from being sealed, if anything does."""
        pending = await self._count(self.where("sequence").is_null())
        try:
            while True:
                sealed = await self._seal(SEAL_BATCH)
                pending -= sealed
                if sealed < SEAL_BATCH or pending <= 0:
                    return None
        except CorruptRecordError as error:
            return _unreadable(error)

    async def _sealed_first(self, order: str, criteria: Criteria | None) -> AuditEntry | None:
        wanted = self.where("sequence").is_not_null() if criteria is None else criteria
        page = await self.scan(wanted, order, limit=1)
        return page.items[0] if page.items else None

    async def _followed(
        self,
        follow: Callable[[AuditEntry], AuditFinding | None],
        criteria: Criteria | None,
        order: OrderLike,
    ) -> AuditFinding | None:
        """The first finding of a check that reads entries one after the other."""
        try:
            async for entry in self.stream(criteria, order):
                finding = follow(entry)
                if finding is not None:
                    return finding
        except CorruptRecordError as error:
            return _unreadable(error)
        return None

    # What a store implements, beside what `Reading` asks for. Arguments are checked.

    @abstractmethod
    async def _head(self) -> AuditHead: ...

    @abstractmethod
    async def _anchor(self) -> AuditHead: ...

    @abstractmethod
    async def _seal(self, limit: int) -> int:
        """As `seal` promises; entries are sealed by `AuditHead.followed_by`."""


def _unreadable(error: CorruptRecordError) -> AuditFinding:
    return AuditFinding(
        fault=AuditFault.ALTERED,
        sequence=None,
        entry_id=error.entity_id if isinstance(error.entity_id, UUID) else None,
        says="an entry can't be read any more",
    )
