"""Rules of single fields, and the base class that applies all of them and reports every fault.

A rule takes a candidate and returns the value to keep, or raises `ValueError` saying what is
wrong. Being data of the class (attrs metadata), a rule can also be applied to one field alone,
which is what a patch does.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import attrs

from domain.documents import JsonObject
from domain.errors import Fault, ValidationError
from domain.text import text_fault

Rule: TypeAlias = Callable[[Any], Any]
T = TypeVar("T")
_RULE = "dialogbase.rule"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def rule(apply: Rule) -> dict[str, Rule]:
    """The metadata of an attrs field that has a rule: `field(metadata=rule(text(255)))`."""
    return {_RULE: apply}


@cache
def rules_of(cls: type) -> Mapping[str, Rule]:
    """The rules of a class, by field."""
    return {
        field.name: field.metadata[_RULE] for field in attrs.fields(cls) if _RULE in field.metadata
    }


class Value:
    """Base of all entities and values: its fields' rules are applied together, at construction.

    A subclass is `@attrs.frozen(kw_only=True, slots=False)`; `_cross_faults` reports what is wrong
    between fields that are right each by itself. (No slots: `restored` fills an instance in one
    step.)
    """

    def __attrs_post_init__(self) -> None:
        kind: Any = type(self)
        faults: list[Fault] = []
        fields = self.__dict__
        for name, apply in rules_of(kind).items():
            try:
                fields[name] = apply(fields[name])
            except ValueError as error:
                faults.extend(_faults_of(name, error))
        if not faults:
            faults.extend(self._cross_faults())
        if faults:
            raise ValidationError(type(self).__name__, faults)

    def _cross_faults(self) -> Iterable[Fault]:
        return ()


def restored(cls: type[T], fields: dict[str, Any]) -> T:
    """An instance from field values that were checked before, such as a store's own row.

    No rule runs, and the dict becomes the instance's: an entity costs what its dict costs.
    """
    made = object.__new__(cls)
    object.__setattr__(made, "__dict__", fields)
    return made


def checked(cls: type, name: str, candidate: object) -> Any:
    """`candidate` as the field `name` of `cls` would keep it.

    Raises:
        ValidationError: naming the field.
    """
    apply = rules_of(cls).get(name)
    return candidate if apply is None else argument(cls.__name__, name, candidate, apply)


def argument(subject: str, name: str, candidate: object, apply: Rule) -> Any:
    """`candidate`, which was given as `name` to something that concerns `subject`, by a rule.

    Raises:
        ValidationError: naming both.
    """
    try:
        return apply(candidate)
    except ValueError as error:
        raise ValidationError(subject, _faults_of(name, error)) from None


def _faults_of(name: str, error: ValueError) -> Iterable[Fault]:
    if isinstance(error, ValidationError):
        return [fault.under(name) for fault in error.faults]
    return [Fault(name, str(error))]


def optional(inner: Rule) -> Rule:
    """None, or what `inner` admits."""

    def apply(candidate: object) -> Any:
        return None if candidate is None else inner(candidate)

    return apply


def text(max_length: int, *, min_length: int = 0) -> Rule:
    """Text of `min_length` to `max_length` characters (code points)."""

    def apply(candidate: object) -> str:
        if not isinstance(candidate, str):
            raise ValueError("must be text")
        if not min_length <= len(candidate) <= max_length:
            raise ValueError(f"must have {min_length} to {max_length} characters")
        if fault := text_fault(candidate):
            raise ValueError(fault)
        return candidate if type(candidate) is str else str.__str__(candidate)

    return apply


def identifier(max_length: int) -> Rule:
    """Text of 1 to `max_length` characters without control characters."""
    inner = text(max_length, min_length=1)

    def apply(candidate: object) -> str:
        kept: str = inner(candidate)
        if _CONTROL.search(kept):
            raise ValueError("holds a control character")
        return kept

    return apply


def matching(pattern: str, says: str) -> Rule:
    """Text that matches the whole of `pattern`; `says` is the message otherwise."""
    compiled = re.compile(pattern)

    def apply(candidate: object) -> str:
        if not isinstance(candidate, str) or not compiled.fullmatch(candidate):
            raise ValueError(says)
        return str.__str__(candidate)

    return apply


def whole(minimum: int = 0, maximum: int = 2**63 - 1) -> Rule:
    """An integer within bounds; True and 1.0 are not integers."""

    def apply(candidate: object) -> int:
        if not isinstance(candidate, int) or isinstance(candidate, bool):
            raise ValueError("must be an integer")
        if not minimum <= candidate <= maximum:
            raise ValueError(f"must lie between {minimum} and {maximum}")
        return int(candidate)

    return apply


def number(minimum: float = -math.inf, maximum: float = math.inf) -> Rule:
    """A finite float within bounds; an integer is taken as the float it equals."""

    def apply(candidate: object) -> float:
        if not isinstance(candidate, int | float) or isinstance(candidate, bool):
            raise ValueError("must be a number")
        try:
            kept = float(candidate)
        except OverflowError:
            kept = math.inf
        if not math.isfinite(kept):
            raise ValueError("must be a finite number")
        if not minimum <= kept <= maximum:
            raise ValueError(f"must lie between {minimum} and {maximum}")
        return kept

    return apply


def flag(candidate: object) -> bool:
    """True or False."""
    if not isinstance(candidate, bool):
        raise ValueError("must be true or false")
    return candidate


def instant(candidate: object) -> datetime:
    """An aware time, kept in UTC and whole milliseconds (finer is truncated)."""
    if not isinstance(candidate, datetime):
        raise ValueError("must be a datetime")
    if candidate.tzinfo is None or candidate.utcoffset() is None:
        raise ValueError("must have a time zone")
    try:
        utc = candidate.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None
    # Built anew: a subclass may hold what a datetime doesn't, such as nanoseconds.
    time = utc.time().replace(microsecond=utc.microsecond // 1000 * 1000, fold=0)
    return datetime.combine(utc.date(), time, UTC)


def day(candidate: object) -> date:
    """A calendar date without a time."""
    if not isinstance(candidate, date) or isinstance(candidate, datetime):
        raise ValueError("must be a date")
    return candidate


def uuid(candidate: object) -> UUID:
    """A UUID, not its text."""
    if not isinstance(candidate, UUID):
        raise ValueError("must be a UUID")
    return candidate


@cache
def one_of(kind: type[Enum]) -> Rule:
    """A member of an enumeration, or its value, a text."""
    members = {member.value: member for member in kind}

    def apply(candidate: object) -> Enum:
        if isinstance(candidate, kind):
            return candidate
        # Not `kind(candidate)`, whose error writes the candidate out, however large or deep.
        if not isinstance(candidate, str) or candidate not in members:
            raise ValueError("must be one of " + ", ".join(map(str, members)))
        return members[candidate]

    return apply


def instance(kind: type) -> Rule:
    """An instance of `kind`."""

    def apply(candidate: object) -> Any:
        if not isinstance(candidate, kind):
            raise ValueError(f"must be a {kind.__name__}")
        return candidate

    return apply


def sequence(inner: Rule, max_items: int = 10_000) -> Rule:
    """A list or tuple of at most `max_items`, each admitted by `inner`; kept as a tuple."""

    def apply(candidate: object) -> tuple[Any, ...]:
        if not isinstance(candidate, list | tuple):
            raise ValueError("must be a list")
        if len(candidate) > max_items:
            raise ValueError(f"must have at most {max_items} items")
        kept: list[Any] = []
        faults: list[Fault] = []
        for index, item in enumerate(candidate):
            try:
                kept.append(inner(item))
            except ValueError as error:
                faults.extend(_faults_of(f"[{index}]", error))
        if faults:
            raise ValidationError("list", faults)
        return tuple(kept)

    return apply


def json_object(candidate: object) -> JsonObject:
    """A JSON object within the limits of `domain.documents`."""
    return candidate if type(candidate) is JsonObject else JsonObject.of(candidate)


def bounded_json(max_bytes: int) -> Rule:
    """A JSON object of at most so many bytes when encoded.

    For entities with several: a store that keeps documents in a binary form needs up to six times
    the bytes (BSON, an array of one-digit numbers), and has a limit for all of them together.
    """

    def apply(candidate: object) -> JsonObject:
        return JsonObject.of(candidate, max_bytes=max_bytes)

    return apply
