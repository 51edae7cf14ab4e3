"""Standing in for something by way of its port, but for a few of its parts."""

from functools import cache
from typing import Any, TypeVar

P = TypeVar("P")


class _Passed:
    """An attribute of the origin's, unless the instance has one of its own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else getattr(instance.origin, self._name)


def standing_in(port: type[P], origin: P, **own: object) -> P:
    """What is `origin` to whoever uses it through `port`, but for these attributes.

    Whatever the port has, and may come to have, is passed on: nothing of it is repeated here.
    """
    kind: Any = port
    made: P = object.__new__(_kind(kind))
    vars(made).update(own, origin=origin)
    return made


@cache
def _kind(port: type[Any]) -> type[Any]:
    names = {name for base in port.__mro__[:-1] for name in vars(base) if _is_part(name)}
    return type(f"Passing{port.__name__}", (port,), {name: _Passed(name) for name in names})


def _is_part(name: str) -> bool:
    return not name.startswith(("__", "_abc_", "_is_protocol"))
