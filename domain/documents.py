"""JSON values that can't change: what entities hold where a caller may put a document of its own.

`JsonObject` and `JsonArray` are a `dict` and a `list` that refuse every mutation. They compare
equal to plain ones, and `json.dumps`, `orjson` and friends take them as they are.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from domain.errors import Fault, ValidationError
from domain.frozen import FrozenDict, FrozenList
from domain.text import text_fault

MAX_DEPTH = 32
MAX_ENCODED_BYTES = 1024 * 1024
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1


class JsonObject(FrozenDict[str, "JsonValue"]):
    """An immutable JSON object. Build it with `JsonObject.of(mapping)`, which checks everything.

    Admitted: text keys (dots, `$` and the empty key included), text without NUL and lone
    surrogates, integers within 64 bits signed, finite floats, booleans, null; at most `MAX_DEPTH`
    levels and `MAX_ENCODED_BYTES` when encoded compactly (`json.dumps` without spaces and
    `ensure_ascii`). 3 and 3.0 both survive as they
    are.
    """

    __slots__ = ()

    def __init__(self, value: object = ()) -> None:
        raise TypeError("build a JsonObject with JsonObject.of(mapping), which checks it")

    @classmethod
    def of(cls, value: object, *, max_bytes: int = MAX_ENCODED_BYTES) -> "JsonObject":
        """Check and freeze a mapping.

        Raises:
            ValidationError: naming the path of everything that JSON or the limits don't admit.
        """
        if not isinstance(value, Mapping):
            raise ValidationError("JSON object", [Fault("", "must be an object")])
        census = _Census()
        frozen = census.take(value, "", 1)
        if census.encoded_bytes > max_bytes:
            census.faults.append(Fault("", f"is larger than {max_bytes} bytes when encoded"))
        if census.faults:
            raise ValidationError("JSON object", census.faults)
        assert isinstance(frozen, JsonObject)
        return frozen


class JsonArray(FrozenList["JsonValue"]):
    """An immutable JSON array; only found inside a `JsonObject`."""

    __slots__ = ()

    def __init__(self, value: object = ()) -> None:
        raise TypeError("a JsonArray is only made inside JsonObject.of(mapping)")


JsonValue: TypeAlias = "JsonObject | JsonArray | str | int | float | bool | None"

EMPTY = JsonObject.holding({})


def freeze(value: Any) -> Any:
    """Freeze what is known to be valid JSON, such as a store gives back. Nothing is checked."""
    kind = type(value)
    if kind is dict:
        return (
            JsonObject.holding({key: freeze(item) for key, item in value.items()})
            if value
            else EMPTY
        )
    if kind is list:
        return JsonArray.holding([freeze(item) for item in value])
    return value


def thaw(value: Any) -> Any:
    """A plain, mutable deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [thaw(item) for item in value]
    return value


def paths(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every leaf of a JSON value with its path; for messages and differences."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from paths(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from paths(item, f"{prefix}[{index}]")
    else:
        yield prefix, value


def _encoded_length(value: str) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


@attrs.define
class _Census:
    """One walk that checks, freezes and measures."""

    faults: list[Fault] = attrs.field(factory=list)
    encoded_bytes: int = 0

    def take(self, value: object, path: str, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            self.encoded_bytes += 5 if value is False else 4
            return value
        if isinstance(value, str):
            if fault := text_fault(value):
                self.faults.append(Fault(path, fault))
                return None
            self.encoded_bytes += _encoded_length(value)
            return str(value) if type(value) is not str else value
        if isinstance(value, int):
            if not _MIN_INTEGER <= value <= _MAX_INTEGER:
                self.faults.append(Fault(path, "is an integer beyond 64 bits"))
                return None
            self.encoded_bytes += len(repr(int(value)))
            return int(value)
        if isinstance(value, float):
            if not math.isfinite(value):
                self.faults.append(Fault(path, "is not a finite number"))
                return None
            self.encoded_bytes += len(repr(float(value)))
            return float(value)
        if isinstance(value, Mapping):
            return self._take_object(value, path, depth)
        if isinstance(value, list | tuple):
            if self._too_deep(path, depth):
                return None
            self.encoded_bytes += max(len(value) + 1, 2)
            return JsonArray.holding(
                [self.take(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
            )
        self.faults.append(Fault(path, f"is a {type(value).__name__}, which JSON doesn't have"))
        return None

    def _take_object(self, value: Mapping[Any, object], path: str, depth: int) -> Any:
        if self._too_deep(path, depth):
            return None
        self.encoded_bytes += max(2 * len(value) + 1, 2)
        frozen: dict[str, Any] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                self.faults.append(Fault(path, "has a key that isn't text"))
            elif fault := text_fault(key):
                self.faults.append(Fault(path, f"has a key that {fault}"))
            else:
                self.encoded_bytes += _encoded_length(key)
                frozen[str(key)] = self.take(item, f"{path}.{key}" if path else key, depth + 1)
        return JsonObject.holding(frozen)

    def _too_deep(self, path: str, depth: int) -> bool:
        if depth > MAX_DEPTH:
            self.faults.append(Fault(path[:200], f"is nested deeper than {MAX_DEPTH} levels"))
        return depth > MAX_DEPTH
