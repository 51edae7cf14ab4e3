"""Erasing tenants and users from all stores, so that nothing of them comes back.

1. A tombstone in every store: from then on, nothing more is to be written of them.
2. A sweep over all stores, while the word spreads.
3. A wait until every process must have heard of the tombstones, and what it had begun before has
   ended (`Tombstones.settled_after`).
4. Another sweep, for what was written in between; after it nothing is left, and nothing can come.
5. The tombstones say that it is finished, and forget the user's id.

**Killed or failed** at any point, it goes on from the tombstones, which say how many went so far:
by the same call, or by `resume`, which finds what is unfinished. What is handed from one store to
another is handed over before it goes: execution states are found by their conversations, so these
stay until those are gone.

**The receipts** add up over all attempts. What went and what the receipt says of it is one
transaction in PostgreSQL and MongoDB. In Redis it can't be: a process that is killed between the
two leaves a batch out (of at most 500 states, or the sessions of one look), and none is in twice.

**What stays.** The audit trail and the outbox tell of changes that staff made in a tenant's
configuration, and hold nothing of end users; so a user's erasure leaves them as they are. Who made
a change is kept with it: the trail proves it, and whoever may change things has to account for it.
It goes with the tenant, or by the trail's own retention. The tombstones stay until their `until`.
What is under no user's id can't be found by it: locks end by themselves within an hour, cached
values are dropped if they have the tag `user:<id>`, and limits are reset whose key is that.
An integration's call that is recorded while its conversation is erased is redacted in the end; one
that is recorded later, or when who erased was killed, stays: it names a conversation that is gone.
Figures already counted (of flows a day, of integrations) name nobody. The results of an experiment
are those of the units that are left, be it over or not.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, TypeAlias

import attrs

from domain.erasure import Tombstone
from domain.identity import TenantId, UserId
from domain.receipts import Erasure
from domain.rules import instant
from ports.erasing import ERASE_BATCH
from ports.errors import EntityNotFoundError, TransactionError
from ports.stores import (
    AnalyticsMaintenance,
    AuthoringMaintenance,
    DialogueMaintenance,
    Maintenance,
    RuntimeMaintenance,
)
from ports.time import Clock

KEPT: Final = timedelta(days=400)
"""How long tombstones stand, unless something else is set."""
HANDED: Final = 100_000
"""Of so many conversations, those erased last, it is remembered that they were a user's."""


@attrs.frozen
class Step:
    """Where an erasure is: in the `number`th of so many `steps`, at `what`."""

    number: int
    steps: int
    what: str


Told: TypeAlias = Callable[[Step], object]


@attrs.frozen
class Erasures:
    """The erasures from these stores. See the module."""

    authoring: AuthoringMaintenance
    dialogue: DialogueMaintenance
    runtime: RuntimeMaintenance
    analytics: AnalyticsMaintenance
    clock: Clock
    kept: timedelta = KEPT
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    """What waits so many seconds."""

    @property
    def stores(self) -> Mapping[str, Maintenance]:
        """By the groups' names."""
        return {
            "runtime": self.runtime,
            "dialogue": self.dialogue,
            "analytics": self.analytics,
            "authoring": self.authoring,
        }

    async def erase(
        self, tenant: TenantId, user: UserId | None = None, told: Told | None = None
    ) -> Erasure:
        """Erase a tenant, or a user of it, from all stores; the receipts. One that is finished
        already is returned as it is; one that isn't goes on.

        Raises:
            TransactionError: if somebody lifted it meanwhile; what went stays so, and what is
                written then stays, but for what comes in its last moments.
        """
        stores = self.stores
        known = await self.find(tenant, user)
        if known is not None and known.finished_at is not None:
            return known
        now = instant(self.clock.now())
        tombstone = Tombstone(tenant_id=tenant, user_id=user, at=now, until=now + self.kept)
        standing = {name: await each.tombstones.bury(tombstone) for name, each in stores.items()}
        begun = asyncio.get_running_loop().time()
        await self._swept(tenant, user, begun, standing, told)
        finished = instant(self.clock.now())
        try:
            for name, each in stores.items():
                standing[name] = await each.tombstones.note(tenant, user, {}, finished)
        except EntityNotFoundError:
            raise _lifted() from None
        return Erasure.of({**standing})

    async def _swept(
        self,
        tenant: TenantId,
        user: UserId | None,
        begun: float,
        standing: Mapping[str, Tombstone],
        told: Told | None,
    ) -> None:
        sweep = self._tenants_sweep(tenant) if user is None else self._users_sweep(tenant, user)
        settled = max(each.tombstones.settled_after for each in self.stores.values())

        async def wait() -> None:
            left = begun + settled.total_seconds() - asyncio.get_running_loop().time()
            await self.sleep(max(left, 0))
            # Who was lifted is written of again, and maybe erased anew by somebody else.
            for name, each in self.stores.items():
                found = await each.tombstones.find(tenant, user)
                if found is None or found.at != standing[name].at:
                    raise _lifted()

        steps = [*sweep, ("what is under way", wait), *sweep, sweep[0]]
        if user is None:
            steps.append(("tombstones", lambda: self._forget_users(tenant)))
        for number, (what, step) in enumerate(steps, 1):
            if told is not None:
                told(Step(number, len(steps), what))
            await step()

    def _tenants_sweep(self, tenant: TenantId) -> "Sequence[_Action]":
        # First what lives for a while, so that nobody stays logged in to what goes next, then the
        # conversations and what was counted of them. And once more at the end: until its outbox is
        # gone a tenant's changes may be published, and its flows kept in caches, and until its
        # contexts are, its execution states restored.
        return [
            (name, lambda each=each: each.erase_tenant(tenant))  # type: ignore[misc]  # bound now
            for name, each in self.stores.items()
        ]

    def _users_sweep(self, tenant: TenantId, user: UserId) -> "Sequence[_Action]":
        handed: deque[str] = deque(maxlen=HANDED)

        async def hand_over(conversations: Sequence[str]) -> None:
            # While they stand, so that they are found again if this is interrupted.
            await self.runtime.erase_conversations(tenant, user, conversations)
            await self.authoring.erase_conversations(tenant, user, conversations)
            handed.extend(conversations)

        async def authored() -> None:
            await self.authoring.erase_user(tenant, user)
            # A call is recorded by its conversation's id alone, so also after that has gone.
            ids = list(handed)
            for start in range(0, len(ids), ERASE_BATCH):
                some = ids[start : start + ERASE_BATCH]
                await self.authoring.erase_conversations(tenant, user, some)

        return [
            ("runtime", lambda: self.runtime.erase_user(tenant, user)),
            ("dialogue", lambda: self.dialogue.erase_user(tenant, user, before=hand_over)),
            ("analytics", lambda: self.analytics.erase_user(tenant, user)),
            ("authoring", authored),
        ]

    async def _forget_users(self, tenant: TenantId) -> None:
        for each in self.stores.values():
            await each.tombstones.forget_users(tenant)

    async def find(self, tenant: TenantId, user: UserId | None = None) -> Erasure | None:
        """What became of an erasure so far; None if there is none."""
        found = {
            name: await each.tombstones.find(tenant, user) for name, each in self.stores.items()
        }
        return Erasure.of(found) if any(each is not None for each in found.values()) else None

    async def unfinished(self, tenant: TenantId | None = None) -> Sequence[Erasure]:
        """Those that were begun and aren't finished, of a tenant or all, those begun first, first;
        all in memory.
        """
        found: dict[tuple[TenantId, str | None], dict[str, Tombstone | None]] = {}
        for name, each in self.stores.items():
            async for tombstone in each.tombstones.standing(tenant, unfinished=True):
                who = (tombstone.tenant_id, tombstone.user_hash)
                found.setdefault(who, dict.fromkeys(self.stores))[name] = tombstone
        erasures = [await self._whole(Erasure.of(each)) for each in found.values()]
        return sorted(erasures, key=lambda each: each.began_at)

    async def _whole(self, known: Erasure) -> Erasure:
        """With the receipts of the stores that are finished, too."""
        if known.user_hash is not None and known.user_id is None:
            return known
        return await self.find(known.tenant_id, known.user_id) or known

    async def standing(self, tenant: TenantId | None = None) -> AsyncIterator[Tombstone]:
        """The tombstones of all erasures, of a tenant or all; in constant memory, in no order."""
        async for tombstone in self.dialogue.tombstones.standing(tenant):
            yield tombstone

    async def resume(self, told: Told | None = None) -> Sequence[Erasure]:
        """Finish what is unfinished; what became of each."""
        done = []
        for each in await self.unfinished():
            if each.user_hash is not None and each.user_id is None:
                continue  # somebody else is finishing it right now
            done.append(await self.erase(each.tenant_id, each.user_id, told))
        return done

    async def lift(self, tenant: TenantId, user: UserId | None = None) -> bool:
        """Admit writes again in every store, once each has heard of it; False if nobody was erased.
        The receipts are gone.
        """
        return any([await each.tombstones.lift(tenant, user) for each in self.stores.values()])


def _lifted() -> TransactionError:
    return TransactionError("it was lifted while it was under way")


_Action: TypeAlias = "tuple[str, Callable[[], Awaitable[object]]]"
