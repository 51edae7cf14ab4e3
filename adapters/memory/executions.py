"""Execution states in memory."""

from datetime import datetime
from typing import ClassVar

from adapters.memory.keyed import Entities, Expiring, MemoryKeyed
from domain.executions import ExecutionState
from ports.executions import FENCED_FOR, ExecutionStore, erased, overtaken


class Executions(Entities):
    """Execution states by conversation."""


class Fences(Expiring[str, int]):
    """The greatest fencing token that wrote, by conversation."""


class ErasedConversations(Expiring[str, bool]):
    """The conversations that were erased."""


class MemoryExecutionStore(MemoryKeyed[ExecutionState], ExecutionStore):
    """Execution states, and the fencing tokens that outlive them."""

    entities: ClassVar[type[Entities]] = Executions

    @property
    def _fences(self) -> Fences:
        return self._data.part(Fences)

    def _due(self, entity: ExecutionState) -> datetime:
        return entity.expires_at

    async def _insert(self, state: ExecutionState, fence: int | None) -> ExecutionState | None:
        now = self._now()
        if self._data.part(ErasedConversations).get(state.id, now):
            raise erased(self._tenant)
        self._check_fence(state.id, fence, now)
        if self._entities.get(state.id, now) is not None:
            return None
        made = self._put({**vars(state), "created_at": now, "updated_at": now}, now)
        self._keep_fence(made, fence, now)
        return made

    async def _remove(self, id: str, fence: int | None) -> bool:
        now = self._now()
        self._check_fence(id, fence, now)
        self._remember(id, fence, now, now)
        return self._entities.remove(id, now)

    def _check_fence(self, id: str, fence: int | None, now: datetime) -> None:
        greatest = self._fences.get(id, now)
        if fence is not None and greatest is not None and fence < greatest:
            raise overtaken()

    def _keep_fence(self, entity: ExecutionState, fence: int | None, now: datetime) -> None:
        self._remember(entity.id, fence, entity.expires_at, now)

    def _remember(self, id: str, fence: int | None, gone: datetime, now: datetime) -> None:
        kept = self._fences.get(id, now) if fence is None else fence
        if kept is not None:
            self._fences.put(id, kept, gone + FENCED_FOR, now)
