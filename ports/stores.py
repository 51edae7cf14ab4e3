"""What an adapter offers for a group of ports, and what a tenant's scope is made of."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from typing import ClassVar

import attrs

from domain.identity import TenantId
from ports.capabilities import Capability
from ports.flows import FlowRepository
from ports.unit_of_work import AuthoringRepositories, AuthoringUnit


class AuthoringStore(ABC):
    """Everything that joins the authoring unit of work, in one store. Safe to share by tasks."""

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]

    @abstractmethod
    def repositories(self, tenant: TenantId) -> AuthoringRepositories:
        """A tenant's repositories, each operation of which is a unit by itself; cheap, no I/O."""

    @abstractmethod
    def unit(self, tenant: TenantId) -> AbstractAsyncContextManager[AuthoringUnit]:
        """One atomic unit over a tenant's authoring data."""

    @abstractmethod
    def maintenance(self) -> "AuthoringMaintenance":
        """What works across tenants."""

    @abstractmethod
    async def check(self) -> None:
        """Answer at once if the store can be used now.

        Raises:
            StoreUnavailableError, StoreTimeoutError: if it can't.
        """


class AuthoringMaintenance(ABC):
    """What works across tenants, kept apart so that no request handler reaches it by accident."""

    @abstractmethod
    def tenants(self) -> AsyncIterator[TenantId]:
        """Every tenant that has authoring data, by code point; in constant memory."""

    @abstractmethod
    async def erase_tenant(self, tenant: TenantId) -> int:
        """Delete all authoring data of a tenant; how many entities went (what belongs to one
        alone goes with it, uncounted).

        In batches, each atomic: interrupted, it may be called again and goes on; 0 when nothing
        is left. What is written meanwhile may stay.
        """


@attrs.frozen(slots=False)
class TenantScope:
    """All of one tenant's repositories, and nothing of anyone else's. Cheap; no I/O."""

    tenant: TenantId
    _authoring: AuthoringStore = attrs.field(repr=False)

    @cached_property
    def _repositories(self) -> AuthoringRepositories:
        return self._authoring.repositories(self.tenant)

    @property
    def flows(self) -> FlowRepository:
        """The tenant's flows; each call is a unit by itself."""
        return self._repositories.flows

    def authoring(self) -> AbstractAsyncContextManager[AuthoringUnit]:
        """One atomic unit: commits on a clean exit, rolls back on an exception or cancellation."""
        return self._authoring.unit(self.tenant)
