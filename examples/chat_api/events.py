"""What is counted: made of what is stored, under ids of its own, so that it counts once."""

from domain.analytics import AnalyticsEvent
from domain.conversations import Conversation
from domain.flow_executions import FlowExecution, Outcome
from domain.identity import EntryDraft
from domain.messages import Message
from examples.chat_api.places import told


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


def of_turn(inbound: Message, replies: tuple[Message, ...]) -> EntryDraft[AnalyticsEvent]:
    """A turn was taken."""
    place = told(replies) or {}
    dimensions = {"state": str(place.get("state", ""))[:256]}
    if inbound.intent is not None:
        dimensions["intent"] = inbound.intent
    return AnalyticsEvent.draft(
        "turn",
        id=inbound.id,
        at=inbound.at,
        conversation_id=inbound.conversation_id,
        user_id=inbound.sender,
        dimensions=dimensions,
        measures={"replies": len(replies)},
    )


def of_end(conversation: Conversation, last: Message) -> EntryDraft[AnalyticsEvent] | None:
    """A flow was carried out to its end, which its figures of the day will count."""
    if conversation.flow_id is None:
        return None
    return FlowExecution(
        id=f"{last.id}:end",
        flow_id=conversation.flow_id,
        started_at=min(conversation.started_at, last.at),
        ended_at=last.at,
        outcome=Outcome.COMPLETED,
        conversation_id=conversation.id,
        user_id=conversation.user_id,
        channel=conversation.channel,
    ).draft()
