"""The stores of the memory adapter, and their units of work."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, ClassVar, Generic, Self, TypeVar

from adapters.memory.archives import MemoryAuthoringArchive
from adapters.memory.audit import MemoryAuditLog
from adapters.memory.contexts import MemoryContextRepository
from adapters.memory.conversations import MemoryConversationRepository
from adapters.memory.experiments import MemoryExperimentRepository
from adapters.memory.flows import MemoryFlowRepository
from adapters.memory.integrations import MemoryIntegrationRepository
from adapters.memory.maintenance import MemoryAuthoringMaintenance, MemoryDialogueMaintenance
from adapters.memory.messages import MemoryMessageRepository
from adapters.memory.outbox import MemoryOutbox, OutboxState
from adapters.memory.session import Session, SingleSession, UnitSession
from adapters.memory.tables import Table, Tables
from adapters.memory.tombstones import MemoryTombstones
from adapters.system import SystemClock, Uuid7Generator
from domain.identity import NOBODY, Author, TenantId
from ports.audit import AuditLog
from ports.capabilities import Capability
from ports.contexts import ContextRepository
from ports.conversations import ConversationRepository
from ports.experiments import ExperimentRepository
from ports.flows import FlowRepository
from ports.gate import Gate, UnitGate
from ports.integrations import IntegrationRepository
from ports.messages import MessageRepository
from ports.port_archives import DialogueArchive
from ports.reading import Context
from ports.secrets import SecretBox
from ports.stores import (
    AuthoringMaintenance,
    AuthoringStore,
    DialogueMaintenance,
    DialogueStore,
    TransactionalStore,
)
from ports.time import Clock, IdGenerator
from ports.unit_of_work import AuthoringUnit, DialogueUnit

R = TypeVar("R")
M = TypeVar("M")


class MemoryStore(TransactionalStore[R, R, M], Generic[R, M]):
    """Data in this process's memory, gone with it. Tenants cost what they hold."""

    name: ClassVar[str] = "memory"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.TRANSACTIONS, Capability.REGEX}
    )
    aggregates: ClassVar[Sequence[Any]]
    """The repositories whose tables a tenant has."""
    buried_in: ClassVar[type[MemoryTombstones]] = MemoryTombstones
    _secrets: SecretBox | None = None

    def __init__(self, *, clock: Clock | None = None, ids: IdGenerator | None = None) -> None:
        self._clock = SystemClock() if clock is None else clock
        self._ids = Uuid7Generator(self._clock) if ids is None else ids
        self._tenants: dict[TenantId, Tables] = {}
        self._tombstones = self.buried_in(self._clock)

    def sibling(self, *, clock: Clock | None = None) -> Self:
        """Another store over the same data, as a second process would have it."""
        other = type(self)(clock=self._clock if clock is None else clock)
        other._tenants = self._tenants
        other._tombstones = self._tombstones.seen_by(other._clock)
        return other

    def repositories(self, tenant: TenantId, author: Author = NOBODY) -> R:
        session = SingleSession(self._tables(tenant))
        return self._repositories(tenant, author, session, self._tombstones.gate)

    @asynccontextmanager
    async def unit(self, tenant: TenantId, author: Author = NOBODY) -> AsyncIterator[R]:
        session, gate = UnitSession(self._tables(tenant)), UnitGate(self._tombstones.gate)
        try:
            yield self._repositories(tenant, author, session, gate)
            await gate.confirm()
            session.commit()
        finally:
            session.end()

    async def check(self) -> None:
        return

    def _repositories(self, tenant: TenantId, author: Author, session: Session, gate: Gate) -> R:
        context = Context(
            tenant=tenant,
            clock=self._clock,
            ids=self._ids,
            author=author,
            secrets=self._secrets,
            gate=gate,
        )
        return self._on(context, session)

    @abstractmethod
    def _on(self, context: Context, session: Session) -> R:
        """The repositories on a session: a unit of work's, or one of single operations."""

    def _tables(self, tenant: TenantId) -> Tables:
        tables = self._tenants.get(tenant)
        if tables is None:
            tables = self._tenants[tenant] = Tables(self._new_tables())
        return tables

    def _new_tables(self) -> dict[str, Table]:
        """What a tenant's data are kept in, empty."""
        made: dict[str, Table] = {}
        for kind in self.aggregates:
            made |= kind.tables()
        return made


class MemoryAuthoringStore(MemoryStore["MemoryAuthoring", AuthoringMaintenance], AuthoringStore):
    """Authoring data in memory. Credentials are encrypted if `secrets` are given to do it with;
    without them they are as safe as the process's memory.
    """

    aggregates: ClassVar[Sequence[Any]] = (
        MemoryFlowRepository,
        MemoryExperimentRepository,
        MemoryIntegrationRepository,
        MemoryAuditLog,
    )

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        ids: IdGenerator | None = None,
        secrets: SecretBox | None = None,
    ) -> None:
        super().__init__(clock=clock, ids=ids)
        self._outbox = OutboxState()
        self._secrets = secrets

    def sibling(self, *, clock: Clock | None = None) -> Self:
        other = super().sibling(clock=clock)
        other._outbox = self._outbox
        other._secrets = self._secrets
        return other

    def maintenance(self) -> AuthoringMaintenance:
        outbox = MemoryOutbox(self._tenants, self._outbox, self._clock)
        made = MemoryAuthoringMaintenance(self._tenants, outbox, self._tombstones)
        gate = self._tombstones.gate
        return made.keeping(MemoryAuthoringArchive(self._tables, self._secrets, gate))

    def _new_tables(self) -> dict[str, Table]:
        return super()._new_tables() | self._outbox.tables()

    def _on(self, context: Context, session: Session) -> "MemoryAuthoring":
        return MemoryAuthoring(context, session)


class MemoryAuthoring(AuthoringUnit):
    """A tenant's repositories of authoring data on one session."""

    def __init__(self, context: Context, session: Session) -> None:
        self._context = context
        self._session = session

    @cached_property
    def flows(self) -> FlowRepository:
        return MemoryFlowRepository(self._context, self._session)

    @cached_property
    def experiments(self) -> ExperimentRepository:
        return MemoryExperimentRepository(self._context, self._session)

    @cached_property
    def integrations(self) -> IntegrationRepository:
        return MemoryIntegrationRepository(self._context, self._session)

    @cached_property
    def audit(self) -> AuditLog:
        return MemoryAuditLog(self._context, self._session)


class MemoryDialogueStore(MemoryStore["MemoryDialogue", DialogueMaintenance], DialogueStore):
    """Dialogue data in memory."""

    aggregates: ClassVar[Sequence[Any]] = (
        MemoryConversationRepository,
        MemoryMessageRepository,
        MemoryContextRepository,
    )

    def maintenance(self) -> DialogueMaintenance:
        made = MemoryDialogueMaintenance(self._tenants, self._clock, self._ids, self._tombstones)
        return made.keeping(DialogueArchive(self.repositories, self._tombstones.gate))

    def _on(self, context: Context, session: Session) -> "MemoryDialogue":
        return MemoryDialogue(context, session)


class MemoryDialogue(DialogueUnit):
    """A tenant's repositories of dialogue data on one session."""

    def __init__(self, context: Context, session: Session) -> None:
        self._context = context
        self._session = session

    @cached_property
    def conversations(self) -> ConversationRepository:
        return MemoryConversationRepository(self._context, self._session)

    @cached_property
    def messages(self) -> MessageRepository:
        return MemoryMessageRepository(self._context, self._session)

    @cached_property
    def contexts(self) -> ContextRepository:
        return MemoryContextRepository(self._context, self._session)
