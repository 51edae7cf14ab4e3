"""A conversation with its messages as a record, and back: nothing of either is lost."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

import attrs
import orjson

from bootstrap.interchange.dialogues.own import OWN, defaults_of, fields_of, plain
from bootstrap.interchange.dialogues.turns import Place, message_of, time_of, turn_of
from bootstrap.interchange.lines import RefusedError, summary
from domain.conversations import Channel, Conversation, ConversationStatus
from domain.documents import EMPTY
from domain.errors import Fault, ValidationError
from domain.identity import DIALOGUE_ID, TenantId
from domain.messages import Message
from domain.rules import checked

RECORD: Final = "dialogbase.record"
"""The key of a business context that holds a record's other fields."""

UNDATED: Final = "dialogbase.undated"
"""The key of a business context that says that nothing told when the conversation began."""

CHANNEL: Final = Channel.API
"""Of a conversation whose record has none: a program brought it."""

_RESERVED: Final = (RECORD, UNDATED)
_SPOKEN_FOR: Final = frozenset({"id", "turns", "user_id", "channel", OWN})
_KEPT_BY_STORES: Final = frozenset(
    {"tenant_id", "last_sequence", "message_count", "created_at", "updated_at", "revision"}
)
_OWN_FIELDS: Final = (
    frozenset(field.name for field in attrs.fields(Conversation)) - _KEPT_BY_STORES - _SPOKEN_FOR
)
_FIRST: Final = ("started_at", "last_activity_at", "status")
"""Fields that others depend upon."""

_Turn: TypeAlias = tuple[int, Mapping[str, Any], datetime | None]
"""Its place from 0, the turn, and when it was said if it tells."""


@attrs.frozen
class Dialogue:
    """A conversation and all of its messages, by ascending sequence."""

    conversation: Conversation
    messages: tuple[Message, ...]


def dialogue_of(record: Mapping[str, Any], *, tenant: TenantId, at: datetime) -> Dialogue:
    """The dialogue that a record describes, as created in `tenant` at `at`.

    Raises:
        RefusedError: saying all that is wrong with the record.
    """
    missing = [name for name in ("id", "turns") if name not in record]
    if missing:
        raise RefusedError(f"has no {' and no '.join(missing)}")
    faults: list[Fault] = []
    try:
        conversation_id: str = DIALOGUE_ID(record["id"])
    except ValueError as error:
        raise RefusedError(f"id: {error}") from None
    own: dict[str, Any] = {}
    try:
        own = fields_of(Conversation, record.get(OWN, EMPTY), _OWN_FIELDS)
        own |= {name: checked(Conversation, name, own[name]) for name in _FIRST if name in own}
    except ValidationError as error:
        own = {}
        faults += [fault.under(OWN) for fault in error.faults]
    turns = _timed(record["turns"], faults)
    dated = [time for _, _, time in turns if time is not None]
    undated = not dated and "started_at" not in own
    started = own.setdefault("started_at", dated[0] if dated else at)
    place = Place(tenant=tenant, conversation=conversation_id)
    messages = _messages(turns, started, place, faults)
    latest = own.setdefault("last_activity_at", max([started, *(one.at for one in messages)]))
    if own.setdefault("status", ConversationStatus.COMPLETED).is_closed:
        own.setdefault("completed_at", latest)
    try:
        conversation = Conversation(
            **own
            | {
                "id": conversation_id,
                "tenant_id": tenant,
                "user_id": _or(record.get("user_id"), conversation_id),
                "channel": _or(record.get("channel"), CHANNEL),
                "business_context": _context(record, conversation_id, own, undated),
                "last_sequence": len(messages),
                "message_count": sum(one.deleted_at is None for one in messages),
                "created_at": at,
                "updated_at": at,
            }
        )
    except ValidationError as error:
        raise RefusedError(summary([*faults, *error.faults])) from None
    if faults:
        raise RefusedError(summary(faults))
    return Dialogue(conversation, tuple(messages))


def record_of(dialogue: Dialogue) -> dict[str, Any]:
    """The record of a dialogue, to be printed as JSON; `dialogue_of` makes an equal one of it.

    For a dialogue that was imported, and not changed since, it is the record as it was.
    """
    rendering = Rendering(dialogue.conversation)
    turns = [rendering.turn(message) for message in dialogue.messages]
    return {**rendering.head, "turns": turns, **rendering.tail()}


def same_content(one: Dialogue, other: Dialogue) -> bool:
    """Whether both have the same record: to the letter, so that 1, 1.0 and true differ."""
    return _canonical(one) == _canonical(other)


def _canonical(dialogue: Dialogue) -> bytes:
    return orjson.dumps(record_of(dialogue), option=orjson.OPT_SORT_KEYS)


class Rendering:
    """A record in the making, turn by turn: `head`, then every turn in order, then `tail`."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._began: datetime | None = None
        self._latest = conversation.started_at
        kept = conversation.business_context.get(RECORD)
        self._kept: Mapping[str, Any] = kept if isinstance(kept, Mapping) else EMPTY

    @property
    def head(self) -> dict[str, Any]:
        """What comes before the turns."""
        conversation = self._conversation
        set_since = {
            name: plain(getattr(conversation, name))
            for name, default in _defaults(conversation.id).items()
            if getattr(conversation, name) != default
        }
        return {"id": conversation.id, **self._kept, **set_since}

    def turn(self, message: Message) -> dict[str, Any]:
        """A message's turn."""
        turn = turn_of(message)
        self._latest = max(self._latest, message.at)
        if self._began is None and turn.get("ts") is not None:
            self._began = message.at
        return turn

    def tail(self) -> dict[str, Any]:
        """What comes after the turns: the conversation's further fields, if there are any."""
        conversation = self._conversation
        context = conversation.business_context
        if self._began is None and UNDATED in context:
            self._began = conversation.started_at
        latest = conversation.last_activity_at
        usual = {
            **defaults_of(Conversation),
            "status": ConversationStatus.COMPLETED,
            "started_at": self._began,
            "last_activity_at": self._latest,
            "completed_at": latest if conversation.status.is_closed else None,
        }
        fields = {name: getattr(conversation, name) for name in _OWN_FIELDS}
        fields["business_context"] = {
            name: value for name, value in context.items() if name not in _RESERVED
        }
        own = {name: plain(value) for name, value in sorted(fields.items()) if value != usual[name]}
        return {OWN: own} if own else {}


def _timed(candidates: object, faults: list[Fault]) -> list[_Turn]:
    """The turns that are objects; the rest are faults."""
    turns: list[_Turn] = []
    if not isinstance(candidates, list):
        faults.append(Fault("turns", "must be a list"))
        return turns
    for index, turn in enumerate(candidates):
        if not isinstance(turn, Mapping):
            faults.append(Fault(f"turns[{index}]", "must be an object"))
            continue
        try:
            turns.append((index, turn, time_of(turn)))
        except ValidationError as error:
            faults += [fault.under(f"turns[{index}]") for fault in error.faults]
            turns.append((index, turn, None))
    return turns


def _messages(
    turns: list[_Turn], said: datetime, place: Place, faults: list[Fault]
) -> list[Message]:
    messages: list[Message] = []
    for index, turn, time in turns:
        said = said if time is None else time
        try:
            messages.append(message_of(turn, place.at(index + 1), said))
        except ValidationError as error:
            faults += [fault.under(f"turns[{index}]") for fault in error.faults]
    return messages


def _context(
    record: Mapping[str, Any], conversation_id: str, own: Mapping[str, Any], undated: bool
) -> dict[str, Any]:
    """The business context of a record's conversation: its own, and the record's other fields."""
    context = own.get("business_context", EMPTY)
    if not isinstance(context, Mapping):
        raise RefusedError(f"{OWN}.business_context: must be an object")
    for key in _RESERVED:
        if key in context:
            raise RefusedError(f"{OWN}.business_context.{key}: is reserved")
    kept = {name: value for name, value in record.items() if name not in _SPOKEN_FOR}
    for name, default in _defaults(conversation_id).items():
        # Not if it is another: a user's id is nothing to be kept where nobody looks for it.
        if name in record and record[name] in (None, default):
            kept[name] = record[name]
    return {**context, RECORD: kept, **({UNDATED: True} if undated else {})}


def _defaults(conversation_id: str) -> dict[str, Any]:
    return {"user_id": conversation_id, "channel": CHANNEL}


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
