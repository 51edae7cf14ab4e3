"""Execution states in memory that are tracked, and those that aren't synchronised."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from adapters.memory.executions import ErasedConversations, MemoryExecutionStore
from adapters.memory.keyed import Expiring
from adapters.memory.runtime_data import TenantData
from domain.durations import MILLISECOND
from domain.executions import ExecutionState
from domain.identity import TenantId
from domain.rules import instant
from ports.gate import OPEN, Gate
from ports.keyed import Replaced
from ports.time import Clock
from ports.tracking import (
    BURIED_FOR,
    NOTED_FOR,
    Due,
    Note,
    Seen,
    SynchronisationBacklog,
    TrackedExecutions,
    Unsynchronised,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Lives(Expiring[str, int]):
    """The life of each state, where that isn't when it was created."""


class Notes(Expiring[str, Note]):
    """What isn't synchronised, by conversation."""


class Graves(Expiring[str, bool]):
    """The conversations of which a state ended."""


@attrs.define
class Queue:
    """What every store over the same data shares: when each conversation is due, and when the notes
    were gone through last."""

    due: dict[Due, datetime] = attrs.field(factory=dict)
    swept: datetime | None = None


class MemoryUnsynchronised(Unsynchronised):
    """The queue, and the notes of all tenants."""

    def __init__(self, queue: Queue, tenants: Mapping[TenantId, TenantData], clock: Clock) -> None:
        self._queue = queue
        self._tenants = tenants
        self._clock = clock

    async def take(self, limit: int) -> Sequence[Due]:
        now, due = self._clock.now(), self._queue.due
        taken = sorted((at, one) for one, at in due.items() if at <= now)[:limit]
        for _, one in taken:
            del due[one]
        return [one for _, one in taken]

    async def put(self, due: Iterable[Due], *, after: timedelta = timedelta()) -> None:
        at = self._clock.now() + after
        for one in due:
            self._queue.due[one] = min(at, self._queue.due.get(one, at))

    def forget(self, tenant: TenantId, ids: Collection[str] | None = None) -> None:
        """Take some of a tenant's conversations out of the queue, or (None) all of them."""
        for due in [due for due in self._queue.due if due[0] == tenant]:
            if ids is None or due[1] in ids:
                del self._queue.due[due]

    async def sweep(self, every: timedelta) -> int | None:
        now = self._clock.now()
        if self._queue.swept is not None and now < self._queue.swept + every:
            return None
        self._queue.swept = now
        due = [
            (tenant, id)
            for tenant, data in self._tenants.items()
            for id in data.part(Notes).keys(now)
        ]
        await self.put(due)
        return len(due)

    async def backlog(self) -> SynchronisationBacklog:
        now, due = instant(self._clock.now()), self._queue.due
        oldest = instant(min(due.values(), default=now))
        if not due or oldest > now:
            return SynchronisationBacklog(waiting=len(due))
        return SynchronisationBacklog(waiting=len(due), oldest=oldest, late=now - oldest)


class MemoryTrackedExecutions(MemoryExecutionStore, TrackedExecutions):
    """Each change and its note are one step, as nobody else has a turn in between."""

    def __init__(
        self,
        tenant: TenantId,
        data: TenantData,
        clock: Clock,
        queue: Queue,
        gate: Gate = OPEN,
    ) -> None:
        super().__init__(tenant, data, clock, gate)
        self._queue = queue

    @property
    def _lives(self) -> Lives:
        return self._data.part(Lives)

    @property
    def _notes(self) -> Notes:
        return self._data.part(Notes)

    @property
    def _graves(self) -> Graves:
        return self._data.part(Graves)

    async def begin(
        self, state: ExecutionState, fence: int | None, above: int
    ) -> ExecutionState | None:
        made = await super()._insert(state, fence)
        if made is not None:
            now = self._now()
            note = self._notes.get(made.id, now)
            life = max(_milliseconds(now), above + 1, (0 if note is None else note.life) + 1)
            self._lives.put(made.id, life, made.expires_at, now)
            self._note(made.id, Note(life=life, revision=1), now)
        return made

    async def _insert(self, state: ExecutionState, fence: int | None) -> ExecutionState | None:
        return await self.begin(state, fence, 0)

    async def _replace(
        self, entity: ExecutionState, fence: int | None
    ) -> Replaced[ExecutionState] | None:
        replaced = await super()._replace(entity, fence)
        if replaced is not None and replaced.done:
            self._noted(replaced.entity, self._now())
        return replaced

    async def _remove(self, id: str, fence: int | None) -> bool:
        now = self._now()
        state: ExecutionState | None = self._entities.get(id, now)
        life = 0 if state is None else self._life(state, now)
        gone = await super()._remove(id, fence)
        if state is not None:
            self._note(id, Note(life=life, revision=state.revision + 1, ended=True), now)
        elif fence is not None:
            before = self._notes.get(id, now) or Note(life=0, revision=0)
            life = max(_milliseconds(now), before.life)
            self._note(id, Note(life=life, revision=before.revision + 1, ended=True), now)
        self._lives.remove(id, now)
        return gone

    async def seen(self, id: str) -> Seen:
        now = self._now()
        state: ExecutionState | None = self._entities.get(id, now)
        fence = self._fences.get(id, now)
        return Seen(
            now=now,
            state=state,
            life=0 if state is None else self._life(state, now),
            note=self._notes.get(id, now),
            fence=fence,
            fenced_until=None if fence is None else self._fences.until(id),
            buried=self._graves.get(id, now) is not None or self._was_erased(id, now),
        )

    async def settle(self, id: str, note: Note) -> bool:
        now = self._now()
        if self._notes.get(id, now) != note:
            return False
        self._notes.remove(id, now)
        if note.ended:
            self._graves.put(id, True, now + BURIED_FOR, now)
        return True

    async def revive(
        self,
        id: str,
        state: ExecutionState | None,
        life: int,
        fence: int | None,
        fenced_until: datetime | None,
    ) -> None:
        now = self._now()
        if self._was_erased(id, now):
            return
        if fence is not None and fenced_until is not None and fenced_until > now:
            greatest = self._fences.get(id, now)
            if greatest is None or greatest < fence:
                self._fences.put(id, fence, fenced_until, now)
        if state is None:
            return
        if self._entities.get(id, now) is not None:
            self._lift(id, life, state.revision, now)
            return
        buried = self._graves.get(id, now) is not None
        if state.expires_at <= now or self._notes.get(id, now) is not None or buried:
            return
        self._entities.put(id, state, state.expires_at, now)
        self._lives.put(id, life, state.expires_at, now)

    async def lift(self, id: str, life: int, revision: int) -> None:
        self._lift(id, life, revision, self._now())

    def _lift(self, id: str, life: int, revision: int, now: datetime) -> None:
        state: ExecutionState | None = self._entities.get(id, now)
        if state is None or self._life(state, now) != life or state.revision >= revision:
            return
        lifted = attrs.evolve(state, revision=revision + 1)
        self._entities.put(id, lifted, lifted.expires_at, now)
        self._noted(lifted, now)

    def _was_erased(self, id: str, now: datetime) -> bool:
        return self._data.part(ErasedConversations).get(id, now) is not None

    def _life(self, state: ExecutionState, now: datetime) -> int:
        known = self._lives.get(state.id, now)
        return _milliseconds(state.created_at) if known is None else known

    def _noted(self, state: ExecutionState, now: datetime) -> None:
        life = self._life(state, now)
        self._lives.put(state.id, life, state.expires_at, now)
        self._note(state.id, Note(life=life, revision=state.revision), now)

    def _note(self, id: str, note: Note, now: datetime) -> None:
        self._notes.put(id, note, now + NOTED_FOR, now)
        self._queue.due[self._tenant, id] = now


def _milliseconds(time: datetime) -> int:
    return (instant(time) - _EPOCH) // MILLISECOND
