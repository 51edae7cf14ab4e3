"""Archives over the ports themselves, where these can read and restore all that there is."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from itertools import islice
from typing import ClassVar, Final

from domain.analytics import AnalyticsEvent
from domain.conversations import Conversation
from domain.flow_executions import execution_faults
from domain.identity import TenantId, tenant_id
from domain.messages import Message
from ports.analytics import Analytics
from ports.archives import (
    ANALYTICS_KINDS,
    CONTEXTS,
    CONVERSATIONS,
    DIALOGUE_KINDS,
    EVENTS,
    MESSAGES,
    Archive,
    Batch,
    Key,
    Put,
    Record,
    RecordKind,
)
from ports.errors import DuplicateEntityError, EntityNotFoundError, SequenceConflictError
from ports.gate import OPEN, Gate
from ports.together import together
from ports.unit_of_work import DialogueRepositories

PAGE: Final = 100
"""Conversations that are read together."""
PAGE_MESSAGES: Final = 2_000
"""Messages that are read together, and held in memory; one conversation that has more is read in
parts of so many."""
AT_ONCE: Final = 8
"""Histories, or events, that are read at the same time: fewer than a pool has connections."""


class DialogueArchive(Archive):
    """Conversations with their messages, and contexts, by way of their repositories.

    While others write: each message belongs to a conversation that was read, and comes after it in
    its place; of each conversation there are the messages up to the number at which it stood when
    it was read, unless it was deleted meanwhile. Contexts are read before everything else.

    A conversation's messages are restored in their order: what comes after one that is refused is
    refused, too, as a log has no gaps.
    """

    kinds: ClassVar[tuple[RecordKind, ...]] = DIALOGUE_KINDS

    def __init__(
        self, repositories: Callable[[TenantId], DialogueRepositories], gate: Gate = OPEN
    ) -> None:
        super().__init__(gate)
        self._of = repositories

    async def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        of = self._of(tenant_id(tenant))
        contexts: list[Record] = []
        async for context in of.contexts.stream(order="id"):
            contexts.append(context)
            if len(contexts) >= PAGE:
                yield CONTEXTS, contexts
                contexts = []
        if contexts:
            yield CONTEXTS, contexts
        page: list[Conversation] = []
        messages = 0
        async for conversation in of.conversations.stream(order="id"):
            more = messages + conversation.last_sequence
            if page and (len(page) >= PAGE or more > PAGE_MESSAGES):
                async for batch in _with_messages(of, page):
                    yield batch
                page, messages = [], 0
            page.append(conversation)
            messages += conversation.last_sequence
        async for batch in _with_messages(of, page):
            yield batch

    async def _put(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Sequence[Put]:
        of = self._of(tenant)
        if kind is MESSAGES:
            return await self._appended(tenant, records)
        repository = of.conversations if kind is CONVERSATIONS else of.contexts
        there = {one.id for one in await repository.get_many([record.id for record in records])}
        put = {record.id: Put.HELD for record in records if record.id in there}
        new = [record for record in records if record.id not in there]
        try:
            await repository.create_many(new)
            put |= {record.id: Put.ADDED for record in new}
        except DuplicateEntityError:  # another put some of them back meanwhile
            for record in new:
                try:
                    await repository.create(record)
                    put[record.id] = Put.ADDED
                except DuplicateEntityError:
                    put[record.id] = Put.HELD
        return [put[record.id] for record in records]

    async def _appended(self, tenant: TenantId, messages: Sequence[Message]) -> Sequence[Put]:
        of = self._of(tenant)
        logs: dict[str, list[Message]] = {}
        for message in sorted(messages, key=lambda one: one.sequence):
            logs.setdefault(message.conversation_id, []).append(message)
        there = await self._found(tenant, MESSAGES, messages)
        put: dict[Key, Put] = dict.fromkeys(there, Put.HELD)
        new = {
            log: [one for one in kept if MESSAGES.key_of(one) not in there]
            for log, kept in logs.items()
        }
        fresh = [one for kept in new.values() for one in kept]
        try:
            await of.messages.restore(fresh)
            put |= {MESSAGES.key_of(one): Put.ADDED for one in fresh}
        except (DuplicateEntityError, EntityNotFoundError, SequenceConflictError):
            for kept in new.values():
                put |= await _in_order(of, kept)
        return [put[MESSAGES.key_of(one)] for one in messages]

    async def _found(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Mapping[Key, Record]:
        of = self._of(tenant)
        if kind is not MESSAGES:
            repository = of.conversations if kind is CONVERSATIONS else of.contexts
            found = await repository.get_many([record.id for record in records])
            return {kind.key_of(one): one for one in found}
        places: dict[str, set[int]] = {}
        for one in records:
            places.setdefault(one.conversation_id, set()).add(one.sequence)

        async def standing(log: str, wanted: set[int]) -> list[Message]:
            found: list[Message] = []
            async for message in of.messages.stream_history(log, after=min(wanted) - 1):
                if message.sequence in wanted:
                    found.append(message)
                if message.sequence >= max(wanted):
                    break
            return found

        logs = await together((standing(*one) for one in places.items()), at_once=AT_ONCE)
        return {kind.key_of(one): one for log in logs for one in log}


async def _with_messages(
    of: DialogueRepositories, page: Sequence[Conversation]
) -> AsyncGenerator[Batch, None]:
    if not page:
        return
    yield CONVERSATIONS, page
    if len(page) == 1:
        head, part = page[0].last_sequence, list[Message]()
        if head:
            async for message in of.messages.stream_history(page[0].id):
                if message.sequence > head:
                    break
                part.append(message)
                if len(part) >= PAGE_MESSAGES:
                    yield MESSAGES, part
                    part = []
        if part:
            yield MESSAGES, part
        return

    async def history(conversation: Conversation) -> list[Message]:
        return [
            message
            async for message in of.messages.stream_history(conversation.id)
            if message.sequence <= conversation.last_sequence
        ]

    begun = [one for one in page if one.last_sequence]
    logs = await together(map(history, begun), at_once=AT_ONCE)
    if messages := [message for log in logs for message in log]:
        yield MESSAGES, messages


async def _in_order(of: DialogueRepositories, messages: Sequence[Message]) -> Mapping[Key, Put]:
    """A log's messages one by one, as long as it goes on."""
    put: dict[Key, Put] = {}
    for message in messages:
        key = MESSAGES.key_of(message)
        try:
            await of.messages.restore([message])
            put[key] = Put.ADDED
        except DuplicateEntityError:
            put[key] = Put.HELD
        except (EntityNotFoundError, SequenceConflictError):
            put[key] = Put.ORPHAN
    return put


class AnalyticsArchive(Archive):
    """Events, by id. While others record, an event that is recorded meanwhile may be missing.

    What was counted of flows' executions is restored with the flows' figures: an event that is put
    back is counted already.
    """

    kinds: ClassVar[tuple[RecordKind, ...]] = ANALYTICS_KINDS

    def __init__(self, events: Callable[[TenantId], Analytics], gate: Gate = OPEN) -> None:
        super().__init__(gate)
        self._of = events

    async def read(self, tenant: TenantId) -> AsyncGenerator[Batch, None]:
        batch: list[AnalyticsEvent] = []
        async for event in self._of(tenant_id(tenant)).stream(order="id"):
            batch.append(event)
            if len(batch) >= PAGE_MESSAGES:
                yield EVENTS, batch
                batch = []
        if batch:
            yield EVENTS, batch

    async def _put(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Sequence[Put]:
        unfit = [event.id for event in records if execution_faults(event)]
        put: dict[str, Put] = dict.fromkeys(unfit, Put.UNFIT)
        recorded = await self._of(tenant).restore([one for one in records if one.id not in put])
        put |= dict.fromkeys(recorded.known, Put.HELD)
        put |= dict.fromkeys(recorded.expired, Put.EXPIRED)
        return [put.get(event.id, Put.ADDED) for event in records]

    async def _found(
        self, tenant: TenantId, kind: RecordKind, records: Sequence[Record]
    ) -> Mapping[Key, Record]:
        of, found = self._of(tenant), dict[Key, Record]()
        ids = iter([event.id for event in records])
        while some := list(islice(ids, PAGE)):
            async for event in of.stream(of.where("id").in_(some), order="id"):
                found[kind.key_of(event)] = event
        return found
