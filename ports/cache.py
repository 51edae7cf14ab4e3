"""One tenant's cache: what every store of it promises."""

import math
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, overload

import attrs

from domain.durations import MILLISECOND
from domain.errors import Fault, ValidationError
from domain.rules import argument, instance, matching, whole
from ports.cache_admission import AdmittedEntries
from ports.cache_entries import (
    BRIEF,
    DETAILED,
    NONCE,
    TAG,
    CacheEntries,
    Entry,
    Found,
    value_of,
)
from ports.cache_loading import UNREADABLE, CacheState, Load, Loading, put_tagged, register
from ports.cache_terms import EARLY, Terms, key_of, many, milliseconds, share, terms
from ports.codecs import Codec
from ports.gate import ANY, Admission
from ports.together import together

T = TypeVar("T")
D = TypeVar("D")
Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"
"""What JSON can say. Objects are read as `dict`, arrays (tuples, too) as `list`, of their own."""

HOUR: Final = timedelta(hours=1)
_AT_ONCE: Final = 500


class Miss(Enum):
    """What a look-up gives that finds nothing; None is a value like any other. It counts as false,
    so that who asks `if value` at least never takes it for one.
    """

    MISS = "miss"

    def __bool__(self) -> Literal[False]:
        return False


MISS: Final = Miss.MISS

_MAPPING = instance(Mapping)
_CODEC = instance(Codec)
_CODEC_NAME = matching(r"[ -~]{1,100}", "must have 1 to 100 characters, printable and ASCII")
_CODEC_VERSION = whole(0, 255)


@attrs.frozen
class CacheStats:
    """What happened in one tenant's cache through this process (in memory: in this data) since it
    was first used. Every look-up is a hit, a miss or served stale.
    """

    hits: int
    misses: int
    stale_served: int
    loads: int
    load_failures: int
    """Loads whose loader, or the encoding of what it gave, raised."""
    loads_awaited: int
    """Callers that waited for a load that was under way, in this process or in another."""
    fills_refused: int
    """Loads whose value wasn't stored, for something was written or invalidated meanwhile."""
    corrupt: int
    """Look-ups that missed because what they found couldn't be read."""


class TypedCache(Generic[T]):
    """One tenant's cached values of one type.

    A value lives for its `ttl` (a `timedelta` of whole milliseconds, 1 ms to 10 years; an hour if
    none is given), counted by the store's clock, and is gone once more than that has passed. Keys
    are text of 1 to 512 characters, tags of 1 to 256, at most 16 a value; a value has at most 8 MiB
    when encoded. What is returned shares nothing mutable with what is stored or with other callers.
    A key holds one value, of whatever type: one that another codec, or another version of this one,
    wrote is absent to this view, and is overwritten by it. So is a corrupt one, which is counted.

    **Invalidation.** `set`, `set_many`, `delete`, `invalidate_tag` and `clear` also reach the loads
    that began before: their callers get what was loaded, but it isn't stored, and no call that
    begins later gets it. `expire` concerns the value that is there, and no load.

    **Users.** The tag `user:<id>` says whose a value is: it is dropped when the user is erased, and
    storing one raises `ErasedError` from then on.

    **Tags.** `invalidate_tag` finds every value stored with the tag, and every load under way for
    it. It may drop more than that: what replaced such a value without its tag, as long as that one
    would have lived and some seconds more. Never less.

    A hit is one command; every other operation on one key one round trip, unless it says more. With
    tags, a write or load takes two more. Nothing is atomic over several keys. (Of a write with tags
    that is slower than 5 seconds, nothing may be there afterwards; nor is what was there before.)

    Raises, everywhere: ValidationError, before the store is asked, for what these rules don't
    admit; StoreUnavailableError, StoreTimeoutError, OutcomeUnknownError. Nothing is ever loaded or
    answered as a miss because the store failed. What stores something, or would load it, raises
    ErasedError of a tenant that was erased.
    """

    def __init__(self, entries: CacheEntries, state: CacheState, codec: Codec[T]) -> None:
        self._entries = entries
        self._state = state
        self._codec = codec
        self._loading = Loading(entries, state)

    @overload
    async def get(self, key: str) -> T | Literal[Miss.MISS]: ...
    @overload
    async def get(self, key: str, default: D) -> T | D: ...
    async def get(self, key: str, default: object = MISS) -> object:
        """The value, or `default`. One command (one more for a value that has a stale part)."""
        value = await self._fresh(key_of(key))
        if value is MISS:
            self._state.counters.misses += 1
            return default
        self._state.counters.hits += 1
        return value

    async def get_many(self, keys: Iterable[str]) -> dict[str, T]:
        """The values that there are, by key, in the order of `keys` (at most 10 000). One command a
        key, some hundred at a time.
        """
        asked = list(dict.fromkeys(map(key_of, many("keys", keys))))
        found = await together((self.get(key) for key in asked), at_once=_AT_ONCE)
        return {key: value for key, value in zip(asked, found, strict=True) if value is not MISS}

    async def set(
        self,
        key: str,
        value: T,
        ttl: timedelta = HOUR,
        *,
        stale: timedelta | None = None,
        jitter: float = 0.0,
        tags: Sequence[str] = (),
    ) -> None:
        """Store a value, whatever was there; `stale`, `jitter` and `tags` as in `get_or_load`."""
        kept = terms(ttl, stale, jitter, tags)
        await self._set(key_of(key), self._entry(value, kept), kept)

    async def set_many(
        self,
        values: Mapping[str, T],
        ttl: timedelta = HOUR,
        *,
        stale: timedelta | None = None,
        jitter: float = 0.0,
        tags: Sequence[str] = (),
    ) -> None:
        """`set` each of at most 10 000 values, some hundred at a time. All of them are checked
        first; not atomic: if it fails, some may have been stored.
        """
        entries = []
        for key in many("values", argument("cache", "values", values, _MAPPING)):
            kept = terms(ttl, stale, jitter, tags)
            entries.append((key_of(key), self._entry(values[key], kept), kept))
        await together((self._set(*entry) for entry in entries), at_once=_AT_ONCE)

    async def delete(self, key: str) -> bool:
        """Remove whatever is there; whether there was a value of any type, not yet stale."""
        return await self._entries.drop(key_of(key))

    async def exists(self, key: str) -> bool:
        """Whether `get` would find a value that it can read. Not counted as a look-up."""
        return await self.ttl(key) is not None

    async def ttl(self, key: str) -> timedelta | None:
        """How long the value will be there, without its stale part; None if there is none."""
        found = await self._entries.look(key_of(key), BRIEF)
        entry = self._mine(found)
        if found is None or entry is None or not found.is_fresh:
            return None
        return (found.left_ms - entry.stale_ms) * MILLISECOND

    async def expire(self, key: str, ttl: timedelta) -> bool:
        """Let the value live for so long from now on, longer or shorter than before, then go stale
        for as long as it would have; whether there is one. Two round trips, three with tags.
        """
        lives, named = milliseconds("ttl", ttl), key_of(key)
        while True:
            found = await self._entries.look(named, DETAILED)
            entry = self._mine(found)
            if found is None or entry is None or not found.is_fresh:
                return False
            lives_ms = lives + entry.stale_ms
            if entry.tags:
                await register(self._entries, entry.tags, named, lives_ms)
            if await self._entries.prolong(named, entry.nonce, lives_ms):
                return True

    async def get_or_load(
        self,
        key: str,
        loader: Callable[[], Awaitable[T]],
        ttl: timedelta = HOUR,
        *,
        tags: Sequence[str] = (),
        jitter: float = 0.0,
        stale: timedelta | None = None,
        early: float = 0.0,
    ) -> T:
        """The value; if there is none, what `loader` returns, which is stored.

        For any number of simultaneous misses, in any number of processes, one of them calls its
        loader, and the others wait for what it stores, without asking again and again. If it
        raises, those who waited in its process get its error, nothing is stored, and of the others
        one calls its own. A caller that is cancelled leaves the load to the others; with the last
        caller in its process it is cancelled. When its process dies, or can't reach the store,
        another takes over within 5 seconds. A loader may load other
        keys, but not its own.

        jitter: from 0 to 1. Each value lives for a part of `ttl` that is drawn from
            `1 - jitter` to 1, so that those stored together don't end together.
        stale: how long the value stays beyond its `ttl`. In that time this operation (with `stale`)
            still returns it, at once, and one load in the background replaces it; every other one
            takes it for absent. If the load fails, the next call tries again.
            No load goes on in the background for longer than half a minute after that.
        early: from 0 to 1000, 1 is usual, 0 never. A value is loaded anew in the background before
            it ends, the more probably the nearer its end and the longer its load took, so that a
            key in demand is never missing: XFetch of Vattani, Chierichetti and Lowenstein,
            "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015; this is its beta.

        Raises:
            ValidationError: for arguments that can't be.
            InvalidQueryError: in a loader that asks for the key that it loads; also by way of
                other loads that it began.

        A hit is one command, with `stale` or `early` one script; a load takes three, and whoever
        waits for another process' subscribes and asks twice.
        """
        began = self._state.calls = self._state.calls + 1
        if not callable(loader):
            raise ValidationError("cache", [Fault("loader", "must be a function")])
        kept, beta = terms(ttl, stale, jitter, tags), share("early", early, EARLY)
        wanted = Load(key_of(key), self._codec, loader, kept.ttl_ms, kept.stale_ms, kept.tags)
        found = await self._looked(wanted.key, bool(kept.stale_ms or beta))
        value = self._value(found)
        counters, seen = self._state.counters, b"" if found is None else found.raw[NONCE]
        if found is not None and value is not MISS:
            if found.is_fresh:
                counters.hits += 1
                if beta and _is_due(found, beta):
                    self._loading.refresh(wanted, found)
                return value
            if kept.stale_ms:
                counters.stale_served += 1
                self._loading.refresh(wanted, found)
                return value
        counters.misses += 1
        loaded = value_of(await self._loading.load(wanted, seen, began), self._codec)
        assert loaded is not None
        return self._codec.decode(loaded)

    async def invalidate_tag(self, tag: str) -> int:
        """Drop every value that was stored with the tag; how many there were.

        After it returned, nothing is served that was stored with the tag, or whose load began,
        before it was called. Not atomic: if it fails, some may have been dropped; call it again.
        One round trip for each 500 values, each of which is one command.
        """
        return await self._entries.invalidate(argument("cache", "tag", tag, TAG))

    async def clear(self) -> int:
        """Drop every value of the tenant's, of whatever type; how many there were.

        As `invalidate_tag`. It reads the names of all keys on the server, other tenants' included,
        twice: not for every day.
        """
        return await self._entries.clear()

    def stats(self) -> CacheStats:
        """What happened so far."""
        return CacheStats(**attrs.asdict(self._state.counters))

    async def _set(self, key: str, entry: Entry, kept: Terms) -> None:
        if kept.tags:
            await put_tagged(self._entries, key, entry.packed(), kept.lives_ms, kept.tags)
        else:
            await self._entries.put(key, entry.packed(), kept.lives_ms)

    def _entry(self, value: T, kept: Terms) -> Entry:
        return Entry.of(self._codec, value, stale_ms=kept.stale_ms, tags=kept.tags)

    async def _looked(self, key: str, timed: bool) -> Found | None:
        """What is there. Its time is known if that was asked for, or if it has a stale part."""
        if not timed:
            raw = await self._entries.read(key)
            found = None if raw is None else Found(0, raw)
            # Fresh whatever it has left: all of it is.
            if found is None or found.is_fresh:
                return found
        return await self._entries.look(key)

    async def _fresh(self, key: str) -> T | Literal[Miss.MISS]:
        found = await self._looked(key, timed=False)
        value = self._value(found)
        return value if found is not None and found.is_fresh else MISS

    def _mine(self, found: Found | None) -> Entry | None:
        try:
            entry = None if found is None else Entry.unpacked(found.raw)
        except ValueError:
            return None
        return entry if entry is not None and entry.is_of(self._codec) else None

    def _value(self, found: Found | None) -> T | Literal[Miss.MISS]:
        try:
            value = None if found is None else value_of(found.raw, self._codec)
            if value is not None:
                return self._codec.decode(value)
        except UNREADABLE:
            self._state.counters.corrupt += 1
        return MISS


class Cache(TypedCache[Json]):
    """One tenant's cache, of JSON values unless a codec says otherwise.

    An adapter's is made of its `CacheEntries`, the process' `CacheState` of the tenant, a codec for
    JSON, and whom its gate admits.
    """

    def __init__(
        self,
        entries: CacheEntries,
        state: CacheState,
        codec: Codec[Any],
        admission: Admission = ANY,
    ) -> None:
        admitted = entries if admission is ANY else AdmittedEntries(entries, admission)
        super().__init__(admitted, state, codec)

    def typed(self, codec: Codec[T]) -> TypedCache[T]:
        """The same cache for values of another type: keys, tags and statistics are shared.

        Raises:
            ValidationError: for what is no codec, or one whose name or version can't be one.
        """
        argument("cache", "codec", codec, _CODEC)
        argument("codec", "name", codec.name, _CODEC_NAME)
        argument("codec", "version", codec.version, _CODEC_VERSION)
        return TypedCache(self._entries, self._state, codec)

    def through(self, wrap: Callable[[CacheEntries], CacheEntries]) -> "Cache":
        """The same cache by another way to its entries, with statistics of its own."""
        return Cache(wrap(self._entries), self._state.beside(), self._codec)


def _is_due(found: Found, beta: float) -> bool:
    """Whether to load early, by lot: XFetch."""
    entry = Entry.unpacked(found.raw)
    assert entry is not None
    gap = -entry.load_ms * beta * math.log(1 - random.random())
    return gap >= found.left_ms - entry.stale_ms
