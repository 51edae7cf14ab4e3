"""What a process keeps of flows, and how late what it serves may be.

**In the process that wrote** (through this cache), everything shows at once: the change as soon as
the write has returned, and counts and the order of `get_active` as soon as the use was counted.
Where the write was cancelled, or its outcome is unknown, it may be yet to come: for half a minute
all of the tenant's flows are read from the origin, and it shows as soon as it is there. A unit of
work reads the origin, and so its own writes; what it wrote shows once it has committed.

**In other processes** a change may be read late:

- by `max_staleness` (a second, unless set otherwise), since the process that wrote drops it from
  the cache that all share before its write returns;
- should it die or lose the shared cache before it has, or not know what became of the write: by the
  time that the outbox' dispatcher takes, with `FlowCacheInvalidation` among its consumers, and
  `max_staleness`;
- should no dispatcher run, either: by the minute that an entry of the shared cache lives, and
  `max_staleness`;
- a use that was counted (`usage_count`, `last_used_at`, the order of `get_active`): by that minute
  and `max_staleness`, always. Nothing is dropped for it. And for half a minute longer, what a
  process counted it also shows of a flow that another deleted and created anew by the same id.

Without a shared cache it is always `max_staleness`. What is late is late as a whole: each flow is
one that stood in the origin. That there is none is remembered as everything else is, so a flow
whose id, name or place as the default was asked for just before may be missed for as long.

**Reads** that may be late are `get_by_id`, `require`, `get_by_name_and_version`, `get_default` and
`get_active`, outside of a unit of work. All others, and all that a write looks at before it writes,
ask the origin.

**Costs.** A read from memory decodes nothing and waits for nothing. One from the shared cache is a
command; who misses there pays for three more, once for all processes. A write waits for a round
trip to the shared cache (more where much is to be dropped: `set_default`, `update_where`,
`delete_where` and the erasure of a tenant drop all of the tenant's flows); a use that is counted,
for none.

**Failures** of the shared cache are nobody's error. Who asks waits a quarter of a second for it at
most, and from then on nobody does until it answers again; meanwhile the origin is asked, once for
all callers of a process who want the same. What this process couldn't drop from the shared cache it
goes on trying to, and doesn't read that tenant's flows there until it has.
"""

import asyncio
import math
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

import attrs

from adapters.cached.breaker import LONGEST, SHORTEST, Breaker
from adapters.cached.shared import TTL, SharedFlows
from adapters.cached.tenant import Copy, TenantFlows
from adapters.cached.uses import Uses
from domain.durations import MILLISECOND, duration
from domain.identity import TenantId
from domain.rules import argument, whole
from ports.errors import RepositoryError
from ports.stores import RuntimeStore

MAX_OWING: Final = 10_000
"""Tenants of whom it is remembered what has to be dropped; see `FlowCache.owes`."""

_STALENESS: Final = duration(MILLISECOND, timedelta(hours=1))
_COPIES: Final = whole(1, 10_000_000)
_LOADING: Final = 30.0
"""Seconds that a read may take from its beginning until it is kept."""
FAREWELL: Final = 5.0
"""Seconds that closing may take."""
DOUBT: Final = 30.0
"""Seconds after which a write of which nobody knows the outcome has happened or never will."""


@attrs.frozen
class FlowCacheStats:
    """What happened so far in this process."""

    hits: int
    """Reads that were answered at once from its own memory."""
    copies: int
    """Answers that it holds."""
    owing: int
    """Tenants of whom something has yet to be dropped from the shared cache."""
    shared: bool
    """Whether it asks the shared cache: there is one, and it answered when it was last asked."""


class FlowCache:
    """What a process keeps of flows, of all tenants. One for each database, shared by all stores
    over it; used within one event loop, and closed there.

    Of `max_copies` answers those go first that were read longest ago.

    Raises:
        ValidationError: for a bound that is none.
    """

    def __init__(
        self,
        runtime: RuntimeStore | None = None,
        *,
        max_staleness: timedelta = timedelta(seconds=1),
        max_copies: int = 10_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """With a `runtime` store, each tenant's cache in it is shared with other processes: use one
        that they share. `monotonic` gives the seconds of a clock that never goes back.
        """
        bound: timedelta = argument("flow cache", "max_staleness", max_staleness, _STALENESS)
        self.staleness = bound.total_seconds()
        self.now = monotonic
        self.hits = 0
        self.copies: OrderedDict[tuple[TenantId, object], Copy] = OrderedDict()
        self._most: int = argument("flow cache", "max_copies", max_copies, _COPIES)
        self._runtime = runtime
        self._breaker = Breaker(monotonic)
        self._lasting = (self.staleness if runtime is None else TTL.total_seconds()) + _LOADING
        self._tenants: WeakValueDictionary[TenantId, TenantFlows] = WeakValueDictionary()
        self._remembered: OrderedDict[TenantFlows, float] = OrderedDict()
        self._owing: dict[TenantFlows, None] = {}
        self._blind_until = -math.inf
        self._settler: asyncio.Task[None] | None = None

    def tenant(self, tenant: TenantId) -> TenantFlows:
        """One tenant's part."""
        known = self._tenants.get(tenant)
        if known is None:
            runtime = self._runtime
            cache = None if runtime is None else runtime.repositories(tenant).cache
            shared = None if cache is None else SharedFlows(cache, self._breaker)
            known = TenantFlows(tenant, self, shared, Uses(self._lasting, self.now))
            self._tenants[tenant] = known
        return known

    def stats(self) -> FlowCacheStats:
        """What happened so far."""
        shared = self._runtime is not None and self._breaker.is_closed
        return FlowCacheStats(self.hits, len(self.copies), len(self._owing), shared)

    async def written(self, flows: TenantFlows, ids: Collection[UUID] | None) -> None:
        """These flows, or all of a tenant's, have changed, and it is committed. Never raises but
        for a cancellation, after which it is done in the background.
        """
        flows.note(ids)
        await self._settle(flows)

    def unknown(self, flows: TenantFlows, ids: Collection[UUID] | None) -> None:
        """These flows, or all, may have changed, or be about to: as `written`, in the background.
        A server may be at it still when nobody waits for it any more.
        """
        flows.note(ids, doubted=self.now() + DOUBT)
        self._settle_later()

    async def used(
        self, flows: TenantFlows, id: UUID, count: int, at: datetime, since: int
    ) -> None:
        """A use of a flow was counted, and is committed; it began when there had been so many
        `changes`.
        """
        if flows.used(id, count, at, since):
            await self._settle(flows)

    async def dropped_elsewhere(self, tenant: TenantId, ids: Collection[UUID] | None) -> None:
        """Another process changed these flows, or all: drop them here and in the shared cache.

        Raises:
            RepositoryError: if that didn't answer. What is owed is tried again by itself, too.
        """
        flows = self.tenant(tenant)
        flows.note(ids)
        try:
            await flows.settle(patiently=True)
        except BaseException:
            self._settle_later()
            raise

    async def close(self) -> None:
        """End what goes on in the background, after a last attempt to drop what has to be. What
        isn't dropped within `FAREWELL` the outbox' dispatcher has to, or time.
        """
        if self._settler is not None:
            self._settler.cancel()
            await asyncio.wait([self._settler])
        with suppress(RepositoryError, TimeoutError):
            async with asyncio.timeout(FAREWELL):
                for flows in list(self._owing):
                    await flows.settle()

    async def _settle(self, flows: TenantFlows) -> None:
        try:
            if self._breaker.admits():
                await flows.settle()
                return
        except RepositoryError:
            pass
        except BaseException:
            self._settle_later()
            raise
        self._settle_later()

    def _settle_later(self) -> None:
        if self._owing and (self._settler is None or self._settler.done()):
            self._settler = asyncio.create_task(self._settling())

    async def _settling(self) -> None:
        pause = SHORTEST
        while self._owing:
            await asyncio.sleep(pause * random.uniform(0, 1))
            pause = min(2 * pause, LONGEST)
            for flows in list(self._owing):
                if not self._breaker.admits():
                    break
                try:
                    if await flows.settle(patiently=True):
                        pause = SHORTEST
                except RepositoryError:
                    break

    # For the tenants' parts.

    def keep(self, key: object, copy: Copy) -> None:
        """Hold an answer. All live equally long, so that those read first also end first."""
        now, copies = self.now(), self.copies
        copies.pop((copy.of.tenant, key), None)
        while copies and (len(copies) >= self._most or next(iter(copies.values())).until <= now):
            copies.popitem(last=False)
        copies[copy.of.tenant, key] = copy

    def remember(self, flows: TenantFlows) -> None:
        """Hold a tenant's part for as long as what it counted is needed."""
        now, remembered = self.now(), self._remembered
        while remembered and next(iter(remembered.values())) <= now:
            remembered.popitem(last=False)
        remembered.pop(flows, None)
        remembered[flows] = now + self._lasting

    def owes(self, flows: TenantFlows) -> None:
        """A tenant's part has something to be dropped. Of more tenants than `MAX_OWING`, the first
        is forgotten; then nothing is read from the shared cache until all of it has ended.
        """
        self._owing.setdefault(flows)
        if len(self._owing) > MAX_OWING:
            first = next(iter(self._owing))
            del self._owing[first]
            first.forgive()
            self._blind_until = self.now() + TTL.total_seconds() + _LOADING

    def owes_nothing(self, flows: TenantFlows) -> None:
        """All of a tenant's part has been dropped."""
        self._owing.pop(flows, None)

    def may_share(self) -> bool:
        """Whether the shared cache may be asked now."""
        return self.now() >= self._blind_until and self._breaker.admits()
