"""A message as a turn of a record, and back: nothing of either is lost."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid5

import attrs

from bootstrap.interchange.dialogues.own import OWN, fields_of, plain
from domain.errors import Fault, ValidationError
from domain.identity import TenantId
from domain.messages import REDACTED, ContentType, Direction, Message, MessageContent

NAMESPACE: Final = UUID("3f0d6a55-9c8e-5f3b-8a57-6b1f0e2d4c91")
"""Of the ids of messages whose turn has none. Changing it would make an import's ids differ."""

TURN: Final = "dialogbase.turn"
"""The key of a payload that holds what a message by itself doesn't tell of its turn."""

WITHOUT: Final = "dialogbase.without"
"""The key of a payload that names what the turn hadn't, and an export would give it."""

DIRECTIONS: Final = {
    "user": Direction.INBOUND,
    "participant": Direction.INBOUND,
    "assistant": Direction.OUTBOUND,
    "system": Direction.SYSTEM,
    "tool": Direction.SYSTEM,
}
_ROLES: Final = {
    Direction.INBOUND: "user",
    Direction.OUTBOUND: "assistant",
    Direction.SYSTEM: "system",
}
_OF_CONTENT: Final = frozenset({"type", "attachments", "quick_replies"})
_OPTIONAL: Final = (
    "channel",
    "idempotency_key",
    "analysis",
    "generation",
    "moderation",
    "deleted_at",
)
_OF_MESSAGE: Final = frozenset({"id", *_OPTIONAL})
_EMPTY: Final = MessageContent(text="")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


@attrs.frozen(kw_only=True)
class Place:
    """Where a turn stands."""

    tenant: TenantId
    conversation: str
    sequence: int = 0

    def at(self, sequence: int) -> "Place":
        """Another place in the same conversation."""
        return attrs.evolve(self, sequence=sequence)

    @property
    def message_id(self) -> str:
        """Of a message whose turn has no id: the UUIDv5 (RFC 9562, section 5.5) of its place."""
        return str(uuid5(NAMESPACE, f"{self.conversation}\n{self.sequence}"))


def time_of(turn: Mapping[str, Any]) -> datetime | None:
    """When a turn was said, if it tells.

    Raises:
        ValidationError: if it tells a time that can't be.
    """
    seconds = turn.get("ts")
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise ValidationError("Message", [Fault("ts", "must be a number of seconds, or null")])
    try:
        return _EPOCH + timedelta(milliseconds=round(seconds * 1000))
    except (OverflowError, ValueError):
        fault = Fault("ts", "lies outside the years 1 to 9999: it counts seconds since 1970")
        raise ValidationError("Message", [fault]) from None


def seconds_of(at: datetime) -> int | float:
    """A time in Unix seconds."""
    seconds, milliseconds = divmod((at - _EPOCH) // _MILLISECOND, 1000)
    return seconds + milliseconds / 1000 if milliseconds else seconds


def message_of(turn: Mapping[str, Any], place: Place, at: datetime) -> Message:
    """The message that a turn describes, said `at` that time.

    Raises:
        ValidationError: with all that is wrong with the turn.
    """
    faults: list[Fault] = []
    role, speaker, text = turn.get("role"), turn.get("speaker"), turn.get("text")
    annotations = turn.get("annotations")
    direction = DIRECTIONS.get(role) if isinstance(role, str) else None
    if direction is None:
        told = "must be one of" if "role" in turn else "is missing; there are"
        faults.append(Fault("role", f"{told} {', '.join(DIRECTIONS)}"))
        direction = Direction.SYSTEM
    payload: Mapping[str, Any] = annotations if isinstance(annotations, Mapping) else {}
    for key in (TURN, WITHOUT):
        if key in payload:
            faults.append(Fault(f"annotations.{key}", "is reserved"))
    own: dict[str, Any] = {}
    if OWN in turn:
        try:
            own = _own_fields(turn[OWN])
        except ValidationError as error:
            faults += [fault.under(OWN) for fault in error.faults]
    fields: dict[str, Any] = {
        "id": place.message_id,
        "tenant_id": place.tenant,
        "conversation_id": place.conversation,
        "sequence": place.sequence,
        "direction": direction,
        "sender": None if speaker == "" else speaker,
        "at": at,
    }
    plain_turn = _plain(fields, text, payload)
    content = {
        "type": _type(text, own.get("deleted_at")),
        "text": text,
        "payload": {**payload, **_kept(turn, plain_turn)},
        **{name: own.pop(name) for name in _OF_CONTENT if name in own},
    }
    try:
        fields["content"] = MessageContent(**content)
    except ValidationError as error:
        faults += error.faults
        fields["content"] = REDACTED if own.get("deleted_at") else _EMPTY
    try:
        message = Message(**fields | own)
    except ValidationError as error:
        raise ValidationError("Message", [*faults, *error.faults]) from None
    if faults:
        raise ValidationError("Message", faults)
    return message


def turn_of(message: Message) -> dict[str, Any]:
    """The turn of a message, to be printed as JSON; `message_of` makes an equal message of it.

    For a message that was imported, and not redacted since, it is the turn as it was.
    """
    content = message.content
    payload: Mapping[str, Any] = content.payload
    kept, absent = payload.get(TURN), payload.get(WITHOUT)
    if kept is not None or absent is not None:
        payload = {name: value for name, value in payload.items() if name not in (TURN, WITHOUT)}
    turn = _plain(vars(message), content.text, payload)
    if isinstance(kept, Mapping):
        turn |= kept
    if isinstance(absent, list):
        turn = {name: value for name, value in turn.items() if name not in absent}
    own: dict[str, Any] = {}
    place = Place(
        tenant=message.tenant_id,
        conversation=message.conversation_id,
        sequence=message.sequence,
    )
    if message.id != place.message_id:
        own["id"] = message.id
    if content.type is not _type(content.text, message.deleted_at):
        own["type"] = content.type.value
    for name in ("attachments", "quick_replies"):
        if value := getattr(content, name):
            own[name] = plain(value)
    for name in _OPTIONAL:
        if (value := getattr(message, name)) is not None:
            own[name] = plain(value)
    return {**turn, OWN: own} if own else turn


def _own_fields(document: object) -> dict[str, Any]:
    """What a turn's `dialogbase` gives: fields of the content and of the message."""
    content = fields_of(MessageContent, document, _OF_CONTENT, others=_OF_MESSAGE)
    return content | fields_of(Message, document, _OF_MESSAGE, others=_OF_CONTENT)


def _type(text: object, deleted_at: object) -> ContentType:
    """A content's type, unless it has another."""
    if deleted_at is not None:
        return ContentType.REDACTED
    return ContentType.EVENT if text is None else ContentType.TEXT


def _plain(fields: Mapping[str, Any], text: Any, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The turn that a message's fields tell by themselves."""
    return {
        "i": fields["sequence"] - 1,
        "speaker": fields["sender"],
        "role": _ROLES[fields["direction"]],
        "text": text,
        "ts": seconds_of(fields["at"]),
        "annotations": payload,
    }


def _kept(turn: Mapping[str, Any], plain_turn: Mapping[str, Any]) -> dict[str, Any]:
    """What a payload must hold for the turn to come out of it as it is."""
    other = {
        name: value
        for name, value in turn.items()
        if name != OWN and not (name in plain_turn and _same(value, plain_turn[name]))
    }
    absent = [name for name in plain_turn if name not in turn]
    return {**({TURN: other} if other else {}), **({WITHOUT: absent} if absent else {})}


def _same(one: object, other: object) -> bool:
    """Whether JSON has the same for both: 1, 1.0 and true differ."""
    if one is other:
        return True
    return type(one) is type(other) and one == other and not isinstance(one, Mapping | list)
