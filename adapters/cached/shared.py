"""One tenant's flows in the cache that all processes share."""

from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Final, TypeAlias
from uuid import UUID

import attrs

from adapters.cached.breaker import Breaker
from adapters.cached.codec import FLOWS, Flows
from adapters.cached.entries import CacheAwayError, GuardedEntries
from domain.errors import ValidationError
from ports.cache import Cache
from ports.errors import RepositoryError
from ports.together import together

PREFIX: Final = "dialogbase.flow"
"""With this begin the keys and tags that are ours among a tenant's own."""

TTL: Final = timedelta(minutes=1)
_JITTER: Final = 0.2
_ALL: Final = f"{PREFIX}s"
_LOOKUPS: Final = f"{PREFIX}s.lookups"
_AT_ONCE: Final = 100

Load: TypeAlias = Callable[[], Awaitable[Flows]]


@attrs.frozen
class Lookup:
    """What is asked for: how it is known in the process, and in the shared cache.

    Of those that name a flow by id it is known which change concerns them; of all others, any.
    """

    key: object
    name: str
    by_id: bool = False
    limit: int | None = None

    @property
    def tags(self) -> tuple[str, ...]:
        """By which it is dropped."""
        return (_ALL,) if self.by_id else (_ALL, _LOOKUPS)


def by_id(id: UUID) -> Lookup:
    """A flow."""
    return Lookup(id, f"{PREFIX}:{id}", by_id=True)


def by_name(name: str, version: str) -> Lookup:
    """The flow of that name and version."""
    return Lookup((name, version), f"{PREFIX}.named:{len(name)}:{name}:{version}")


def active(limit: int) -> Lookup:
    """The active flows that were used last."""
    return Lookup(limit, f"{PREFIX}.active:{limit}", limit=limit)


DEFAULT: Final = Lookup("default", f"{PREFIX}.default")


class _OriginFailed(Exception):
    """The load failed, and not the cache."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__()


class _Loading:
    """A load that remembers what it gave, should the cache fail after it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self.loaded: Flows | None = None

    async def __call__(self) -> Flows:
        try:
            self.loaded = await self._load()
        except Exception as error:  # noqa: BLE001  # told to the caller as it is
            failed = error
        else:
            return self.loaded
        raise _OriginFailed(failed)


class SharedFlows:
    """Flows by way of a tenant's cache; an entry lives for a minute at most."""

    def __init__(self, cache: Cache, breaker: Breaker) -> None:
        self._cache = cache
        self._breaker = breaker
        guarded = cache.through(lambda entries: GuardedEntries(entries, breaker))
        self._guarded = guarded.typed(FLOWS)

    async def read(self, lookup: Lookup, load: Load) -> Flows:
        """What the cache has, or what `load` gives, once for all processes. What is wrong with the
        cache nobody sees: then it is `load` alone that answers.
        """
        loading = _Loading(load)
        try:
            return await self._guarded.get_or_load(
                lookup.name, loading, TTL, tags=lookup.tags, jitter=_JITTER
            )
        except _OriginFailed as failed:
            error = failed.error
        except (CacheAwayError, ValidationError):
            # Too large a value, or too long a name, isn't kept: a ValidationError of the cache.
            return await load() if loading.loaded is None else loading.loaded
        raise error

    async def drop(self, ids: Collection[UUID] | None, *, patiently: bool = False) -> None:
        """Everything about these flows, or all; and no load that began before fills it in again.

        Raises:
            RepositoryError: if the cache didn't answer; soon, unless `patiently`.
        """
        cache = self._cache if patiently else self._guarded
        try:
            if ids is None:
                await cache.invalidate_tag(_ALL)
            else:
                drops = [cache.delete(by_id(id).name) for id in ids]
                await together([cache.invalidate_tag(_LOOKUPS), *drops], at_once=_AT_ONCE)
        except RepositoryError:
            if patiently:
                self._breaker.failed()
            raise
        if patiently:
            self._breaker.succeeded()
