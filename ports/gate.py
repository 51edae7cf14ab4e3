"""The gate that every write passes: nothing is written of a tenant, or user, that was erased.

The ports of this package ask it, once for each write and before the store is asked, so that it
holds for every adapter. It costs no round trip: what was erased is kept in mind, and looked for
again in the background (see `ports.view`).

Whatever names a user is refused once the user was erased: entities that have a `user_id`, a unit of
an experiment that is the user's id, a session's user, an event's. What is reached by an id alone,
such as a conversation's messages, finds that gone instead, as the erasure deletes it. Deletions and
reads are never refused.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Final

import attrs

from domain.identity import UNASSIGNED, TenantId, UserId


class Gate(ABC):
    """Whom writes are refused."""

    @abstractmethod
    async def admit(self, tenant: TenantId, users: Iterable[UserId] = ()) -> None:
        """Return if something may be written of the tenant that concerns these users of it.

        Raises:
            ErasedError: if the tenant or one of the users was erased.
            StoreUnavailableError, StoreTimeoutError: if that can't be found out: it fails closed.
        """


class _Open(Gate):
    async def admit(self, tenant: TenantId, users: Iterable[UserId] = ()) -> None:
        return


OPEN: Final[Gate] = _Open()
"""Refuses nobody: of an adapter that keeps no tombstones."""


@attrs.frozen
class Admission:
    """One tenant's writes at a gate."""

    tenant: TenantId
    gate: Gate

    async def __call__(self, users: Iterable[UserId] = ()) -> None:
        """As `Gate.admit`."""
        await self.gate.admit(self.tenant, users)


ANY: Final = Admission(TenantId(UNASSIGNED), OPEN)
"""Of a port whose adapter has no gate."""


class UnitGate(Gate):
    """Of a unit of work, which may take long: asked once more before the commit, by `confirm`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._admitted: dict[TenantId, set[UserId]] = {}

    async def admit(self, tenant: TenantId, users: Iterable[UserId] = ()) -> None:
        concerned = set(users)
        await self._gate.admit(tenant, concerned)
        self._admitted.setdefault(tenant, set()).update(concerned)

    async def confirm(self) -> None:
        """Raise, as `admit`, if what was written in the unit wouldn't be admitted any more."""
        for tenant, users in self._admitted.items():
            await self._gate.admit(tenant, users)
