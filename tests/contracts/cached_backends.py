"""Cached flows as the contracts see them: what the origin alone promises has to hold with a cache
before it, too.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, TypeVar

from adapters.cached import CachedAuthoringStore, FlowCache
from adapters.memory import MemoryAuthoringStore, MemoryRuntimeStore
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.session import Session
from adapters.memory.store import MemoryAuthoring
from domain.flows import Flow
from ports.contracts.harness import Backend, Opened
from ports.reading import Context, Selection

T = TypeVar("T")


class SlowFlowRepository(MemoryFlowRepository):
    """Answers later than it reads, as a server does, so that something may happen in between."""

    async def _get(self, id: Any) -> Flow | None:
        return await _late(await super()._get(id))

    async def _select(self, selection: Selection) -> Sequence[Flow]:
        return await _late(await super()._select(selection))


async def _late(found: T) -> T:
    for _ in range(3):
        await asyncio.sleep(0)
    return found


class SlowAuthoringStore(MemoryAuthoringStore):
    """Authoring data in memory, whose flows are read as if from far away."""

    def _on(self, context: Context, session: Session) -> MemoryAuthoring:
        made = super()._on(context, session)
        vars(made)["flows"] = SlowFlowRepository(context, session)
        return made


class CachedBackend(Backend):
    """Two stores over the same data in one process, and so with one cache, in front of a cache
    that is shared. Nothing in either ends by itself: only what is dropped is gone.
    """

    name: ClassVar[str] = "cached"

    def __init__(self) -> None:
        super().__init__()
        self._authoring = SlowAuthoringStore(clock=self.clock)
        self._runtime = MemoryRuntimeStore(clock=self.clock)
        self._cache = FlowCache(self._runtime, monotonic=lambda: 0.0)

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[Opened]]:
        yield [CachedAuthoringStore(self._authoring.sibling(), self._cache) for _ in range(2)]
        await self._cache.close()
