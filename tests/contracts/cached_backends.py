"""Cached flows as the contracts see them: what the origin alone promises has to hold with a cache
before it, too.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from adapters.cached import CachedAuthoringStore, FlowCache
from adapters.memory import MemoryAuthoringStore, MemoryRuntimeStore
from ports.contracts.harness import Backend, Opened


class CachedBackend(Backend):
    """Two stores over the same data in one process, and so with one cache, in front of a cache
    that is shared. Nothing in either ends by itself: only what is dropped is gone.
    """

    name: ClassVar[str] = "cached"

    def __init__(self) -> None:
        super().__init__()
        self._authoring = MemoryAuthoringStore(clock=self.clock)
        self._runtime = MemoryRuntimeStore(clock=self.clock)
        self._cache = FlowCache(self._runtime, monotonic=lambda: 0.0)

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[Opened]]:
        yield [CachedAuthoringStore(self._authoring.sibling(), self._cache) for _ in range(2)]
        await self._cache.close()
