"""The store of the memory adapter, and its units of work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from adapters.memory.flows import MemoryFlowRepository, flow_tables
from adapters.memory.session import Session, SingleSession, UnitSession
from adapters.memory.tables import Tables
from adapters.system import SystemClock, Uuid7Generator
from domain.identity import TenantId
from ports.capabilities import Capability
from ports.flows import FLOW_SCHEMA, FlowRepository
from ports.repository import Context
from ports.stores import AuthoringMaintenance, AuthoringStore
from ports.time import Clock, IdGenerator
from ports.unit_of_work import AuthoringUnit


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

    def flows(self, tenant: TenantId) -> FlowRepository:
        return self._flows(tenant, SingleSession(self._tables(tenant)))

    @asynccontextmanager
    async def unit(self, tenant: TenantId) -> AsyncIterator[AuthoringUnit]:
        session = UnitSession(self._tables(tenant))
        try:
            yield MemoryAuthoringUnit(self._flows(tenant, session))
            session.commit()
        finally:
            session.end()

    def maintenance(self) -> AuthoringMaintenance:
        return MemoryAuthoringMaintenance(self._tenants)

    async def check(self) -> None:
        return

    def _flows(self, tenant: TenantId, session: Session) -> FlowRepository:
        context = Context(tenant=tenant, clock=self._clock, ids=self._ids)
        return MemoryFlowRepository(context, session)

    def _tables(self, tenant: TenantId) -> Tables:
        return self._tenants.setdefault(tenant, Tables(flow_tables()))


class MemoryAuthoringUnit(AuthoringUnit):
    """One unit's repositories."""

    def __init__(self, flows: FlowRepository) -> None:
        self._flows = flows

    @property
    def flows(self) -> FlowRepository:
        return self._flows


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
            for name in tables.tables:
                keys = list(transaction.keys(name))
                erased += len(keys) if name == FLOW_SCHEMA.name else 0
                for key in keys:
                    transaction.remove(name, key)
        return erased
