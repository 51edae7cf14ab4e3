"""What an adapter offers for a group of ports, and what a tenant's scope is made of."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date
from functools import cached_property
from typing import ClassVar, Generic, Self, TypeVar
from uuid import UUID

import attrs

from domain.flow_summaries import FlowPeriodSummary
from domain.identity import NOBODY, Author, TenantId
from ports.analytics import Analytics
from ports.archives import Archive
from ports.audit import AuditLog
from ports.cache import Cache
from ports.capabilities import Capability
from ports.contexts import ContextRepository
from ports.conversations import ConversationRepository
from ports.dispatch import DEFAULT_OPTIONS, Dispatcher, DispatchOptions
from ports.erasing import Erasing, ErasingByUser, ErasingConversations, ErasingDialogues
from ports.errors import UnsupportedOperationError
from ports.executions import ExecutionStore
from ports.experiments import ExperimentRepository
from ports.flow_projection import ExecutionQueue, Uncounted
from ports.flow_summary import summary_of
from ports.flows import FlowRepository
from ports.integrations import IntegrationRepository
from ports.locks import Locks
from ports.messages import MessageRepository
from ports.metric_keys import ForgettingMetricKeys
from ports.observation import UNOBSERVED, Rounds
from ports.outbox import Consumer, Outbox
from ports.rate_limits import RateLimiter
from ports.retention import AnalyticsSweeps, AuthoringSweeps, DialogueSweeps
from ports.runtime import RuntimePorts
from ports.sessions import SessionStore
from ports.statistics import CollectionStatistics
from ports.synchronisation import SynchronisedExecutions
from ports.tombstones import Tombstones
from ports.tracking import Unsynchronised
from ports.unit_of_work import (
    AuthoringRepositories,
    AuthoringUnit,
    DialogueRepositories,
    DialogueUnit,
)

R = TypeVar("R", covariant=True)
U = TypeVar("U", covariant=True)
M = TypeVar("M", covariant=True)
T = TypeVar("T")


class Store(ABC, Generic[R, M]):
    """A group of ports in one store. Safe to share by tasks."""

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]

    @abstractmethod
    def repositories(self, tenant: TenantId) -> R:
        """A tenant's ports, each operation of which is a unit by itself; cheap, no I/O."""

    @abstractmethod
    def maintenance(self) -> M:
        """What works across tenants."""

    @abstractmethod
    async def check(self) -> None:
        """Answer at once if the store can be used now.

        Raises:
            StoreUnavailableError, StoreTimeoutError: if it can't.
        """


class TransactionalStore(Store[R, M], Generic[R, U, M]):
    """Everything that joins one kind of unit of work, in one store."""

    @abstractmethod
    def repositories(self, tenant: TenantId, author: Author = NOBODY) -> R:
        """As every store's; `author` is who changes things by way of them."""

    @abstractmethod
    def unit(self, tenant: TenantId, author: Author = NOBODY) -> AbstractAsyncContextManager[U]:
        """One atomic unit over a tenant's data, by `author`."""


class Maintenance(Erasing):
    """What works across tenants, kept apart so that no request handler reaches it by accident."""

    @abstractmethod
    def tenants(self) -> AsyncIterator[TenantId]:
        """Every tenant that has data in this store, by code point; in constant memory."""

    @abstractmethod
    async def erase_tenant(self, tenant: TenantId) -> int:
        """Delete all of a tenant's data in this store; how many entities went (what belongs to one
        alone goes with it, uncounted).

        In batches: interrupted, it may be called again and goes on; 0 when nothing is left. Until
        it is done, what belonged to an entity that went may still be seen. What is written
        meanwhile may stay. A consumer that is just being told of a change of the tenant's is waited
        for, last and at most as long as it may take.

        Raises:
            ValidationError: for what can't be a tenant's name, whatever it could stand for.
        """

    @property
    def tombstones(self) -> Tombstones:
        """Who was erased in this store, and is refused late writes.

        Raises:
            UnsupportedOperationError: if it keeps none.
        """
        raise UnsupportedOperationError("this store keeps no tombstones")

    @property
    def archive(self) -> Archive:
        """A tenant's records as they are kept, to be exported and put back.

        Raises:
            UnsupportedOperationError: if this store has none.
        """
        if self._archive is None:
            raise UnsupportedOperationError("this store can't be exported")
        return self._archive

    _archive: Archive | None = None

    def keeping(self, archive: Archive) -> Self:
        """This, with the archive of its store."""
        self._archive = archive
        return self


class AuthoringMaintenance(
    ErasingConversations, Maintenance, AuthoringSweeps, ForgettingMetricKeys
):
    """Maintenance of flows and whatever else is authored."""

    @property
    def outbox(self) -> Outbox:
        """What was changed and consumers are yet to be told of."""
        raise UnsupportedOperationError("this store keeps no outbox")

    def dispatcher(
        self,
        consumers: Sequence[Consumer],
        *,
        options: DispatchOptions = DEFAULT_OPTIONS,
        rounds: Rounds = UNOBSERVED,
    ) -> Dispatcher:
        """Gives consumers what was changed, in tasks for a block (`running`), for good (`run`) or
        until nothing is due (`once`), and seals the audit trails of the tenants concerned.

        Raises:
            ValidationError: if two consumers have the same name, or what is none.
        """
        return Dispatcher(
            self.outbox,
            consumers,
            options=options,
            seal=self.seal_audit,
            unsealed=self.unsealed,
            rounds=rounds,
        )

    async def unsealed(self, after: str, limit: int) -> Sequence[TenantId]:
        """The next `limit` tenants after one, by code point, of whose audit trail something isn't
        sealed; by index. What dispatchers look for: one that died may have left it so.
        """
        return ()


class DialogueMaintenance(ErasingDialogues, Maintenance, DialogueSweeps):
    """Maintenance of conversations, their messages and contexts, of all tenants."""

    async def statistics(self) -> tuple[CollectionStatistics, ...]:
        """How much each collection holds, all tenants' together; a round trip for each.

        Raises:
            UnsupportedOperationError: if the store can't tell.
        """
        raise UnsupportedOperationError("this store tells nothing of its size")


class AnalyticsMaintenance(ErasingByUser, Maintenance, AnalyticsSweeps):
    """Maintenance of analytics events, of all tenants. What has expired the store removes by
    itself, some time after it is absent from every answer; until then it is counted here.
    """

    @abstractmethod
    async def statistics(self) -> tuple[CollectionStatistics, ...]:
        """How much is held, all tenants' together; one round trip."""

    @property
    def executions(self) -> ExecutionQueue:
        """The executions of flows that aren't counted yet."""
        raise UnsupportedOperationError("this store can't tell which executions aren't counted")

    async def uncounted(self, tenant: TenantId | None = None) -> Uncounted:
        """How many executions of flows, of all tenants or of one, aren't in their figures yet, and
        since when; one round trip, which reads as many entries of an index as there are of all
        tenants. See `ports.flow_projection`.

        Raises:
            UnsupportedOperationError: if the store can't tell.
        """
        return await self.executions.uncounted(tenant)


class RuntimeMaintenance(ErasingConversations, Maintenance):
    """Maintenance of what lives for a while. Expiry needs no sweep: the store does it by itself.

    `tenants` and `erase_tenant` read the name of every key there is (the latter twice), and the
    tenants' names are in memory together. Erased are sessions and execution states, which are
    counted, and limits, cached values and locks, which aren't; who holds such a lock has lost it.
    Execution states that were synchronised come back from their contexts: erase these as well.
    """

    @property
    def unsynchronised(self) -> Unsynchronised:
        """The execution states that aren't synchronised with their contexts yet."""
        raise UnsupportedOperationError("this store can't synchronise execution states")


class AuthoringStore(
    TransactionalStore[AuthoringRepositories, AuthoringUnit, AuthoringMaintenance]
):
    """Everything that joins the authoring unit of work."""


class DialogueStore(TransactionalStore[DialogueRepositories, DialogueUnit, DialogueMaintenance]):
    """Everything that joins the dialogue unit of work."""


class AnalyticsStore(Store[Analytics, AnalyticsMaintenance]):
    """Analytics events. No unit of work: each is recorded by itself."""


class RuntimeStore(Store[RuntimePorts, RuntimeMaintenance]):
    """Everything that lives for a while: it has an expiry, and no unit of work.

    The time is the store's own (a server's clock, not its clients'), whichever process asks.
    """

    def stream(self, name: str) -> Consumer:
        """A consumer of the outbox that publishes what was changed for others to read, under a
        name of 1 to 93 characters. In what form, the store says.

        Raises:
            ValidationError: for what can't be a name.
            UnsupportedOperationError: if it has nothing to publish in.
        """
        raise UnsupportedOperationError("this store publishes nothing: streams are for Redis")


def _offered(store: T | None, what: str) -> T:
    if store is None:
        raise UnsupportedOperationError(f"no store for {what} data was opened")
    return store


@attrs.frozen(slots=False)
class TenantScope:
    """All of one tenant's repositories, and nothing of anyone else's. Cheap; no I/O.

    Where no store was given for a group, its ports raise `UnsupportedOperationError`.
    """

    tenant: TenantId
    _authoring: AuthoringStore | None = attrs.field(repr=False, default=None)
    _dialogue: DialogueStore | None = attrs.field(repr=False, default=None)
    _runtime: RuntimeStore | None = attrs.field(repr=False, default=None)
    author: Author = NOBODY
    _analytics: AnalyticsStore | None = attrs.field(repr=False, default=None)
    _synchronised: bool = attrs.field(repr=False, default=False)

    @cached_property
    def _authored(self) -> AuthoringRepositories:
        return _offered(self._authoring, "authoring").repositories(self.tenant, self.author)

    @cached_property
    def _dialogues(self) -> DialogueRepositories:
        return _offered(self._dialogue, "dialogue").repositories(self.tenant, self.author)

    @cached_property
    def _hot(self) -> RuntimePorts:
        return _offered(self._runtime, "runtime").repositories(self.tenant)

    @cached_property
    def analytics(self) -> Analytics:
        """The tenant's analytics events."""
        return _offered(self._analytics, "analytics").repositories(self.tenant)

    @property
    def flows(self) -> FlowRepository:
        """The tenant's flows; each call is a unit by itself."""
        return self._authored.flows

    @property
    def experiments(self) -> ExperimentRepository:
        """The tenant's experiments and who was assigned what; each call is a unit by itself."""
        return self._authored.experiments

    @property
    def integrations(self) -> IntegrationRepository:
        """The tenant's integrations and their calls; each call is a unit by itself."""
        return self._authored.integrations

    @property
    def audit(self) -> AuditLog:
        """The trail of what was changed in the tenant's authoring data."""
        return self._authored.audit

    @property
    def conversations(self) -> ConversationRepository:
        """The tenant's conversations; each call is a unit by itself."""
        return self._dialogues.conversations

    @property
    def messages(self) -> MessageRepository:
        """The messages of the tenant's conversations; each call is a unit by itself."""
        return self._dialogues.messages

    @property
    def contexts(self) -> ContextRepository:
        """The durable contexts of the tenant's conversations; each call is a unit by itself."""
        return self._dialogues.contexts

    @property
    def sessions(self) -> SessionStore:
        """The sessions of the tenant's users."""
        return self._hot.sessions

    @cached_property
    def executions(self) -> ExecutionStore:
        """The execution states of the tenant's conversations; if they are synchronised with their
        contexts, restored from these.
        """
        if not self._synchronised:
            return self._hot.executions
        hot = self._hot.tracked_executions
        return SynchronisedExecutions(self.tenant, hot, self._dialogues)

    @property
    def rate_limits(self) -> RateLimiter:
        """How often something may happen in the tenant."""
        return self._hot.rate_limits

    @property
    def cache(self) -> Cache:
        """Values of the tenant that can be had again."""
        return self._hot.cache

    @property
    def locks(self) -> Locks:
        """Who may do something in the tenant, one at a time."""
        return self._hot.locks

    async def flow_summary(self, flow_id: UUID, start: date, end: date) -> FlowPeriodSummary:
        """What became of a flow in the days from `start` to `end`, both included and in UTC: its
        figures, and what the events of its executions say beyond them; see `FlowPeriodSummary`.

        Seven round trips, four of them together; percentiles cost as in `Analytics.query`.

        Raises:
            EntityNotFoundError: if there is no such flow.
            ValidationError: for what can't be days, or more than 3 660 of them.
        """
        return await summary_of(self.flows, self.analytics, flow_id, start, end)

    def authoring(self) -> AbstractAsyncContextManager[AuthoringUnit]:
        """One atomic unit: commits on a clean exit, rolls back on an exception or cancellation."""
        return _offered(self._authoring, "authoring").unit(self.tenant, self.author)

    def dialogue(self) -> AbstractAsyncContextManager[DialogueUnit]:
        """One atomic unit: commits on a clean exit, rolls back on an exception or cancellation."""
        return _offered(self._dialogue, "dialogue").unit(self.tenant, self.author)
