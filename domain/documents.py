"""JSON values that can't change: what entities hold where a caller may put a document of its own.

`JsonObject` and `JsonArray` are a `dict` and a `list` that refuse every mutation. They compare
equal to plain ones, and `json.dumps`, `orjson` and friends take them as they are.
"""

import math
from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any, TypeAlias

import attrs

from domain.errors import Fault, ValidationError, joined, key_step
from domain.frozen import FrozenDict, FrozenList
from domain.text import text_fault

MAX_DEPTH = 32
MAX_ENCODED_BYTES = 1024 * 1024
_MAX_FAULTS = 100
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1


class JsonObject(FrozenDict[str, "JsonValue"]):
    """An immutable JSON object. Build it with `JsonObject.of(mapping)`, which checks everything.

    Admitted: text keys (dots, `$` and the empty key included), text without NUL and lone
    surrogates, integers within 64 bits signed, finite floats, booleans, null; at most `MAX_DEPTH`
    levels and `MAX_ENCODED_BYTES` when encoded compactly (`json.dumps` without spaces and
    `ensure_ascii`). 3 and 3.0 both survive as they are.
    """

    __slots__ = ()

    def __init__(self, value: object = ()) -> None:
        raise TypeError("build a JsonObject with JsonObject.of(mapping), which checks it")

    @classmethod
    def of(
        cls, value: object, *, max_bytes: int = MAX_ENCODED_BYTES, max_depth: int = MAX_DEPTH
    ) -> "JsonObject":
        """Check and freeze a mapping.

        Raises:
            ValidationError: naming the path of what JSON or the limits don't admit; all of it, as
                long as it isn't too large or utterly wrong (reading ends after 100 faults).
        """
        if not isinstance(value, Mapping):
            raise ValidationError("JSON object", [Fault("", "must be an object")])
        census = _Census(max_bytes, max_depth)
        try:
            frozen: JsonObject = census.take(value, None, 1)
        except _EnoughError:
            frozen = EMPTY
        if census.faults:
            raise ValidationError("JSON object", census.faults)
        return frozen


class JsonArray(FrozenList["JsonValue"]):
    """An immutable JSON array; only found inside a `JsonObject`."""

    __slots__ = ()

    def __init__(self, value: object = ()) -> None:
        raise TypeError("a JsonArray is only made inside JsonObject.of(mapping)")


JsonValue: TypeAlias = "JsonObject | JsonArray | str | int | float | bool | None"

EMPTY = JsonObject.holding({})


def freeze(value: Any) -> Any:
    """Freeze what is known to be valid JSON and nobody else holds, such as a parser just made.

    Nothing is checked, and what is nested in `value` is replaced in it on the way.
    """
    kind = type(value)
    if kind is dict:
        if not value:
            return EMPTY
        for key, item in value.items():
            if type(item) in _NESTING:
                value[key] = freeze(item)
        return JsonObject.holding(value)
    if kind is list:
        return JsonArray.holding(
            [freeze(item) if type(item) in _NESTING else item for item in value]
        )
    return value


_NESTING = (dict, list)


def thaw(value: Any) -> Any:
    """A plain, mutable deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [thaw(item) for item in value]
    return value


_Trail: TypeAlias = "tuple[_Trail, str | int] | None"
"""Where a value is, last step first; it becomes a path only if there is a fault."""


def _path(trail: _Trail) -> str:
    if trail is None:
        return ""
    before, step = trail
    return joined(_path(before), f"[{step}]" if isinstance(step, int) else key_step(step))


class _EnoughError(Exception):
    """Ends a census early: what was found is enough to refuse the document."""


@attrs.define
class _Census:
    """One walk that checks, freezes and measures.

    It ends at the limit of size, so that a document whose parts hold each other again and again
    costs no more than one that is as large.
    """

    max_bytes: int
    max_depth: int
    faults: list[Fault] = attrs.field(factory=list)
    encoded_bytes: int = 0

    def take(self, value: object, trail: _Trail, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            self.spend(5 if value is False else 4)
            return value
        if isinstance(value, str):
            return self.take_text(value, trail)
        if isinstance(value, int):
            if not _MIN_INTEGER <= value <= _MAX_INTEGER:
                return self.refuse(trail, "is an integer beyond 64 bits")
            self.spend(len(repr(int(value))))
            return int(value)
        if isinstance(value, float):
            if not math.isfinite(value):
                return self.refuse(trail, "is not a finite number")
            self.spend(len(repr(float(value))))
            return float(value)
        if not isinstance(value, Mapping | list | tuple):
            return self.refuse(trail, f"is a {type(value).__name__}, which JSON doesn't have")
        if depth > self.max_depth:
            return self.refuse(trail, f"is nested deeper than {self.max_depth} levels")
        if isinstance(value, Mapping):
            return self.take_object(value, trail, depth)
        self.spend(max(len(value) + 1, 2))
        return JsonArray.holding(
            [self.take(item, (trail, i), depth + 1) for i, item in enumerate(value)]
        )

    def take_text(self, value: str, trail: _Trail, subject: str = "") -> str | None:
        self.spend(len(value) + 2)
        if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
            return str.__str__(value)  # most are: nothing is wrong with it, or written otherwise
        if fault := text_fault(value):
            self.refuse(trail, subject + fault)
            return None
        self.spend(len(encode_basestring(value).encode()) - len(value) - 2)
        return str.__str__(value)

    def take_object(self, value: Mapping[Any, object], trail: _Trail, depth: int) -> JsonObject:
        self.spend(max(2 * len(value) + 1, 2))
        frozen: dict[str, Any] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                self.refuse(trail, "has a key that isn't text")
            elif (name := self.take_text(key, trail, "has a key that ")) is not None:
                frozen[name] = self.take(item, (trail, name), depth + 1)
        return JsonObject.holding(frozen)

    def spend(self, encoded_bytes: int) -> None:
        self.encoded_bytes += encoded_bytes
        if self.encoded_bytes > self.max_bytes:
            self.faults.append(Fault("", f"is larger than {self.max_bytes} bytes when encoded"))
            raise _EnoughError

    def refuse(self, trail: _Trail, message: str) -> None:
        self.faults.append(Fault(_path(trail), message))
        if len(self.faults) >= _MAX_FAULTS:
            raise _EnoughError
