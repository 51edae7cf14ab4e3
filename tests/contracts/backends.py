"""Our adapters as the contracts see them."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from adapters.memory import MemoryStore
from bootstrap import embedded
from ports.contracts.harness import Backend
from ports.stores import AuthoringStore

POSTGRES_URL = "DIALOGBASE_TEST_POSTGRES_URL"
"""Names a server to be used in place of a private one."""


class MemoryBackend(Backend):
    """Two stores over the same data."""

    name: ClassVar[str] = "memory"

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Sequence[AuthoringStore]]:
        store = MemoryStore(clock=self.clock)
        yield store, store.sibling()


BACKENDS: Sequence[type[Backend]] = (MemoryBackend,)
