"""Conversations: who talks where, how far they are, and what is known of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

from attrs import evolve, field, frozen

from domain.documents import EMPTY, JsonObject
from domain.errors import Fault, ValidationError
from domain.identity import (
    DIALOGUE_ID,
    NO_TIME,
    REVISION,
    TENANT,
    UNASSIGNED,
    USER,
    Draft,
    TenantId,
    UserId,
)
from domain.lifecycle import Lifecycle
from domain.rules import (
    Value,
    bounded_json,
    checked,
    instance,
    instant,
    one_of,
    optional,
    rule,
    sequence,
    text,
    uuid,
    whole,
)

MAX_STATE_HISTORY: Final = 100
"""Visits of states that a conversation remembers; the oldest go first."""

STATE_NAME = text(255, min_length=1)


class Channel(StrEnum):
    """Where a conversation takes place."""

    WEB = "web"
    WHATSAPP = "whatsapp"
    MESSENGER = "messenger"
    SLACK = "slack"
    TEAMS = "teams"
    TELEGRAM = "telegram"
    SMS = "sms"
    VOICE = "voice"
    EMAIL = "email"
    API = "api"
    WIDGET = "widget"


class ConversationStatus(StrEnum):
    """Where a conversation is in its life."""

    ACTIVE = "active"
    PAUSED = "paused"
    ESCALATED = "escalated"
    ERROR = "error"
    COMPLETED = "completed"
    ABANDONED = "abandoned"
    TIMEOUT = "timeout"
    ARCHIVED = "archived"

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can be said: no message is appended any more."""
        return self in _CLOSED


_S = ConversationStatus
_CLOSED = frozenset({_S.COMPLETED, _S.ABANDONED, _S.TIMEOUT, _S.ARCHIVED})
OPEN_STATUSES: Final = tuple(status for status in _S if status not in _CLOSED)
"""Those in which messages are appended."""

CONVERSATION_LIFECYCLE = Lifecycle(
    "Conversation",
    {
        _S.ACTIVE: frozenset(
            {_S.COMPLETED, _S.ABANDONED, _S.ESCALATED, _S.PAUSED, _S.TIMEOUT, _S.ERROR}
        ),
        _S.PAUSED: frozenset({_S.ACTIVE, _S.COMPLETED, _S.ABANDONED}),
        _S.ESCALATED: frozenset({_S.ACTIVE, _S.COMPLETED, _S.ABANDONED}),
        _S.ERROR: frozenset({_S.ACTIVE, _S.ABANDONED}),
        _S.COMPLETED: frozenset({_S.ARCHIVED}),
        _S.ABANDONED: frozenset({_S.ARCHIVED}),
        _S.TIMEOUT: frozenset({_S.ARCHIVED}),
        _S.ARCHIVED: frozenset(),
    },
)


class ConversationClosedError(ValidationError):
    """A message for a conversation in which nothing more can be said."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(
            "Conversation", [Fault("status", f"is {status!r}: it takes no more messages")]
        )

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:  # type: ignore[override]  # other arguments
        return type(self), (self.status,)


@frozen(kw_only=True, slots=False)
class StateVisit(Value):
    """A state of the flow, and when it was entered."""

    state: str = field(metadata=rule(STATE_NAME))
    at: datetime = field(metadata=rule(instant))


_REASON = text(500)


@frozen(kw_only=True, slots=False)
class Conversation(Value):
    """A conversation of a user with the bot (or, escalated, with a human).

    `last_sequence`, `message_count` (of messages that weren't redacted) and `last_activity_at` are
    kept by the store as messages come: an update leaves them as they stand, and they raise neither
    the revision nor `updated_at`, so a busy conversation can still be edited. `completed_at` is the
    time at which it was closed, in whatever way.
    """

    id: str = field(metadata=rule(DIALOGUE_ID))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    user_id: UserId = field(metadata=rule(USER))
    session_id: str | None = field(default=None, metadata=rule(optional(DIALOGUE_ID)))
    channel: Channel = field(default=Channel.WEB, metadata=rule(one_of(Channel)))
    channel_metadata: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(64 * 1024)))
    status: ConversationStatus = field(
        default=ConversationStatus.ACTIVE, metadata=rule(one_of(ConversationStatus))
    )
    status_reason: str | None = field(default=None, metadata=rule(optional(_REASON)))
    started_at: datetime = field(metadata=rule(instant))
    last_activity_at: datetime = field(metadata=rule(instant))
    completed_at: datetime | None = field(default=None, metadata=rule(optional(instant)))
    flow_id: UUID | None = field(default=None, metadata=rule(optional(uuid)))
    flow_version: str | None = field(default=None, metadata=rule(optional(text(50, min_length=1))))
    current_state: str | None = field(default=None, metadata=rule(optional(STATE_NAME)))
    state_history: tuple[StateVisit, ...] = field(
        default=(), metadata=rule(sequence(instance(StateVisit), MAX_STATE_HISTORY))
    )
    experiment_id: UUID | None = field(default=None, metadata=rule(optional(uuid)))
    variant: str | None = field(default=None, metadata=rule(optional(text(100, min_length=1))))
    tags: tuple[str, ...] = field(default=(), metadata=rule(sequence(text(50, min_length=1), 50)))
    summary: str | None = field(default=None, metadata=rule(optional(text(4_000))))
    business_context: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(1024 * 1024)))
    metrics: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(64 * 1024)))
    last_sequence: int = field(default=0, metadata=rule(whole()))
    message_count: int = field(default=0, metadata=rule(whole()))
    retain_until: datetime | None = field(default=None, metadata=rule(optional(instant)))
    created_at: datetime = field(metadata=rule(instant))
    updated_at: datetime = field(metadata=rule(instant))
    revision: int = field(default=1, metadata=rule(REVISION))

    def _cross_faults(self) -> Iterable[Fault]:
        if self.completed_at is not None and not self.status.is_closed:
            yield Fault("completed_at", f"is set, and the conversation is {self.status.value}")
        if self.variant is not None and self.experiment_id is None:
            yield Fault("variant", "belongs to an experiment, and experiment_id isn't set")

    @classmethod
    def draft(
        cls,
        *,
        user_id: str,
        channel: Channel | str = Channel.WEB,
        channel_metadata: Mapping[str, object] = EMPTY,
        session_id: str | None = None,
        flow_id: UUID | None = None,
        flow_version: str | None = None,
        current_state: str | None = None,
        experiment_id: UUID | None = None,
        variant: str | None = None,
        tags: Sequence[str] = (),
        summary: str | None = None,
        business_context: Mapping[str, object] = EMPTY,
        retain_until: datetime | None = None,
        started_at: datetime | None = None,
        id: str | None = None,
    ) -> "Draft[Conversation]":
        """A new, active conversation, for `create`; started when it is created, unless said.

        Raises:
            ValidationError: naming every faulty field.
        """
        begun = NO_TIME if started_at is None else started_at
        made = cls(
            id=UNASSIGNED if id is None else id,
            user_id=UserId(user_id),
            session_id=session_id,
            channel=channel,  # type: ignore[arg-type]  # its rule takes the text, too
            channel_metadata=channel_metadata,  # type: ignore[arg-type]  # its rule makes it one
            started_at=begun,
            last_activity_at=begun,
            flow_id=flow_id,
            flow_version=flow_version,
            current_state=current_state,
            experiment_id=experiment_id,
            variant=variant,
            tags=tags,  # type: ignore[arg-type]  # its rule makes a tuple of it
            summary=summary,
            business_context=business_context,  # type: ignore[arg-type]  # its rule makes it one
            retain_until=retain_until,
            **Draft.PROVISIONAL,
        )
        return Draft(made, id, ("started_at", "last_activity_at") if started_at is None else ())

    def moved_to(
        self, status: ConversationStatus | str, *, at: datetime, reason: str | None = None
    ) -> Self:
        """In another status; closed, if that is one in which nothing more can be said.

        Raises:
            TransitionNotAllowedError: naming both statuses.
            ValidationError: for a status that is none.
        """
        target: ConversationStatus = checked(Conversation, "status", status)
        CONVERSATION_LIFECYCLE.check(self.status, target)
        completed_at = (self.completed_at or at) if target.is_closed else None
        return evolve(self, status=target, status_reason=reason, completed_at=completed_at)

    def entered(self, state: str, *, at: datetime) -> Self:
        """In another state of its flow, which is added to the history.

        Raises:
            ConversationClosedError: if it is closed.
        """
        if self.status.is_closed:
            raise ConversationClosedError(self.status.value)
        history = (*self.state_history, StateVisit(state=state, at=at))[-MAX_STATE_HISTORY:]
        return evolve(self, current_state=state, state_history=history)
