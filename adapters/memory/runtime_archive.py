"""The archive of what lives for a while, in memory."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import ClassVar, Final

from adapters.memory.executions import ErasedConversations, Executions
from adapters.memory.runtime_data import TenantData
from adapters.memory.sessions import MemorySessionStore, Sessions
from adapters.memory.tracking import Graves, Lives, MemoryTrackedExecutions, Notes, Queue
from domain.identity import TenantId, tenant_id
from domain.records import KeptExecution
from domain.rules import instant
from domain.sessions import Session
from ports.archives import EXECUTIONS, RUNTIME_KINDS, SESSIONS, Archive, Batch, Key, Put, Record
from ports.archives import RecordKind as Kind
from ports.gate import OPEN, Gate
from ports.time import Clock
from ports.tracking import NOTED_FOR, Note

_PAGE: Final = 1_000


class MemoryRuntimeArchive(Archive):
    """Sessions and execution states, by id; each as it is when it is read."""

    kinds: ClassVar[tuple[Kind, ...]] = RUNTIME_KINDS

    def __init__(
        self,
        data: Callable[[TenantId], TenantData],
        clock: Clock,
        queue: Queue,
        gate: Gate = OPEN,
    ) -> None:
        super().__init__(gate)
        self._data = data
        self._clock = clock
        self._queue = queue

    async def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        named = tenant_id(tenant)
        data = self._data(named)
        for kind, part in ((SESSIONS, data.part(Sessions)), (EXECUTIONS, data.part(Executions))):
            ids = sorted(part.keys(self._clock.now()))
            for start in range(0, len(ids), _PAGE):
                read = [await self._one(named, kind, id) for id in ids[start : start + _PAGE]]
                if records := [record for record in read if record is not None]:
                    yield kind, records

    async def _put(self, tenant: TenantId, kind: Kind, records: Sequence[Record]) -> Sequence[Put]:
        put = self._listed if kind is SESSIONS else self._kept
        return [put(tenant, record) for record in records]

    def _listed(self, tenant: TenantId, session: Session) -> Put:
        now = instant(self._clock.now())
        data = self._data(tenant)
        if data.part(Sessions).get(session.id, now) is not None:
            return Put.HELD
        if session.idle_expires_at <= now:
            return Put.EXPIRED
        MemorySessionStore(tenant, data, self._clock).put_back(session)
        return Put.ADDED

    def _kept(self, tenant: TenantId, record: KeptExecution) -> Put:
        now = instant(self._clock.now())
        data, state, id = self._data(tenant), record.state, record.id
        if data.part(Executions).get(id, now) is not None:
            return Put.HELD
        if data.part(ErasedConversations).get(id, now):
            return Put.ORPHAN
        if state.expires_at <= now:
            return Put.EXPIRED
        if data.part(Notes).get(id, now) is not None or data.part(Graves).get(id, now):
            return Put.HELD  # it is known what became of it
        data.part(Executions).put(id, state, state.expires_at, now)
        data.part(Lives).put(id, record.life, state.expires_at, now)
        if record.noted:
            note = Note(life=record.life, revision=state.revision)
            data.part(Notes).put(id, note, now + NOTED_FOR, now)
            self._queue.due[tenant, id] = now
        return Put.ADDED

    async def _found(
        self, tenant: TenantId, kind: Kind, records: Sequence[Record]
    ) -> Mapping[Key, Record]:
        found = [await self._one(tenant, kind, record.id) for record in records]
        return {kind.key_of(record): record for record in found if record is not None}

    async def _one(self, tenant: TenantId, kind: Kind, id: str) -> Record | None:
        data = self._data(tenant)
        if kind is SESSIONS:
            return data.part(Sessions).get(id, self._clock.now())
        seen = await MemoryTrackedExecutions(tenant, data, self._clock, self._queue).seen(id)
        if seen.state is None:
            return None
        return KeptExecution(state=seen.state, life=seen.life, noted=seen.note is not None)
