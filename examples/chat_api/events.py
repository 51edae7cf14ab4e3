"""What is counted: made of what is stored, under ids of its own, so that it counts once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from domain.analytics import AnalyticsEvent
from domain.conversations import Conversation
from domain.identity import EntryDraft
from examples.chat_api.places import told

if TYPE_CHECKING:
    from examples.chat_api.turns import Turn


def of_beginning(conversation: Conversation) -> EntryDraft[AnalyticsEvent]:
    """A conversation began."""
    return AnalyticsEvent.draft(
        "conversation_started",
        id=conversation.id,
        at=conversation.started_at,
        flow_id=conversation.flow_id,
        conversation_id=conversation.id,
        user_id=conversation.user_id,
        channel=conversation.channel,
        dimensions={} if conversation.variant is None else {"variant": conversation.variant},
    )


def of_turn(turn: "Turn") -> Iterator[EntryDraft[AnalyticsEvent]]:
    """A turn was taken; and with the last one, a conversation ended."""
    inbound, place = turn.inbound, told(turn.replies) or {}
    dimensions = {"state": str(place.get("state", ""))[:256]}
    if inbound.intent is not None:
        dimensions["intent"] = inbound.intent
    types = ["turn", "conversation_ended"] if place.get("ended") is True else ["turn"]
    for type in types:
        yield AnalyticsEvent.draft(
            type,
            id=f"{inbound.id}:{type}",
            at=inbound.at,
            conversation_id=inbound.conversation_id,
            user_id=inbound.sender,
            dimensions=dimensions,
            measures={"replies": len(turn.replies)},
        )
