"""Faults in tombstones and gates: as real ones have had them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import attrs

from adapters.memory import MemoryAuthoringStore, MemoryDialogueStore
from adapters.memory.conversations import MemoryConversationRepository
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.maintenance import MemoryDialogueMaintenance
from adapters.memory.session import UnitSession
from adapters.memory.store import MemoryDialogue
from adapters.memory.tombstones import Buried, MemoryGate, MemoryTombstones
from domain.conversations import Conversation
from domain.erasure import Tombstone
from domain.flows import Flow
from domain.identity import NOBODY, Author, TenantId, UserId
from domain.rules import instant
from ports.errors import StoreUnavailableError
from ports.gate import Gate
from ports.stores import DialogueMaintenance
from ports.time import Clock
from ports.view import ViewGate


class ForgetsToAskForDefaults(MemoryFlowRepository):
    """One operation of all goes round the gate."""

    async def set_default(self, id: UUID, *, by: str | None = None) -> Flow:
        return await self._swap_default(id, by, self._context.clock.now())


class ForgetsTheUser(MemoryConversationRepository):
    """It asks for the tenant alone."""

    async def _admit(self, entities: Iterable[Conversation] = ()) -> None:
        await self._context.gate.admit(self._context.tenant)


class ForgetsToConfirm(MemoryDialogueStore):
    """A unit of work commits what was written before the burial."""

    @asynccontextmanager
    async def unit(
        self, tenant: TenantId, author: Author = NOBODY
    ) -> AsyncIterator[MemoryDialogue]:
        session = UnitSession(self._tables(tenant))
        try:
            yield self._repositories(tenant, author, session, self._tombstones.gate)
            session.commit()
        finally:
            session.end()


class _OldView(MemoryGate):
    """Looks once, and never again."""

    def __init__(self, buried: Buried, clock: Clock) -> None:
        super().__init__(buried, clock)
        self._looked = False

    async def admit(self, tenant: TenantId, users: Iterable[UserId] = ()) -> None:
        if not self._looked:
            self._looked, self._buried = True, {t: {**all} for t, all in self._buried.items()}
        await super().admit(tenant, users)


class _NeverAgain(MemoryTombstones):
    def __init__(self, clock: Clock, buried: Buried | None = None) -> None:
        super().__init__(clock, buried)
        self._gate = _OldView(self._buried, clock)


class NeverLooksAgain(MemoryAuthoringStore):
    """What another process buries later it doesn't hear of."""

    buried_in: ClassVar[type[MemoryTombstones]] = _NeverAgain


class _ForEver(MemoryGate):
    def __init__(self, buried: Buried, clock: Clock) -> None:
        super().__init__(buried, _Stopped(clock.now()))


@attrs.frozen
class _Stopped(Clock):
    at: datetime

    def now(self) -> datetime:
        return self.at


class _Endless(MemoryTombstones):
    @property
    def gate(self) -> Gate:
        return _Endless._gates.setdefault(id(self), _ForEver(self._buried, self._clock))

    _gates: ClassVar[dict[int, Gate]] = {}


class NeverAdmitsAgain(MemoryDialogueStore):
    """Tombstones don't run out."""

    buried_in: ClassVar[type[MemoryTombstones]] = _Endless


class _AnybodysFind(MemoryTombstones):
    async def _find(self, tenant: TenantId, user: str | None) -> Tombstone | None:
        now = self._clock.now()
        for each in self._buried:
            if (found := self._stands(each, user, now)) is not None:
                return found
        return None


class ForgetsTheTenant(MemoryDialogueStore):
    """A tombstone is everybody's."""

    buried_in: ClassVar[type[MemoryTombstones]] = _AnybodysFind


class _Anew(MemoryTombstones):
    async def _bury(self, tombstone: Tombstone) -> Tombstone:
        self._buried.setdefault(tombstone.tenant_id, {})[tombstone.user_hash] = tombstone
        return tombstone


class BuriesAnew(MemoryDialogueStore):
    """The receipt of an erasure that goes on begins at nothing."""

    buried_in: ClassVar[type[MemoryTombstones]] = _Anew


class _Slow(MemoryTombstones):
    async def _note(
        self,
        tenant: TenantId,
        user: str | None,
        erased: Mapping[str, int],
        finished_at: datetime | None,
    ) -> Tombstone | None:
        found = self._stands(tenant, user, instant(self._clock.now()))
        await asyncio.sleep(0)
        if found is not None:
            self._buried[tenant][user] = found
        return await super()._note(tenant, user, erased, finished_at)


class NotesByReadingThenWriting(MemoryDialogueStore):
    """Of two who note at once, one is lost."""

    buried_in: ClassVar[type[MemoryTombstones]] = _Slow


class _Remembering(MemoryTombstones):
    async def _note(
        self,
        tenant: TenantId,
        user: str | None,
        erased: Mapping[str, int],
        finished_at: datetime | None,
    ) -> Tombstone | None:
        found = self._stands(tenant, user, self._clock.now())
        noted = await super()._note(tenant, user, erased, finished_at)
        if noted is not None and found is not None:
            noted = self._buried[tenant][user] = attrs.evolve(noted, user_id=found.user_id)
        return noted


class RemembersWhoWasErased(MemoryDialogueStore):
    """The user's id stays in the tombstone."""

    buried_in: ClassVar[type[MemoryTombstones]] = _Remembering


class _Thorough(MemoryDialogueMaintenance):
    async def erase_tenant(self, tenant: TenantId) -> int:
        erased = await super().erase_tenant(tenant)
        await self._tombstones.lift(tenant)
        return erased


class ErasesTheTombstone(MemoryDialogueStore):
    """With all else of the tenant's."""

    def maintenance(self) -> DialogueMaintenance:
        return _Thorough(self._tenants, self._clock, self._ids, self._tombstones)


class OpensOnFailure(ViewGate):
    """Who can't be asked about is admitted."""

    async def admit(self, tenant: TenantId, users: Iterable[UserId] = ()) -> None:
        try:
            await super().admit(tenant, users)
        except StoreUnavailableError:
            return


class GoesByWhatItHas(ViewGate):
    """However old that is."""

    async def _current(self) -> bool:
        if self._looking is None:
            await asyncio.shield(self._look())
        return True
