"""The store of the memory adapter, and its units of work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, ClassVar

from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.repository import MemoryRepository
from adapters.memory.session import Session, SingleSession, UnitSession
from adapters.memory.tables import Tables
from adapters.system import SystemClock, Uuid7Generator
from domain.identity import TenantId
from ports.capabilities import Capability
from ports.flows import FlowRepository
from ports.repository import Context
from ports.stores import AuthoringMaintenance, AuthoringStore
from ports.time import Clock, IdGenerator
from ports.unit_of_work import AuthoringRepositories, AuthoringUnit

AGGREGATES: tuple[type[MemoryRepository[Any]], ...] = (MemoryFlowRepository,)
"""Whose tables a tenant has."""


class MemoryStore(AuthoringStore):
    """Authoring data in this process's memory, gone with it. Tenants cost what they hold."""

    name: ClassVar[str] = "memory"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.TRANSACTIONS, Capability.REGEX}
    )

    def __init__(self, *, clock: Clock | None = None, ids: IdGenerator | None = None) -> None:
        self._clock = SystemClock() if clock is None else clock
        self._ids = Uuid7Generator(self._clock) if ids is None else ids
        self._tenants: dict[TenantId, Tables] = {}

    def sibling(self, *, clock: Clock | None = None) -> "MemoryStore":
        """Another store over the same data, as a second process would have it."""
        other = MemoryStore(clock=self._clock if clock is None else clock)
        other._tenants = self._tenants
        return other

    def repositories(self, tenant: TenantId) -> AuthoringRepositories:
        return self._repositories(tenant, SingleSession(self._tables(tenant)))

    @asynccontextmanager
    async def unit(self, tenant: TenantId) -> AsyncIterator[AuthoringUnit]:
        session = UnitSession(self._tables(tenant))
        try:
            yield self._repositories(tenant, session)
            session.commit()
        finally:
            session.end()

    def maintenance(self) -> AuthoringMaintenance:
        return MemoryAuthoringMaintenance(self._tenants)

    async def check(self) -> None:
        return

    def _repositories(self, tenant: TenantId, session: Session) -> "MemoryRepositories":
        context = Context(tenant=tenant, clock=self._clock, ids=self._ids)
        return MemoryRepositories(context, session)

    def _tables(self, tenant: TenantId) -> Tables:
        tables = self._tenants.get(tenant)
        if tables is None:
            made = {name: table for kind in AGGREGATES for name, table in kind.tables().items()}
            tables = self._tenants[tenant] = Tables(made)
        return tables


class MemoryRepositories(AuthoringUnit):
    """A tenant's repositories on one session: a unit of work's, or one of single operations."""

    def __init__(self, context: Context, session: Session) -> None:
        self._context = context
        self._session = session

    @cached_property
    def flows(self) -> FlowRepository:
        return MemoryFlowRepository(self._context, self._session)


class MemoryAuthoringMaintenance(AuthoringMaintenance):
    """What works across the tenants of a memory store."""

    def __init__(self, tenants: dict[TenantId, Tables]) -> None:
        self._tenants = tenants

    async def tenants(self) -> AsyncIterator[TenantId]:
        for tenant, tables in sorted(self._tenants.items()):
            if not tables.empty:
                yield tenant

    async def erase_tenant(self, tenant: TenantId) -> int:
        tables = self._tenants.get(tenant)
        if tables is None:
            return 0
        erased = 0
        with SingleSession(tables).writing() as transaction:
            for name, table in tables.tables.items():
                keys = list(transaction.keys(name))
                erased += len(keys) if table.entities else 0
                for key in keys:
                    transaction.remove(name, key)
        return erased
