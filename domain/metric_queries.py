"""What is asked of analytics events, and what the answer looks like."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from attrs import field, frozen

from domain.analytics import NAME, dimension, since_1970
from domain.conversations import Channel
from domain.errors import Fault, ValidationError, key_step
from domain.frozen import FrozenDict
from domain.identity import DIALOGUE_ID, USER
from domain.rates import ZONE
from domain.rules import Rule, Value, flag, one_of, optional, rule, sequence, uuid

DIMENSION: Final = "dimensions."
"""What stands before a dimension's name where a field's could stand, too."""
MAX_GROUPED: Final = 5
MAX_FILTERS: Final = 20
MAX_WANTED: Final = 1_000
"""Values that one filter may list."""
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)


class Aggregation(StrEnum):
    """What is made of the events of a bucket.

    `sum` of integers is exact, and an integer unless it is beyond 64 bits, when it is the float
    next to it. Where floats are among them, it is a float, off by at most one part in 10^15 of the
    sum of the magnitudes: the stores add in different orders. `avg` is the sum, as a float, divided
    by the count. `p50`, `p95` and `p99` are by nearest rank: of n values in ascending order that at
    place ⌈n × p / 100⌉, which is one that was measured (1 and 1.0 are the same number).
    """

    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MIN = "min"
    MAX = "max"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"

    @property
    def percent(self) -> int | None:
        """Of a percentile, which one."""
        return int(self.value[1:]) if self.value[1:].isdecimal() else None

    @property
    def of_nothing(self) -> int | None:
        """Its value where there is no event."""
        return 0 if self in (Aggregation.COUNT, Aggregation.SUM) else None


class Granularity(StrEnum):
    """How long a bucket is, by the clocks of the query's time zone; weeks begin on Monday."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    NONE = "none"
    """The whole range is one."""


def _uuid(candidate: object) -> UUID:
    if isinstance(candidate, str):
        try:
            return UUID(candidate)
        except ValueError:
            raise ValueError("must be a UUID") from None
    kept: UUID = uuid(candidate)
    return kept


FIELDS: Final[Mapping[str, Rule]] = {
    "type": NAME,
    "flow_id": _uuid,
    "conversation_id": DIALOGUE_ID,
    "user_id": USER,
    "channel": one_of(Channel),
}
"""What else than a dimension events are grouped and filtered by."""
_MAY_LACK: Final = frozenset(FIELDS) - {"type"}


def dimension_of(key: str) -> str | None:
    """The dimension that a key such as `dimensions.country` names, or None if it names a field."""
    return key[len(DIMENSION) :] if key.startswith(DIMENSION) else None


def _key(candidate: object) -> str:
    if isinstance(candidate, str):
        if candidate in FIELDS:
            return candidate
        name = dimension_of(candidate)
        if name is not None:
            return DIMENSION + str(NAME(name))
    raise ValueError(f"must be {', '.join(FIELDS)} or {DIMENSION}<name>")


def _wanted(key: str) -> Callable[[object], tuple[Any, ...]]:
    """The rule of what a filter wants: a value, or a list of them."""
    name = dimension_of(key)
    inner = FIELDS[key] if name is None else dimension
    each = optional(inner) if name is not None or key in _MAY_LACK else inner
    several = sequence(each, MAX_WANTED)

    def apply(candidate: object) -> tuple[Any, ...]:
        if isinstance(candidate, list | tuple | set | frozenset):
            return tuple(dict.fromkeys(several(list(candidate))))
        return (each(candidate),)

    return apply


def _filters(candidate: object) -> FrozenDict[str, tuple[Any, ...]]:
    if not isinstance(candidate, Mapping):
        raise ValueError("must be a mapping of filters")
    if len(candidate) > MAX_FILTERS:
        raise ValueError(f"must have at most {MAX_FILTERS} filters")
    kept: dict[str, tuple[Any, ...]] = {}
    faults: list[Fault] = []
    for key, wanted in candidate.items():
        try:
            known = _key(key)
            kept[known] = _wanted(known)(wanted)
        except ValidationError as error:
            faults += [fault.under(key_step(key)) for fault in error.faults]
        except ValueError as error:
            faults.append(Fault(key_step(key), str(error)))
    if faults:
        raise ValidationError("filters", faults)
    return FrozenDict.holding(kept)


def _before_9999(candidate: object) -> datetime:
    kept = since_1970(candidate)
    if kept > _LATEST:
        raise ValueError("must not lie after the year 9998")
    return kept


NO_FILTERS: Final[FrozenDict[str, tuple[Any, ...]]] = FrozenDict.holding({})


@frozen(kw_only=True, slots=False)
class MetricQuery(Value):
    """One figure of the events of a time range, in buckets of time, by group.

        MetricQuery.over(
            monday, sunday, aggregation="p95", measure="latency_ms",
            group_by=["channel", "dimensions.country"], granularity="hour", zone="Europe/Vienna",
            where={"type": "turn", "dimensions.intent": ["order", "cancel"]},
        )

    Looked at are events from `start` on and before `end` that every filter finds, and that have the
    `measure`, if one is named; `count` needs none. `group_by` and `where` name `type`, `flow_id`,
    `conversation_id`, `user_id`, `channel` or a dimension, as `dimensions.<name>`. A filter wants a
    value or one of a list; None is what an event has that lacks it. `having` names further measures
    that events must have.

    `zone` is a name of the IANA time zone database; whether there is such a zone is found out when
    the query is run. With `fill_missing` each series has every bucket that the range touches: where
    there is no event, count and sum are 0 and the others None.
    """

    start: datetime = field(metadata=rule(_before_9999))
    end: datetime = field(metadata=rule(_before_9999))
    aggregation: Aggregation = field(default=Aggregation.COUNT, metadata=rule(one_of(Aggregation)))
    measure: str | None = field(default=None, metadata=rule(optional(NAME)))
    group_by: tuple[str, ...] = field(default=(), metadata=rule(sequence(_key, MAX_GROUPED)))
    granularity: Granularity = field(default=Granularity.NONE, metadata=rule(one_of(Granularity)))
    zone: str = field(default="UTC", metadata=rule(ZONE))
    where: FrozenDict[str, tuple[Any, ...]] = field(default=NO_FILTERS, metadata=rule(_filters))
    having: tuple[str, ...] = field(default=(), metadata=rule(sequence(NAME, MAX_FILTERS)))
    fill_missing: bool = field(default=False, metadata=rule(flag))

    @classmethod
    def over(
        cls,
        start: datetime,
        end: datetime,
        *,
        aggregation: Aggregation | str = Aggregation.COUNT,
        measure: str | None = None,
        group_by: Sequence[str] = (),
        granularity: Granularity | str = Granularity.NONE,
        zone: str = "UTC",
        where: Mapping[str, object] = NO_FILTERS,
        having: Sequence[str] = (),
        fill_missing: bool = False,
    ) -> Self:
        """A query of a time range; enumerations, ids and lists as a caller has them.

        Raises:
            ValidationError: naming every faulty field.
        """
        given: dict[str, Any] = {
            "aggregation": aggregation,
            "measure": measure,
            "group_by": group_by,
            "granularity": granularity,
            "zone": zone,
            "where": where,
            "having": having,
            "fill_missing": fill_missing,
        }
        return cls(start=start, end=end, **given)

    def _cross_faults(self) -> Iterable[Fault]:
        if self.end <= self.start:
            yield Fault("end", "must lie after start")
        if self.measure is None and self.aggregation is not Aggregation.COUNT:
            yield Fault("measure", f"is missing, and {self.aggregation.value} needs one")
        if len(set(self.group_by)) < len(self.group_by):
            yield Fault("group_by", "names one twice")

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that an event must have to be looked at."""
        named = self.having if self.measure is None else (self.measure, *self.having)
        return tuple(dict.fromkeys(named))


@frozen(kw_only=True, slots=False)
class MetricPoint:
    """A bucket: when it begins by the calendar (the first may begin before the range does; without
    granularity, it is the range's own start), in UTC; the figure, and of how many events.
    """

    start: datetime
    value: int | float | None
    count: int


@frozen(kw_only=True)
class MetricSeries:
    """A group and its buckets in order of time. `group`: what its events have in common, by the
    names in `group_by`, in their order; None where they lack it.
    """

    group: FrozenDict[str, Any]
    points: tuple[MetricPoint, ...]


@frozen(kw_only=True)
class MetricResult:
    """The series in the order of their groups: by the first key, then the next; text by code point,
    ids and channels as text, None last. Only groups that occur; without `group_by` always one.
    """

    query: MetricQuery
    series: tuple[MetricSeries, ...]
