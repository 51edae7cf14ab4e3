"""Faults in what is kept and what goes: as real ones have had them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from adapters.memory.audit import ANCHORS, ENTRIES, HEADS
from adapters.memory.integrations import CALLS
from adapters.memory.maintenance import (
    CONVERSATIONS,
    MemoryAuthoringMaintenance,
    MemoryDialogueMaintenance,
)
from adapters.memory.session import SingleSession
from domain.audit import NO_ENTRY, AuditEntry, AuditHead
from domain.conversations import Conversation
from domain.identity import TenantId
from domain.retention import Swept

_ONLY = 0


class SoundDialogueSweeps(MemoryDialogueMaintenance):
    """What a broken one overrides."""


class SoundAuthoringSweeps(MemoryAuthoringMaintenance):
    """What a broken one overrides."""


# Conversations.


class _ByAnotherRule(MemoryDialogueMaintenance):
    """What has ended is judged by `has_ended`."""

    def has_ended(self, one: Conversation, before: datetime) -> bool:
        """As it should be."""
        at = one.completed_at
        return one.retain_until is None and at is not None and at < before

    async def _purge_ended(self, before: datetime, limit: int) -> tuple[int, bool]:
        return await self._purged(
            lambda one: self.has_ended(one, before), lambda one: (one.completed_at, one.id), limit
        )


class PurgesWhatIsHeld(_ByAnotherRule):
    """Whatever its own time is."""

    def has_ended(self, one: Conversation, before: datetime) -> bool:
        return one.completed_at is not None and one.completed_at < before


class PurgesTheBoundItself(_ByAnotherRule):
    """What ended at that very time."""

    def has_ended(self, one: Conversation, before: datetime) -> bool:
        at = one.completed_at
        return one.retain_until is None and at is not None and at <= before


class PurgesWhatIsQuiet(_ByAnotherRule):
    """What has not ended, if nothing happened in it for as long."""

    def has_ended(self, one: Conversation, before: datetime) -> bool:
        at = one.completed_at or one.last_activity_at
        return one.retain_until is None and at < before


class PurgesHeadsAlone(SoundDialogueSweeps):
    """And leaves what belonged to them."""

    async def _purge_ended(self, before: datetime, limit: int) -> tuple[int, bool]:
        gone = 0
        for tables in self._tenants.values():
            for one in list(tables.tables[CONVERSATIONS].rows.values()):
                if one.completed_at is not None and one.completed_at < before:
                    with SingleSession(tables).writing() as transaction:
                        transaction.remove(CONVERSATIONS, one.id)
                    gone += 1
        return gone, False


class PurgesWhatItSawBefore(SoundDialogueSweeps):
    """Whatever became of it meanwhile, and counts it."""

    async def _purged(
        self,
        wanted: Callable[[Conversation], bool],
        order: Callable[[Conversation], Any],
        limit: int,
    ) -> tuple[int, bool]:
        found = sorted(filter(wanted, self._conversations()), key=order)[:limit]
        for one in found:
            await asyncio.sleep(0)
            await self._repository(one.tenant_id).delete(one.id)
        return len(found), len(found) == limit


class CountsByPurging(SoundDialogueSweeps):
    """A dry run that isn't one."""

    async def _due(self, kind: Swept, until: datetime) -> int:
        return await self.purge_ended(until)


# Calls.


class LooksAtTheFirstTenant(SoundAuthoringSweeps):
    """And at no other."""

    async def _with_old(self, kind: Swept, before: datetime) -> AsyncIterator[TenantId]:
        async for tenant in super()._with_old(kind, before):
            yield tenant
            return


class PurgesTheLatestCalls(SoundAuthoringSweeps):
    """First."""

    async def _purge_calls(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        with SingleSession(self._tenants[tenant]).writing() as transaction:
            old = [call for call in transaction.values(CALLS) if call.at < before]
            gone = sorted(old, key=lambda call: call.at, reverse=True)[:limit]
            for call in gone:
                transaction.remove(CALLS, call.id)
        return len(gone), len(gone) == limit


# The audit trail.


class _RemovesEntries(SoundAuthoringSweeps):
    def removed(self, tenant: TenantId, gone: list[AuditEntry], anchor: AuditHead | None) -> None:
        """Take entries away, and set the anchor."""
        with SingleSession(self._tenants[tenant]).writing() as transaction:
            for entry in gone:
                transaction.remove(ENTRIES, entry.id)
            if anchor is not None and gone:
                transaction.replace(ANCHORS, anchor)

    def chain(self, tenant: TenantId) -> list[AuditEntry]:
        """All that is sealed, in order."""
        entries = self._tenants[tenant].tables[ENTRIES].rows.values()
        sealed = [entry for entry in entries if entry.is_sealed]
        return sorted(sealed, key=lambda entry: entry.sequence or 0)


class LeavesNoAnchor(_RemovesEntries):
    """So that what is left looks as if somebody had removed the rest."""

    async def _purge_audit(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        gone = [entry for entry in self.chain(tenant) if entry.at < before][:limit]
        self.removed(tenant, gone, None)
        return len(gone), len(gone) == limit


class PurgesByTimeAlone(_RemovesEntries):
    """Also what stands behind a younger one."""

    async def _purge_audit(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        gone = [entry for entry in self.chain(tenant) if entry.at < before][:limit]
        last = gone[-1] if gone else None
        self.removed(tenant, gone, None if last is None else _place(last))
        return len(gone), len(gone) == limit


class PurgesWhatIsBroken(_RemovesEntries):
    """And takes away what shows it."""

    async def _purge_audit(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        gone: list[AuditEntry] = []
        for entry in self.chain(tenant)[:limit]:
            if entry.at >= before:
                break
            gone.append(entry)
        self.removed(tenant, gone, _place(gone[-1]) if gone else None)
        return len(gone), len(gone) == limit


class MovesTheAnchorApart(_RemovesEntries):
    """In a step of its own, after the entries are gone."""

    async def _purge_audit(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        gone = [entry for entry in self.chain(tenant) if entry.at < before][:limit]
        self.removed(tenant, gone, None)
        await asyncio.sleep(0)
        if gone:
            with SingleSession(self._tenants[tenant]).writing() as transaction:
                transaction.replace(ANCHORS, _place(gone[-1]))
        return len(gone), len(gone) == limit


class SealsNothingBefore(SoundAuthoringSweeps):
    """What no dispatcher sealed is kept for ever."""

    async def seal_audit(self, tenant: TenantId, limit: int = 1_000) -> int:
        return 0


class StartsAnewAfterAPurge(SoundAuthoringSweeps):
    """Its head goes with the entries, so that the next one is the first."""

    async def _purge_audit(
        self, before: datetime, tenant: TenantId, limit: int
    ) -> tuple[int, bool]:
        done = await super()._purge_audit(before, tenant, limit)
        with SingleSession(self._tenants[tenant]).writing() as transaction:
            if not transaction.table(ENTRIES).rows:
                transaction.replace(HEADS, NO_ENTRY)
        return done


class KeepsTheAnchorOfTheErased(SoundAuthoringSweeps):
    """Whose trail then seems to lack its beginning."""

    async def erase_tenant(self, tenant: TenantId) -> int:
        anchor = self._tenants[tenant].tables[ANCHORS].rows.get(_ONLY)
        erased = await super().erase_tenant(tenant)
        if anchor is not None:
            with SingleSession(self._tenants[tenant]).writing() as transaction:
                transaction.replace(ANCHORS, anchor)
        return erased


def _place(entry: AuditEntry) -> AuditHead:
    return AuditHead(sequence=entry.sequence or 0, digest=entry.digest or "")
