"""Equality that leaves nothing out: 3 is not 3.0, -0.0 not 0.0, and a dict no `JsonObject`."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, TypeAlias
from uuid import UUID

import attrs

from domain.secrets import Secret

Path: TypeAlias = tuple[object, ...]
_IMMUTABLE = (
    *(bool, int, str, bytes, UUID, datetime, date, timedelta, Fraction, Decimal, type(None)),
)


def exact(value: Any, without: Iterable[str] = ()) -> dict[Path, tuple[str, object]]:
    """Every part of `value` with its type, by its path; equal only if all of them are.

    Fields named in `without` are left out, at every depth. Containers show their type, so that one
    which could be mutated is equal to none that a domain value holds.
    """
    return dict(_parts(value, (), frozenset(without)))


def _parts(
    value: Any, path: Path, without: frozenset[str]
) -> Iterator[tuple[Path, tuple[str, object]]]:
    kind = type(value).__name__
    if isinstance(value, Enum):
        yield path, (kind, value.value)
    elif isinstance(value, float):
        yield path, (kind, repr(value))
    elif isinstance(value, datetime):
        yield path, (kind, (value.isoformat(), str(value.tzinfo), value.fold))
    elif isinstance(value, _IMMUTABLE):
        yield path, (kind, value)
    elif isinstance(value, Secret):
        yield path, (kind, None)
        yield from _parts(value.reveal(), (*path, "reveal"), without)
    elif attrs.has(type(value)):
        yield path, (kind, None)
        for field in attrs.fields(type(value)):
            if field.name not in without:
                yield from _parts(getattr(value, field.name), (*path, field.name), without)
    elif isinstance(value, Mapping):
        yield path, (kind, len(value))
        for key, item in value.items():
            yield from _parts(item, (*path, key), without)
    elif isinstance(value, Iterable):
        items = list(value)
        yield path, (kind, len(items))
        for index, item in enumerate(items):
            yield from _parts(item, (*path, index), without)
    else:
        raise TypeError(f"no value of the domain's: {kind}")


def outcome(value: object, without: Iterable[str] = ()) -> dict[Path, tuple[str, object]]:
    """What an operation came to, an error and its attributes included, in comparable form."""
    if not isinstance(value, BaseException):
        return exact(value, without)
    details: dict[Path, tuple[str, object]] = {
        ("raised", name): (type(item).__name__, repr(item))
        for name, item in vars(value).items()
        if not name.startswith("_")
    }
    return {("raised",): (type(value).__name__, None), **details}
