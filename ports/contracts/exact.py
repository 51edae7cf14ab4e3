"""Equality that leaves nothing out: 3 is not 3.0, -0.0 not 0.0, and a dict no `JsonObject`."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import attrs

_IMMUTABLE = (bool, int, str, bytes, UUID, datetime, date, type(None))


def exact(value: Any, without: Iterable[str] = ()) -> Any:
    """`value` as nested tuples that are equal only for values equal in every part and type.

    Fields named in `without` are left out, at every depth. Anything that could be mutated shows
    as itself, and is equal to nothing that a domain value holds.
    """
    left_out = frozenset(without)
    kind = type(value).__name__
    if isinstance(value, Enum):
        return kind, value.value
    if isinstance(value, float):
        return kind, repr(value)
    if isinstance(value, datetime):
        return kind, value.replace(tzinfo=None), str(value.tzinfo), value.fold
    if isinstance(value, _IMMUTABLE):
        return kind, value
    if attrs.has(type(value)):
        names = [field.name for field in attrs.fields(type(value)) if field.name not in left_out]
        return kind, tuple((name, exact(getattr(value, name), left_out)) for name in names)
    if isinstance(value, Mapping):
        # Keys are ordered here, for JSON objects have no order.
        return kind, tuple((key, exact(value[key], left_out)) for key in sorted(value))
    if isinstance(value, Iterable):
        return kind, tuple(exact(item, left_out) for item in value)
    raise TypeError(f"no value of the domain's: {kind}")


def outcome(value: object, without: Iterable[str] = ()) -> tuple[object, ...]:
    """What an operation came to, errors and their attributes included, in comparable form."""
    if isinstance(value, BaseException):
        return "raised", type(value).__name__, error_details(value)
    return "returned", exact(value, without)


def error_details(error: BaseException) -> tuple[tuple[str, str], ...]:
    """The attributes of an error, by name."""
    known: Callable[[str], bool] = lambda name: not name.startswith("_")  # noqa: E731
    return tuple(sorted((name, repr(item)) for name, item in vars(error).items() if known(name)))
