"""The memory adapter of the dialogue group, broken in one way at a time."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

import attrs

from adapters.memory.conversations import (
    MemoryConversationRepository,
    longest_idle,
    timed_out,
)
from adapters.memory.messages import CONVERSATIONS, MESSAGES, MemoryMessageRepository
from adapters.memory.tables import Transaction
from domain.conversations import Conversation, ConversationStatus
from domain.messages import Message
from domain.rules import restored
from domain.words import terms, words
from ports.append_log import Batch
from ports.contexts import CONTEXT_SCHEMA
from ports.errors import DuplicateEntityError, IdempotencyKeyReusedError
from ports.paging import CursorPage


class SoundMessages(MemoryMessageRepository):
    """The repository as it should be; what is broken overrides a part of it."""

    def _raise_head(self, transaction: Transaction, batch: Batch[Message], **more: Any) -> None:
        head = self._conversation(transaction, batch.log)
        raised = {"last_sequence": head.last_sequence + batch.count, **more}
        self._put_head(transaction, head, raised)


class SoundConversations(MemoryConversationRepository):
    """The same for conversations."""

    def _overwrite(self, conversation: Conversation) -> Conversation:
        """Write it, whatever stands there by now."""
        with self._session.writing() as transaction:
            fields = {**vars(conversation), "revision": conversation.revision + 1}
            fields["updated_at"] = self._now()
            transaction.replace(self._name, restored(Conversation, fields))
            stored: Conversation = transaction.get(self._name, conversation.id)
        return stored


# Appending.


class NumbersByTheClock(SoundMessages):
    """Takes the time for a sequence."""

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        now = int(batch.latest.timestamp() * 1_000)
        return await super()._append(attrs.evolve(batch, entries=lambda _: batch.entries(now)))


class ReservesNumbers(SoundMessages):
    """Takes numbers before it stores anything, and never gives them back."""

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        try:
            return await super()._append(batch)
        except DuplicateEntityError:
            with self._session.writing() as transaction:
                self._raise_head(transaction, batch)
            raise


class NumbersByReadingThenWriting(SoundMessages):
    """Looks for the end of the log, and lets others in before it appends there."""

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        head = self._conversation(self._session.reading(), batch.log)
        await asyncio.sleep(0)
        fixed = attrs.evolve(batch, entries=lambda _: batch.entries(head.last_sequence))
        return await super()._append(fixed)


class RaisesTheHeadLater(SoundMessages):
    """Stores the messages first, then the head."""

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        with self._session.writing() as transaction:
            head = self._conversation(transaction, batch.log)
            messages = batch.entries(head.last_sequence)
            for message in messages:
                transaction.insert(MESSAGES, message)
        await asyncio.sleep(0)
        with self._session.writing() as transaction:
            count = head.message_count + batch.count
            self._raise_head(transaction, batch, message_count=count)
        return messages


class AppendsOneByOne(SoundMessages):
    """Leaves the first of a batch when the last is refused."""

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        appended: list[Message] = []
        for place in range(batch.count):

            def entries(last: int, place: int = place) -> tuple[Message, ...]:
                return (attrs.evolve(batch.entries(last)[place], sequence=last + 1),)

            appended += await super()._append(attrs.evolve(batch, count=1, entries=entries))
        return tuple(appended)


class RaisesTheRevision(SoundMessages):
    """Takes an append for an edit of the conversation."""

    def _put_head(
        self, transaction: Transaction, conversation: Conversation, head: dict[str, Any]
    ) -> None:
        edited = {**head, "revision": conversation.revision + 1}
        super()._put_head(transaction, conversation, edited)


class LetsTheActivityGoBack(SoundMessages):
    """Sets the last activity to the time of whatever is appended."""

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        appended = await super()._append(batch)
        with self._session.writing() as transaction:
            head = self._conversation(transaction, batch.log)
            self._put_head(transaction, head, {"last_activity_at": batch.latest})
        return appended


class LooksAtTheStatusFirst(SoundMessages):
    """Lets the conversation be closed between the check and the append."""

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        status = self._conversation(self._session.reading(), batch.log).status
        await asyncio.sleep(0)
        if status.is_closed:
            return await super()._append(batch)
        with self._session.writing() as transaction:
            head = self._conversation(transaction, batch.log)
            self._put_head(transaction, head, {"status": status})
        appended = await super()._append(batch)
        with self._session.writing() as transaction:
            now = self._conversation(transaction, batch.log)
            self._put_head(transaction, now, {"status": head.status})
        return appended


# Keys.


class ChecksKeysThenInserts(SoundMessages):
    """Looks for the key first; whoever comes at the same time finds none either."""

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        replayed = self._replayed(self._session.reading(), batch)
        if replayed is not None:
            return replayed
        await asyncio.sleep(0)
        return await super()._append(attrs.evolve(batch, replay=None))


class ReplaysWhatever(SoundMessages):
    """Never looks at what comes under a key that it knows."""

    def _replayed(
        self, transaction: Transaction, batch: Batch[Message]
    ) -> tuple[Message, ...] | None:
        try:
            return super()._replayed(transaction, batch)
        except IdempotencyKeyReusedError:
            found = transaction.members(MESSAGES, batch.log)
            key = None if batch.replay is None else batch.replay.key
            return tuple(message for message in found if message.idempotency_key == key)


class ReplaysWhatItStored(SoundMessages):
    """Returns the first result as it was, not as it stands."""

    first: ClassVar[dict[tuple[str, str, str], tuple[Message, ...]]] = {}

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        appended = await super()._append(batch)
        if batch.replay is None:
            return appended
        place = (self._context.tenant, batch.log, batch.replay.key)
        return self.first.setdefault(place, appended)


class KeysOfEveryTenant(SoundMessages):
    """Forgets the tenant where it keeps its keys."""

    known: ClassVar[dict[tuple[str, str], str]] = {}

    async def _append(self, batch: Batch[Message]) -> tuple[Message, ...]:
        if batch.replay is not None:
            place = (batch.log, batch.replay.key)
            if self.known.setdefault(place, batch.replay.digest) != batch.replay.digest:
                raise IdempotencyKeyReusedError(CONVERSATIONS, batch.log)
        return await super()._append(batch)


# Reading.


class PagesByOffset(SoundMessages):
    """Goes back by how many it showed, so that what is appended meanwhile shifts the rest."""

    shown: ClassVar[dict[tuple[str, str, int], int]] = {}

    async def _history(
        self, log: str, after: int, before: int | None, limit: int, backwards: bool
    ) -> Sequence[Message]:
        if not backwards or before is None:
            return await super()._history(log, after, before, limit, backwards)
        newest = await super()._history(log, 0, None, 10_000, True)
        later = len([message for message in newest if message.sequence >= before])
        start = self.shown.get((self._context.tenant, log, before), later)
        found = newest[start : start + limit]
        for place, message in enumerate(found, start + 1):
            self.shown[self._context.tenant, log, message.sequence] = place
        return found


class HidesRedacted(SoundMessages):
    """Leaves redacted messages out of the history."""

    async def _history(
        self, log: str, after: int, before: int | None, limit: int, backwards: bool
    ) -> Sequence[Message]:
        found = await super()._history(log, after, before, limit, backwards)
        return [message for message in found if message.deleted_at is None]


class FindsWholeWords(SoundMessages):
    """Doesn't find a word by its beginning."""

    async def search(self, text: str, **named: Any) -> CursorPage[Message]:
        page = await super().search(text, **named)
        asked = set(terms(text))
        found = [message for message in page.items if asked <= words([message.text])]
        return CursorPage(items=tuple(found), next=page.next)


class RemembersWhatWasRedacted(SoundMessages):
    """Takes the content out of the message and leaves its words in the index."""

    said: ClassVar[dict[str, str]] = {}

    async def _redact(self, id: str, now: datetime) -> Message:
        text = (await self.require(id)).text
        self.said[id] = text or ""
        return await super()._redact(id, now)

    async def search(self, text: str, **named: Any) -> CursorPage[Message]:
        page = await super().search(text, **named)
        kept = await self.get_many(
            id for id, held in self.said.items() if set(terms(text)) <= words([held])
        )
        return CursorPage(items=(*page.items, *kept), next=page.next)


class RedactsTwice(SoundMessages):
    """Lowers the count each time that a message is redacted."""

    async def _redact(self, id: str, now: datetime) -> Message:
        message = await self.require(id)
        redacted = await super()._redact(id, now)
        if message.deleted_at is not None:
            with self._session.writing() as transaction:
                head = self._conversation(transaction, message.conversation_id)
                self._put_head(transaction, head, {"message_count": head.message_count - 1})
        return redacted


# Conversations.


class MovesByReadingThenWriting(SoundConversations):
    """Judges a move by a status that may have changed since."""

    async def transition(self, id: str, status: Any, **named: Any) -> Conversation:
        found = await self.require(id)
        moved = found.moved_to(ConversationStatus(status), at=self._now())
        await asyncio.sleep(0)
        return self._overwrite(moved)


class ClosesByReadingThenWriting(SoundConversations):
    """Closes what was idle when it looked."""

    async def _close_idle(self, before: datetime, now: datetime, limit: int) -> tuple[int, bool]:
        idle = longest_idle(self._session.reading().values(self._name), before, limit)
        await asyncio.sleep(0)
        with self._session.writing() as transaction:
            for conversation in idle:
                transaction.replace(self._name, timed_out(conversation, now))
        return len(idle), len(idle) == limit


class ClosesTheYoungestFirst(SoundConversations):
    """Cuts the idle ones before it sorts them."""

    async def _close_idle(self, before: datetime, now: datetime, limit: int) -> tuple[int, bool]:
        with self._session.writing() as transaction:
            idle = longest_idle(transaction.values(self._name), before, 10_000)[-limit:]
            for conversation in idle:
                transaction.replace(self._name, timed_out(conversation, now))
        return len(idle), len(idle) == limit


class TouchesBackwards(SoundConversations):
    """Sets the last activity to whatever time it is given."""

    async def _touch(self, id: str, at: datetime) -> Conversation:
        await super()._touch(id, at)
        with self._session.writing() as transaction:
            stored = transaction.get(self._name, id)
            touched = restored(Conversation, {**vars(stored), "last_activity_at": at})
            transaction.replace(self._name, touched)
        return touched


class DeleteLeavesMessages(SoundConversations):
    """Removes the conversation and its context alone."""

    def _forget(self, transaction: Transaction, id: str) -> None:
        transaction.remove(self._name, id)
        transaction.remove(CONTEXT_SCHEMA.name, id)


class DeleteLeavesTheContext(SoundConversations):
    """Removes the conversation and its messages alone."""

    def _forget(self, transaction: Transaction, id: str) -> None:
        transaction.remove(self._name, id)
        MemoryMessageRepository.forget(transaction, id)
