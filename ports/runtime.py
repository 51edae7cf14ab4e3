"""All of a tenant's ports for what lives for a while."""

from abc import ABC, abstractmethod

from ports.cache import Cache
from ports.errors import UnsupportedOperationError
from ports.executions import ExecutionStore
from ports.locks import Locks
from ports.rate_limits import RateLimiter
from ports.sessions import SessionStore
from ports.tracking import TrackedExecutions


class RuntimePorts(ABC):
    """All of a tenant's ports for what lives for a while; each made when it is first asked for."""

    @property
    @abstractmethod
    def sessions(self) -> SessionStore:
        """The sessions of the tenant's users."""

    @property
    @abstractmethod
    def executions(self) -> ExecutionStore:
        """The execution states of the tenant's conversations."""

    @property
    def tracked_executions(self) -> TrackedExecutions:
        """The same, where every change leaves a note for the synchronisation with contexts.

        Raises:
            UnsupportedOperationError: if the store has no such.
        """
        raise UnsupportedOperationError("this store can't synchronise execution states")

    @property
    @abstractmethod
    def rate_limits(self) -> RateLimiter:
        """How often something may happen in the tenant."""

    @property
    @abstractmethod
    def cache(self) -> Cache:
        """Values of the tenant that can be had again."""

    @property
    @abstractmethod
    def locks(self) -> Locks:
        """Who may do something in the tenant, one at a time."""
