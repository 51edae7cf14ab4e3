"""Executions of flows that have ended: what is recorded of one, and what it adds to its flow's day.

One is kept as an analytics event of the type `EXECUTION`, whose id is the execution's own.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Final, Self
from uuid import UUID

from attrs import field, frozen

from domain.analytics import (
    DIMENSIONS,
    MAX_DIMENSIONS,
    NO_DIMENSIONS,
    AnalyticsEvent,
    Dimensions,
    milliseconds,
    since_1970,
)
from domain.conversations import Channel
from domain.errors import Fault, ValidationError
from domain.flows import MetricIncrements
from domain.identity import DIALOGUE_ID, USER, EntryDraft, UserId
from domain.rules import Value, argument, number, one_of, optional, rule, sequence, uuid, whole

EXECUTION: Final = "dialogbase.execution"
"""The type of their events; no event of another form may have it."""

OUTCOME: Final = "outcome"
"""The dimension of those events that says how the execution ended."""

DURATION: Final = "duration_ms"
RESPONSE_TIME: Final = "response_time_ms"
"""Of all responses together."""
RESPONSES: Final = "responses"
SATISFACTION: Final = "satisfaction"
CACHE_HITS: Final = "cache_hits"
CACHE_LOOKUPS: Final = "cache_lookups"
"""Their measures."""

LONGEST: Final = timedelta(days=366)
_MILLISECOND: Final = timedelta(milliseconds=1)
_COUNT = whole(0, 10**9)
_MOST_TIMES: Final = 10_000
_TIMES = sequence(whole(0, 10**9), _MOST_TIMES)


class Outcome(StrEnum):
    """How an execution ended."""

    COMPLETED = "completed"
    ERROR = "error"
    ABANDONED = "abandoned"
    ESCALATED = "escalated"


_COUNTED: Final[Mapping[Outcome, str]] = {
    Outcome.COMPLETED: "completions",
    Outcome.ERROR: "errors",
    Outcome.ABANDONED: "abandonments",
    Outcome.ESCALATED: "escalations",
}


@frozen(kw_only=True, slots=False)
class FlowExecution(Value):
    """An execution of a flow that has ended, at most 366 days after it began.

    `id`: what makes it one, such as the conversation's id and its turn; whatever is recorded under
    it later changes nothing. `responses` were given in `response_time_ms` together (see `ended`).
    `satisfaction`: a score, from 0 on. `dimensions`: further ones of the event, but `outcome`.
    """

    id: str = field(metadata=rule(DIALOGUE_ID))
    flow_id: UUID = field(metadata=rule(uuid))
    started_at: datetime = field(metadata=rule(since_1970))
    ended_at: datetime = field(metadata=rule(since_1970))
    outcome: Outcome = field(metadata=rule(one_of(Outcome)))
    conversation_id: str | None = field(default=None, metadata=rule(optional(DIALOGUE_ID)))
    user_id: UserId | None = field(default=None, metadata=rule(optional(USER)))
    channel: Channel | None = field(default=None, metadata=rule(optional(one_of(Channel))))
    response_time_ms: int = field(default=0, metadata=rule(whole(0, 10**15)))
    responses: int = field(default=0, metadata=rule(_COUNT))
    satisfaction: float | None = field(default=None, metadata=rule(optional(number(0, 10**6))))
    cache_hits: int = field(default=0, metadata=rule(_COUNT))
    cache_lookups: int = field(default=0, metadata=rule(_COUNT))
    dimensions: Dimensions = field(default=NO_DIMENSIONS, metadata=rule(DIMENSIONS))

    @classmethod
    def ended(cls, *, response_times_ms: Iterable[int] = (), **fields: Any) -> Self:
        """One of which each response's time is known: of at most 10 000 responses.

        Raises:
            ValidationError: naming every faulty field.
        """
        given: object = response_times_ms
        if isinstance(given, Iterable) and not isinstance(given, bytes | str | Mapping):
            given = list(islice(given, _MOST_TIMES + 1))  # one that never ends, no further
        times = argument("FlowExecution", "response_times_ms", given, _TIMES)
        return cls(response_time_ms=sum(times), responses=len(times), **fields)

    @classmethod
    def of(cls, event: AnalyticsEvent) -> Self:
        """The execution that an event says.

        Raises:
            ValidationError: if it doesn't say one.
        """
        measures = dict(event.measures)
        others = dict(event.dimensions)
        faults = [
            Fault(name, "is missing, or no integer")
            for name in _WHOLE
            if type(measures.get(name)) is not int
        ]
        if event.type != EXECUTION:
            faults.append(Fault("type", f"is reserved for executions if it is {EXECUTION}"))
        if unknown := measures.keys() - {*_WHOLE, SATISFACTION}:
            faults.append(Fault("measures", f"has {len(unknown)} that no execution has"))
        if faults:
            raise ValidationError("FlowExecution", faults)
        duration = measures[DURATION]
        if not 0 <= duration <= min(LONGEST // _MILLISECOND, milliseconds(event.at)):
            raise ValidationError("FlowExecution", [Fault(DURATION, "can't have been so long")])
        given: dict[str, Any] = {
            "id": event.id,
            "flow_id": event.flow_id,
            "started_at": event.at - duration * _MILLISECOND,
            "ended_at": event.at,
            "outcome": others.pop(OUTCOME, None),
            "conversation_id": event.conversation_id,
            "user_id": event.user_id,
            "channel": event.channel,
            "satisfaction": measures.get(SATISFACTION),
            "dimensions": others,
            **{name: measures[name] for name in _WHOLE if name != DURATION},
        }
        return cls(**given)

    def draft(self) -> EntryDraft[AnalyticsEvent]:
        """Its event, for `record`."""
        measures: dict[str, int | float] = {
            DURATION: self.duration_ms,
            **{name: getattr(self, name) for name in _WHOLE if name != DURATION},
        }
        if self.satisfaction is not None:
            measures[SATISFACTION] = self.satisfaction
        return AnalyticsEvent.draft(
            EXECUTION,
            id=self.id,
            at=self.ended_at,
            flow_id=self.flow_id,
            conversation_id=self.conversation_id,
            user_id=self.user_id,
            channel=self.channel,
            dimensions={**self.dimensions, OUTCOME: self.outcome.value},
            measures=measures,
        )

    @property
    def duration_ms(self) -> int:
        """How long it took."""
        return (self.ended_at - self.started_at) // _MILLISECOND

    @property
    def day(self) -> date:
        """The day in whose figures it counts: that on which it ended, in UTC."""
        return self.ended_at.astimezone(UTC).date()

    @property
    def increments(self) -> MetricIncrements:
        """What it adds to its flow's figures: its duration only if it was completed, since those
        are what durations are averaged over.
        """
        counted: dict[str, Any] = {_COUNTED[self.outcome]: 1}
        if self.outcome is Outcome.COMPLETED:
            counted["total_duration_ms"] = self.duration_ms
        if self.satisfaction is not None:
            counted |= {"satisfaction_total": self.satisfaction, "satisfaction_count": 1}
        return MetricIncrements(
            executions=1,
            response_time_total_ms=self.response_time_ms,
            response_time_count=self.responses,
            cache_hits=self.cache_hits,
            cache_lookups=self.cache_lookups,
            **counted,
        )

    def _cross_faults(self) -> Iterable[Fault]:
        if not timedelta() <= self.ended_at - self.started_at <= LONGEST:
            yield Fault("ended_at", "must lie at most 366 days after started_at, and not before")
        if self.cache_hits > self.cache_lookups:
            yield Fault("cache_hits", "can't be more than cache_lookups")
        if OUTCOME in self.dimensions:
            yield Fault("dimensions", f"can't have {OUTCOME}, which is the execution's own")
        if len(self.dimensions) >= MAX_DIMENSIONS:
            yield Fault("dimensions", f"must be less than {MAX_DIMENSIONS}")


def execution_faults(event: AnalyticsEvent) -> tuple[Fault, ...]:
    """Why an event of the type of executions doesn't say one; nothing of any other event."""
    if event.type == EXECUTION:
        try:
            FlowExecution.of(event)
        except ValidationError as error:
            return error.faults
    return ()


_WHOLE: Final = (DURATION, RESPONSE_TIME, RESPONSES, CACHE_HITS, CACHE_LOOKUPS)
