"""What the contracts about the cache have in common."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, TypeVar

from ports.cache import Cache, Json, TypedCache
from ports.cache_entries import CacheEntries
from ports.codecs import Codec
from ports.contracts.harness import Backend

T = TypeVar("T")
PATIENCE = 20.0
"""Seconds after which something that a contract waits for will never come."""


def ms(milliseconds: int) -> timedelta:
    """So many milliseconds."""
    return timedelta(milliseconds=milliseconds)


def caches(backend: Backend) -> tuple[Cache, Cache]:
    """One unused tenant's cache, on two instances."""
    here, there = backend.rivals()
    return here.cache, there.cache


def before(step: str, act: Callable[[], Awaitable[object]], cache: Cache) -> Cache:
    """The same cache, in which something happens before each step of that name that it takes."""

    async def late(take: Callable[[], Awaitable[Any]]) -> Any:
        await act()
        return await take()

    return _interrupted(step, late, cache)


def after(step: str, act: Callable[[], Awaitable[object]], cache: Cache) -> Cache:
    """The same, in which it happens when the step was taken, and what it came to isn't known."""

    async def late(take: Callable[[], Awaitable[Any]]) -> Any:
        outcome = await take()
        await act()
        return outcome

    return _interrupted(step, late, cache)


def _interrupted(
    step: str, how: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]], cache: Cache
) -> Cache:
    def wrap(entries: CacheEntries) -> CacheEntries:
        async def taken(*arguments: Any) -> Any:
            return await how(partial(getattr(entries, step), *arguments))

        steps = {name: getattr(entries, name) for name in CacheEntries.__abstractmethods__}
        named = {name: staticmethod(each) for name, each in {**steps, step: taken}.items()}
        made: CacheEntries = type("Interrupted", (CacheEntries,), named)()
        return made

    return cache.through(wrap)


async def within(awaited: Awaitable[T]) -> T:
    """What comes of it; what never comes fails the contract instead of hanging it."""
    async with asyncio.timeout(PATIENCE):
        return await awaited


class Gated:
    """A loader that says when it began and goes on when it is told to; it counts its calls."""

    def __init__(self, value: Json = "loaded", error: Exception | None = None) -> None:
        self.value = value
        self.error = error
        self.calls = 0
        self.began = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self) -> Json:
        self.calls += 1
        self.began.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return self.value


class Overtaken(Gated):
    """A loader whose first call waits for its gate and returns the old; every later one, at once,
    the new.
    """

    async def __call__(self) -> Json:
        if self.began.is_set():
            return "new"
        return await super().__call__()


class Counted:
    """A loader that returns how often it was called, or raises."""

    def __init__(self, *errors: Exception) -> None:
        self.calls = 0
        self.errors = list(errors)

    async def __call__(self) -> int:
        self.calls += 1
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        return self.calls


async def ended(*tasks: "asyncio.Task[T]") -> list[T | BaseException]:
    """What each of them returned or raised."""
    return await within(asyncio.gather(*tasks, return_exceptions=True))


async def until(condition: Callable[[], bool]) -> None:
    """Let others go on until that is so."""

    async def turns() -> None:
        while not condition():  # noqa: ASYNC110  # nobody sets an event when a counter moves
            await asyncio.sleep(0.001)

    await within(turns())


class Words(Codec[tuple[str, ...]]):
    """Words, none of them with a space."""

    name: ClassVar[str] = "words"
    version: ClassVar[int] = 1

    def encode(self, value: tuple[str, ...]) -> bytes:
        return " ".join(value).encode()

    def decode(self, data: bytes) -> tuple[str, ...]:
        return tuple(data.decode().split(" "))


class NewWords(Words):
    """Another version of them."""

    version: ClassVar[int] = 2


class Unreadable(Words):
    """Writes as `Words` does what can't be read."""

    def encode(self, value: tuple[str, ...]) -> bytes:
        return b"\xff"


def words(cache: Cache) -> TypedCache[tuple[str, ...]]:
    """The cache, for words."""
    return cache.typed(Words())
