"""A gate that keeps in mind who was erased, so that a write needn't ask the store.

It holds the names of the tenants that have a tombstone, and of each user's 64 bits of the hash: 8
bytes, some 10 MB for a million. Half a `staleness` after it last looked, the next write has it look
in the background for what is new; a whole one after it, the write waits for that. So an idle
process asks nothing, and a busy one two small questions each `staleness`. As that is counted from
before the question was sent, no tombstone that was acknowledged is unknown for longer.

What it finds in itself it asks the store about: that decides, whatever the few bits are like, and
it so hears of tombstones that were lifted or ran out. While it reads what there is for the first
time, page by page, every write asks the store.
"""

import asyncio
import math
import sys
import time
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from contextvars import Context
from datetime import timedelta
from functools import partial
from typing import Any, Final

import attrs

from domain.erasure import Tombstone, user_hash
from domain.identity import TenantId, UserId
from ports.errors import ErasedError, StoreUnavailableError
from ports.gate import Gate
from ports.tombstones import STALENESS, Tombstones

PAGE: Final = 2_000
"""Tombstones that are read at once."""
BITS: Final = 16
"""Hexadecimal digits of a user's hash that a view keeps."""

if sys.platform == "linux":
    # Others erase while this machine is suspended, and the monotonic clock stands still.
    _elapsed = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
else:
    _elapsed = time.monotonic

_SHELF: Final = 52
"""How far a fingerprint is shifted to give the number of its shelf, of 4 096."""


@attrs.frozen(kw_only=True)
class Changes:
    """What was buried after a place: tenants, and the first `BITS` digits of users' hashes. `place`
    is where to go on. `more`: there is more of it by now.
    """

    place: Any
    tenants: Sequence[TenantId]
    users: Sequence[str]
    more: bool


class Source(ABC):
    """What a view is of."""

    @abstractmethod
    async def changes(self, place: Any, limit: int) -> Changes:
        """What was buried after a place (None: ever), at most about `limit`; what is there more
        than once may be told so. Whatever was acknowledged before the call is in it, or follows.
        """

    @abstractmethod
    async def stand(
        self, tenant: TenantId, users: Sequence[str], *, own: bool
    ) -> Collection[str | None]:
        """Of these users, by their whole hashes, those that have a tombstone now; None among them
        if the tenant has, and it is asked for (`own`). One round trip.
        """


class Fingerprints:
    """A set of numbers of 64 bits, of 8 bytes each, to which one is added in some microseconds."""

    def __init__(self) -> None:
        self._shelves: dict[int, array[int]] = {}
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def __contains__(self, number: int) -> bool:
        shelf = self._shelves.get(number >> _SHELF)
        if shelf is None:
            return False
        place = bisect_left(shelf, number)
        return place < len(shelf) and shelf[place] == number

    def add(self, number: int) -> bool:
        """Have it in the set; whether it wasn't."""
        shelf = self._shelves.setdefault(number >> _SHELF, array("Q"))
        place = bisect_left(shelf, number)
        if place < len(shelf) and shelf[place] == number:
            return False
        shelf.insert(place, number)
        self._number += 1
        return True

    def discard(self, number: int) -> None:
        """Have it no longer in the set."""
        if number in self:
            shelf = self._shelves[number >> _SHELF]
            del shelf[bisect_left(shelf, number)]
            self._number -= 1


class ViewGate(Gate):
    """Of one store object, in one event loop. `staleness`: how late it may be."""

    def __init__(self, source: Source, staleness: timedelta) -> None:
        self._source = source
        self._staleness = staleness.total_seconds()
        self._tenants: set[TenantId] = set()
        self._users = Fingerprints()
        self._place: Any = None
        self._seen = -math.inf
        """When what it holds was asked for, all of it."""
        self._due = -math.inf
        """When to ask anew."""
        self._news = 0
        """How often something was added."""
        self._looking: asyncio.Task[None] | None = None
        self._behind = False
        """Whether the last page wasn't the last of all."""
        self._closed = False

    async def admit(self, tenant: TenantId, users: Iterable[UserId] = ()) -> None:
        if _elapsed() < self._due or await self._current():
            own = tenant in self._tenants
            if not self._users:
                if own:
                    await self._ask(tenant, {}, own=True)
                return
            hashes = {user_hash(tenant, user): user for user in users}
            hashes = {hash: user for hash, user in hashes.items() if _short(hash) in self._users}
            if not (own or hashes):
                return
        else:
            own, hashes = True, {user_hash(tenant, user): user for user in users}
        await self._ask(tenant, hashes, own=own)

    def buried(self, tenant: TenantId, user: str | None) -> None:
        """The store of this gate acknowledged a tombstone: of a user's hash, or the tenant's."""
        self._news += 1
        if user is None:
            self._tenants.add(tenant)
        else:
            self._users.add(_short(user))

    async def close(self) -> None:
        """Ask nothing more; no task is left."""
        self._closed = True
        while self._looking is not None and not self._looking.done():
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def _current(self) -> bool:
        """Whether what it holds is recent enough to go by, after looking if that helps."""
        looking = self._looking
        if looking is None or looking.done():
            looking = self._look()
        if _elapsed() - self._seen < self._staleness:
            return True
        if self._behind:
            return False
        try:
            await asyncio.shield(looking)
        except asyncio.CancelledError:
            if not looking.cancelled():
                raise
            raise StoreUnavailableError("the store is closed") from None
        return _elapsed() - self._seen < self._staleness

    def _look(self) -> "asyncio.Task[None]":
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        # Whatever its caller's context limits doesn't concern it: others may wait for it, too.
        loop = asyncio.get_running_loop()
        self._looking = loop.create_task(self._looked(), context=Context())
        self._looking.add_done_callback(_told)
        return self._looking

    async def _looked(self) -> None:
        sent = _elapsed()
        changes = await self._source.changes(self._place, PAGE)
        self._place, self._behind = changes.place, changes.more
        added = sum([self._users.add(_short(hash)) for hash in changes.users])
        self._news += added + len(self._tenants.union(changes.tenants)) - len(self._tenants)
        self._tenants.update(changes.tenants)
        if not changes.more:
            self._seen, self._due = sent, sent + self._staleness / 2
        elif not self._closed:
            self._look()

    async def _ask(self, tenant: TenantId, users: dict[str, UserId], *, own: bool) -> None:
        news = self._news
        standing = await self._source.stand(tenant, list(users), own=own)
        if None in standing:
            raise ErasedError(tenant)
        for hash, user in users.items():
            if hash in standing:
                raise ErasedError(tenant, user)
        if news == self._news:  # else it may have been buried since
            if own:
                self._tenants.discard(tenant)
            for hash in users:
                self._users.discard(_short(hash))


class ViewedTombstones(Tombstones, Source):
    """Tombstones of a store beyond this process, behind a gate with a view of them. `deadline`: of
    each of the store's calls, in seconds.
    """

    def __init__(self, deadline: float, staleness: timedelta = STALENESS) -> None:
        self._gate = ViewGate(self, staleness)
        self._settled = staleness + timedelta(seconds=deadline)

    @property
    def gate(self) -> Gate:
        return self._gate

    @property
    def settled_after(self) -> timedelta:
        return self._settled

    async def bury(self, tombstone: Tombstone) -> Tombstone:
        kept = await super().bury(tombstone)
        self._gate.buried(kept.tenant_id, kept.user_hash)
        return kept

    async def close(self) -> None:
        """Ask nothing more in the background."""
        await self._gate.close()


def _short(hash: str) -> int:
    return int(hash[:BITS], 16)


def _told(looking: "asyncio.Task[None]") -> None:
    if not looking.cancelled():
        looking.exception()  # who waited for it was told, and the next one looks again
