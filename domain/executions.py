"""Execution states: where a conversation's flow is right now, kept for a while."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from attrs import evolve, field, frozen

from domain.conversations import STATE_NAME
from domain.documents import EMPTY, JsonObject
from domain.durations import duration
from domain.errors import Fault, ValidationError, key_step
from domain.frozen import FrozenDict
from domain.identity import DIALOGUE_ID, REVISION, TENANT, Draft, TenantId
from domain.rules import (
    Value,
    bounded_json,
    checked,
    instant,
    number,
    optional,
    rule,
    sequence,
    text,
    uuid,
    whole,
)

MAX_PREVIOUS_STATES: Final = 50
MAX_INTENTS: Final = 10
"""What a state remembers of them; the oldest go first."""
MAX_TIMINGS: Final = 50

SHORTEST_TTL: Final = timedelta(seconds=1)
LONGEST_TTL: Final = timedelta(days=90)
TTL: Final = timedelta(days=1)
"""How long a state is kept after a write if nothing else is asked for."""

_TIMED = text(100, min_length=1)
_MILLISECONDS = number(0, 1e15)


def _timings(candidate: object) -> FrozenDict[str, float]:
    if not isinstance(candidate, Mapping):
        raise ValueError("must be milliseconds by name")
    if len(candidate) > MAX_TIMINGS:
        raise ValueError(f"must be at most {MAX_TIMINGS} timings")
    kept: dict[str, float] = {}
    faults: list[Fault] = []
    for name, taken in candidate.items():
        try:
            kept[_TIMED(name)] = _MILLISECONDS(taken)
        except ValueError as error:
            faults.append(Fault(key_step(name), str(error)))
    if faults:
        raise ValidationError("timings", faults)
    return FrozenDict.holding(kept)


@frozen(kw_only=True, slots=False)
class ExecutionState(Value):
    """Where a conversation's flow is right now. Its id is that of the conversation.

    The durable counterpart is the execution context. It is kept for `ttl` after it was last
    written; reading it doesn't count. `intent_stack` holds the intents that were set aside, the
    last one on top; `timings` sums of milliseconds by what took them.
    """

    id: str = field(metadata=rule(DIALOGUE_ID))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    flow_id: UUID | None = field(default=None, metadata=rule(optional(uuid)))
    flow_version: str | None = field(default=None, metadata=rule(optional(text(50))))
    current_state: str | None = field(default=None, metadata=rule(optional(STATE_NAME)))
    previous_states: tuple[str, ...] = field(
        default=(), metadata=rule(sequence(STATE_NAME, MAX_PREVIOUS_STATES))
    )
    slots: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(256 * 1024)))
    variables: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(256 * 1024)))
    intent_stack: tuple[str, ...] = field(
        default=(), metadata=rule(sequence(text(200, min_length=1), MAX_INTENTS))
    )
    turn_count: int = field(default=0, metadata=rule(whole()))
    error_count: int = field(default=0, metadata=rule(whole()))
    retry_count: int = field(default=0, metadata=rule(whole()))
    timings: Mapping[str, float] = field(factory=FrozenDict, metadata=rule(_timings))
    ttl: timedelta = field(default=TTL, metadata=rule(duration(SHORTEST_TTL, LONGEST_TTL)))
    created_at: datetime = field(metadata=rule(instant))
    updated_at: datetime = field(metadata=rule(instant))
    revision: int = field(default=1, metadata=rule(REVISION))

    @property
    def conversation_id(self) -> str:
        """Whose state it is."""
        return self.id

    @property
    def last_activity_at(self) -> datetime:
        """When it was last written."""
        return self.updated_at

    @property
    def expires_at(self) -> datetime:
        """When it goes if nobody writes it."""
        return self.updated_at + self.ttl

    @classmethod
    def draft(
        cls,
        conversation_id: str,
        *,
        flow_id: UUID | None = None,
        flow_version: str | None = None,
        current_state: str | None = None,
        previous_states: Sequence[str] = (),
        slots: Mapping[str, object] = EMPTY,
        variables: Mapping[str, object] = EMPTY,
        intent_stack: Sequence[str] = (),
        ttl: timedelta = TTL,
    ) -> "Draft[ExecutionState]":
        """A new state of a conversation.

        Raises:
            ValidationError: naming every faulty field.
        """
        made = cls(
            id=conversation_id,
            flow_id=flow_id,
            flow_version=flow_version,
            current_state=current_state,
            previous_states=previous_states,  # type: ignore[arg-type]  # its rule makes a tuple
            slots=slots,  # type: ignore[arg-type]  # its rule makes it one
            variables=variables,  # type: ignore[arg-type]  # its rule makes it one
            intent_stack=intent_stack,  # type: ignore[arg-type]  # its rule makes a tuple
            ttl=ttl,
            **Draft.PROVISIONAL,
        )
        return Draft(made, conversation_id)

    def entered(self, state: str) -> Self:
        """In another state; the one it leaves is remembered, and retries are counted anew."""
        left = () if self.current_state is None else (self.current_state,)
        previous = (*self.previous_states, *left)[-MAX_PREVIOUS_STATES:]
        return evolve(self, current_state=state, previous_states=previous, retry_count=0)

    def with_slots(self, slots: Mapping[str, object]) -> Self:
        """With these slots set; the others stay."""
        both = {**self.slots, **checked(type(self), "slots", slots)}
        return evolve(self, slots=checked(type(self), "slots", both))

    def with_variables(self, variables: Mapping[str, object]) -> Self:
        """With these variables set; the others stay."""
        both = {**self.variables, **checked(type(self), "variables", variables)}
        return evolve(self, variables=checked(type(self), "variables", both))

    def setting_aside(self, intent: str) -> Self:
        """With an intent more on the stack."""
        return evolve(self, intent_stack=(*self.intent_stack, intent)[-MAX_INTENTS:])

    def resuming(self) -> Self:
        """Without the intent on top of the stack, if there is one."""
        return evolve(self, intent_stack=self.intent_stack[:-1])

    def took_turn(self) -> Self:
        """One turn on."""
        return evolve(self, turn_count=self.turn_count + 1)

    def failed(self, *, retried: bool = False) -> Self:
        """After an error more, and perhaps another attempt."""
        return evolve(
            self, error_count=self.error_count + 1, retry_count=self.retry_count + int(retried)
        )

    def timed(self, name: str, milliseconds: float) -> Self:
        """With so much more time spent on something."""
        taken = checked(type(self), "timings", {name: milliseconds})[name]
        return evolve(self, timings={**self.timings, name: self.timings.get(name, 0.0) + taken})
