"""How the values of fields are kept in BSON, and read back to the letter.

BSON has what the domain has: text, 64-bit integers, doubles, times in milliseconds, UUIDs, arrays
and documents. What differs is bridged here: a key of a document that begins with `$` would be an
operator or a reference to the driver and the server (`{"$ref": …, "$id": …}` is read as a `DBRef`),
so it is kept behind a `\\`, as is one that begins with `\\` itself; 64-bit integers come as a
subclass of `int`; times come without their time zone, which is UTC.

Whatever has another type than was written is an error, never passed on: a collection doesn't
know types.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin
from uuid import UUID

import attrs
from bson import Int64
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion

from domain.documents import EMPTY, JsonArray, JsonObject
from domain.rules import Value, restored

CODEC_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    # A driver that makes times aware takes five times as long as `instant` after one that doesn't.
    tz_aware=False,
    uuid_representation=UuidRepresentation.STANDARD,
    # A time outside the years 1 to 9999 comes as something else, not as an error of the driver's.
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""What the collections must be opened with for a mapper to understand what comes from them."""

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)
"""What decoding raises for what wasn't written here; its text may quote the value."""

_SIGNS = ("$", "\\")
_NESTING = (dict, list)
_PLAIN = frozenset({str, int, float, bool, NoneType})
_combine = datetime.combine


@attrs.frozen
class Codec:
    """How a kind of value is kept. Neither function is called for null.

    `encode`: None if the driver takes the field's own value. `decode` is not called for a value of
    exactly the type `plain`, which is the field's own already; it refuses any other that isn't
    what was written, by one of `UNREADABLE`.
    """

    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any] | None = None
    plain: type | None = None


def codec(kind: Any) -> tuple[Codec, bool]:
    """The codec of a field of type `kind`, and whether the field may be null.

    Raises:
        LookupError: if none is known; a new kind of value is an entry of `_CODECS`.
    """
    inner, nullable = bare(kind)
    if isinstance(inner, type) and issubclass(inner, Enum):
        return _members(inner), nullable
    if is_value(inner):
        return _part(inner), nullable
    if get_origin(inner) is tuple:
        return _sequence(get_args(inner)[0]), nullable
    if inner not in _CODECS:
        raise LookupError(f"no form in BSON is known for {inner}")
    return _CODECS[inner], nullable


def bare(kind: Any) -> tuple[Any, bool]:
    """A type without `| None` and without the name that a `NewType` gives it; whether it had it."""
    nullable = get_origin(kind) in (Union, UnionType)
    if nullable:
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    return getattr(kind, "__supertype__", kind), nullable


def is_value(kind: Any) -> bool:
    """Whether it is a class of values, which is kept as a document of its own."""
    return isinstance(kind, type) and issubclass(kind, Value)


def instant(value: Any) -> datetime:
    """A time as it came, aware."""
    return _combine(value, value.time(), UTC)


def whole(value: Any) -> int:
    """A plain integer: the driver gives 64-bit ones as a subclass."""
    if value.__class__ is not Int64:
        raise TypeError
    return int(value)


def _number(value: Any) -> float:
    if value.__class__ not in (int, Int64):  # as which other tools write 1.0
        raise TypeError
    return float(value)


def _refused(value: Any) -> Any:
    raise TypeError


def escaped(value: Any) -> Any:
    """A JSON object or array as it is stored; itself, if no key in it needs an escape."""
    if isinstance(value, dict):
        changed = False
        fields: dict[str, Any] = {}
        for key, item in value.items():
            if isinstance(item, _NESTING):
                kept = escaped(item)
                changed = changed or kept is not item
            else:
                kept = item
            if key[:1] in _SIGNS:
                key, changed = f"\\{key}", True
            fields[key] = kept
        return fields if changed else value
    items = [escaped(item) if isinstance(item, _NESTING) else item for item in value]
    return items if any(map(_differs, items, value)) else value


def _differs(one: Any, other: Any) -> bool:
    return one is not other


def json_object(value: Any) -> JsonObject:
    """The JSON object that `escaped` stored."""
    if value.__class__ is not dict:
        raise TypeError
    if not value:
        return EMPTY
    fields: dict[str, Any] = {}
    for key, item in value.items():
        if item.__class__ not in _PLAIN:
            item = _json(item)
        fields[key[1:] if key[:1] == "\\" else key] = item
    return JsonObject.holding(fields)


def _json(value: Any) -> Any:
    kind = value.__class__
    if kind is dict:
        return json_object(value)
    if kind is list:
        return JsonArray.holding(
            [item if item.__class__ in _PLAIN else _json(item) for item in value]
        )
    return whole(value)


@cache
def _members(kind: type[Enum]) -> Codec:
    members = {member.value: member for member in kind}
    return Codec(members.__getitem__, lambda member: member._value_)


@cache
def _sequence(kind: Any) -> Codec:
    of_item, nullable = codec(kind)
    assert not nullable, "a list holds no nulls"
    plain, decode_item, encode_item = of_item.plain, of_item.decode, of_item.encode

    def decode(value: Any) -> tuple[Any, ...]:
        if value.__class__ is not list:
            raise TypeError
        return tuple([item if item.__class__ is plain else decode_item(item) for item in value])

    if encode_item is None:
        return Codec(decode)
    return Codec(decode, lambda items: [encode_item(item) for item in items])


@attrs.frozen
class Part:
    """A field of a value within an entity. `always`: it is written even if it has its default."""

    name: str
    codec: Codec
    nullable: bool
    default: Any


@cache
def parts(kind: Any) -> tuple[Part, ...]:
    """The fields of a class of values, which is kept as a document of its own.

    One that has its default is left out, unless the default is a member of an enumeration: that is
    what may be asked for, and null would have to stand for it.
    """
    attrs.resolve_types(kind)
    found = []
    for field in attrs.fields(kind):
        assert not isinstance(field.default, attrs.Factory)  # type: ignore[arg-type]  # a class, to run time
        found.append(Part(field.name, *codec(field.type), field.default))
    return tuple(found)


def always(part: Part) -> bool:
    """Whether it is written even if it has its default."""
    return part.default is attrs.NOTHING or isinstance(part.default, Enum)


@cache
def _part(kind: Any) -> Codec:
    fields = parts(kind)
    known = {field.name: (field.codec.plain, field.codec.decode) for field in fields}
    defaults = {field.name: field.default for field in fields if not always(field)}
    nullable = frozenset(field.name for field in fields if field.nullable)
    required = frozenset(field.name for field in fields if always(field))

    def decode(value: Any) -> Any:
        if value.__class__ is not dict:
            raise TypeError
        filled = defaults.copy()
        for name, item in value.items():
            plain, decoded = known[name]
            if item.__class__ is plain:
                filled[name] = item
            elif item is not None or name not in nullable:
                filled[name] = decoded(item)
        if not filled.keys() >= required:
            raise KeyError(kind.__name__)
        return restored(kind, filled)

    encoders = [(field.name, field.codec.encode, always(field), field.default) for field in fields]

    def encode(value: Any) -> dict[str, Any]:
        held = vars(value)
        document: dict[str, Any] = {}
        for name, encoded, stays, default in encoders:
            item = held[name]
            if stays or (item is not default and item != default):
                document[name] = item if encoded is None else encoded(item)
        return document

    return Codec(decode, encode)


_CODECS: dict[Any, Codec] = {
    str: Codec(_refused, plain=str),
    bool: Codec(_refused, plain=bool),
    int: Codec(whole, plain=int),
    float: Codec(_number, plain=float),
    datetime: Codec(instant),
    UUID: Codec(_refused, plain=UUID),
    JsonObject: Codec(json_object, escaped),
}
