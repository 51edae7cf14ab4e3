"""Faults in the audit trail: as real ones have had them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from heapq import nsmallest
from typing import Any
from uuid import UUID

from attrs import evolve

from adapters.memory import MemoryAuthoringStore
from adapters.memory.audit import ENTRIES, HEADS, UNSEALED, MemoryAuditLog, in_turn
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.integrations import MemoryIntegrationRepository
from adapters.memory.maintenance import MemoryAuthoringMaintenance
from adapters.memory.session import SingleSession
from adapters.memory.store import MemoryAuthoring
from adapters.memory.tables import Transaction
from domain.audit import NO_ENTRY, AuditEntry, AuditHead, FieldChange
from domain.documents import JsonObject
from domain.flows import Flow
from domain.frozen import FrozenDict
from domain.identity import NOBODY, Author, TenantId
from domain.integrations import Integration
from domain.rules import restored
from ports.criteria import Criteria
from ports.stores import AuthoringMaintenance


class WritesTheTrailApart(MemoryFlowRepository):
    """In a transaction of its own, not that of the change."""

    def _record(self, transaction: Transaction, before: Flow | None, after: Flow | None) -> None:
        own = Transaction(transaction.base)
        super()._record(own, before, after)
        own.commit()


class WritesTheTrailFirst(WritesTheTrailApart):
    """Before it is known whether the revision is the expected one."""

    async def _patch(
        self, id: Any, expected_revision: int | None, changes: Mapping[str, Any], now: datetime
    ) -> Flow:
        stored = await self._get(id)
        with self._session.writing() as transaction:
            if stored is not None:
                self._record(transaction, stored, evolve(stored, revision=stored.revision + 1))
            kept = self._expected(transaction, id, expected_revision)
            changed = self._raised({**vars(kept), **changes}, now)
            transaction.replace(self._name, changed)
            return changed


class TellsOfTheFirstAlone(MemoryFlowRepository):
    """One entry for a change of many."""

    async def _patch_where(
        self, criteria: Criteria, changes: Mapping[str, Any], now: datetime
    ) -> int:
        with self._session.writing() as transaction:
            matches = list(self._matching(transaction, criteria))
            for place, stored in enumerate(matches):
                changed = self._raised({**vars(stored), **changes}, now)
                transaction.replace(self._name, changed)
                if place == 0:
                    self._record(transaction, stored, changed)
            return len(matches)


class TellsOfTheNewDefaultAlone(MemoryFlowRepository):
    """And not of the flow that no longer is it."""

    def _record(self, transaction: Transaction, before: Flow | None, after: Flow | None) -> None:
        if before is not None and before.is_default and after is not None and not after.is_default:
            return
        super()._record(transaction, before, after)


class TellsWhatTheCallerHeld(MemoryFlowRepository):
    """Takes the caller's entity for what was stored before."""

    def _replaced(self, transaction: Transaction, entity: Flow, now: datetime) -> Flow:
        stored = self._expected(transaction, entity.id, entity.revision)
        kept = {name: getattr(stored, name) for name in self.schema.maintained}
        changed = self._raised({**vars(entity), **kept, "created_at": stored.created_at}, now)
        transaction.replace(self._name, changed)
        self._record(transaction, entity, changed)
        return changed


class TellsOfEachUse(MemoryFlowRepository):
    """Though it raises no revision."""

    async def _count_use(self, id: UUID, amount: int, used_at: datetime) -> int:
        before = await self._get(id)
        count = await super()._count_use(id, amount, used_at)
        with self._session.writing() as transaction:
            self._record(transaction, before, transaction.get(self._name, id))
        return count


class SkipsWhatChangedNoField(MemoryFlowRepository):
    """Though its revision was raised."""

    def _record(self, transaction: Transaction, before: Flow | None, after: Flow | None) -> None:
        always = {"revision": 1, "updated_at": None}
        if (
            before is None
            or after is None
            or {**vars(before), **always}
            != {
                **vars(after),
                **always,
            }
        ):
            super()._record(transaction, before, after)


class ShowsSecrets(MemoryIntegrationRepository):
    """Writes them into the trail as they are."""

    def _record(
        self, transaction: Transaction, before: Integration | None, after: Integration | None
    ) -> None:
        super()._record(transaction, before, after)
        if after is None or after.credentials is None:
            return
        entries = transaction.writes[ENTRIES]
        id, entry = list(entries.items())[-1]
        shown = FieldChange(None, JsonObject.of(after.credentials.reveal()))
        changes: Any = FrozenDict.holding({**entry.changes, "credentials": shown})
        entries[id] = evolve(entry, changes=changes)


class ForgetsWhoActsInUnits(MemoryAuthoringStore):
    """A unit's changes are nobody's."""

    @asynccontextmanager
    async def unit(
        self, tenant: TenantId, author: Author = NOBODY
    ) -> AsyncIterator[MemoryAuthoring]:
        async with super().unit(tenant) as work:
            yield work


class ErasesAllButTheTrail(MemoryAuthoringStore):
    """Which still tells of everything."""

    def maintenance(self) -> AuthoringMaintenance:
        tenants = self._tenants

        class Forgetful(MemoryAuthoringMaintenance):
            async def erase_tenant(self, tenant: TenantId) -> int:
                trail = dict(tenants[tenant].tables[ENTRIES].rows)
                erased = await super().erase_tenant(tenant)
                with SingleSession(tenants[tenant]).writing() as transaction:
                    for entry in trail.values():
                        transaction.insert(ENTRIES, entry)
                return erased

        sound: Any = super().maintenance()
        forgetful = object.__new__(Forgetful)
        vars(forgetful).update(vars(sound))
        return forgetful


class SealsInStepWithOthers(MemoryAuditLog):
    """Looks up what to seal, and then seals it: without a lock, others come between."""

    async def _seal(self, limit: int) -> int:
        table = self._session.reading().table(UNSEALED)
        found: list[Any] = nsmallest(limit, list[Any](table.rows))
        entries = [table.rows[position] for position in found]
        await asyncio.sleep(0)
        with self._session.writing() as transaction:
            head = transaction.get(HEADS, 0) or NO_ENTRY
            for entry in entries:
                sealed, head = head.followed_by(entry)
                transaction.replace(ENTRIES, sealed)
                transaction.remove(UNSEALED, in_turn(entry))
            transaction.replace(HEADS, head)
        return len(entries)


class SealsInAnyOrder(MemoryAuditLog):
    """The last ones first."""

    async def _seal(self, limit: int) -> int:
        with self._session.writing() as transaction:
            rows = transaction.table(UNSEALED).rows
            head = transaction.get(HEADS, 0) or NO_ENTRY
            entries = list(rows.values())[::-1][:limit]
            for entry in entries:
                sealed, head = head.followed_by(entry)
                transaction.replace(ENTRIES, sealed)
                transaction.remove(UNSEALED, in_turn(entry))
            transaction.replace(HEADS, head)
            return len(entries)


class HasNoHeadOfItsOwn(MemoryAuditLog):
    """The last entry there is counts for the chain's head."""

    async def _head(self) -> AuditHead:
        found = await self._sealed_first("-sequence", None)
        if found is None or found.sequence is None or found.digest is None:
            return NO_ENTRY
        return AuditHead(sequence=found.sequence, digest=found.digest)


class LeavesTheChangesOutOfTheDigest(MemoryAuditLog):
    """Which so can be altered as one likes."""

    async def _seal(self, limit: int) -> int:
        before = await self._head()
        count = await super()._seal(limit)
        with self._session.writing() as transaction:
            head = before
            for place in range(before.sequence + 1, before.sequence + 1 + count):
                (entry,) = (
                    entry for entry in transaction.values(ENTRIES) if entry.sequence == place
                )
                empty = restored(AuditEntry, {**vars(entry), "changes": FrozenDict()})
                digest = empty.digest_at(place, head.digest)
                head = AuditHead(sequence=place, digest=digest)
                transaction.replace(ENTRIES, entry.sealed(place, digest))
            transaction.replace(HEADS, head)
        return count
