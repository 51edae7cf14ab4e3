"""What a durable context remembers of the execution state that it was synchronised with."""

from datetime import datetime, timedelta

from attrs import evolve, field, frozen

from domain.documents import EMPTY, JsonObject
from domain.executions import MAX_INTENTS, ExecutionState
from domain.identity import REVISION
from domain.rules import (
    Value,
    bounded_json,
    flag,
    instant,
    optional,
    rule,
    sequence,
    text,
    whole,
)


@frozen(kw_only=True, slots=False)
class ExecutionMark(Value):
    """Which execution state it was, and what of it a context has no field for.

    `life` tells the states of a conversation apart that were begun one after the other: a later one
    has a greater number. `revision` is that of the state as it was synchronised. `claimed` is, if
    it isn't 0, the revision at which it was restored last; what was written before that and is
    synchronised late has a smaller one. `ended`: it was deleted, expired, or the context was reset,
    and it isn't restored any more. `fence` is the greatest fencing token that wrote, which is
    remembered until `fenced_until`.
    """

    life: int = field(metadata=rule(whole()))
    revision: int = field(metadata=rule(REVISION))
    claimed: int = field(default=0, metadata=rule(whole()))
    ended: bool = field(default=False, metadata=rule(flag))
    began_at: datetime = field(metadata=rule(instant))
    written_at: datetime = field(metadata=rule(instant))
    expires_at: datetime = field(metadata=rule(instant))
    flow_version: str | None = field(default=None, metadata=rule(optional(text(50))))
    intent_stack: tuple[str, ...] = field(
        default=(), metadata=rule(sequence(text(200, min_length=1), MAX_INTENTS))
    )
    turn_count: int = field(default=0, metadata=rule(whole()))
    retry_count: int = field(default=0, metadata=rule(whole()))
    timings: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(64 * 1024)))
    fence: int | None = field(default=None, metadata=rule(optional(whole())))
    fenced_until: datetime | None = field(default=None, metadata=rule(optional(instant)))

    @property
    def reached(self) -> int:
        """The greatest revision that the context knows of."""
        return max(self.revision, self.claimed)

    @property
    def ttl(self) -> timedelta:
        """For how long the state was kept after it was written."""
        return self.expires_at - self.written_at

    @classmethod
    def of(
        cls,
        state: ExecutionState,
        *,
        life: int,
        fence: int | None = None,
        fenced_until: datetime | None = None,
    ) -> "ExecutionMark":
        """The mark of a state."""
        return cls(
            life=life,
            revision=state.revision,
            began_at=state.created_at,
            written_at=state.updated_at,
            expires_at=state.expires_at,
            flow_version=state.flow_version,
            intent_stack=state.intent_stack,
            turn_count=state.turn_count,
            retry_count=state.retry_count,
            timings=JsonObject.holding(dict(state.timings)) if state.timings else EMPTY,
            fence=fence,
            fenced_until=fenced_until,
        )

    def ending(self) -> "ExecutionMark":
        """Of a state that isn't restored any more."""
        return self if self.ended else evolve(self, ended=True)
