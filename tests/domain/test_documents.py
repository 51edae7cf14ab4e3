"""JSON objects: what is admitted, where a fault is, how large is too large."""

import copy
import json
import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents import (
    EMPTY,
    MAX_DEPTH,
    MAX_ENCODED_BYTES,
    JsonArray,
    JsonObject,
    freeze,
    thaw,
)
from domain.errors import ValidationError
from domain.frozen import FrozenDict, FrozenList
from tests.domain.values import JSON_DOCUMENTS, texts


def encoded_size(document: object) -> int:
    """What the limit is measured by."""
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


def faults_of(document: object, **limits: int) -> list[str]:
    """Why a document is refused, as `path: message`."""
    with pytest.raises(ValidationError) as caught:
        JsonObject.of(document, **limits)
    return [str(fault) for fault in caught.value.faults]


def nested(levels: int, *, key: str = "a") -> dict[str, Any]:
    """Objects in objects."""
    document: dict[str, Any] = {}
    for _ in range(levels - 1):
        document = {key: document}
    return document


@given(JSON_DOCUMENTS)
def test_an_admitted_document_is_kept_exactly(document: dict[str, Any]) -> None:
    """Equal, and of the same types: 3 and 3.0 differ in text."""
    kept = JsonObject.of(document)
    assert kept == document
    assert json.dumps(kept) == json.dumps(document)
    assert json.dumps(thaw(kept)) == json.dumps(freeze(document)) == json.dumps(document)


def test_integral_floats_stay_floats() -> None:
    """As do the sign of zero, and both ends of the numbers."""
    text = '{"a":3.0,"b":3,"c":-0.0,"d":1e+16,"e":5e-324,"f":9223372036854775807}'
    assert json.dumps(JsonObject.of(json.loads(text)), separators=(",", ":")) == text


def test_any_text_can_be_a_key() -> None:
    """Operators and paths of other systems mean nothing here."""
    document = {"$where": 1, "a.b": {"": {"$": 2}}, "": [], "ключ": None, "__proto__": "x"}
    assert JsonObject.of(document) == document


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (math.nan, "is not a finite number"),
        (math.inf, "is not a finite number"),
        (-math.inf, "is not a finite number"),
        (2**63, "is an integer beyond 64 bits"),
        (-(2**63) - 1, "is an integer beyond 64 bits"),
        (10**500, "is an integer beyond 64 bits"),
        ("a\0", "holds a NUL character"),
        ("\udc00", "holds a lone surrogate"),
        ({"k\0": 1}, "has a key that holds a NUL character"),
        ({"\ud800": 1}, "has a key that holds a lone surrogate"),
        ({1: 1}, "has a key that isn't text"),
        ({None: 1}, "has a key that isn't text"),
        (b"bytes", "is a bytes, which JSON doesn't have"),
        ({1}, "is a set, which JSON doesn't have"),
        (1j, "is a complex, which JSON doesn't have"),
        (object(), "is a object, which JSON doesn't have"),
    ],
)
@pytest.mark.parametrize(
    ("around", "path"),
    [
        (lambda value: {"a": value}, "a"),
        (lambda value: {"a": {"b": [0, {"c": value}]}}, "a.b[1].c"),
        (lambda value: {"$set": ({"x-y": value},)}, "$set[0].x-y"),
        (lambda value: {"a.b": value}, '["a.b"]'),
        (lambda value: {"": {"": value}}, '[""][""]'),
        (lambda value: {"a": {"[0]": value}}, 'a["[0]"]'),
        (lambda value: {'line\n"feed': value}, '["line\\n\\"feed"]'),
    ],
    ids=["top", "deep", "tuple", "dotted", "empty", "index", "quoted"],
)
def test_a_fault_names_its_exact_place(
    around: Callable[[object], object], path: str, value: object, fault: str
) -> None:
    """A path can be read in one way only, whatever the keys are."""
    assert faults_of(around(value)) == [f"{path}: {fault}"]


def test_every_fault_is_named_at_once() -> None:
    """In the order of the document."""
    document = {"a": math.nan, "b": [1, b"", {"c": 2**64}], "d": "\0"}
    assert [fault.split(":")[0] for fault in faults_of(document)] == ["a", "b[1]", "b[2].c", "d"]


def test_a_hopeless_document_is_refused_without_naming_a_million_faults() -> None:
    """Reading stops when there is enough to say."""
    assert len(faults_of({"a": [math.nan] * 1_000_000})) <= 101


@pytest.mark.parametrize("value", [None, [], "{}", 1, [("a", 1)], b"{}"])
def test_a_json_object_is_made_of_a_mapping_only(value: object) -> None:
    """Nothing is turned into one."""
    assert faults_of(value) == ["must be an object"]


def test_thirty_two_levels_are_admitted_and_thirty_three_are_not() -> None:
    """Objects and arrays count alike; a leaf is no level."""
    assert JsonObject.of(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    path = ".".join("a" * MAX_DEPTH)
    assert faults_of(nested(MAX_DEPTH + 1)) == [f"{path}: is nested deeper than 32 levels"]
    array: list[Any] = ["leaf"]
    for _ in range(MAX_DEPTH - 2):
        array = [array]
    assert JsonObject.of({"a": array}) == {"a": array}
    assert faults_of({"a": [array]}) == [f"a{'[0]' * 31}: is nested deeper than 32 levels"]


@pytest.mark.parametrize("make", [dict, list])
def test_a_cycle_is_refused(make: Callable[[], Any]) -> None:
    """It is deeper than any limit."""
    loop = make()
    loop.append(loop) if isinstance(loop, list) else loop.update(a=loop)
    assert any("deeper" in fault for fault in faults_of({"loop": loop}))


def test_a_document_that_branches_into_itself_is_refused_before_it_explodes() -> None:
    """Two ways at each of 32 levels would be four thousand million objects."""
    loop: dict[str, Any] = {}
    loop.update(a=loop, b=loop)
    assert faults_of(loop)
    wide: list[Any] = []
    for _ in range(MAX_DEPTH - 2):
        wide = [wide, wide]
    assert faults_of({"wide": wide}) == [f"is larger than {MAX_ENCODED_BYTES} bytes when encoded"]


@given(JSON_DOCUMENTS)
def test_the_size_is_that_of_compact_json(document: dict[str, Any]) -> None:
    """To the byte: at its size it is admitted, one below it isn't."""
    size = encoded_size(document)
    assert JsonObject.of(document, max_bytes=size) == document
    assert faults_of(document, max_bytes=size - 1) == [
        f"is larger than {size - 1} bytes when encoded"
    ]


@pytest.mark.parametrize("sign", ["a", "é", "\U0001f600", '"', "\x01"])
def test_one_mebibyte_is_admitted_and_one_byte_more_is_not(sign: str) -> None:
    """Whatever it is made of."""
    count, rest = divmod(MAX_ENCODED_BYTES - encoded_size({"a": ""}), encoded_size(sign) - 2)
    document = {"a": sign * count + "x" * rest}
    assert encoded_size(document) == MAX_ENCODED_BYTES
    assert JsonObject.of(document) == document
    document["a"] += "x"
    assert faults_of(document) == ["is larger than 1048576 bytes when encoded"]


class Mixed(str, Enum):  # noqa: UP042  # the odd kind is the point
    """An enumeration whose `str()` isn't its text."""

    ONE = "one"


class Named(StrEnum):
    """An enumeration of texts."""

    TWO = "two"


class Counted(IntEnum):
    """An enumeration of integers."""

    THREE = 3


class Measure(float):
    """A float with a unit, say."""


def test_values_of_subclasses_are_kept_as_plain_ones() -> None:
    """As JSON would give them back."""
    kept = JsonObject.of({Mixed.ONE: Mixed.ONE, Named.TWO: Counted.THREE, "f": Measure(1.5)})
    assert kept == {"one": "one", "two": 3, "f": 1.5}
    types = {type(part) for pair in kept.items() for part in pair}
    assert types == {str, int, float}


class Lazy(Mapping[str, object]):
    """A mapping that isn't a dict."""

    def __getitem__(self, key: str) -> object:
        return (key, [key])

    def __iter__(self) -> Iterator[str]:
        return iter("ab")

    def __len__(self) -> int:
        return 2


def test_other_mappings_and_tuples_become_plain_json() -> None:
    """They compare equal to what JSON has in their place."""
    kept = JsonObject.of(Lazy())
    assert kept == {"a": ["a", ["a"]], "b": ["b", ["b"]]}
    assert (type(kept["a"]), JsonObject.of({"a": ()})) == (JsonArray, {"a": []})


@given(JSON_DOCUMENTS)
def test_what_was_given_can_change_without_a_trace(document: dict[str, Any]) -> None:
    """Nothing mutable is shared, at any level."""
    inner = [1]
    kept = JsonObject.of({"d": document, "inner": inner})
    before = json.dumps(kept)
    document["new"] = 1
    inner.append(2)
    assert json.dumps(kept) == before


MUTATIONS_OF_DICTS: list[Callable[[Any], object]] = [
    lambda value: value.__setitem__("a", 1),
    lambda value: value.__delitem__("a"),
    lambda value: value.__ior__({"b": 1}),
    lambda value: value.clear(),
    lambda value: value.pop("a"),
    lambda value: value.popitem(),
    lambda value: value.setdefault("b", 1),
    lambda value: value.update(b=1),
]
MUTATIONS_OF_LISTS: list[Callable[[Any], object]] = [
    lambda value: value.__setitem__(0, 1),
    lambda value: value.__setitem__(slice(0, 1), []),
    lambda value: value.__delitem__(0),
    lambda value: value.__iadd__([1]),
    lambda value: value.__imul__(2),
    lambda value: value.append(1),
    lambda value: value.clear(),
    lambda value: value.extend([1]),
    lambda value: value.insert(0, 1),
    lambda value: value.pop(),
    lambda value: value.remove(1),
    lambda value: value.reverse(),
    lambda value: value.sort(),
]


@pytest.mark.parametrize("mutate", MUTATIONS_OF_DICTS)
@pytest.mark.parametrize("made", [JsonObject.of({"a": 1}), FrozenDict.holding({"a": 1})])
def test_an_object_refuses_every_mutation(made: object, mutate: Callable[[Any], object]) -> None:
    """By every method that a dict has for it."""
    with pytest.raises(TypeError, match="immutable"):
        mutate(made)
    assert made == {"a": 1}


@pytest.mark.parametrize("mutate", MUTATIONS_OF_LISTS)
@pytest.mark.parametrize("made", [JsonObject.of({"a": [2, 1]})["a"], FrozenList.holding([2, 1])])
def test_an_array_refuses_every_mutation(made: object, mutate: Callable[[Any], object]) -> None:
    """By every method that a list has for it."""
    with pytest.raises(TypeError, match="immutable"):
        mutate(made)
    assert made == [2, 1]


@pytest.mark.parametrize(
    ("frozen", "mutable", "pure"),
    [
        (FrozenDict, dict, {"copy", "fromkeys", "get", "items", "keys", "values"}),
        (FrozenList, list, {"copy", "count", "index"}),
    ],
)
def test_no_mutating_method_was_forgotten(frozen: type, mutable: type, pure: set[str]) -> None:
    """Every public method of the built-in is refused, or known to change nothing."""
    public = {name for name in vars(mutable) if not name.startswith("_")}
    assert public - pure == {name for name in public if name in vars(frozen)}


@pytest.mark.parametrize("kind", [JsonObject, JsonArray])
def test_neither_is_built_unchecked_by_its_name(kind: Callable[[object], object]) -> None:
    """The error says how."""
    with pytest.raises(TypeError, match=r"JsonObject\.of"):
        kind([])


@given(JSON_DOCUMENTS)
def test_copies_and_pickles_are_equal_and_as_immutable(document: dict[str, Any]) -> None:
    """A copy of what can't change is itself."""
    kept = JsonObject.of(document)
    assert copy.copy(kept) is kept
    assert copy.deepcopy(kept) is kept
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(kept, protocol))
        assert (type(again), again, hash(again)) == (JsonObject, kept, hash(kept))


def test_plain_copies_can_be_changed() -> None:
    """The way to another object is a plain copy of this one."""
    kept = JsonObject.of({"a": [1]})
    plain = thaw(kept)
    plain["a"].append(2)
    assert (type(plain), type(plain["a"]), kept) == (dict, list, {"a": [1]})
    assert {**kept, "b": 1} == (kept | {"b": 1}) == {"a": [1], "b": 1}


@given(JSON_DOCUMENTS, JSON_DOCUMENTS)
def test_equal_objects_hash_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Whatever the order of their keys."""
    turned = dict(reversed(one.items()))
    assert hash(JsonObject.of(one)) == hash(JsonObject.of(turned))
    assert (JsonObject.of(one) == JsonObject.of(other)) == (one == other)


@given(st.lists(texts(0, 3), max_size=5))
def test_what_a_store_gives_back_is_frozen_at_every_level(keys: list[str]) -> None:
    """Without a second check."""
    document: dict[str, Any] = {}
    for key in keys:
        document = {key: [document]}
    frozen = freeze(document)
    while frozen:
        assert type(frozen) is JsonObject
        (array,) = frozen.values()
        assert type(array) is JsonArray
        (frozen,) = array
    assert frozen is EMPTY
