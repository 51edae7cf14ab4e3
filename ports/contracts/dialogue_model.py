"""The dialogue group in the reference: logs, keys and heads, in the plainest way there is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import attrs

from domain.conversations import Conversation, ConversationClosedError
from domain.identity import EntryDraft, TenantId
from domain.messages import Message
from ports.append_log import HistoryPage
from ports.contexts import CONTEXT_SCHEMA
from ports.contracts.context_model import ContextModel
from ports.contracts.conversation_model import ConversationModel
from ports.contracts.exact import exact
from ports.contracts.harness import ContractClock
from ports.conversations import CONVERSATION_SCHEMA
from ports.criteria import Criteria
from ports.errors import (
    DuplicateEntityError,
    EntityNotFoundError,
    IdempotencyKeyReusedError,
    SequenceConflictError,
)
from ports.messages import MESSAGE_SCHEMA, refuse_redacted
from ports.paging import CursorPage, Order


@attrs.frozen
class Kept:
    """An append under a key: what was written into it, and the ids of what it stored."""

    content: list[object]
    ids: tuple[str, ...]


def content_of(drafts: Sequence[EntryDraft[Message]]) -> list[object]:
    """All that a caller wrote into drafts, in a form that can be compared."""
    return [
        (
            draft.has_id,
            draft.has_time,
            exact(
                draft.provisional,
                {
                    name
                    for name, chosen in (("id", draft.has_id), ("at", draft.has_time))
                    if not chosen
                },
            ),
        )
        for draft in drafts
    ]


@attrs.define(slots=False)
class MessageModel:
    """One tenant's messages. Its methods are named as the repository's, and answer as it must."""

    tenant: TenantId
    clock: ContractClock
    conversations: ConversationModel
    entries: dict[str, Message] = attrs.field(factory=dict)
    kept: dict[tuple[str, str], Kept] = attrs.field(factory=dict)
    doomed: bool = False
    minted: Sequence[str] = ()
    """The ids that the store gave to what the model is about to append, for it to give the same."""

    @contextmanager
    def _in_store(self) -> Iterator[None]:
        try:
            yield
        except Exception:
            self.doomed = True
            raise

    def _head(self, id: str) -> Conversation:
        if id not in self.conversations.entities:
            raise EntityNotFoundError("conversation", id)
        return self.conversations.entities[id]

    def _standing(self, id: str) -> Message:
        if id not in self.entries:
            raise EntityNotFoundError("message", id)
        return self.entries[id]

    def append(
        self,
        log: str,
        drafts: Sequence[EntryDraft[Message]],
        *,
        idempotency_key: str | None = None,
        expected_sequence: int | None = None,
    ) -> tuple[Message, ...]:
        with self._in_store():
            if idempotency_key is not None and (log, idempotency_key) in self.kept:
                return self._replayed(log, drafts, self.kept[log, idempotency_key])
            head = self._head(log)
            if head.status.is_closed:
                raise ConversationClosedError(head.status.value)
            last = head.last_sequence
            if expected_sequence not in (None, last):
                raise SequenceConflictError("conversation", log, expected_sequence or 0, last)
            made: dict[str, Message] = {}
            for place, draft in enumerate(drafts):
                minted = self.minted[place] if place < len(self.minted) else f"minted {place}"
                message = attrs.evolve(
                    draft.provisional,
                    id=draft.provisional.id if draft.has_id else minted,
                    tenant_id=self.tenant,
                    conversation_id=log,
                    sequence=last + place + 1,
                    at=draft.provisional.at if draft.has_time else self.clock.kept,
                    idempotency_key=idempotency_key,
                )
                if message.id in self.entries or message.id in made:
                    raise DuplicateEntityError("message", ("id",))
                made[message.id] = message
        self.entries |= made
        times = [message.at for message in made.values()]
        self.conversations.entities[log] = attrs.evolve(
            head,
            last_sequence=last + len(made),
            message_count=head.message_count + len(made),
            last_activity_at=max(head.last_activity_at, *times),
        )
        if idempotency_key is not None:
            self.kept[log, idempotency_key] = Kept(content_of(drafts), tuple(made))
        return tuple(made.values())

    def _replayed(
        self, log: str, drafts: Sequence[EntryDraft[Message]], kept: Kept
    ) -> tuple[Message, ...]:
        entries = tuple(self.entries[id] for id in kept.ids)
        whole = all(entry.deleted_at is None for entry in entries)
        if whole and content_of(drafts) != kept.content:
            raise IdempotencyKeyReusedError("conversation", log)
        return entries

    def annotate(self, id: str, **parts: Any) -> Message:
        with self._in_store():
            standing = self._standing(id)
            if standing.deleted_at is not None:
                raise refuse_redacted()
        self.entries[id] = annotated = attrs.evolve(standing, **parts)
        return annotated

    def redact(self, id: str) -> Message:
        with self._in_store():
            standing = self._standing(id)
        if standing.deleted_at is None:
            head = self._head(standing.conversation_id)
            lower = attrs.evolve(head, message_count=head.message_count - 1)
            self.conversations.entities[head.id] = lower
        self.entries[id] = redacted = standing.redacted(at=self.clock.now())
        return redacted

    def log_of(self, log: str) -> list[Message]:
        """All of a log."""
        found = [entry for entry in self.entries.values() if entry.conversation_id == log]
        return sorted(found, key=lambda entry: entry.sequence)

    def history(
        self, log: str, *, after: int | None = None, before: int | None = None, limit: int = 50
    ) -> HistoryPage[Message]:
        found = [
            entry
            for entry in self.log_of(log)
            if entry.sequence > (after or 0) and (before is None or entry.sequence < before)
        ]
        backwards = after is None and before is not None
        items = found[-limit:] if backwards else found[:limit]
        return HistoryPage(items=tuple(items), has_more=len(found) > limit)

    def latest(self, log: str, n: int = 50) -> tuple[Message, ...]:
        return tuple(self.log_of(log)[-n:])

    def get_by_id(self, id: str) -> Message | None:
        return self.entries.get(id)

    def count(self, criteria: Criteria) -> int:
        return len([entry for entry in self.entries.values() if criteria.matches(entry)])

    def scan(self, criteria: Criteria, order: str, *, limit: int) -> CursorPage[Message]:
        found = [entry for entry in self.entries.values() if criteria.matches(entry)]
        ordered = Order.of(order, MESSAGE_SCHEMA).sorted(found)
        if len(ordered) > limit:
            raise ValueError("the model has no cursors: ask for all")
        return CursorPage(items=tuple(ordered), next=None)


@attrs.define(slots=False)
class DialogueModel:
    """One tenant's conversations, messages and contexts."""

    conversations: ConversationModel
    messages: MessageModel
    contexts: ContextModel

    @classmethod
    def of(cls, tenant: TenantId, clock: ContractClock) -> Self:
        """One in which there is nothing."""
        conversations = ConversationModel(CONVERSATION_SCHEMA, tenant, clock)
        contexts = ContextModel(CONTEXT_SCHEMA, tenant, clock)
        return cls(conversations, MessageModel(tenant, clock, conversations), contexts)

    def copy(self) -> Self:
        """Another one that begins as this one is."""
        conversations = self.conversations.copy()
        messages = attrs.evolve(
            self.messages,
            conversations=conversations,
            entries=dict(self.messages.entries),
            kept=dict(self.messages.kept),
            doomed=False,
        )
        return type(self)(conversations, messages, self.contexts.copy())

    @property
    def doomed(self) -> bool:
        """Whether a write failed in the store itself."""
        return any(part.doomed for part in (self.conversations, self.messages, self.contexts))

    @contextmanager
    def cascading(self) -> Iterator[None]:
        """Whatever is done within: what belongs to a conversation that goes, goes with it."""
        before = set(self.conversations.entities)
        try:
            yield
        finally:
            gone = before - set(self.conversations.entities)
            messages = self.messages
            messages.entries = {
                id: one for id, one in messages.entries.items() if one.conversation_id not in gone
            }
            messages.kept = {key: one for key, one in messages.kept.items() if key[0] not in gone}
            for id in gone & set(self.contexts.entities):
                del self.contexts.entities[id]
