"""The mapping of conversations and messages to documents, as one would write it by hand for these
very classes.

What the generic mapping is measured against: the same documents and the same entities. It trusts
what it reads, where the mapping looks at every field's type.
"""

from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

from adapters.mongo.values import escaped, json_object
from domain.conversations import Channel, Conversation, ConversationStatus, StateVisit
from domain.documents import EMPTY, JsonObject
from domain.messages import (
    Attachment,
    ContentType,
    Direction,
    Generation,
    Message,
    MessageAnalysis,
    MessageContent,
    Moderation,
    QuickReply,
    RecognizedEntity,
)
from domain.rules import restored
from domain.text import fold
from domain.words import words

Document = dict[str, Any]
V = TypeVar("V")
E = TypeVar("E", bound=Enum)


def _members(kind: type[E]) -> dict[Any, E]:
    return {member.value: member for member in kind}


_CHANNELS, _STATUSES = _members(Channel), _members(ConversationStatus)
_DIRECTIONS, _TYPES = _members(Direction), _members(ContentType)


def conversation_document(one: Conversation) -> Document:
    """A conversation's document, companions included."""
    return {
        "_id": f"{one.tenant_id}!{one.id}",
        "tenant_id": one.tenant_id,
        "user_id": one.user_id,
        "session_id": one.session_id,
        "channel": one.channel.value,
        "channel_metadata": escaped(one.channel_metadata),
        "status": one.status.value,
        "status_reason": one.status_reason,
        "started_at": one.started_at,
        "last_activity_at": one.last_activity_at,
        "completed_at": one.completed_at,
        "flow_id": one.flow_id,
        "flow_version": one.flow_version,
        "current_state": one.current_state,
        "state_history": [{"state": visit.state, "at": visit.at} for visit in one.state_history],
        "experiment_id": one.experiment_id,
        "variant": one.variant,
        "tags": one.tags,
        "summary": one.summary,
        "business_context": escaped(one.business_context),
        "metrics": escaped(one.metrics),
        "last_sequence": one.last_sequence,
        "message_count": one.message_count,
        "retain_until": one.retain_until,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "revision": one.revision,
        "folded_summary": None if one.summary is None else fold(one.summary),
        "words": _words_of(one.tenant_id, one.summary),
    }


def conversation(document: Document) -> Conversation:
    """The conversation of a document."""
    return restored(
        Conversation,
        {
            "id": document["_id"].partition("!")[2],
            "tenant_id": document["tenant_id"],
            "user_id": document["user_id"],
            "session_id": document["session_id"],
            "channel": _CHANNELS[document["channel"]],
            "channel_metadata": json_object(document["channel_metadata"]),
            "status": _STATUSES[document["status"]],
            "status_reason": document["status_reason"],
            "started_at": _aware(document["started_at"]),
            "last_activity_at": _aware(document["last_activity_at"]),
            "completed_at": _maybe_aware(document["completed_at"]),
            "flow_id": document["flow_id"],
            "flow_version": document["flow_version"],
            "current_state": document["current_state"],
            "state_history": tuple([_visit(visit) for visit in document["state_history"]]),
            "experiment_id": document["experiment_id"],
            "variant": document["variant"],
            "tags": tuple(document["tags"]),
            "summary": document["summary"],
            "business_context": json_object(document["business_context"]),
            "metrics": json_object(document["metrics"]),
            "last_sequence": int(document["last_sequence"]),
            "message_count": int(document["message_count"]),
            "retain_until": _maybe_aware(document["retain_until"]),
            "created_at": _aware(document["created_at"]),
            "updated_at": _aware(document["updated_at"]),
            "revision": int(document["revision"]),
        },
    )


def message_document(one: Message) -> Document:
    """A message's document, companions included."""
    content, analysis, generation = one.content, one.analysis, one.generation
    return {
        "_id": f"{one.tenant_id}!{one.id}",
        "tenant_id": one.tenant_id,
        "conversation_id": one.conversation_id,
        "sequence": one.sequence,
        "direction": one.direction.value,
        "sender": one.sender,
        "content": _content_document(content),
        "channel": None if one.channel is None else one.channel.value,
        "at": one.at,
        "idempotency_key": one.idempotency_key,
        "analysis": None if analysis is None else _analysis_document(analysis),
        "generation": None if generation is None else _generation_document(generation),
        "moderation": None if one.moderation is None else _moderation_document(one.moderation),
        "deleted_at": one.deleted_at,
        "words": _words_of(one.tenant_id, content.text),
    }


def message(document: Document) -> Message:
    """The message of a document."""
    channel, analysis = document["channel"], document["analysis"]
    generation, moderation = document["generation"], document["moderation"]
    return restored(
        Message,
        {
            "id": document["_id"].partition("!")[2],
            "tenant_id": document["tenant_id"],
            "conversation_id": document["conversation_id"],
            "sequence": int(document["sequence"]),
            "direction": _DIRECTIONS[document["direction"]],
            "sender": document["sender"],
            "content": _content(document["content"]),
            "channel": None if channel is None else _CHANNELS[channel],
            "at": _aware(document["at"]),
            "idempotency_key": document["idempotency_key"],
            "analysis": None if analysis is None else _analysis(analysis),
            "generation": None if generation is None else _generation(generation),
            "moderation": None if moderation is None else _moderation(moderation),
            "deleted_at": _maybe_aware(document["deleted_at"]),
        },
    )


def _words_of(tenant: str, text: str | None) -> list[str]:
    return sorted([f"{tenant}!{word}" for word in words((text,))])


def _aware(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _maybe_aware(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)


def _visit(document: Document) -> StateVisit:
    return restored(StateVisit, {"state": document["state"], "at": _aware(document["at"])})


def _content_document(content: MessageContent) -> Document:
    document: Document = {"type": content.type.value}
    if content.text is not None:
        document["text"] = content.text
    if content.payload:
        document["payload"] = escaped(content.payload)
    if content.attachments:
        document["attachments"] = [_given(one) for one in content.attachments]
    if content.quick_replies:
        document["quick_replies"] = [_given(one) for one in content.quick_replies]
    return document


def _content(document: Document) -> MessageContent:
    get = document.get
    return restored(
        MessageContent,
        {
            "type": _TYPES[document["type"]],
            "text": get("text"),
            "payload": json_object(document["payload"]) if "payload" in document else EMPTY,
            "attachments": tuple([_attachment(one) for one in get("attachments", ())]),
            "quick_replies": tuple([_reply(one) for one in get("quick_replies", ())]),
        },
    )


def _given(value: object) -> Document:
    """What is set of a value whose fields need no other form."""
    return {name: item for name, item in vars(value).items() if item is not None}


def _attachment(document: Document) -> Attachment:
    return _filled(Attachment, document, "url", "media_type", "name", "size_bytes")


def _reply(document: Document) -> QuickReply:
    return _filled(QuickReply, document, "title", "payload")


def _filled(kind: type[V], document: Document, *names: str) -> V:
    get = document.get
    return restored(kind, {name: get(name) for name in names})


def _analysis_document(analysis: MessageAnalysis) -> Document:
    document = _given(analysis)
    if analysis.entities:
        document["entities"] = [_given(entity) for entity in analysis.entities]
    else:
        del document["entities"]
    return document


def _analysis(document: Document) -> MessageAnalysis:
    get = document.get
    return restored(
        MessageAnalysis,
        {
            "intent": get("intent"),
            "confidence": get("confidence"),
            "entities": tuple([_entity(one) for one in get("entities", ())]),
            "sentiment": get("sentiment"),
            "language": get("language"),
        },
    )


def _entity(document: Document) -> RecognizedEntity:
    return _filled(RecognizedEntity, document, "type", "value", "confidence", "start", "end")


def _generation_document(generation: Generation) -> Document:
    return _with_metadata(_given(generation), generation.metadata)


def _generation(document: Document) -> Generation:
    get = document.get
    return restored(
        Generation,
        {
            "model": document["model"],
            "provider": get("provider"),
            "prompt_tokens": get("prompt_tokens"),
            "completion_tokens": get("completion_tokens"),
            "duration_ms": get("duration_ms"),
            "finish_reason": get("finish_reason"),
            "metadata": json_object(document["metadata"]) if "metadata" in document else EMPTY,
        },
    )


def _moderation_document(moderation: Moderation) -> Document:
    document = _with_metadata(_given(moderation), moderation.metadata)
    if not moderation.categories:
        del document["categories"]
    return document


def _moderation(document: Document) -> Moderation:
    get = document.get
    return restored(
        Moderation,
        {
            "flagged": document["flagged"],
            "categories": tuple(get("categories", ())),
            "action": get("action"),
            "metadata": json_object(document["metadata"]) if "metadata" in document else EMPTY,
        },
    )


def _with_metadata(document: Document, metadata: JsonObject) -> Document:
    if metadata:
        document["metadata"] = escaped(metadata)
    else:
        del document["metadata"]
    return document
