"""The memory adapter of tracked execution states, broken in one way at a time; and a backend of it,
beside contexts that are as they should be.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import ClassVar

import attrs

from adapters.memory import MemoryDialogueStore, MemoryRuntimeStore
from adapters.memory.runtime import MemoryRuntimeMaintenance
from adapters.memory.tracking import MemoryTrackedExecutions, MemoryUnsynchronised
from domain.executions import ExecutionState
from domain.identity import TenantId
from ports.contracts.harness import Backend, Group, Instance, Opened
from ports.runtime import RuntimePorts
from ports.stores import RuntimeMaintenance
from ports.tracking import Due, Note, SynchronisationBacklog, Unsynchronised


class SoundTracking(MemoryTrackedExecutions):
    """As it should be; what is broken overrides a part of it."""

    queue: ClassVar[type[MemoryUnsynchronised]] = MemoryUnsynchronised


class RestoresOver(SoundTracking):
    """Stores what is restored over what is there."""

    async def revive(
        self,
        id: str,
        state: ExecutionState | None,
        life: int,
        fence: int | None,
        fenced_until: datetime | None,
    ) -> None:
        if state is not None:
            self._entities.remove(id, self._now())
        await super().revive(id, state, life, fence, fenced_until)


class RestoresForAWholeLife(SoundTracking):
    """Lets what is restored begin its time to live anew."""

    async def revive(
        self,
        id: str,
        state: ExecutionState | None,
        life: int,
        fence: int | None,
        fenced_until: datetime | None,
    ) -> None:
        if state is not None:
            state = attrs.evolve(state, updated_at=self._now())
        await super().revive(id, state, life, fence, fenced_until)


class RestoresNoTokens(SoundTracking):
    """Forgets the fencing tokens."""

    async def revive(
        self,
        id: str,
        state: ExecutionState | None,
        life: int,
        fence: int | None,
        fenced_until: datetime | None,
    ) -> None:
        await super().revive(id, state, life, None, None)


class DigsUp(SoundTracking):
    """Restores what has ended, and is known to have."""

    async def settle(self, id: str, note: Note) -> bool:
        settled = await super().settle(id, note)
        self._graves.remove(id, self._now())
        return settled


class NeverLifts(SoundTracking):
    """Leaves a revision where it is, whatever was claimed."""

    def _lift(self, id: str, life: int, revision: int, now: datetime) -> None:
        return


class ForgetsNotes(SoundTracking):
    """Changes states without a word."""

    def _noted(self, state: ExecutionState, now: datetime) -> None:
        return


class NotesNoDeletion(SoundTracking):
    """Forgets what was noted of a state when that is deleted."""

    async def _remove(self, id: str, fence: int | None) -> bool:
        gone = await super()._remove(id, fence)
        self._notes.remove(id, self._now())
        return gone


class NotesExpireWithTheState(SoundTracking):
    """Doesn't know any more what became of a state that expired."""

    def _note(self, id: str, note: Note, now: datetime) -> None:
        super()._note(id, note, now)
        state = self._entities.get(id, now)
        if state is not None:
            self._notes.put(id, note, state.expires_at, now)


class SettlesWhateverThereIs(SoundTracking):
    """Forgets a note that came after the one that was seen."""

    async def settle(self, id: str, note: Note) -> bool:
        return await super().settle(id, self._notes.get(id, self._now()) or note)


class LivesBeginAtATime(SoundTracking):
    """Takes two states that were begun in one millisecond for the same."""

    def _life(self, state: ExecutionState, now: datetime) -> int:
        self._lives.remove(state.id, now)
        return super()._life(state, now)

    def _note(self, id: str, note: Note, now: datetime) -> None:
        state = self._entities.get(id, now)
        if state is not None:
            note = attrs.evolve(note, life=self._life(state, now))
        super()._note(id, note, now)


class SweepsNothing(SoundTracking):
    """Goes by hints alone."""

    class Hinted(MemoryUnsynchronised):
        """The queue."""

        async def sweep(self, every: timedelta) -> int | None:
            return 0

    queue = Hinted


class ForgetsThePause(SoundTracking):
    """Makes what was put back due at once."""

    class Impatient(MemoryUnsynchronised):
        """The queue."""

        async def put(self, due: Iterable[Due], *, after: timedelta = timedelta()) -> None:
            await super().put(due)

    queue = Impatient


class CountsWhatIsDue(SoundTracking):
    """Tells of what is late alone that it waits."""

    class Hopeful(MemoryUnsynchronised):
        """The queue."""

        async def backlog(self) -> SynchronisationBacklog:
            found = await super().backlog()
            return attrs.evolve(found, waiting=1 if found.late else 0)

    queue = Hopeful


def backend_of(broken: type[SoundTracking]) -> Backend:
    """Two instances in memory, whose execution states are tracked so."""

    class Runtime(MemoryRuntimeStore):
        def repositories(self, tenant: TenantId) -> RuntimePorts:
            made = super().repositories(tenant)
            data = self._tenants[tenant]
            vars(made)["tracked_executions"] = broken(tenant, data, self._clock, self._queue)
            return made

        def maintenance(self) -> RuntimeMaintenance:
            return Maintained(self._tenants, self._clock, self._queue)

    class Maintained(MemoryRuntimeMaintenance):
        @property
        def unsynchronised(self) -> Unsynchronised:
            return broken.queue(self._queue, self._tenants, self._clock)

    class BrokenBackend(Backend):
        name: ClassVar[str] = broken.__name__
        offers: ClassVar[frozenset[Group]] = frozenset({Group.RUNTIME, Group.DIALOGUE})

        def __init__(self) -> None:
            super().__init__()
            self._runtime = Runtime(clock=self.clock)
            self._dialogue = MemoryDialogueStore(clock=self.clock)

        @asynccontextmanager
        async def stores(self) -> AsyncIterator[Sequence[Opened]]:
            yield [
                Instance(dialogue=self._dialogue.sibling(), runtime=runtime)
                for runtime in (self._runtime.sibling(), self._runtime.sibling(clock=self.ahead))
            ]

    return BrokenBackend()
