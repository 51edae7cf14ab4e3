"""What is sent and answered, as JSON."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.conversations import Channel, Conversation, ConversationStatus
from domain.messages import MAX_TEXT, ContentType, Direction, Message
from domain.sessions import Session


class Shape(BaseModel):
    """Read by nobody but its client: made from what was checked before."""

    model_config = ConfigDict(frozen=True)


class LogIn(BaseModel):
    """Who logs in. A real service asks for a proof of it, too, and checks that first."""

    user_id: Annotated[str, Field(min_length=1, max_length=256)]


class SessionShape(Shape):
    """A session. Its token is in the cookie alone."""

    user_id: str
    expires_at: datetime

    @classmethod
    def of(cls, session: Session) -> Self:
        return cls(user_id=session.user_id, expires_at=session.expires_at)


class Start(BaseModel):
    """How a conversation is begun."""

    channel: Channel = Channel.WEB


class Write(BaseModel):
    """What the user writes."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class MessageShape(Shape):
    """A message. `sequence` counts from 1 in its conversation."""

    id: str
    sequence: int
    direction: Direction
    type: ContentType
    text: str | None
    choices: list[str]
    at: datetime

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls.model_construct(
            id=message.id,
            sequence=message.sequence,
            direction=message.direction,
            type=message.content_type,
            text=message.text,
            choices=[reply.title for reply in message.content.quick_replies],
            at=message.at,
        )


class TurnShape(Shape):
    """What was written, and the answers."""

    message: MessageShape
    replies: list[MessageShape]


class ConversationShape(Shape):
    """A conversation, as it stands."""

    id: str
    channel: Channel
    status: ConversationStatus
    flow_id: UUID | None
    flow_version: str | None
    message_count: int
    started_at: datetime
    last_activity_at: datetime

    @classmethod
    def of(cls, found: Conversation) -> Self:
        return cls.model_construct(**{name: getattr(found, name) for name in cls.model_fields})


class BegunShape(Shape):
    """A conversation as it began: the same, however often it is asked for by its key."""

    id: str
    channel: Channel
    flow_id: UUID | None
    flow_version: str | None
    variant: str | None
    started_at: datetime
    messages: list[MessageShape]


class HistoryShape(Shape):
    """Messages by ascending sequence. `previous` is what to go on `before`, and `next` what to go
    on `after`, where there is more in the direction in which they were read, and back where that
    came from.
    """

    items: list[MessageShape]
    previous: int | None
    next: int | None
