"""Faults in units of work: as real adapters have had them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from adapters.memory import MemoryAuthoringStore
from adapters.memory.session import SingleSession, UnitSession
from adapters.memory.store import MemoryAuthoring
from adapters.memory.tables import Transaction
from domain.identity import NOBODY, Author, TenantId


class KeepsWhatItRollsBack(MemoryAuthoringStore):
    """Commits on every exit."""

    @asynccontextmanager
    async def unit(
        self, tenant: TenantId, author: Author = NOBODY
    ) -> AsyncIterator[MemoryAuthoring]:
        session = UnitSession(self._tables(tenant))
        try:
            yield self._repositories(tenant, author, session, self._tombstones.gate)
        finally:
            session.commit()


class ShowsWhatIsNotCommitted(MemoryAuthoringStore):
    """Writes at once, and calls it a unit."""

    @asynccontextmanager
    async def unit(
        self, tenant: TenantId, author: Author = NOBODY
    ) -> AsyncIterator[MemoryAuthoring]:
        session = SingleSession(self._tables(tenant))
        yield self._repositories(tenant, author, session, self._tombstones.gate)


class _Undoomed(UnitSession):
    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        yield self.reading()


class ForgivesFailedWrites(MemoryAuthoringStore):
    """Goes on after a write that failed."""

    @asynccontextmanager
    async def unit(
        self, tenant: TenantId, author: Author = NOBODY
    ) -> AsyncIterator[MemoryAuthoring]:
        session = _Undoomed(self._tables(tenant))
        try:
            yield self._repositories(tenant, author, session, self._tombstones.gate)
            session.commit()
        finally:
            session.end()


class ServesAfterTheEnd(MemoryAuthoringStore):
    """A unit's repositories go on working when it has ended."""

    @asynccontextmanager
    async def unit(
        self, tenant: TenantId, author: Author = NOBODY
    ) -> AsyncIterator[MemoryAuthoring]:
        async with super().unit(tenant, author) as work:
            flows: Any = work.flows
            yield work
        flows._session = SingleSession(self._tables(tenant))
