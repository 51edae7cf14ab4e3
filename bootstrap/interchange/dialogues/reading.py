"""Reading many conversations' messages."""

import asyncio
from collections.abc import Sequence
from typing import Final

from bootstrap.interchange.dialogues.records import Dialogue
from domain.conversations import Conversation
from domain.messages import Message
from ports.stores import TenantScope
from ports.together import together

AT_ONCE: Final = 8
"""Histories that are read at the same time: fewer than a pool has connections by default."""


async def dialogues_of(scope: TenantScope, conversations: Sequence[Conversation]) -> list[Dialogue]:
    """The conversations with their messages, up to the number at which they stood when they were
    read; memory for all of them.

    By index, a round trip for up to 500 messages of each conversation, several at once. (One for
    all, by criteria, would have to be ordered by the messages' ids, which no index goes by.)
    """
    turn = asyncio.Semaphore(AT_ONCE)

    async def dialogue_of(conversation: Conversation) -> Dialogue:
        messages: list[Message] = []
        if conversation.last_sequence:
            async with turn:
                async for message in scope.messages.stream_history(conversation.id):
                    messages.append(message)
                    if message.sequence >= conversation.last_sequence:
                        break
        return Dialogue(conversation, tuple(messages))

    return await together(map(dialogue_of, conversations))
