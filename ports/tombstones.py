"""The tombstones of one store: who was erased, and that nothing more may be written of them."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import attrs

from domain.erasure import Tombstone, receipt, user_hash
from domain.identity import USER, TenantId, UserId, tenant_id
from domain.rules import argument, checked, instance, instant, optional
from ports.batches import in_batches
from ports.errors import EntityNotFoundError
from ports.gate import Gate as Gate

TOMBSTONE: Final = "tombstone"
"""What errors call one."""
STALENESS: Final = timedelta(seconds=1)
"""How long a tombstone may be unknown to other processes, unless something else is set."""
PURGE_BATCH: Final = 1_000

_TOMBSTONE = instance(Tombstone)
_USER = optional(USER)


class Tombstones(ABC):
    """The tombstones of one store, of all tenants. They survive the erasure itself.

    Once `bury` has returned and `settled_after` has passed, no write of that tenant, or of that
    user of it, succeeds in this store, through any scope, unit of work, adapter instance or
    process: each raises `ErasedError` and changes nothing, until the tombstone is lifted or its
    `until` has passed. Through the store object that buried it, that is so at once for what begins
    then. Reads and deletions go on working.

    What names a user is refused by the user's tombstone; what doesn't is written or not by what it
    belongs to (see `ports.gate`). A tenant's tombstone knows nothing of its users', and vice versa.

    Once an erasure is finished (`note`) a store keeps of a user's id the hash alone
    (`domain.erasure.user_hash`). Every operation is atomic and sees what was acknowledged before it
    began; one that writes may raise `OutcomeUnknownError`, and any `StoreUnavailableError` or
    `StoreTimeoutError`. A tombstone whose `until` has passed by the store's clock doesn't exist for
    any of them, whenever it is removed.
    """

    @property
    @abstractmethod
    def gate(self) -> Gate:
        """What asks them: every write of the store's ports passes it."""

    @property
    def settled_after(self) -> timedelta:
        """How long after a `bury` nothing of it is written any more: every process has seen it, and
        what had been admitted before has ended or failed. (A bulk write has more time than other
        calls, by its size: it isn't waited for, and asks the gate once more at its end.)

        A process that stands still for longer than that (stopped, its machine paused) just when it
        sends a write may still send that one when it goes on.
        """
        return timedelta(0)

    async def bury(self, tombstone: Tombstone) -> Tombstone:
        """Refuse what is written of a tenant or user from now on; the tombstone as it stands.

        One that stands already stays as it is, receipt included, so that an erasure that was
        interrupted goes on; of `until`, the later holds. It may be repeated, also after an error:
        it may stand then. One whose `until` has passed buries nobody.

        Raises:
            ValidationError: for what isn't a tombstone.
        """
        buried: Tombstone = argument(TOMBSTONE, "", tombstone, _TOMBSTONE)
        kept = await self._bury(buried)
        return _named(kept, buried.user_id)

    async def find(self, tenant: TenantId, user: UserId | None = None) -> Tombstone | None:
        """The tenant's tombstone, or that of a user of it; None if there is none.

        Raises:
            ValidationError: for what can't be a tenant's name or a user's id, as everywhere.
        """
        named, who = _who(tenant, user)
        found = await self._find(named, _hash(named, who))
        return None if found is None else _named(found, who)

    async def note(
        self,
        tenant: TenantId,
        user: UserId | None,
        erased: Mapping[str, int],
        finished_at: datetime | None = None,
    ) -> Tombstone:
        """Add to the receipt how many of what were erased, and when it was finished; the tombstone
        afterwards. What several note at once adds up. `finished_at` stays if none is given; the
        first that is given removes the user's id.

        Raises:
            EntityNotFoundError: if there is no tombstone.
            ValidationError: for counts that can't be.
        """
        named, who = _who(tenant, user)
        counts = argument(TOMBSTONE, "erased", erased, receipt)
        finished = checked(Tombstone, "finished_at", finished_at)
        found = await self._note(named, _hash(named, who), counts, finished)
        if found is None:
            raise EntityNotFoundError(TOMBSTONE, named)
        return _named(found, who)

    async def lift(self, tenant: TenantId, user: UserId | None = None) -> bool:
        """Admit writes again, everywhere; False if there was no tombstone. Its receipt is gone."""
        named, who = _who(tenant, user)
        return await self._lift(named, _hash(named, who))

    def standing(
        self, tenant: TenantId | None = None, *, unfinished: bool = False
    ) -> AsyncIterator[Tombstone]:
        """Every tombstone, or a tenant's, or those alone whose erasure isn't finished; in constant
        memory, in no order. Of a user whose erasure is finished there is the hash alone.
        """
        return self._standing(None if tenant is None else tenant_id(tenant), unfinished)

    async def forget_users(self, tenant: TenantId) -> int:
        """Remove the tombstones of all users of a tenant; how many. The platform does so when the
        tenant was erased from every store, as their hashes are its users' data, too; its own stays.
        In batches: interrupted, it may be called again and goes on.
        """
        batch = partial(self._forget_users, tenant_id(tenant))
        return await in_batches(batch, None, PURGE_BATCH)

    async def purge(self, now: datetime, *, limit: int | None = None) -> int:
        """Remove what is past (`until` at `now` or earlier); how many, at most `limit`. It doesn't
        exist any more anyhow; stores that remove it by themselves answer 0.

        In batches of at most 1 000, found by index; interrupted, it may be called again.

        Raises:
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        at = argument(TOMBSTONE, "now", now, instant)
        return await in_batches(lambda size: self._purge(at, size), limit, PURGE_BATCH)

    # What a store implements. Arguments are checked. `user` is a user's hash, or None.

    @abstractmethod
    async def _bury(self, tombstone: Tombstone) -> Tombstone: ...

    @abstractmethod
    async def _find(self, tenant: TenantId, user: str | None) -> Tombstone | None: ...

    @abstractmethod
    async def _note(
        self,
        tenant: TenantId,
        user: str | None,
        erased: Mapping[str, int],
        finished_at: datetime | None,
    ) -> Tombstone | None: ...

    @abstractmethod
    async def _lift(self, tenant: TenantId, user: str | None) -> bool: ...

    @abstractmethod
    def _standing(self, tenant: TenantId | None, unfinished: bool) -> AsyncIterator[Tombstone]: ...

    @abstractmethod
    async def _forget_users(self, tenant: TenantId, limit: int) -> tuple[int, bool]:
        """One batch: how many, and whether there may be more."""

    @abstractmethod
    async def _purge(self, now: datetime, limit: int) -> tuple[int, bool]:
        """One batch: how many, and whether there may be more."""


def _who(tenant: object, user: object) -> tuple[TenantId, UserId | None]:
    named: Any = tenant
    return tenant_id(named), argument(TOMBSTONE, "user", user, _USER)


def _hash(tenant: TenantId, user: UserId | None) -> str | None:
    return None if user is None else user_hash(tenant, user)


def _named(found: Tombstone, user: UserId | None) -> Tombstone:
    """As whoever named the user is to have it."""
    return found if user is None else attrs.evolve(found, user_id=user)
