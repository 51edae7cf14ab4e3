"""Analytics events: what happened, of which kind, and what was measured at it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from attrs import field, frozen

from domain.conversations import Channel
from domain.errors import Fault, ValidationError, key_step
from domain.frozen import FrozenDict
from domain.identity import (
    DIALOGUE_ID,
    NO_TIME,
    TENANT,
    UNASSIGNED,
    USER,
    EntryDraft,
    TenantId,
    UserId,
)
from domain.rules import (
    Rule,
    Value,
    identifier,
    instant,
    number,
    one_of,
    optional,
    rule,
    text,
    uuid,
    whole,
)

V = TypeVar("V")
MAX_DIMENSIONS: Final = 20
MAX_MEASURES: Final = 20
MAX_DIMENSION: Final = 256
"""Characters of a dimension's value."""
LARGEST_MEASURE: Final = 1e290
"""Of a measure that is no integer: the sum of any number of them is finite."""

NAME: Final = identifier(100)
"""Of an event's type, a dimension or a measure."""
_INTEGER = whole(-(2**63))
_NUMBER = number(-LARGEST_MEASURE, LARGEST_MEASURE)


class Dimensions(FrozenDict[str, str]):
    """Text by name: what events are grouped and filtered by."""

    __slots__ = ()


class Measures(FrozenDict[str, int | float]):
    """Numbers by name. 3 and 3.0 are the same number, and each is kept as it was given."""

    __slots__ = ()


NO_DIMENSIONS: Final = Dimensions.holding({})
NO_MEASURES: Final = Measures.holding({})


def dimension(candidate: object) -> str:
    """The value of a dimension: at most 256 characters."""
    kept: str = _DIMENSION(candidate)
    return kept


_DIMENSION = text(MAX_DIMENSION)


def measure(candidate: object) -> int | float:
    """An integer of 64 bits, or a float of which the magnitude is at most 10^290."""
    if isinstance(candidate, int) and not isinstance(candidate, bool):
        kept: int = _INTEGER(candidate)
        return kept
    kept_float: float = _NUMBER(candidate)
    return kept_float


def _named(
    kind: type[FrozenDict[str, V]], inner: Callable[[object], V], most: int
) -> Callable[[object], FrozenDict[str, V]]:
    """The rule of values by name, at most so many."""

    def apply(candidate: object) -> FrozenDict[str, V]:
        if type(candidate) is kind:
            return candidate
        if not isinstance(candidate, Mapping):
            raise ValueError("must be a mapping of names")
        if len(candidate) > most:
            raise ValueError(f"must have at most {most} names")
        kept: dict[str, V] = {}
        faults: list[Fault] = []
        for name, value in candidate.items():
            try:
                kept[NAME(name)] = inner(value)
            except ValueError as error:
                faults.append(Fault(key_step(name), str(error)))
        if faults:
            raise ValidationError(kind.__name__, faults)
        return kind.holding(kept)

    return apply


def since_1970(candidate: object) -> datetime:
    """An aware time, in UTC and whole milliseconds, from 1970 on."""
    kept: datetime = instant(candidate)
    if kept < NO_TIME:
        raise ValueError("must not lie before 1970")
    return kept


DIMENSIONS: Rule = _named(Dimensions, dimension, MAX_DIMENSIONS)
_MEASURES: Rule = _named(Measures, measure, MAX_MEASURES)


@frozen(kw_only=True, slots=False)
class AnalyticsEvent(Value):
    """Something that happened at a time, which never changes. Names and values of dimensions may
    hold anything that text may, dots and `$` included.
    """

    id: str = field(metadata=rule(DIALOGUE_ID))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    at: datetime = field(metadata=rule(since_1970))
    type: str = field(metadata=rule(NAME))
    flow_id: UUID | None = field(default=None, metadata=rule(optional(uuid)))
    conversation_id: str | None = field(default=None, metadata=rule(optional(DIALOGUE_ID)))
    user_id: UserId | None = field(default=None, metadata=rule(optional(USER)))
    channel: Channel | None = field(default=None, metadata=rule(optional(one_of(Channel))))
    dimensions: Dimensions = field(default=NO_DIMENSIONS, metadata=rule(DIMENSIONS))
    measures: Measures = field(default=NO_MEASURES, metadata=rule(_MEASURES))

    @classmethod
    def draft(
        cls,
        type: str,
        *,
        at: datetime | None = None,
        flow_id: UUID | None = None,
        conversation_id: str | None = None,
        user_id: str | None = None,
        channel: Channel | str | None = None,
        dimensions: Mapping[str, str] = NO_DIMENSIONS,
        measures: Mapping[str, int | float] = NO_MEASURES,
        id: str | None = None,
    ) -> "EntryDraft[AnalyticsEvent]":
        """A new event, for `record`; it happens when it is recorded, unless the caller says when.

        With an id of the caller's own, such as that of the message it is about, recording it again
        changes nothing.

        Raises:
            ValidationError: naming every faulty field.
        """
        given: dict[str, Any] = {
            "flow_id": flow_id,
            "conversation_id": conversation_id,
            "user_id": user_id,
            "channel": channel,
            "dimensions": dimensions,
            "measures": measures,
        }
        made = cls(
            id=UNASSIGNED if id is None else id,
            tenant_id=TenantId(UNASSIGNED),
            at=NO_TIME if at is None else at,
            type=type,
            **given,
        )
        return EntryDraft(made, has_id=id is not None, has_time=at is not None)


def milliseconds(at: datetime) -> int:
    """A time that an event may have, in milliseconds since 1970."""
    passed = at - NO_TIME
    return (passed.days * 86_400 + passed.seconds) * 1_000 + passed.microseconds // 1_000
