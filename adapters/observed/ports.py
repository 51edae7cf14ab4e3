"""Ports whose operations are observed: whatever a port has, or may come to have.

What is handed out is of the port's own type, and passes everything on to the origin, which calls
its own operations, not these: so an operation that is composed of others is observed once.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import cache, wraps
from inspect import getattr_static, iscoroutinefunction
from types import FunctionType, TracebackType
from typing import Any, Final, TypeVar

import attrs

from adapters.observed.operations import Observation, Observer, Place
from ports.cache import Cache, TypedCache

P = TypeVar("P")
T = TypeVar("T")

_VIEWS: Final[tuple[type[Any], ...]] = (Cache, TypedCache)
"""What an operation may return that has operations of the same port."""


def observed(port: type[P], origin: P, observer: Observer, place: Place) -> P:
    """What is `origin` to whoever uses it through `port`, and observed."""
    kind: Any = port
    made: P = object.__new__(_kind(kind))
    vars(made)["_observed"] = _Observed(origin, observer, place)
    return made


@attrs.frozen
class _Observed:
    """What stands behind one that was handed out."""

    origin: Any
    observer: Observer
    place: Place

    def began(self, operation: str) -> Observation:
        return Observation(self.observer, self.place, operation)


class _Passed:
    """An attribute of the origin's."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else getattr(instance._observed.origin, self._name)


@cache
def _kind(port: type[Any]) -> type[Any]:
    parts: dict[str, object] = {"__module__": __name__, "__getattr__": _of_the_origin}
    for name in {name for base in port.__mro__[:-1] for name in vars(base) if _is_part(name)}:
        member = getattr_static(port, name)
        if name.startswith("_") or not isinstance(member, FunctionType):
            parts[name] = _Passed(name)
        elif iscoroutinefunction(member):
            parts[name] = _awaited(name, member)
        else:
            parts[name] = _called(name, member)
    return type(f"Observed{port.__name__}", (port,), parts)


def _is_part(name: str) -> bool:
    return not name.startswith(("__", "_abc_", "_is_protocol"))


def _of_the_origin(self: Any, name: str) -> Any:
    """What only the instance has, or an adapter beyond its port."""
    if name == "_observed":
        raise AttributeError(name)
    return getattr(self._observed.origin, name)


def _awaited(name: str, member: Callable[..., Any]) -> Callable[..., Any]:
    async def operation(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen: _Observed = self._observed
        observation = seen.began(name)
        try:
            result = await getattr(seen.origin, name)(*args, **kwargs)
        except BaseException as error:
            observation.ended(error)
            raise
        observation.ended()
        return result

    return _in_place_of(member, operation)


def _called(name: str, member: Callable[..., Any]) -> Callable[..., Any]:
    """An operation that returns at once what is awaited, iterated or entered later."""

    def operation(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen: _Observed = self._observed
        try:
            result = getattr(seen.origin, name)(*args, **kwargs)
        except BaseException as error:
            seen.began(name).ended(error)
            raise
        if isinstance(result, AsyncIterator):
            return _iterated(seen, name, result)
        if isinstance(result, AbstractAsyncContextManager):
            return _Held(seen, name, result)
        for view in _VIEWS:
            if isinstance(result, view):
                return observed(view, result, seen.observer, seen.place)
        return result

    return _in_place_of(member, operation)


def _in_place_of(member: Callable[..., Any], operation: Callable[..., Any]) -> Callable[..., Any]:
    made = wraps(member)(operation)
    vars(made).pop("__isabstractmethod__", None)
    return made


async def _iterated(seen: _Observed, name: str, items: AsyncIterator[T]) -> AsyncIterator[T]:
    """A stream is one operation from its first item to its end; what its reader does in between
    isn't a part of it.
    """
    observation = seen.began(name)
    observation.suspend()
    failure: BaseException | None = None
    try:
        while True:
            observation.resume()
            try:
                item = await anext(items)
            finally:
                observation.suspend()
            yield item
    except StopAsyncIteration:
        pass
    except GeneratorExit:  # its reader has left
        raise
    except BaseException as error:
        failure = error
        raise
    finally:
        try:
            if (close := getattr(items, "aclose", None)) is not None:
                await close()
        finally:
            observation.over(failure)
            failure = None


class _Held(AbstractAsyncContextManager[T]):
    """A block whose entry and exit are operations, as those of a lock are: `hold`, `release`."""

    def __init__(self, seen: _Observed, entry: str, origin: AbstractAsyncContextManager[T]) -> None:
        self._seen = seen
        self._entry = entry
        self._origin = origin

    async def __aenter__(self) -> T:
        observation = self._seen.began(self._entry)
        try:
            entered = await self._origin.__aenter__()
        except BaseException as error:
            observation.ended(error)
            raise
        observation.ended()
        return entered

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        observation = self._seen.began("release")
        try:
            handled = await self._origin.__aexit__(kind, raised, trace)
        except BaseException as error:
            observation.ended(error, own=error is not raised)
            raise
        observation.ended()
        return handled
