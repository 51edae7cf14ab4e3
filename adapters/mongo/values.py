"""How the values of fields are kept in BSON, and read back to the letter.

BSON has what the domain has: text, 64-bit integers, doubles, times in milliseconds, UUIDs, arrays
and documents. What differs is bridged here: a key of a document that begins with `$` would be an
operator or a reference to the driver and the server (`{"$ref": …, "$id": …}` is read as a `DBRef`),
so it is kept behind a `\\`, as is one that begins with `\\` itself (names of dimensions and
measures, which are asked for, have `%24` for every `$`, `%2E` for a dot and `%25` for `%`); 64-bit
integers come as a subclass of `int`; times come without their time zone, which is UTC.

Whatever has another type than was written is an error, never passed on: a collection doesn't
know types.
"""

from collections.abc import Callable, Sequence
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

from domain.analytics import NO_DIMENSIONS, NO_MEASURES, Dimensions, Measures
from domain.documents import EMPTY, JsonArray, JsonObject
from domain.rules import Value

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
_FROZEN = frozenset({JsonObject, JsonArray})
_PLAIN = frozenset({str, int, float, bool, NoneType})
# What `holding` and `restored` do, without the calls.
_new_dict, _update, _set_item = dict.__new__, dict.update, dict.__setitem__
_new_list, _extend = list.__new__, list.extend
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
    return _escaped(value) if _needs_escape(value) else value


def _needs_escape(value: Any) -> bool:
    """Whether a key in it may need one: has a sign anywhere."""
    items = value
    if isinstance(value, dict):
        keys = "".join(value)
        if "$" in keys or "\\" in keys:
            return True
        items = value.values()
    for item in items:  # noqa: SIM110  # `any` of a generator takes twice as long
        if item.__class__ in _FROZEN and item and _needs_escape(item):
            return True
    return False


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            f"\\{key}" if key[:1] in _SIGNS else key: _escaped(item) for key, item in value.items()
        }
    return list(map(_escaped, value)) if isinstance(value, list) else value


def json_object(value: Any) -> JsonObject:
    """The JSON object that `escaped` stored."""
    if value.__class__ is not dict:
        raise TypeError
    if not value:
        return EMPTY
    if "\\" in "".join(value):
        value = {key[1:] if key[:1] == "\\" else key: item for key, item in value.items()}
    made: JsonObject = _new_dict(JsonObject)
    _update(made, value)
    for key, item in value.items():
        if item.__class__ not in _PLAIN:
            _set_item(made, key, _json(item))
    return made


def _json(value: Any) -> Any:
    kind = value.__class__
    if kind is dict:
        return json_object(value)
    if kind is list:
        made: JsonArray = _new_list(JsonArray)
        _extend(made, [item if item.__class__ in _PLAIN else _json(item) for item in value])
        return made
    return whole(value)


def name_key(name: str) -> str:
    """A name as the key of a document, and a step of a path: without dots and `$`."""
    if "." in name or "$" in name or "%" in name:
        return name.replace("%", "%25").replace(".", "%2E").replace("$", "%24")
    return name


def _key_name(key: str) -> str:
    return key.replace("%24", "$").replace("%2E", ".").replace("%25", "%")


def _by_name(value: Any) -> Any:
    for name in value:
        if "." in name or "$" in name or "%" in name:
            return {name_key(name): item for name, item in value.items()}
    return value


def _names(value: Any, nothing: Any, plain: tuple[type, ...]) -> Any:
    if value.__class__ is not dict:
        raise TypeError
    if not value:
        return nothing
    return type(nothing).holding(
        {
            _key_name(key): item if item.__class__ in plain else whole(item)
            for key, item in value.items()
        }
    )


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
    scope: dict[str, Any] = {"kind": kind, "new": object.__new__, "put": object.__setattr__}
    return Codec(_reading(fields, scope), _writing(fields, scope))


def _reading(fields: Sequence[Part], scope: dict[str, Any]) -> Callable[[Any], Any]:
    """A function of a document that gives the value, written out for these fields."""
    lines = ["if document.__class__ is not dict: raise TypeError"]
    if all(map(always, fields)):
        lines.append(f"if len(document) != {len(fields)}: raise KeyError")
    else:
        scope["known"] = frozenset(field.name for field in fields)
        lines.append("if not document.keys() <= known: raise KeyError")
    entries: list[str] = []
    for place, field in enumerate(fields):
        name, item = field.name, f"v{place}"
        scope[f"decode_{name}"], scope[f"plain_{name}"] = field.codec.decode, field.codec.plain
        ready = [f"{item} is None"] if field.nullable else []
        if always(field):
            lines.append(f"{item} = document[{name!r}]")
        else:
            scope[f"default_{name}"] = field.default
            lines.append(f"{item} = document.get({name!r}, default_{name})")
            if field.default is not None:
                ready.append(f"{item} is default_{name}")
        if field.codec.plain is not None:
            ready.append(f"{item}.__class__ is plain_{name}")
        condition = f"if not ({' or '.join(ready)}): " if ready else ""
        lines.append(f"{condition}{item} = decode_{name}({item})")
        entries.append(f"{name!r}: {item}")
    lines += ["made = new(kind)", f"put(made, '__dict__', {{{', '.join(entries)}}})", "return made"]
    return compiled("read(document)", lines, scope)


def _writing(fields: Sequence[Part], scope: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """A function of a value that gives its document, likewise."""
    required = [field for field in fields if always(field)]
    lines = ["held = value.__dict__"]
    lines.append(
        f"document = {{{', '.join(f'{f.name!r}: {_written(f, scope)}' for f in required)}}}"
    )
    for field in fields:
        if not always(field):
            assert not field.default, "a default that is left out is None or empty"
            there = "is not None" if field.default is None else ""
            lines.append(f"if held[{field.name!r}] {there}:")
            lines.append(f"    document[{field.name!r}] = {_written(field, scope)}")
    lines.append("return document")
    return compiled("write(value)", lines, scope)


def _written(field: Part, scope: dict[str, Any]) -> str:
    value = f"held[{field.name!r}]"
    if field.codec.encode is None:
        return value
    scope[f"encode_{field.name}"] = field.codec.encode
    encoded = f"encode_{field.name}({value})"
    return f"None if {value} is None else {encoded}" if field.nullable else encoded


def compiled(signature: str, lines: Sequence[str], scope: dict[str, Any]) -> Callable[..., Any]:
    """The function of that signature and these lines. Only names of fields may stand in them, and
    what else is ours."""
    source = f"def {signature}:\n" + "".join(f"    {line}\n" for line in lines)
    exec(compile(source, "<document mapper>", "exec"), scope)
    made: Callable[..., Any] = scope[signature.partition("(")[0]]
    return made


_CODECS: dict[Any, Codec] = {
    str: Codec(_refused, plain=str),
    bool: Codec(_refused, plain=bool),
    int: Codec(whole, plain=int),
    float: Codec(_number, plain=float),
    datetime: Codec(instant),
    UUID: Codec(_refused, plain=UUID),
    JsonObject: Codec(json_object, escaped),
    Dimensions: Codec(lambda value: _names(value, NO_DIMENSIONS, (str,)), _by_name),
    Measures: Codec(lambda value: _names(value, NO_MEASURES, (int, float)), _by_name),
}
