"""A tenant's repositories, observed."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

import attrs

from adapters.observed.operations import Observation, Observer, Place
from adapters.observed.ports import observed
from domain.identity import TenantId
from ports.analytics import Analytics
from ports.audit import AuditLog
from ports.cache import Cache
from ports.contexts import ContextRepository
from ports.conversations import ConversationRepository
from ports.executions import ExecutionStore
from ports.experiments import ExperimentRepository
from ports.flows import FlowRepository
from ports.integrations import IntegrationRepository
from ports.locks import Locks
from ports.messages import MessageRepository
from ports.rate_limits import RateLimiter
from ports.sessions import SessionStore
from ports.stores import TenantScope
from ports.unit_of_work import AuthoringUnit, DialogueUnit

P = TypeVar("P")
U = TypeVar("U")

_PORTS: Final[Mapping[str, type[Any]]] = {
    "flows": FlowRepository,
    "experiments": ExperimentRepository,
    "integrations": IntegrationRepository,
    "audit": AuditLog,
    "conversations": ConversationRepository,
    "messages": MessageRepository,
    "contexts": ContextRepository,
    "sessions": SessionStore,
    "executions": ExecutionStore,
    "rate_limits": RateLimiter,
    "cache": Cache,
    "locks": Locks,
    "analytics": Analytics,
}
"""By the name that each has in a scope."""


@attrs.frozen
class Watch:
    """What a tenant's ports are observed by."""

    observer: Observer
    tenant: TenantId

    def over(self, port: str, origin: P, store: str) -> P:
        """One of the tenant's ports, observed."""
        kind: type[P] = _PORTS[port]
        return observed(kind, origin, self.observer, Place(port, store, self.tenant))


@attrs.frozen(slots=False)
class ObservedScope(TenantScope):
    """A scope whose ports, and whose units of work, are observed.

    What is composed of several stores' ports, as executions that are synchronised, is one port, and
    its operations are observed as the store's in which it mostly is.
    """

    observer: Observer = attrs.field(repr=False, kw_only=True)

    @property
    def _watch(self) -> Watch:
        return Watch(self.observer, self.tenant)

    def _authored_by(self, port: str, origin: P) -> P:
        return self._watch.over(port, origin, _name(self._authoring))

    def _told_by(self, port: str, origin: P) -> P:
        return self._watch.over(port, origin, _name(self._dialogue))

    def _kept_by(self, port: str, origin: P) -> P:
        return self._watch.over(port, origin, _name(self._runtime))

    @cached_property
    def flows(self) -> FlowRepository:
        return self._authored_by("flows", super().flows)

    @cached_property
    def experiments(self) -> ExperimentRepository:
        return self._authored_by("experiments", super().experiments)

    @cached_property
    def integrations(self) -> IntegrationRepository:
        return self._authored_by("integrations", super().integrations)

    @cached_property
    def audit(self) -> AuditLog:
        return self._authored_by("audit", super().audit)

    @cached_property
    def conversations(self) -> ConversationRepository:
        return self._told_by("conversations", super().conversations)

    @cached_property
    def messages(self) -> MessageRepository:
        return self._told_by("messages", super().messages)

    @cached_property
    def contexts(self) -> ContextRepository:
        return self._told_by("contexts", super().contexts)

    @cached_property
    def sessions(self) -> SessionStore:
        return self._kept_by("sessions", super().sessions)

    @cached_property
    def executions(self) -> ExecutionStore:
        return self._kept_by("executions", super().executions)

    @cached_property
    def rate_limits(self) -> RateLimiter:
        return self._kept_by("rate_limits", super().rate_limits)

    @cached_property
    def cache(self) -> Cache:
        return self._kept_by("cache", super().cache)

    @cached_property
    def locks(self) -> Locks:
        return self._kept_by("locks", super().locks)

    @cached_property
    def analytics(self) -> Analytics:
        return self._watch.over("analytics", super().analytics, _name(self._analytics))

    def authoring(self) -> AbstractAsyncContextManager[AuthoringUnit]:
        place = Place("authoring", _name(self._authoring), self.tenant)
        return _ObservedUnit(self.observer, place, super().authoring(), ObservedAuthoringUnit)

    def dialogue(self) -> AbstractAsyncContextManager[DialogueUnit]:
        place = Place("dialogue", _name(self._dialogue), self.tenant)
        return _ObservedUnit(self.observer, place, super().dialogue(), ObservedDialogueUnit)


def _name(store: object) -> str:
    return str(getattr(store, "name", ""))


class _ObservedUnit(AbstractAsyncContextManager[U], Generic[U]):
    """A unit of work, from its begin to its end: one operation, within which its operations are."""

    def __init__(
        self,
        observer: Observer,
        place: Place,
        origin: AbstractAsyncContextManager[U],
        of: Callable[[U, Watch, str], U],
    ) -> None:
        self._observer = observer
        self._place = place
        self._origin = origin
        self._of = of

    async def __aenter__(self) -> U:
        observation = Observation(self._observer, self._place, "unit")
        try:
            unit = await self._origin.__aenter__()
        except BaseException as error:
            observation.ended(error)
            raise
        self._observation = observation
        return self._of(unit, Watch(self._observer, self._place.tenant), self._place.store)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        try:
            handled = await self._origin.__aexit__(kind, raised, trace)
        except BaseException as error:
            self._observation.ended(error, own=error is not raised)
            raise
        self._observation.ended(raised, own=False)
        return handled


@attrs.frozen(slots=False)
class ObservedAuthoringUnit(AuthoringUnit):
    """A unit of work over authoring data, whose repositories are observed."""

    _origin: AuthoringUnit
    _watch: Watch
    _store: str

    @cached_property
    def flows(self) -> FlowRepository:
        return self._watch.over("flows", self._origin.flows, self._store)

    @cached_property
    def experiments(self) -> ExperimentRepository:
        made = self._origin.experiments
        return self._watch.over("experiments", made, self._store)

    @cached_property
    def integrations(self) -> IntegrationRepository:
        made = self._origin.integrations
        return self._watch.over("integrations", made, self._store)

    @cached_property
    def audit(self) -> AuditLog:
        return self._watch.over("audit", self._origin.audit, self._store)


@attrs.frozen(slots=False)
class ObservedDialogueUnit(DialogueUnit):
    """A unit of work over dialogue data, whose repositories are observed."""

    _origin: DialogueUnit
    _watch: Watch
    _store: str

    @cached_property
    def conversations(self) -> ConversationRepository:
        made = self._origin.conversations
        return self._watch.over("conversations", made, self._store)

    @cached_property
    def messages(self) -> MessageRepository:
        return self._watch.over("messages", self._origin.messages, self._store)

    @cached_property
    def contexts(self) -> ContextRepository:
        return self._watch.over("contexts", self._origin.contexts, self._store)
