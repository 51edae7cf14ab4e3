"""Messages: what was said in a conversation, in which order, and what became known of it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from attrs import evolve, field, frozen

from domain.conversations import Channel
from domain.documents import EMPTY, JsonObject
from domain.errors import Fault, ValidationError
from domain.identity import DIALOGUE_ID, NO_TIME, TENANT, UNASSIGNED, EntryDraft, TenantId
from domain.rules import (
    Value,
    bounded_json,
    flag,
    identifier,
    instance,
    instant,
    number,
    one_of,
    optional,
    rule,
    sequence,
    text,
    whole,
)

MAX_TEXT: Final = 16_384


class Direction(StrEnum):
    """Who a message comes from: the user, the bot (or agent), or the platform itself."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    SYSTEM = "system"


class ContentType(StrEnum):
    """What a message mainly is."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"
    LOCATION = "location"
    CARD = "card"
    TEMPLATE = "template"
    EVENT = "event"
    """Something that happened and was not said, such as a tool's result."""
    REDACTED = "redacted"
    """Its content was removed."""


@frozen(kw_only=True, slots=False)
class Attachment(Value):
    """A file that goes with a message; where it is, never the file itself."""

    url: str = field(metadata=rule(text(2_048, min_length=1)))
    media_type: str | None = field(default=None, metadata=rule(optional(text(255))))
    name: str | None = field(default=None, metadata=rule(optional(text(255))))
    size_bytes: int | None = field(default=None, metadata=rule(optional(whole())))


@frozen(kw_only=True, slots=False)
class QuickReply(Value):
    """An answer that is offered; `payload` is what comes back instead of the title."""

    title: str = field(metadata=rule(text(256, min_length=1)))
    payload: str | None = field(default=None, metadata=rule(optional(text(1_024))))


@frozen(kw_only=True, slots=False)
class MessageContent(Value):
    """What was said or shown. A text message has a text, which may be empty."""

    type: ContentType = field(default=ContentType.TEXT, metadata=rule(one_of(ContentType)))
    text: str | None = field(default=None, metadata=rule(optional(text(MAX_TEXT))))
    payload: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(1024 * 1024)))
    attachments: tuple[Attachment, ...] = field(
        default=(), metadata=rule(sequence(instance(Attachment), 10))
    )
    quick_replies: tuple[QuickReply, ...] = field(
        default=(), metadata=rule(sequence(instance(QuickReply), 10))
    )

    def _cross_faults(self) -> Iterable[Fault]:
        if self.type is ContentType.TEXT and self.text is None:
            yield Fault("text", "is missing from a message of text")
        if self.type is ContentType.REDACTED and self != REDACTED:
            yield Fault("type", "is redacted, and there is content")


REDACTED: Final[MessageContent] = object.__new__(MessageContent)
"""All that is left of a content that was removed."""
REDACTED.__dict__.update(
    type=ContentType.REDACTED, text=None, payload=EMPTY, attachments=(), quick_replies=()
)


@frozen(kw_only=True, slots=False)
class RecognizedEntity(Value):
    """Something named in a text; `start` and `end` are its place, in characters."""

    type: str = field(metadata=rule(text(100, min_length=1)))
    value: str = field(metadata=rule(text(1_000)))
    confidence: float | None = field(default=None, metadata=rule(optional(number(0, 1))))
    start: int | None = field(default=None, metadata=rule(optional(whole(0, MAX_TEXT))))
    end: int | None = field(default=None, metadata=rule(optional(whole(0, MAX_TEXT))))

    def _cross_faults(self) -> Iterable[Fault]:
        if self.start is not None and self.end is not None and self.end < self.start:
            yield Fault("end", "lies before start")


@frozen(kw_only=True, slots=False)
class MessageAnalysis(Value):
    """What was understood. `sentiment` goes from -1 to 1; `language` is a BCP 47 tag."""

    intent: str | None = field(default=None, metadata=rule(optional(text(200, min_length=1))))
    confidence: float | None = field(default=None, metadata=rule(optional(number(0, 1))))
    entities: tuple[RecognizedEntity, ...] = field(
        default=(), metadata=rule(sequence(instance(RecognizedEntity), 100))
    )
    sentiment: float | None = field(default=None, metadata=rule(optional(number(-1, 1))))
    language: str | None = field(default=None, metadata=rule(optional(text(35, min_length=1))))


@frozen(kw_only=True, slots=False)
class Generation(Value):
    """How a message was generated."""

    model: str = field(metadata=rule(text(200, min_length=1)))
    provider: str | None = field(default=None, metadata=rule(optional(text(100))))
    prompt_tokens: int | None = field(default=None, metadata=rule(optional(whole())))
    completion_tokens: int | None = field(default=None, metadata=rule(optional(whole())))
    duration_ms: int | None = field(default=None, metadata=rule(optional(whole())))
    finish_reason: str | None = field(default=None, metadata=rule(optional(text(100))))
    metadata: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(64 * 1024)))


@frozen(kw_only=True, slots=False)
class Moderation(Value):
    """What a moderator, human or not, found."""

    flagged: bool = field(metadata=rule(flag))
    categories: tuple[str, ...] = field(
        default=(), metadata=rule(sequence(text(100, min_length=1), 50))
    )
    action: str | None = field(default=None, metadata=rule(optional(text(100))))
    metadata: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(64 * 1024)))


@frozen(kw_only=True, slots=False)
class Message(Value):
    """An entry in a conversation's log. `sequence` counts from 1 without gaps.

    `at` is when it was said, which a caller may know better than the store; the order is that of
    the sequence. Only `analysis`, `generation` and `moderation` are ever set later; redacting
    removes the content and all that was understood of it, and leaves the place.
    """

    id: str = field(metadata=rule(DIALOGUE_ID))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    conversation_id: str = field(metadata=rule(DIALOGUE_ID))
    sequence: int = field(metadata=rule(whole(1)))
    direction: Direction = field(metadata=rule(one_of(Direction)))
    sender: str | None = field(default=None, metadata=rule(optional(identifier(256))))
    content: MessageContent = field(metadata=rule(instance(MessageContent)))
    channel: Channel | None = field(default=None, metadata=rule(optional(one_of(Channel))))
    at: datetime = field(metadata=rule(instant))
    idempotency_key: str | None = field(default=None, metadata=rule(optional(identifier(255))))
    analysis: MessageAnalysis | None = field(
        default=None, metadata=rule(optional(instance(MessageAnalysis)))
    )
    generation: Generation | None = field(
        default=None, metadata=rule(optional(instance(Generation)))
    )
    moderation: Moderation | None = field(
        default=None, metadata=rule(optional(instance(Moderation)))
    )
    deleted_at: datetime | None = field(default=None, metadata=rule(optional(instant)))

    def _cross_faults(self) -> Iterable[Fault]:
        if (self.deleted_at is None) is (self.content.type is ContentType.REDACTED):
            yield Fault("deleted_at", "is set exactly when the content is redacted")
        if self.deleted_at is not None and self.analysis is not None:
            yield Fault("analysis", "is of a content that was redacted")

    @property
    def text(self) -> str | None:
        """The content's text."""
        return self.content.text

    @property
    def content_type(self) -> ContentType:
        """What it mainly is."""
        return self.content.type

    @property
    def intent(self) -> str | None:
        """What was understood of it, if anything."""
        return None if self.analysis is None else self.analysis.intent

    @property
    def confidence(self) -> float | None:
        """How sure it is that the intent is meant."""
        return None if self.analysis is None else self.analysis.confidence

    @classmethod
    def draft(
        cls,
        text: str | None = None,
        *,
        direction: Direction | str = Direction.INBOUND,
        type: ContentType | str | None = None,
        payload: Mapping[str, object] = EMPTY,
        attachments: Sequence[Attachment] = (),
        quick_replies: Sequence[QuickReply] = (),
        content: MessageContent | None = None,
        sender: str | None = None,
        channel: Channel | str | None = None,
        at: datetime | None = None,
        analysis: MessageAnalysis | None = None,
        generation: Generation | None = None,
        moderation: Moderation | None = None,
        id: str | None = None,
    ) -> "EntryDraft[Message]":
        """A new message, for `append`; said when it is appended, unless the caller says when.

        `content` is for one that is built already, in place of text, type, payload, attachments and
        quick replies. Without a type it is a text, or an event if there is no text.

        Raises:
            ValidationError: naming every faulty field.
        """
        faults: list[Fault] = []
        if content is None:
            plain = ContentType.EVENT if text is None else ContentType.TEXT
            parts: dict[str, Any] = {
                "type": plain if type is None else type,
                "text": text,
                "payload": payload,
                "attachments": attachments,
                "quick_replies": quick_replies,
            }
            try:
                content = MessageContent(**parts)
            except ValidationError as error:
                faults.extend(error.faults)
                content = MessageContent(text="")
        elif text is not None or type is not None or payload or attachments or quick_replies:
            faults.append(Fault("content", "is given, and so is a part of it"))
        try:
            made = cls(
                id=UNASSIGNED if id is None else id,
                tenant_id=TenantId(UNASSIGNED),
                conversation_id=UNASSIGNED,
                sequence=1,
                direction=direction,  # type: ignore[arg-type]  # its rule takes the text, too
                sender=sender,
                content=content,
                channel=channel,  # type: ignore[arg-type]  # its rule takes the text, too
                at=NO_TIME if at is None else at,
                analysis=analysis,
                generation=generation,
                moderation=moderation,
            )
        except ValidationError as error:
            raise ValidationError(cls.__name__, [*faults, *error.faults]) from None
        if faults:
            raise ValidationError(cls.__name__, faults)
        return EntryDraft(made, has_id=id is not None, has_time=at is not None)

    def redacted(self, *, at: datetime) -> Self:
        """Without its content and what was understood of it; one that was redacted stays as it is.

        Who said it, when and where in the sequence, how it was generated and what a moderator
        found (without the details) stay.
        """
        if self.deleted_at is not None:
            return self
        return evolve(
            self,
            content=REDACTED,
            analysis=None,
            generation=_without_metadata(self.generation),
            moderation=_without_metadata(self.moderation),
            deleted_at=at,
        )


def _without_metadata(value: Any) -> Any:
    return None if value is None else evolve(value, metadata=EMPTY)
