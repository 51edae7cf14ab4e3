"""Messages in memory."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

import attrs

from adapters.memory.reading import MemoryReading
from adapters.memory.repository import next_number
from adapters.memory.tables import Table, Transaction
from domain.conversations import Conversation, ConversationClosedError
from domain.messages import Message
from domain.rules import restored
from ports.append_log import Batch, misplaced
from ports.errors import (
    DuplicateEntityError,
    EntityNotFoundError,
    IdempotencyKeyReusedError,
    SequenceConflictError,
)
from ports.messages import MESSAGE_SCHEMA, MessageRepository, refuse_redacted
from ports.schema import Unique

MESSAGES: Final = MESSAGE_SCHEMA.name
CONVERSATIONS: Final = MESSAGE_SCHEMA.owner
REPLAYS: Final = "replay"
_PLACE: Final = Unique(("conversation_id", "sequence"))


@attrs.frozen(kw_only=True)
class _Kept:
    """An append that can come again. `digest` is None once a message of it was redacted."""

    conversation_id: str
    key: str
    digest: str | None
    ids: tuple[str, ...]


def _replay_key(kept: _Kept) -> tuple[str, str]:
    return kept.conversation_id, kept.key


class MemoryMessageRepository(MemoryReading[Message], MessageRepository):
    """Messages."""

    @classmethod
    def tables(cls) -> dict[str, Table]:
        """Messages by conversation, and the appends that can come again."""
        return {
            MESSAGES: Table(
                MESSAGES,
                key=lambda message: message.id,
                unique=(_PLACE,),
                group=lambda message: message.conversation_id,
                grouped_by="conversation_id",
                ordered=True,
                place=lambda message: message.sequence,
            ),
            REPLAYS: Table(REPLAYS, key=_replay_key, group=lambda kept: kept.conversation_id),
        }

    @staticmethod
    def forget(transaction: Transaction, conversation_id: str) -> None:
        """Remove a conversation's messages."""
        for message in transaction.members(MESSAGES, conversation_id):
            transaction.remove(MESSAGES, message.id)
        for kept in transaction.members(REPLAYS, conversation_id):
            transaction.remove(REPLAYS, _replay_key(kept))

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        with self._session.writing() as transaction:
            replayed = self._replayed(transaction, batch)
            if replayed is not None:
                return replayed
            conversation = self._conversation(transaction, batch.log)
            if conversation.status.is_closed:
                raise ConversationClosedError(conversation.status.value)
            last = conversation.last_sequence
            if batch.expected is not None and last != batch.expected:
                raise SequenceConflictError(CONVERSATIONS, batch.log, batch.expected, last)
            messages = batch.entries(last)
            head = {
                "last_sequence": next_number(last, batch.count),
                "message_count": next_number(conversation.message_count, batch.count),
                "last_activity_at": max(conversation.last_activity_at, batch.latest),
            }
            # First: whoever lost the race for the head lost it, and holds no taken number.
            self._put_head(transaction, conversation, head)
            for message in messages:
                transaction.insert(MESSAGES, message)
            if batch.replay is not None:
                kept = _Kept(
                    conversation_id=batch.log,
                    key=batch.replay.key,
                    digest=batch.replay.digest,
                    ids=tuple(message.id for message in messages),
                )
                transaction.insert(REPLAYS, kept)
            return messages

    def _replayed(
        self, transaction: Transaction, batch: Batch[Message]
    ) -> tuple[Message, ...] | None:
        """What an append gave before, if this is one that came before."""
        if batch.replay is None:
            return None
        kept: _Kept | None = transaction.get(REPLAYS, (batch.log, batch.replay.key))
        if kept is None:
            return None
        if kept.digest not in (None, batch.replay.digest):
            raise IdempotencyKeyReusedError(CONVERSATIONS, batch.log)
        return tuple(transaction.get(MESSAGES, id) for id in kept.ids)

    async def _restore(self, logs: dict[str, list[Message]]) -> None:
        with self._session.writing() as transaction:
            heads = {log: self._conversation(transaction, log).last_sequence for log in logs}
            places = {log: self._places(transaction, log) for log in logs}
            for log, messages in logs.items():
                taken, first = places[log], messages[0].sequence
                before = first - 1
                if before and before not in taken:
                    before = max((place for place in taken if place < first), default=0)
                if fault := misplaced(MESSAGE_SCHEMA, log, messages, before, heads[log]):
                    raise fault
            for log, messages in logs.items():
                for message in messages:
                    transaction.insert(MESSAGES, message)
                    if message.sequence in places[log]:
                        raise DuplicateEntityError(MESSAGES, _PLACE.key)

    async def _history(
        self, log: str, after: int, before: int | None, limit: int, backwards: bool
    ) -> Sequence[Message]:
        view = self._session.reading()
        conversation: Conversation | None = view.get(CONVERSATIONS, log)
        if conversation is None:
            return ()
        last = conversation.last_sequence
        end = last if before is None else min(before - 1, last)
        places = range(end, after, -1) if backwards else range(after + 1, end + 1)
        return list(islice(self._in_places(view, log, places), limit))

    def _in_places(self, view: Transaction, log: str, places: range) -> Iterator[Message]:
        held = self._places(view, log)
        if len(places) <= len(held):
            return filter(None, map(held.get, places))
        # Some aren't there, such as an end that wasn't restored yet, however long it is.
        there = sorted((place for place in held if place in places), reverse=places.step < 0)
        return map(held.__getitem__, there)

    def _places(self, view: Transaction, log: str) -> Mapping[int, Message]:
        """A log's messages by their places: at once, unless the view has something of its own."""
        if view.pristine:
            held: Mapping[int, Message] = view.table(MESSAGES).places.get(log, {})
            return held
        return {one.sequence: one for one in view.members(MESSAGES, log)}

    async def _annotate(self, id: str, changes: Mapping[str, Any]) -> Message:
        with self._session.writing() as transaction:
            message = self._message(transaction, id)
            if message.deleted_at is not None:
                raise refuse_redacted()
            annotated = restored(Message, {**vars(message), **changes})
            transaction.replace(MESSAGES, annotated)
            return annotated

    async def _redact(self, id: str, now: datetime) -> Message:
        with self._session.writing() as transaction:
            message = self._message(transaction, id)
            redacted = message.redacted(at=now)
            if redacted is message:
                return message
            transaction.replace(MESSAGES, redacted)
            conversation = self._conversation(transaction, message.conversation_id)
            left = max(0, conversation.message_count - 1)
            self._put_head(transaction, conversation, {"message_count": left})
            if message.idempotency_key is not None:
                kept = transaction.get(REPLAYS, (message.conversation_id, message.idempotency_key))
                if kept is not None and id in kept.ids:  # one that was restored is in none
                    transaction.replace(REPLAYS, attrs.evolve(kept, digest=None))
            return redacted

    def _message(self, transaction: Transaction, id: str) -> Message:
        found: Message | None = transaction.get(MESSAGES, id)
        if found is None:
            raise EntityNotFoundError(MESSAGES, id)
        return found

    def _conversation(self, transaction: Transaction, id: str) -> Conversation:
        found: Conversation | None = transaction.get(CONVERSATIONS, id)
        if found is None:
            raise EntityNotFoundError(CONVERSATIONS, id)
        return found

    def _put_head(
        self, transaction: Transaction, conversation: Conversation, head: dict[str, Any]
    ) -> None:
        changed = restored(Conversation, {**vars(conversation), **head})
        transaction.replace(CONVERSATIONS, changed)
