"""Units of work: several operations that happen together or not at all.

A unit is obtained by `async with scope.authoring() as work`, or `scope.dialogue()`. A clean exit
commits; an exception or a cancellation rolls back. The unit sees the store as it stood at the
unit's first operation, and its own changes (snapshot isolation); nobody else sees these before the
commit, and then all at once. Of two units that change the same entity one commits and the other
gets `TransactionError`, at its write or at its end (first one wins); it may be run again as a
whole.

A writing operation that raises within the unit dooms it, also if the caller catches the error:
what follows, and the commit, raise `TransactionError`, and nothing is kept. Errors that are found
before the store is asked (`ValidationError`, `InvalidQueryError`, `TenantMismatchError`,
`ErasedError`) doom nothing, and neither does what only read before it raised: a `publish` of a flow
that isn't there, or one that `change` in `modify` refuses. What the store itself found counts as
written, whatever the kind of error: an append to a conversation that turns out to be closed dooms
the unit.

Whoever is erased while a unit goes on is written of no more by it: if it wrote of them before, its
end raises `ErasedError`, and nothing is kept.

What a unit still sees it can't create, though others may have deleted it meanwhile: it gets
`TransactionError`, or `DuplicateEntityError`.

A unit belongs to one task: its operations run one after the other. After its end its repositories
raise `TransactionError`.
"""

from abc import ABC, abstractmethod

from ports.audit import AuditLog
from ports.contexts import ContextRepository
from ports.conversations import ConversationRepository
from ports.experiments import ExperimentRepository
from ports.flows import FlowRepository
from ports.integrations import IntegrationRepository
from ports.messages import MessageRepository


class AuthoringRepositories(ABC):
    """All of a tenant's repositories of authoring data; each made when it is first asked for."""

    @property
    @abstractmethod
    def flows(self) -> FlowRepository:
        """The tenant's flows."""

    @property
    @abstractmethod
    def experiments(self) -> ExperimentRepository:
        """The tenant's experiments."""

    @property
    @abstractmethod
    def integrations(self) -> IntegrationRepository:
        """The tenant's integrations."""

    @property
    @abstractmethod
    def audit(self) -> AuditLog:
        """The trail of what is changed through the others."""


class AuthoringUnit(AuthoringRepositories):
    """The repositories of one atomic unit over a tenant's authoring data."""


class DialogueRepositories(ABC):
    """All of a tenant's repositories of dialogue data; each made when it is first asked for."""

    @property
    @abstractmethod
    def conversations(self) -> ConversationRepository:
        """The tenant's conversations."""

    @property
    @abstractmethod
    def messages(self) -> MessageRepository:
        """The messages of the tenant's conversations."""

    @property
    @abstractmethod
    def contexts(self) -> ContextRepository:
        """The durable execution contexts of the tenant's conversations."""


class DialogueUnit(DialogueRepositories):
    """The repositories of one atomic unit over a tenant's dialogue data."""
