"""Archives in memory that are wrong, each in one way."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, ClassVar

import attrs

from adapters.memory import MemoryAuthoringStore, MemoryDialogueStore, MemoryRuntimeStore
from adapters.memory.archives import MemoryAuthoringArchive
from adapters.memory.audit import UNSEALED
from adapters.memory.keyed import Expiring
from adapters.memory.runtime_archive import MemoryRuntimeArchive
from adapters.memory.session import SingleSession
from adapters.memory.sessions import Sessions, UsersSessions
from adapters.memory.tables import Transaction
from adapters.memory.tracking import Notes
from domain.identity import TenantId
from domain.rules import instant, restored
from ports import archives as kinds
from ports.archives import Archive, Batch, Key, Put, Record, RecordKind
from ports.port_archives import DialogueArchive
from ports.stores import AuthoringMaintenance, DialogueMaintenance, RuntimeMaintenance


def _broken(sound: Archive, kind: type[Archive]) -> Archive:
    made: Archive = object.__new__(kind)
    vars(made).update(vars(sound))
    return made


class Authoring(MemoryAuthoringStore):
    """A store with another archive."""

    archive: ClassVar[type[Archive]] = MemoryAuthoringArchive

    def maintenance(self) -> AuthoringMaintenance:
        made = super().maintenance()
        return made.keeping(_broken(made.archive, self.archive))


class Dialogue(MemoryDialogueStore):
    """A store with another archive."""

    archive: ClassVar[type[Archive]] = DialogueArchive

    def maintenance(self) -> DialogueMaintenance:
        made = super().maintenance()
        return made.keeping(_broken(made.archive, self.archive))


class Runtime(MemoryRuntimeStore):
    """A store with another archive."""

    archive: ClassVar[type[Archive]] = MemoryRuntimeArchive

    def maintenance(self) -> RuntimeMaintenance:
        made = super().maintenance()
        return made.keeping(_broken(made.archive, self.archive))


class _Overwriting(MemoryAuthoringArchive):
    async def _put(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Sequence[Put]:
        if kind is kinds.FLOWS:
            with SingleSession(self._tables(tenant)).writing() as transaction:
                for record in records:
                    transaction.replace("flow", record)
            return [Put.ADDED for _ in records]
        return await super()._put(tenant, kind, records)


class OverwritesWhatStands(Authoring):
    """The last one wins."""

    archive = _Overwriting


class _Equal(MemoryAuthoringArchive):
    async def _found(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Mapping[Key, Record]:
        return {kind.key_of(record): record for record in records}


class TakesWhateverStandsForTheSame(Authoring):
    """Doesn't look at what is stored."""

    archive = _Equal


class _Stamping(MemoryAuthoringArchive):
    def _row(self, tenant: TenantId, kind: RecordKind, record: Record) -> Any:
        row = super()._row(tenant, kind, record)
        if kind is not kinds.FLOWS:
            return row
        return restored(type(row), {**vars(row), "updated_at": row.created_at})


class StampsWhatItPutsBack(Authoring):
    """With a time of its own."""

    archive = _Stamping


class _WithoutKeys(MemoryAuthoringArchive):
    async def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        async for kind, records in super().read(tenant):
            if kind is not kinds.OUTCOME_KEYS:
                yield kind, records


class ForgetsAKind(Authoring):
    """What nobody asks for by a port is easily forgotten."""

    archive = _WithoutKeys


class TellsOfWhatItPutsBack(Authoring):
    """By way of the repository, which writes an entry and an event."""

    def maintenance(self) -> AuthoringMaintenance:
        made = super().maintenance()
        store = self

        class Telling(MemoryAuthoringArchive):
            async def _put(
                self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
            ) -> Sequence[Put]:
                if kind is not kinds.FLOWS:
                    return await super()._put(tenant, kind, records)
                await store.repositories(tenant).flows.create_many(records)
                return [Put.ADDED for _ in records]

        return made.keeping(_broken(made.archive, Telling))


class _Still(MemoryAuthoringArchive):
    async def _put(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Sequence[Put]:
        with SingleSession(self._tables(tenant)).writing() as transaction:
            return [self._added(tenant, transaction, kind, record) for record in records]


class LeavesPositionsWhereTheyWere(Authoring):
    """What is written later has a smaller one."""

    archive = _Still


class _Sealed(MemoryAuthoringArchive):
    def _added(
        self, tenant: TenantId, transaction: Transaction, kind: RecordKind, record: Record
    ) -> Put:
        put = super()._added(tenant, transaction, kind, record)
        transaction.writes.pop(UNSEALED, None)
        return put


class NeverSealsWhatItPutsBack(Authoring):
    """What wasn't sealed stays so."""

    archive = _Sealed


class _Purged(MemoryAuthoringArchive):
    async def _purged(self, tenant: TenantId, entries: Mapping[int, Any]) -> set[int]:
        return set()


class PutsBackWhatWasPurged(Authoring):
    """What is older than the beginning of the chain."""

    archive = _Purged


class _AsItGoes(MemoryAuthoringArchive):
    async def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        for kind in self.kinds:
            async for other, records in super().read(tenant):
                if other is kind:
                    yield kind, records


class ReadsAsItGoes(Authoring):
    """Each kind as it is when its turn comes."""

    archive = _AsItGoes


class _Ungated(MemoryAuthoringArchive):
    async def _erased(self, tenant: TenantId, records: Mapping[int, Record]) -> dict[int, str]:
        return {}


class PutsBackWhoWasErased(Authoring):
    """Asks no gate."""

    archive = _Ungated


class _AllOrNothing(MemoryAuthoringArchive):
    async def _erased(self, tenant: TenantId, records: Mapping[int, Record]) -> dict[int, str]:
        refused = await super()._erased(tenant, records)
        return dict.fromkeys(records, "somebody was erased") if refused else {}


class RefusesAllForOne(Authoring):
    """One erased user keeps the others out."""

    archive = _AllOrNothing


class _Anew(MemoryRuntimeArchive):
    def _listed(self, tenant: TenantId, session: Any) -> Put:
        put = super()._listed(tenant, session)
        if put is Put.ADDED:
            now = instant(self._clock.now())
            part: Expiring[str, Any] = self._data(tenant).part(Sessions)
            part.put(session.id, session, now + session.idle_timeout, now)
        return put


class BeginsTheirTimeAnew(Runtime):
    """A session that was put back counts as used."""

    archive = _Anew


class _Unlisted(MemoryRuntimeArchive):
    def _listed(self, tenant: TenantId, session: Any) -> Put:
        put = super()._listed(tenant, session)
        self._data(tenant).part(UsersSessions).clear()
        return put


class ListsThemForNobody(Runtime):
    """Their users don't see them."""

    archive = _Unlisted


class _Reviving(MemoryRuntimeArchive):
    def _kept(self, tenant: TenantId, record: Any) -> Put:
        now = instant(self._clock.now())
        if record.state.expires_at <= now:
            state = attrs.evolve(record.state, updated_at=now)
            return super()._kept(tenant, attrs.evolve(record, state=state))
        return super()._kept(tenant, record)


class RevivesTheExpired(Runtime):
    """As if nothing had happened."""

    archive = _Reviving


class _Unnoted(MemoryRuntimeArchive):
    def _kept(self, tenant: TenantId, record: Any) -> Put:
        put = super()._kept(tenant, record)
        self._data(tenant).part(Notes).clear()
        return put


class ForgetsWhatWasntSynchronised(Runtime):
    """No note, no context."""

    archive = _Unnoted


class _Apart(DialogueArchive):
    async def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        async for kind, records in super().read(tenant):
            if kind is not kinds.MESSAGES:
                yield kind, records
        async for conversation in self._of(tenant).conversations.stream(order="id"):
            history = await self._of(tenant).messages.history(conversation.id, limit=1_000)
            if history.items:
                yield kinds.MESSAGES, history.items


class ReadsMessagesAfterwards(Dialogue):
    """More of them than their conversations knew of."""

    archive = _Apart


class _Gaping(DialogueArchive):
    async def _put(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Sequence[Put]:
        put = await super()._put(tenant, kind, records)
        return [Put.HELD if what is Put.ORPHAN else what for what in put]

    async def _found(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Mapping[Key, Record]:
        found = await super()._found(tenant, kind, records)
        return {kind.key_of(one): one for one in records} | dict(found)


class SaysNothingOfGaps(Dialogue):
    """What can't follow is passed over."""

    archive = _Gaping
