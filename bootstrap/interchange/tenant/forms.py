"""Records as JSON and back, field by field, whatever their class.

All fields are written but the tenant, which is the export's; those of a value within a record,
too. A time is RFC 3339 text in UTC with milliseconds, a date ISO 8601 text, a duration whole
milliseconds; a UUID, a member of an enumeration and a decimal number are their text; a definition
has the form that stores have; an audit entry's change is `[before, after]`. Equal records have
equal bytes: fields stand in the order of their class, what has no order of its own by name, and
documents in their own order.
"""

from collections import abc
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin
from uuid import UUID

import attrs

from adapters.mapping import definition_document, definition_from_document
from domain.audit import FieldChange
from domain.definitions import FlowDefinition
from domain.documents import JsonObject
from domain.errors import Fault, ValidationError
from domain.identity import TenantId
from domain.secrets import Secret

_MILLISECOND: Final = timedelta(milliseconds=1)
_TENANT: Final = "tenant_id"

Into = Callable[[Any], Any]


def document_of(record: Any) -> dict[str, Any]:
    """A record as a document of JSON values. Secrets are left as they are."""
    kind: Any = type(record)
    return {name: _plain(getattr(record, name)) for name in _fields(kind) if name != _TENANT}


def record_of(kind: Any, document: object, tenant: TenantId) -> Any:
    """The record that a document describes, of a tenant.

    Raises:
        ValidationError: naming every fault; a field that there isn't is one.
    """
    if not isinstance(document, Mapping):
        raise ValidationError(kind.__name__, [Fault("", "must be an object")])
    fields = _fields(kind)
    given: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, candidate in document.items():
        field = fields.get(name)
        if field is None or name == _TENANT:
            faults.append(Fault(str(name)[:100], "is not a known field"))
            continue
        try:
            given[name] = _formed(field.type, candidate, tenant)
        except ValidationError as error:
            faults.extend(fault.under(name) for fault in error.faults)
        except (ValueError, OverflowError) as error:
            faults.append(Fault(name, str(error)))
    if _TENANT in fields:
        given[_TENANT] = tenant
    faults.extend(
        Fault(name, "is missing")
        for name, field in fields.items()
        if field.default is attrs.NOTHING and name not in given and name not in document
    )
    if faults:
        raise ValidationError(kind.__name__, faults)
    return kind(**given)


def formed(kind: Any, name: str, candidate: object) -> Any:
    """What a field's text or number means, however it is spelled.

    Raises:
        ValueError: if it can't mean anything.
    """
    into = _FORMED.get(_fields(kind)[name].type)
    return candidate if into is None else into(candidate)


@cache
def _fields(kind: Any) -> "Mapping[str, attrs.Attribute[Any]]":
    if any(isinstance(field.type, str) for field in attrs.fields(kind)):
        attrs.resolve_types(kind)
    return {field.name: field for field in attrs.fields(kind)}


def _plain(value: Any) -> Any:
    plain = _PLAIN.get(type(value))
    if plain is not None:
        return plain(value)
    if isinstance(value, Enum):
        return value.value
    if attrs.has(type(value)):
        return document_of(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping) and type(value) is not JsonObject:
        return {name: _plain(value[name]) for name in sorted(value)}
    return value


def _instant_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _decimal_text(number: Decimal) -> str:
    """Without an exponent, and without zeros at its end: one text for each number."""
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) if number else "0"


_PLAIN: Final[Mapping[type[Any], Into]] = {
    datetime: _instant_text,
    date: date.isoformat,
    timedelta: lambda span: span // _MILLISECOND,
    Decimal: _decimal_text,
    FlowDefinition: definition_document,
    FieldChange: lambda change: [change.before, change.after],
}


def _formed(kind: Any, candidate: Any, tenant: TenantId) -> Any:
    """The candidate in the form of a type, as far as JSON has another one for it; the field's own
    rule judges the rest.
    """
    if get_origin(kind) in (Union, UnionType):
        if candidate is None:
            return None
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    if kind in _FORMED:
        return _FORMED[kind](candidate)
    if isinstance(candidate, Secret):
        return candidate
    origin = get_origin(kind)
    if origin is tuple and isinstance(candidate, list):
        return list(_parts(get_args(kind)[0], dict(enumerate(candidate)), tenant, "[{}]").values())
    if origin is abc.Mapping and isinstance(candidate, dict):
        return _parts(get_args(kind)[1], candidate, tenant, "{}")
    if isinstance(kind, type) and attrs.has(kind):
        return record_of(kind, candidate, tenant)
    return candidate


def _parts(kind: Any, candidates: Mapping[Any, Any], tenant: TenantId, step: str) -> dict[Any, Any]:
    parts: dict[Any, Any] = {}
    faults: list[Fault] = []
    for place, candidate in candidates.items():
        where = step.format(str(place)[:100])
        try:
            parts[place] = _formed(kind, candidate, tenant)
        except ValidationError as error:
            faults.extend(fault.under(where) for fault in error.faults)
        except (ValueError, OverflowError) as error:
            faults.append(Fault(where, str(error)))
    if faults:
        raise ValidationError("parts", faults)
    return parts


def _instant(candidate: object) -> datetime:
    try:
        return datetime.fromisoformat(_text(candidate))
    except ValueError:
        raise ValueError("must be a time, such as 2025-01-31T09:30:00.000Z") from None


def _date(candidate: object) -> date:
    try:
        return date.fromisoformat(_text(candidate))
    except ValueError:
        raise ValueError("must be a date, such as 2025-01-31") from None


def _uuid(candidate: object) -> UUID:
    try:
        return UUID(_text(candidate))
    except ValueError:
        raise ValueError("must be a UUID") from None


def _span(candidate: object) -> timedelta:
    if type(candidate) is not int:
        raise ValueError("must be whole milliseconds")
    return candidate * _MILLISECOND


def _change(candidate: object) -> FieldChange:
    if not isinstance(candidate, list) or len(candidate) != 2:
        raise ValueError("must be [before, after]")
    return FieldChange(*candidate)


def _text(candidate: object) -> str:
    if not isinstance(candidate, str):
        raise ValueError
    return candidate


_FORMED: Final[Mapping[Any, Into]] = {
    datetime: _instant,
    date: _date,
    timedelta: _span,
    UUID: _uuid,
    FlowDefinition: definition_from_document,
    FieldChange: _change,
}
