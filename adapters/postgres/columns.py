"""Which column a field becomes, and how its value goes there and back."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin
from uuid import UUID, SafeUUID

import attrs
import orjson
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import BigInteger, Boolean, Date, Text, TypeEngine

from adapters.mapping import deferred_definition, definition_json
from adapters.sealing import token_of, unbound
from adapters.variants import variants_from_json, variants_json
from domain.audit import FieldChange, canonical
from domain.definitions import FlowDefinition
from domain.documents import EMPTY, JsonObject, freeze
from domain.experiments import Variant
from domain.frozen import FrozenDict
from domain.integrations import RetryPolicy
from domain.rules import restored
from domain.secrets import Secret

TEXT = Text(collation="C")
"""Text that compares by code point, whatever the database's locale."""

JSON = postgresql.JSON()
"""Not jsonb, which reorders keys, rewrites numbers (3.0, 1e300, -0.0) and refuses some: what was
stored comes back to the letter, and nothing asks for what is inside."""

_new: Callable[[type[UUID]], UUID] = object.__new__
_set = object.__setattr__

Encode = Callable[[Any], Any]
Decode = Callable[..., Any]


@attrs.frozen
class Codec:
    """How a kind of value is kept. None: the driver's own value is the field's.

    Neither is called for null, nor `decode` for a value whose attribute `ready` is true. A
    `deferred` one is given the entity's id, too, which it names if it fails later. A `secret` one
    is shown by nothing but the column itself, the audit trail included.
    """

    sql: TypeEngine[Any]
    encode: Encode | None = None
    decode: Decode | None = None
    ready: str | None = None
    deferred: bool = False
    secret: bool = False


def codec(kind: Any, entity_type: str) -> tuple[Codec, bool]:
    """The codec of a field of type `kind`, and whether the field may be null.

    Raises:
        LookupError: if none is known; a new kind of value is an entry of `_CODECS`.
    """
    nullable = get_origin(kind) in (Union, UnionType)
    if nullable:
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    kind = getattr(kind, "__supertype__", kind)
    if kind is FlowDefinition:
        return _definitions(entity_type), nullable
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _members(kind), nullable
    if kind not in _CODECS:
        raise LookupError(f"no column is known for {kind} of a {entity_type}")
    return _CODECS[kind], nullable


def uuid(value: Any) -> UUID:
    """The standard library's UUID: asyncpg's own subclass isn't taken by every JSON encoder.

    Filled in as its initialiser does, without looking at what is known to be one.
    """
    made = _new(UUID)
    _set(made, "int", value.int)
    _set(made, "is_safe", SafeUUID.unknown)
    return made


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _json_object(text: str) -> JsonObject:
    if text == "{}":
        return EMPTY
    value = freeze(orjson.loads(text))
    if type(value) is not JsonObject:
        raise ValueError
    return value


def instant(value: datetime) -> datetime:
    """An aware time: asyncpg keeps the first moment of year 1 as -infinity, and reads that as the
    same moment without a time zone."""
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _figures(text: str) -> FrozenDict[str, float]:
    return FrozenDict.holding({name: float(x) for name, x in orjson.loads(text).items()})


def _changes(text: str) -> FrozenDict[str, FieldChange]:
    """Without what changed only in the order of keys, which SQL takes for a change."""
    changes: dict[str, FieldChange] = {}
    for name, (before, after) in orjson.loads(text).items():
        kind = type(before)
        # A secret shows the same on either side of a change.
        if kind in (dict, list) and type(after) is kind and canonical(before) == canonical(after):
            continue
        changes[name] = FieldChange(freeze(before), freeze(after))
    return FrozenDict.holding(changes)


def _members(kind: type[Enum]) -> Codec:
    members = {member.value: member for member in kind}
    return Codec(TEXT, lambda member: member.value, members.__getitem__)


def _definitions(entity_type: str) -> Codec:
    def decode(text: str, id: object) -> FlowDefinition:
        return deferred_definition(text, entity_type, id)

    return Codec(JSON, definition_json, decode, deferred=True)


def _plain_parts(kind: type[Any]) -> Codec:
    """A value all of whose fields are plain JSON."""
    names = set(attrs.fields_dict(kind))

    def decode(text: str) -> Any:
        fields = orjson.loads(text)
        if fields.keys() != names:
            raise ValueError
        return restored(kind, fields)

    return Codec(JSON, lambda value: _json(vars(value)), decode)


_CODECS: Mapping[Any, Codec] = {
    UUID: Codec(postgresql.UUID(as_uuid=True), decode=uuid),
    str: Codec(TEXT),
    bool: Codec(Boolean()),
    int: Codec(BigInteger()),
    float: Codec(postgresql.DOUBLE_PRECISION()),
    datetime: Codec(postgresql.TIMESTAMP(timezone=True), decode=instant, ready="tzinfo"),
    date: Codec(Date()),
    tuple[str, ...]: Codec(postgresql.ARRAY(TEXT), decode=tuple),
    JsonObject: Codec(JSON, _json, _json_object),
    Mapping[str, float]: Codec(JSON, _json, _figures),
    Mapping[str, FieldChange]: Codec(JSON, decode=_changes),
    tuple[Variant, ...]: Codec(JSON, variants_json, variants_from_json),
    RetryPolicy: _plain_parts(RetryPolicy),
    Secret: Codec(TEXT, token_of, unbound, secret=True),
}
