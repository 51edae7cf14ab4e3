"""Tombstones in memory: looked at by each write, so that they hold at once."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from typing import TypeAlias

import attrs

from domain.erasure import Tombstone, user_hash
from domain.frozen import FrozenDict
from domain.identity import TenantId, UserId
from domain.rules import instant
from ports.errors import ErasedError
from ports.gate import Gate
from ports.time import Clock
from ports.tombstones import Tombstones

Buried: TypeAlias = dict[TenantId, dict[str | None, Tombstone]]
"""By tenant, then by the user's hash; None: the tenant's own."""


class MemoryGate(Gate):
    """Looks at the tombstones themselves."""

    def __init__(self, buried: Buried, clock: Clock) -> None:
        self._buried = buried
        self._clock = clock

    async def admit(self, tenant: TenantId, users: Iterable[UserId] = ()) -> None:
        theirs = self._buried.get(tenant)
        if not theirs:
            return
        now = self._clock.now()
        own = theirs.get(None)
        if own is not None and now < own.until:
            raise ErasedError(tenant)
        for user in users:
            found = theirs.get(user_hash(tenant, user))
            if found is not None and now < found.until:
                raise ErasedError(tenant, user)


class MemoryTombstones(Tombstones):
    """Of every store over the same data."""

    def __init__(self, clock: Clock, buried: Buried | None = None) -> None:
        self._buried: Buried = {} if buried is None else buried
        self._clock = clock
        self._gate = MemoryGate(self._buried, clock)

    def seen_by(self, clock: Clock) -> "MemoryTombstones":
        """The same, as a store with another clock has them."""
        return type(self)(clock, self._buried)

    @property
    def gate(self) -> Gate:
        return self._gate

    async def _bury(self, tombstone: Tombstone) -> Tombstone:
        now = instant(self._clock.now())
        found = self._stands(tombstone.tenant_id, tombstone.user_hash, now)
        if found is None:
            kept = tombstone
        else:
            kept = attrs.evolve(found, until=max(found.until, tombstone.until))
        self._buried.setdefault(kept.tenant_id, {})[kept.user_hash] = kept
        return kept

    async def _find(self, tenant: TenantId, user: str | None) -> Tombstone | None:
        return self._stands(tenant, user, self._clock.now())

    async def _note(
        self,
        tenant: TenantId,
        user: str | None,
        erased: Mapping[str, int],
        finished_at: datetime | None,
    ) -> Tombstone | None:
        found = self._stands(tenant, user, self._clock.now())
        if found is None:
            return None
        counts = dict(found.erased)
        for kind, count in erased.items():
            counts[kind] = counts.get(kind, 0) + count
        finished = found.finished_at if finished_at is None else finished_at
        noted = attrs.evolve(
            found,
            erased=FrozenDict.holding(counts),
            finished_at=finished,
            user_id=found.user_id if finished is None else None,
        )
        self._buried[tenant][user] = noted
        return noted

    async def _lift(self, tenant: TenantId, user: str | None) -> bool:
        stood = self._stands(tenant, user, self._clock.now()) is not None
        self._remove(tenant, [user])
        return stood

    async def _standing(
        self, tenant: TenantId | None, unfinished: bool
    ) -> AsyncIterator[Tombstone]:
        now = self._clock.now()
        for each in self._each(tenant, lambda found: now < found.until):
            if not (unfinished and each.finished_at):
                yield each

    async def _forget_users(self, tenant: TenantId, limit: int) -> tuple[int, bool]:
        now = self._clock.now()
        users = [user for user in self._buried.get(tenant, ()) if user is not None]
        stood = sum(self._stands(tenant, user, now) is not None for user in users)
        self._remove(tenant, users)
        return stood, False

    async def _purge(self, now: datetime, limit: int) -> tuple[int, bool]:
        past = self._each(None, lambda found: found.until <= now)[:limit]
        for each in past:
            self._remove(each.tenant_id, [each.user_hash])
        return len(past), len(past) == limit

    def _stands(self, tenant: TenantId, user: str | None, now: datetime) -> Tombstone | None:
        found = self._buried.get(tenant, {}).get(user)
        return found if found is not None and now < found.until else None

    def _each(
        self, tenant: TenantId | None, wanted: Callable[[Tombstone], bool]
    ) -> list[Tombstone]:
        places = self._buried if tenant is None else {tenant}
        return [
            each
            for place in places
            for each in self._buried.get(place, {}).values()
            if wanted(each)
        ]

    def _remove(self, tenant: TenantId, users: Iterable[str | None]) -> None:
        theirs = self._buried.get(tenant, {})
        for user in users:
            theirs.pop(user, None)
        if not theirs:
            self._buried.pop(tenant, None)
