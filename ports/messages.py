"""The message repository: what every store of messages promises."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.conversations import Channel
from domain.errors import Fault, ValidationError
from domain.messages import (
    ContentType,
    Direction,
    Generation,
    Message,
    MessageAnalysis,
    Moderation,
)
from domain.rules import checked
from ports.append_log import AppendLog, LogSchema
from ports.paging import CursorPage
from ports.schema import FieldSchema, Kind, SearchBy

MESSAGE_SCHEMA = LogSchema(
    entity=Message,
    name="message",
    fields=[
        FieldSchema("id", Kind.TEXT, sortable=True),
        FieldSchema("conversation_id", Kind.TEXT),
        FieldSchema("sequence", Kind.INTEGER),
        FieldSchema("direction", Kind.ENUM, members=Direction),
        FieldSchema("sender", Kind.TEXT, nullable=True),
        FieldSchema("content_type", Kind.ENUM, members=ContentType),
        FieldSchema("text", Kind.TEXT, nullable=True),
        FieldSchema("channel", Kind.ENUM, nullable=True, members=Channel),
        FieldSchema("at", Kind.INSTANT, sortable=True),
        FieldSchema("idempotency_key", Kind.TEXT, nullable=True),
        FieldSchema("intent", Kind.TEXT, nullable=True),
        FieldSchema("confidence", Kind.NUMBER, nullable=True),
        FieldSchema("deleted_at", Kind.INSTANT, nullable=True),
    ],
    patchable=frozenset({"analysis", "generation", "moderation"}),
    searchable=("text",),
    search_by=SearchBy.WORDS,
    log="conversation_id",
    owner="conversation",
)
UNCHANGED: Any = object()
"""Stands for an argument that wasn't given, since None is a value."""


class MessageRepository(AppendLog[Message]):
    """The messages of one tenant's conversations: a conversation's log is named by its id.

    Appending raises the conversation's `last_sequence` and `message_count`, and `last_activity_at`
    to the latest of the messages' times if that is later, in the same commit; a closed conversation
    takes no messages.
    """

    schema = MESSAGE_SCHEMA

    async def search(
        self,
        text: str,
        *,
        conversation_id: str | None = None,
        direction: Direction | str | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> CursorPage[Message]:
        """The messages in whose text every term of `text` begins a word, newest first.

        `domain.words` says what a word is, in scripts without spaces too: `酒店` is found in
        `我想订酒店`. Redacted messages aren't found. A blank text finds every message. `after` is
        a cursor, as in `scan`. By index: it costs what the messages cost that have the rarest term.

        Raises:
            InvalidQueryError: for a text that holds no word, such as `?!`, or more than 20 terms or
                1 000 characters; and as `scan`.
        """
        wanted = self.where.search(text)
        if conversation_id is not None:
            wanted &= self.where("conversation_id").eq(conversation_id)
        if direction is not None:
            wanted &= self.where("direction").eq(direction)
        return await self.scan(wanted, "-at", after, limit)

    async def by_intent(
        self,
        intent: str,
        *,
        min_confidence: float = 0.0,
        after: str | None = None,
        limit: int = 50,
    ) -> CursorPage[Message]:
        """The messages that were understood so, newest first; with `min_confidence` above 0, only
        those at least so sure. By index, which reads those that are less sure on the way, too.
        `after` is a cursor, as in `scan`.

        Raises:
            InvalidQueryError: for a `min_confidence` that isn't a finite number; and as `scan`.
        """
        wanted = self.where("intent").eq(intent)
        least = self.where("confidence").gte(min_confidence)
        if min_confidence > 0:
            wanted &= least
        return await self.scan(wanted, "-at", after, limit)

    async def annotate(
        self,
        id: str,
        *,
        analysis: MessageAnalysis | None = UNCHANGED,
        generation: Generation | None = UNCHANGED,
        moderation: Moderation | None = UNCHANGED,
    ) -> Message:
        """Set what became known of a message later; what isn't given stays, None removes it.

        Concurrent annotations of different parts all take effect; of one part, the last wins.

        Raises:
            ValidationError: if nothing is given, for a value that isn't one, or a message that was
                redacted.
            EntityNotFoundError: if there is none.
        """
        given = {"analysis": analysis, "generation": generation, "moderation": moderation}
        changes = {name: value for name, value in given.items() if value is not UNCHANGED}
        message, kept = self.schema.check_id(id), self.schema.check_patch(changes)
        await self._context.gate.admit(self._context.tenant)
        return await self._annotate(message, kept)

    async def redact(self, id: str) -> Message:
        """Remove a message's content, and what was understood of it, for good; it keeps its place.

        The conversation's `message_count` falls by one in the same commit, unless it is 0 already
        (in a head that was restored so). A message that was redacted already is returned as it is.
        Four round trips in stores that need a transaction,
        five if it was appended with an idempotency key.

        Raises:
            EntityNotFoundError: if there is none.
        """
        now = checked(Message, "deleted_at", self._context.clock.now())
        return await self._redact(self.schema.check_id(id), now)

    @abstractmethod
    async def _annotate(self, id: str, changes: Mapping[str, Any]) -> Message: ...

    @abstractmethod
    async def _redact(self, id: str, now: datetime) -> Message: ...


def refuse_redacted() -> ValidationError:
    """What is raised when a redacted message is annotated."""
    return ValidationError("message", [Fault("deleted_at", "is set: a redacted message stays so")])
