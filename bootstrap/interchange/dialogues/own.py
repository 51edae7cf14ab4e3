"""Fields of entities under their own names, as JSON and back: what a record's `dialogbase` holds.

Values are written as JSON has them: a time as RFC 3339 text, a UUID and a member of an enumeration
as their text, a part as an object without the fields that have their default.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin
from uuid import UUID

import attrs

from domain.errors import Fault, ValidationError
from domain.rules import Value

OWN: Final = "dialogbase"
"""The key of a record, and of a turn, that holds them."""


@cache
def defaults_of(kind: type) -> Mapping[str, Any]:
    """What fields have if nobody says otherwise; those that must be said are left out."""
    return {
        field.name: field.default
        for field in attrs.fields(kind)
        if field.default is not attrs.NOTHING
    }


def plain(value: object) -> Any:
    """A field's value as JSON."""
    if isinstance(value, Value):
        kind: type = type(value)
        defaults = defaults_of(kind)
        return {
            name: plain(part)
            for name, part in vars(value).items()
            if name not in defaults or part != defaults[name]
        }
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return value


def fields_of(
    kind: type,
    document: object,
    admitted: frozenset[str],
    *,
    others: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """The fields that a document gives, ready for the constructor, which judges the values.

    `others` are passed over.

    Raises:
        ValidationError: naming every field that isn't `admitted`, and what has the wrong form.
    """
    if not isinstance(document, Mapping):
        raise ValidationError(kind.__name__, [Fault("", "must be an object")])
    types = _types(kind)
    given: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, candidate in document.items():
        if name in others:
            continue
        if name not in admitted:
            faults.append(Fault(str(name)[:100], "is not a known field"))
            continue
        try:
            given[name] = _formed(types[name], candidate)
        except ValidationError as error:
            faults.extend(fault.under(name) for fault in error.faults)
        except ValueError as error:
            faults.append(Fault(name, str(error)))
    if faults:
        raise ValidationError(kind.__name__, faults)
    return given


@cache
def _types(kind: type) -> Mapping[str, Any]:
    attrs.resolve_types(kind)
    return {field.name: field.type for field in attrs.fields(kind)}


def _formed(kind: Any, candidate: Any) -> Any:
    """The candidate in the form of a type, as far as JSON has another one for it."""
    if get_origin(kind) in (Union, UnionType):
        if candidate is None:
            return None
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    if kind is datetime:
        return _time(candidate)
    if kind is UUID:
        return _uuid(candidate)
    if get_origin(kind) is tuple and isinstance(candidate, list):
        return _items(get_args(kind)[0], candidate)
    if isinstance(kind, type) and issubclass(kind, Value):
        return kind(**fields_of(kind, candidate, _complete(kind, candidate)))
    return candidate


def _complete(kind: type, candidate: Any) -> frozenset[str]:
    """The names of all fields of a kind.

    Raises:
        ValidationError: naming those that must be given and aren't.
    """
    names = frozenset(_types(kind))
    if isinstance(candidate, Mapping):
        missing = [name for name in names - defaults_of(kind).keys() if name not in candidate]
        if missing:
            faults = [Fault(name, "is missing") for name in sorted(missing)]
            raise ValidationError(kind.__name__, faults)
    return names


def _items(kind: Any, candidates: list[Any]) -> list[Any]:
    items: list[Any] = []
    faults: list[Fault] = []
    for place, candidate in enumerate(candidates):
        try:
            items.append(_formed(kind, candidate))
        except ValidationError as error:
            faults.extend(fault.under(f"[{place}]") for fault in error.faults)
    if faults:
        raise ValidationError("list", faults)
    return items


def _time(candidate: object) -> datetime:
    try:
        return datetime.fromisoformat(str(candidate))
    except ValueError:
        raise ValueError("must be a time, such as 2025-01-31T09:30:00.000Z") from None


def _uuid(candidate: object) -> UUID:
    try:
        return UUID(str(candidate))
    except ValueError:
        raise ValueError("must be a UUID") from None
