"""One load for any number of misses: in a process by sharing a flight, between them by a lease.

A load begins with a lease on its key, which whatever invalidates the key removes, and fills the
cache only if the lease is still its own. Whoever finds the lease held listens, looks again, and
waits to be woken. A lease that isn't renewed ends: the process is dead, or lost to the store.
"""

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from domain.durations import MILLISECOND
from ports.cache_entries import (
    LEASE,
    NONCE,
    CacheEntries,
    Entry,
    Found,
    Held,
    value_of,
)
from ports.codecs import Codec
from ports.errors import InvalidQueryError, RepositoryError

T = TypeVar("T")

LEASE_MS = LEASE // MILLISECOND
OVERDUE = timedelta(seconds=30)
"""How long after the end of what it was to replace a load in the background is given up: nobody
waits for it who could leave, and with its lease it keeps all others from loading.
"""

_FAREWELL = 1.0
"""Seconds that one who failed or was cancelled waits for the store to let go."""

_within: ContextVar[frozenset[str]] = ContextVar("_within", default=frozenset())
"""The tokens of the loads that whatever runs was called by."""
UNREADABLE = (ValueError, LookupError, TypeError)
"""What a codec raises for bytes that are none of its."""


@attrs.define
class Counters:
    """What `CacheStats` shows."""

    hits: int = 0
    misses: int = 0
    stale_served: int = 0
    loads: int = 0
    load_failures: int = 0
    loads_awaited: int = 0
    fills_refused: int = 0
    corrupt: int = 0


@attrs.define(eq=False)
class Flight:
    """A load under way in this process, and how many await it."""

    seen: bytes
    token: str = attrs.field(factory=lambda: secrets.token_hex(16))
    callers: int = 0
    since: float = math.inf
    """Its result serves the calls that began up to this one; infinite while it has yet to look."""
    task: "asyncio.Task[bytes] | None" = None


Place: TypeAlias = tuple[str, str, int]


@attrs.define(eq=False)
class CacheState:
    """What a process knows of one tenant's cache."""

    counters: Counters = attrs.field(factory=Counters)
    calls: int = 0
    """How many calls of `get_or_load` began."""
    flights: dict[Place, Flight] = attrs.field(factory=dict)
    refreshes: "dict[Place, asyncio.Task[None]]" = attrs.field(factory=dict)
    leading: dict[str, str] = attrs.field(factory=dict)
    """The keys whose loaders are running, by the token of the lease."""

    def beside(self) -> "CacheState":
        """Of another way to the same entries: what runs there is known, and ended, here."""
        return CacheState(refreshes=self.refreshes, leading=self.leading)

    async def close(self) -> None:
        """End what runs in the background, and wait until it has ended."""
        while tasks := [*self.refreshes.values()]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await asyncio.sleep(0)  # their callbacks take them out


@attrs.frozen
class Load(Generic[T]):
    """What to load, and how to keep it."""

    key: str
    codec: Codec[T]
    loader: Callable[[], Awaitable[T]]
    ttl_ms: int
    stale_ms: int
    tags: tuple[str, ...]

    @property
    def place(self) -> Place:
        """What is loaded together."""
        return self.key, self.codec.name, self.codec.version

    @property
    def lives_ms(self) -> int:
        """How long its entry will be there."""
        return self.ttl_ms + self.stale_ms

    def admits(self, found: Found) -> bool:
        """Whether an entry that is there by now does."""
        if not found.is_fresh:
            return False
        try:
            value = value_of(found.raw, self.codec)
            if value is None:
                return False
            self.codec.decode(value)
        except UNREADABLE:
            return False
        return True


class Loading:
    """The loads of one tenant's cache."""

    def __init__(self, entries: CacheEntries, state: CacheState) -> None:
        self._entries = entries
        self._state = state

    async def load(self, wanted: Load[Any], seen: bytes, began: int) -> bytes:
        """An entry's bytes: of the load under way if it serves a call that began then, or else of
        one more. `seen`: the nonce of the entry that doesn't do.

        Raises:
            InvalidQueryError: if a loader asks for the key that it loads.
        """
        if any(self._state.leading.get(token) == wanted.key for token in _within.get()):
            raise InvalidQueryError("a loader asked the cache for the key that it loads")
        while True:
            flight = self._state.flights.get(wanted.place)
            joined = flight is not None
            if flight is None:
                flight = self._depart(wanted, seen)
            with self._aboard(wanted, flight) as task:
                if not joined:
                    return await asyncio.shield(task)
                if began <= flight.since or await self._entries.holds(wanted.key, flight.token):
                    self._state.counters.loads_awaited += 1
                    with _unless_cancelled(task):
                        return await asyncio.shield(task)
            # Its loader was cancelled; or something was invalidated since it began, and its result
            # is for those who came before.
            self._leave_behind(wanted, flight)

    def refresh(self, wanted: Load[Any], found: Found) -> None:
        """Load in the background what replaces an entry, unless somebody does."""
        if wanted.place in self._state.refreshes:
            return
        seconds = found.left_ms / 1000 + OVERDUE.total_seconds()
        task = asyncio.create_task(self._refreshed(wanted, Flight(found.raw[NONCE]), seconds))
        self._state.refreshes[wanted.place] = task
        task.add_done_callback(partial(_ended, self._state.refreshes, wanted.place, task))

    async def _refreshed(self, wanted: Load[Any], flight: Flight, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds) as limit:
                answer = await self._entries.take(wanted.key, flight.token, flight.seen, LEASE_MS)
                if answer is None:
                    await self._lead(wanted, flight)
        except BaseException:
            if limit.expired():
                self._state.counters.load_failures += 1
            await _given_up(self._entries, wanted.key, flight.token)
            raise

    def _depart(self, wanted: Load[Any], seen: bytes) -> Flight:
        flight = Flight(seen)
        flight.task = asyncio.create_task(self._flown(wanted, flight))
        self._state.flights[wanted.place] = flight
        flight.task.add_done_callback(partial(_ended, self._state.flights, wanted.place, flight))
        return flight

    @contextmanager
    def _aboard(self, wanted: Load[Any], flight: Flight) -> "Iterator[asyncio.Task[bytes]]":
        """It has one caller more; when the last one leaves, the load is cancelled."""
        assert flight.task is not None
        flight.callers += 1
        try:
            yield flight.task
        finally:
            flight.callers -= 1
            if not flight.callers and not flight.task.done():
                flight.task.cancel()
                self._leave_behind(wanted, flight)

    def _leave_behind(self, wanted: Load[Any], flight: Flight) -> None:
        """Nobody joins it any more."""
        if self._state.flights.get(wanted.place) is flight:
            del self._state.flights[wanted.place]

    async def _flown(self, wanted: Load[Any], flight: Flight) -> bytes:
        try:
            answer = await self._asked(wanted, flight)
            if isinstance(answer, Held):
                self._state.counters.loads_awaited += 1
                async with self._entries.changes(wanted.key) as changes:
                    answer = await self._asked(wanted, flight)
                    while isinstance(answer, Held):
                        await changes.wait(max(answer.left_ms, 1) / 1000)
                        answer = await self._asked(wanted, flight)
            return await self._lead(wanted, flight) if answer is None else answer
        except BaseException:
            await _given_up(self._entries, wanted.key, flight.token)
            raise

    async def _asked(self, wanted: Load[Any], flight: Flight) -> bytes | Held | None:
        """An entry that does, the lease of another, or None: ours."""
        while True:
            flight.since = self._state.calls
            answer = await self._entries.take(wanted.key, flight.token, flight.seen, LEASE_MS)
            if isinstance(answer, Found):
                if wanted.admits(answer):
                    return answer.raw
                flight.seen = answer.raw[NONCE]
                continue
            flight.since = math.inf
            return answer

    async def _lead(self, wanted: Load[Any], flight: Flight) -> bytes:
        """Load, with the lease."""
        counters = self._state.counters
        renewing = asyncio.create_task(self._renewing(wanted, flight.token))
        try:
            # Before the loader looks at anything: who invalidates a tag finds every load.
            await self._register(wanted)
            flight.since = self._state.calls
            counters.loads += 1
            started = time.monotonic()
            # This task is the load's own, and ends with it.
            _within.set(_within.get() | {flight.token})
            self._state.leading[flight.token] = wanted.key
            try:
                value = await wanted.loader()
                taken = math.ceil((time.monotonic() - started) * 1000)
                entry = Entry.of(
                    wanted.codec,
                    value,
                    stale_ms=wanted.stale_ms,
                    load_ms=max(taken, 1),
                    tags=wanted.tags,
                )
            except Exception:
                counters.load_failures += 1
                raise
            finally:
                del self._state.leading[flight.token]
            raw = entry.packed()
            if not await self._entries.fill(wanted.key, flight.token, raw, wanted.lives_ms):
                counters.fills_refused += 1
            return raw
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])

    async def _renewing(self, wanted: Load[Any], token: str) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            # One that can't be renewed ends, and then its fill is refused.
            with suppress(RepositoryError):
                # First the tags: who has the lease is noted for as long as what it may store.
                await self._register(wanted)
                if not await self._entries.renew(wanted.key, token, LEASE_MS):
                    return

    async def _register(self, wanted: Load[Any]) -> None:
        if wanted.tags:
            await register(self._entries, wanted.tags, wanted.key, wanted.lives_ms)


async def register(entries: CacheEntries, tags: tuple[str, ...], key: str, lives_ms: int) -> None:
    """Note a key for as long as an entry will be there that is stored within a lease."""
    await entries.register(tags, key, lives_ms + 2 * LEASE_MS)


async def put_tagged(
    entries: CacheEntries, key: str, raw: bytes, lives_ms: int, tags: tuple[str, ...]
) -> None:
    """Store an entry that is found by its tags at every moment that it is there.

    As a load does: who invalidates a tag between the note and the entry takes the lease away.
    Whoever is overtaken by that, or by another write, has written just before it. What was there
    before is gone in any case: the other may never write, or the lease may have ended by itself.
    """
    token = secrets.token_hex(16)
    try:
        seen = await entries.seize(key, token, LEASE_MS)
        await register(entries, tags, key, lives_ms)
        if not await entries.fill(key, token, raw, lives_ms) and seen:
            await entries.prolong(key, seen, -1)
    except BaseException:
        await _given_up(entries, key, token)
        raise


async def _given_up(entries: CacheEntries, key: str, token: str) -> None:
    """A lease that there may be, by whoever failed or was cancelled: they shouldn't wait twice for
    a store that doesn't answer. One that can't be given up ends by itself.
    """
    with suppress(RepositoryError, TimeoutError):
        async with asyncio.timeout(_FAREWELL):
            await entries.release(key, token)


@contextmanager
def _unless_cancelled(load: "asyncio.Task[bytes]") -> Iterator[None]:
    """Raise what the block does, unless it is that the load was cancelled and its caller wasn't."""
    caller = asyncio.current_task()
    assert caller is not None
    asked = caller.cancelling()
    try:
        yield
    except asyncio.CancelledError:
        if not load.cancelled() or caller.cancelling() > asked:
            raise


def _ended(under_way: dict[Place, Any], place: Place, what: Any, task: "asyncio.Task[Any]") -> None:
    if under_way.get(place) is what:
        del under_way[place]
    if not task.cancelled():
        task.exception()  # whoever awaited it was told
