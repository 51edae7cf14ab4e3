"""Conversations and messages as the contracts of the dialogue group make and read them."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import attrs

from domain.conversations import Conversation, ConversationStatus
from domain.identity import EntryDraft
from domain.messages import Message
from ports.stores import TenantScope
from ports.unit_of_work import DialogueUnit

Holder: TypeAlias = TenantScope | DialogueUnit
"""What has the repositories of the dialogue group: they are asked for alike inside and outside."""

CLOSED = tuple(status for status in ConversationStatus if status.is_closed)


async def begun(holder: Holder, id: str | None = None, **fields: Any) -> Conversation:
    """A stored conversation in which nothing was said."""
    named = {"user_id": "ada", "id": id, **fields}
    return await holder.conversations.create(Conversation.draft(**named))


async def begun_in(holder: Holder, status: ConversationStatus, **fields: Any) -> Conversation:
    """A stored conversation in any status, in which nothing was said."""
    made = await begun(holder)
    standing = attrs.evolve(made, id=f"{made.id} {status}", status=status, **fields)
    return await holder.conversations.create(standing)


def said(*texts: str, **fields: Any) -> list[EntryDraft[Message]]:
    """A draft for each text."""
    return [Message.draft(text, **fields) for text in texts]


async def say(
    holder: Holder, conversation: Conversation, *texts: str, **fields: Any
) -> tuple[Message, ...]:
    """Append a message for each text."""
    return await holder.messages.append(conversation.id, said(*texts, **fields))


async def log_of(holder: Holder, conversation: Conversation) -> list[Message]:
    """All that is in a conversation's log."""
    return [message async for message in holder.messages.stream_history(conversation.id)]


def numbers(messages: Iterable[Message]) -> list[int]:
    """Their sequences."""
    return [message.sequence for message in messages]


def texts(messages: Iterable[Message]) -> list[str | None]:
    """Their texts."""
    return [message.text for message in messages]


def gap_free(messages: Sequence[Message]) -> bool:
    """Whether they are numbered 1, 2, 3 … as they stand."""
    return numbers(messages) == list(range(1, len(messages) + 1))
