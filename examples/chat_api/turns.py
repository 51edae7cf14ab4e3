"""A turn: what the user wrote, and what the bot answers. Once each, whatever fails in between.

The messages are the truth. A turn's are appended together, under the client's idempotency key, and
the last of them says where the flow is then. The execution state in the runtime store is a copy of
that which is quick to read: it is written after the messages, and where it is missing or has fallen
behind (its writer was killed, or it expired), it is made from them again. So there is no
transaction over two stores, and no lock:

- Messages are appended only where the copy was up to date (`expected_sequence`), so that two at
  once are answered one after the other, each in the state that the other left.
- A request that comes again finds its messages by their key, and is answered as the first time.
- The event in the analytics is made of the messages alone, under an id of theirs: whoever records
  it again changes nothing.
"""

import asyncio
from itertools import takewhile
from typing import Final
from uuid import UUID, uuid5

import attrs

from domain.conversations import ConversationClosedError, ConversationStatus
from domain.executions import ExecutionState
from domain.messages import ContentType, Direction, Message, MessageAnalysis
from examples.chat_api import events
from examples.chat_api.engine import advance
from examples.chat_api.flows import Flows
from examples.chat_api.places import Place, by_copy, by_messages, copied, said, told
from ports.errors import (
    ConflictError,
    DuplicateEntityError,
    EntityNotFoundError,
    IdempotencyKeyReusedError,
    SequenceConflictError,
    TransactionError,
)
from ports.reading import back_off
from ports.stores import TenantScope

ATTEMPTS: Final = 50
"""How often a message lets others of its conversation go first."""

LATEST: Final = 100
"""Messages in which the last turn is looked for: others than the bot may have written since."""

MOST_REPLIES: Final = 100
OURS: Final = UUID("0b5a1c52-6d7e-5c5f-9a3a-4f0c5f7c2d11")
"""What the ids that keys stand for are derived within; any UUID, as long as it stays."""


@attrs.frozen
class Turn:
    """What was written, and the answers to it."""

    inbound: Message
    replies: tuple[Message, ...]

    @classmethod
    def of(cls, messages: tuple[Message, ...]) -> "Turn":
        """Of the messages that were appended together."""
        return cls(messages[0], messages[1:])


@attrs.frozen
class Turns:
    """One user's turns in one tenant's conversations."""

    _scope: TenantScope
    _flows: Flows
    _user: str

    async def take(self, conversation_id: str, text: str, key: str) -> Turn:
        """Answer a message. The same key again gives the same turn, and changes nothing.

        Three steps one after the other: the execution state is read, the messages are appended
        (three round trips, in a transaction), the state is written while the event is recorded.

        Raises:
            EntityNotFoundError: if the user has no such conversation.
            ConversationClosedError: if it is over.
            IdempotencyKeyReusedError: if the key came with another text before.
            SequenceConflictError, TransactionError: if others came first each time.
        """
        copy = await self._scope.executions.get(conversation_id)
        place = None if copy is None else by_copy(copy, self._user)
        attempt = 0
        while True:
            if place is None:
                place = await self._by_messages(conversation_id)
            try:
                turn, after = await self._taken(conversation_id, place, text, key)
                break
            except (SequenceConflictError, TransactionError):
                attempt += 1
                if attempt == ATTEMPTS:
                    raise
                place = None
                await back_off(attempt)
        recording = self._record(turn)
        if after is None:
            await recording
        else:
            await asyncio.gather(self._copy(conversation_id, after, copy), recording)
        return turn

    async def _record(self, turn: Turn) -> None:
        happened = [events.of_turn(turn.inbound, turn.replies)]
        if (told(turn.replies) or {}).get("ended") is True:
            conversation = await self._scope.conversations.require(turn.inbound.conversation_id)
            end = events.of_end(conversation, turn.replies[-1])
            happened += [] if end is None else [end]
        await self._scope.analytics.record_many(happened)

    async def _by_messages(self, conversation_id: str) -> Place:
        conversation = await self._scope.conversations.require(conversation_id)
        flow_id, version = conversation.flow_id, conversation.flow_version
        if conversation.user_id != self._user or flow_id is None or version is None:
            raise EntityNotFoundError("conversation", conversation_id)
        messages = await self._scope.messages.latest(conversation_id, LATEST)
        place = by_messages(flow_id, version, messages)
        if place is None:
            raise EntityNotFoundError("conversation", conversation_id)
        return place

    async def _taken(
        self, conversation_id: str, place: Place, text: str, key: str
    ) -> tuple[Turn, Place | None]:
        """The turn, and where the flow is after it; None if it had been taken before."""
        id = str(uuid5(OURS, f"{conversation_id}\0{key}"))
        if place.ended:
            again = await self._again(conversation_id, id, text, key)
            if again is None:
                raise ConversationClosedError(ConversationStatus.COMPLETED.value)
            return again, None
        definition = await self._flows.definition(self._scope, place.flow_id, place.version)
        step = advance(definition, place.state, place.slots, text)
        analysis = None if step.intent is None else MessageAnalysis(intent=step.intent)
        written = Message.draft(text, sender=self._user, analysis=analysis, id=id)
        drafts = [written, *said(step, place.turn + 1)]
        try:
            if step.ended:
                async with self._scope.dialogue() as work:
                    messages = await work.messages.append(
                        conversation_id,
                        drafts,
                        idempotency_key=key,
                        expected_sequence=place.sequence,
                    )
                    await work.conversations.transition(
                        conversation_id, ConversationStatus.COMPLETED, reason=step.state
                    )
            else:
                messages = await self._scope.messages.append(
                    conversation_id,
                    drafts,
                    idempotency_key=key,
                    expected_sequence=place.sequence,
                )
        except IdempotencyKeyReusedError:
            # It may be the same request, which was answered in an earlier state of the flow.
            again = await self._again(conversation_id, id, text, key)
            if again is None:
                raise
            return again, None
        return Turn.of(messages), place.after(step, messages[-1].sequence)

    async def _again(self, conversation_id: str, id: str, text: str, key: str) -> Turn | None:
        """The turn that a key stands for, if it does.

        Raises:
            IdempotencyKeyReusedError: if it came with another text.
        """
        inbound = await self._scope.messages.get_by_id(id)
        if inbound is None or inbound.direction is not Direction.INBOUND:
            return None
        if inbound.content_type is not ContentType.REDACTED and inbound.text != text:
            raise IdempotencyKeyReusedError("conversation", conversation_id)
        page = await self._scope.messages.history(
            conversation_id, after=inbound.sequence, limit=MOST_REPLIES
        )
        return Turn(inbound, tuple(takewhile(lambda one: one.idempotency_key == key, page.items)))

    async def _copy(
        self, conversation_id: str, place: Place, stored: ExecutionState | None
    ) -> None:
        """Write the copy, unless somebody did meanwhile: then it is as good, or is made again."""
        try:
            await self._scope.executions.save(copied(place, conversation_id, self._user, stored))
        except (ConflictError, DuplicateEntityError, EntityNotFoundError):
            return
