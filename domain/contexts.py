"""Execution contexts: what a conversation's flow knows, kept for good."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Self
from uuid import UUID

from attrs import evolve, field, frozen

from domain.conversations import STATE_NAME
from domain.documents import EMPTY, JsonObject
from domain.errors import Fault, ValidationError
from domain.execution_marks import ExecutionMark
from domain.executions import MAX_PREVIOUS_STATES as MAX_OF_A_STATE
from domain.executions import ExecutionState
from domain.identity import DIALOGUE_ID, REVISION, TENANT, USER, Draft, TenantId, UserId
from domain.rules import (
    Value,
    bounded_json,
    instance,
    instant,
    number,
    optional,
    rule,
    sequence,
    text,
    uuid,
    whole,
)

MAX_PREVIOUS_STATES: Final = 100
MAX_INTENTS: Final = 50
"""What a context remembers of them; the oldest go first."""


@frozen(kw_only=True, slots=False)
class RecognizedIntent(Value):
    """An intent that was understood, how surely, and when."""

    intent: str = field(metadata=rule(text(200, min_length=1)))
    confidence: float | None = field(default=None, metadata=rule(optional(number(0, 1))))
    at: datetime = field(metadata=rule(instant))


@frozen(kw_only=True, slots=False)
class ExecutionContext(Value):
    """The durable context of a conversation's execution. Its id is that of the conversation.

    The hot, expiring counterpart is the execution state. A reset forgets all but whose context it
    is, the flow, and the user's profile. `execution` is kept by the synchronisation of the two, and
    None if there was none yet.
    """

    id: str = field(metadata=rule(DIALOGUE_ID))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    user_id: UserId = field(metadata=rule(USER))
    flow_id: UUID | None = field(default=None, metadata=rule(optional(uuid)))
    current_state: str | None = field(default=None, metadata=rule(optional(STATE_NAME)))
    previous_states: tuple[str, ...] = field(
        default=(), metadata=rule(sequence(STATE_NAME, MAX_PREVIOUS_STATES))
    )
    slots: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(512 * 1024)))
    variables: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(512 * 1024)))
    user_profile: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(256 * 1024)))
    intent_history: tuple[RecognizedIntent, ...] = field(
        default=(), metadata=rule(sequence(instance(RecognizedIntent), MAX_INTENTS))
    )
    integration_results: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(1024 * 1024)))
    error_count: int = field(default=0, metadata=rule(whole()))
    reset_reason: str | None = field(default=None, metadata=rule(optional(text(500))))
    reset_at: datetime | None = field(default=None, metadata=rule(optional(instant)))
    execution: ExecutionMark | None = field(
        default=None, metadata=rule(optional(instance(ExecutionMark)))
    )
    created_at: datetime = field(metadata=rule(instant))
    updated_at: datetime = field(metadata=rule(instant))
    revision: int = field(default=1, metadata=rule(REVISION))

    @property
    def conversation_id(self) -> str:
        """Whose context it is."""
        return self.id

    @classmethod
    def draft(
        cls,
        conversation_id: str | None = None,
        *,
        user_id: str,
        flow_id: UUID | None = None,
        current_state: str | None = None,
        previous_states: Sequence[str] = (),
        slots: Mapping[str, object] = EMPTY,
        variables: Mapping[str, object] = EMPTY,
        user_profile: Mapping[str, object] = EMPTY,
        id: str | None = None,
    ) -> "Draft[ExecutionContext]":
        """A new context, of a conversation that is named as `conversation_id` or as `id`.

        Raises:
            ValidationError: naming every faulty field; it must name its conversation.
        """
        if None not in (conversation_id, id) and conversation_id != id:
            raise ValidationError(cls.__name__, [Fault("id", "isn't the conversation's")])
        named = conversation_id if id is None else id
        made = cls(
            id=named,  # type: ignore[arg-type]  # its rule refuses None
            user_id=UserId(user_id),
            flow_id=flow_id,
            current_state=current_state,
            previous_states=previous_states,  # type: ignore[arg-type]  # its rule makes a tuple
            slots=slots,  # type: ignore[arg-type]  # its rule makes it one
            variables=variables,  # type: ignore[arg-type]  # its rule makes it one
            user_profile=user_profile,  # type: ignore[arg-type]  # its rule makes it one
            **Draft.PROVISIONAL,
        )
        return Draft(made, named)

    def entered(self, state: str) -> Self:
        """In another state; the one it leaves is remembered."""
        left = () if self.current_state is None else (self.current_state,)
        previous = (*self.previous_states, *left)[-MAX_PREVIOUS_STATES:]
        return evolve(self, current_state=state, previous_states=previous)

    def understood(self, intent: RecognizedIntent) -> Self:
        """With an intent more."""
        return evolve(self, intent_history=(*self.intent_history, intent)[-MAX_INTENTS:])

    def holding(self, state: ExecutionState, mark: ExecutionMark) -> Self:
        """With what an execution state holds, and its mark; what it has no part in stays."""
        return evolve(
            self,
            flow_id=state.flow_id,
            current_state=state.current_state,
            previous_states=state.previous_states,
            slots=state.slots,
            variables=state.variables,
            error_count=state.error_count,
            execution=mark,
        )

    def held(self, revision: int) -> ExecutionState | None:
        """The execution state that it was synchronised with, at a revision of its own; what was
        changed of the context since then is changed of it, too. None if there was none.

        Raises:
            ValidationError: if the context holds by now what no execution state can.
        """
        mark = self.execution
        if mark is None:
            return None
        return ExecutionState(
            id=self.id,
            tenant_id=self.tenant_id,
            flow_id=self.flow_id,
            flow_version=mark.flow_version,
            current_state=self.current_state,
            previous_states=self.previous_states[-MAX_OF_A_STATE:],
            slots=self.slots,
            variables=self.variables,
            intent_stack=mark.intent_stack,
            turn_count=mark.turn_count,
            error_count=self.error_count,
            retry_count=mark.retry_count,
            timings=mark.timings,  # type: ignore[arg-type]  # its rule makes it one
            ttl=mark.ttl,
            created_at=mark.began_at,
            updated_at=mark.written_at,
            revision=revision,
        )

    def reset(self, *, at: datetime, reason: str | None = None) -> Self:
        """As at its beginning; whose it is, the flow and the user's profile stay. The execution
        state that it was synchronised with isn't restored from it any more.
        """
        return evolve(
            self,
            current_state=None,
            previous_states=(),
            slots=EMPTY,
            variables=EMPTY,
            intent_history=(),
            integration_results=EMPTY,
            error_count=0,
            reset_reason=reason,
            reset_at=at,
            execution=None if self.execution is None else self.execution.ending(),
        )
