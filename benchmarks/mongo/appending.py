"""Rows of what is said: appends, and imports of whole dialogues."""

from collections.abc import Iterator, Sequence
from itertools import count, cycle, islice
from typing import Any

from pymongo.monitoring import CommandListener

from adapters.mongo.collections import CONVERSATIONS
from benchmarks.dialogues import conversation_drafts, dialogues, message_drafts, under
from benchmarks.figures import Figure
from benchmarks.mongo.bare import Document, moved
from benchmarks.mongo.comparing import GOAL_APPEND, Row, Way, measured
from benchmarks.mongo.place import Place, new_tenant, open_client, open_store
from benchmarks.scale import Scale
from bootstrap.interchange.dialogues.records import Dialogue
from domain.conversations import OPEN_STATUSES
from domain.identity import EntryDraft, TenantId, tenant_id
from domain.messages import Message

_BATCH = 50
_ROUND_TRIPS = 3
_TEMPLATE = tenant_id("said")
_OPEN = [status.value for status in OPEN_STATUSES]
_numbers = count()


async def appends(place: Place, scale: Scale) -> list[Figure]:
    """One message and 50 at once, by one caller and by many, each to a conversation of his own;
    and how many commands one takes.
    """
    documents = await _template(place, _BATCH)
    drafts = list(message_drafts(_BATCH))
    taken = iter([await _logs(place, scale.callers) for _ in range(12)])

    def row(name: str, size: int, operations: int) -> Row:
        return Row(
            name,
            lambda: _ours(place, next(taken), drafts[:size]),
            lambda: _by_hand(place, next(taken), documents[:size]),
            goal=GOAL_APPEND,
            operations=operations,
        )

    one, many = row("append one", 1, 10), row(f"append {_BATCH}", _BATCH, 3)
    return [
        *await measured(place, scale, one),
        *await measured(place, scale, one, callers=scale.callers),
        *await measured(place, scale, many, rounds=scale.few),
        *await measured(place, scale, many, callers=scale.callers, rounds=scale.fewest),
        await _round_trips(place),
    ]


async def _template(place: Place, size: int) -> list[Document]:
    """So many messages as our adapter writes them."""
    ((tenant, log),) = await _logs(place, 1)
    await place.of(tenant).messages.append(log, message_drafts(size))
    return await place.bare.stored(tenant, place.bare.messages)


async def _logs(place: Place, number: int) -> list[tuple[TenantId, str]]:
    owner = new_tenant()
    made = await place.of(owner).conversations.create_many(conversation_drafts(number))
    return [(owner, conversation.id) for conversation in made]


def _cycled(logs: Sequence[Any], operations: int) -> list[Any]:
    """A turn's logs: each caller has one of his own."""
    return list(islice(cycle(logs), operations))


def _ours(
    place: Place, logs: Sequence[tuple[TenantId, str]], drafts: Sequence[EntryDraft[Message]]
) -> Way:
    messages = place.of(logs[0][0]).messages

    async def append(log: tuple[TenantId, str]) -> Any:
        return await messages.append(log[1], drafts)

    return Way(lambda operations: _cycled(logs, operations), append)


def _by_hand(
    place: Place, logs: Sequence[tuple[TenantId, str]], documents: Sequence[Document]
) -> Way:
    bare = place.bare
    latest = max(document["at"] for document in documents)
    raised = {
        "$inc": {"last_sequence": len(documents), "message_count": len(documents)},
        "$max": {"last_activity_at": latest},
    }

    def prepare(operations: int) -> Sequence[Any]:
        return [
            (
                {"_id": CONVERSATIONS.mapper.key(tenant, log), "status": {"$in": _OPEN}},
                list(_numbered(documents, tenant, log)),
            )
            for tenant, log in _cycled(logs, operations)
        ]

    async def append(given: Any) -> None:
        conversation, messages = given
        await bare.append(conversation, raised, messages)

    return Way(prepare, append)


def _numbered(documents: Sequence[Document], tenant: str, log: str) -> Iterator[Document]:
    for document in documents:
        key = f"{tenant}!0190a6f2-7c1e-7d64-9a3b-{next(_numbers):012x}"
        yield {**moved(document, tenant), "_id": key, "conversation_id": log}


class _Counted(CommandListener):
    """Counts the commands that are sent."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: Any) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: Any) -> None:
        """Counted when it began."""

    def failed(self, event: Any) -> None:
        """Counted when it began."""


async def _round_trips(place: Place) -> Figure:
    counted = _Counted()
    ((tenant, log),) = await _logs(place, 1)
    store = open_store(open_client(place.url, place.driver, event_listeners=[counted]))
    try:
        messages = store.repositories(tenant).messages
        await messages.append(log, message_drafts(1))  # by now it is connected
        counted.names.clear()
        await messages.append(log, message_drafts(1))
        sent = tuple(counted.names)
    finally:
        await store.close()
    return Figure(
        name=f"{place.driver}: append one, round trips",
        against=f"{_ROUND_TRIPS}, as promised",
        ratio=len(sent) / _ROUND_TRIPS,
        goal=1.0,
        unit="round trips",
        ours=str(len(sent)),
        theirs=str(_ROUND_TRIPS),
    )


async def imports(place: Place, scale: Scale) -> list[Figure]:
    """A batch of whole dialogues, of about 2 000 messages, in one unit of work; not their parsing.
    What was written goes again after each turn.
    """
    whole = dialogues(_TEMPLATE, scale.bulk_rows * 2 // 5)
    said = sum(len(one.messages) for one in whole)
    bare = place.bare
    await bare.drop(_TEMPLATE)
    await _imported(place, _TEMPLATE, whole)
    conversations = await bare.stored(_TEMPLATE, bare.conversations)
    messages = await bare.stored(_TEMPLATE, bare.messages)

    async def drop(tenants: Any) -> None:
        for tenant in tenants:
            await bare.drop(tenant)

    def ours() -> Way:
        def prepare(_: int) -> Sequence[Any]:
            tenant = new_tenant()
            return [(tenant, under(tenant, whole))]

        async def bring(given: Any) -> str:
            tenant, batch = given
            await _imported(place, tenant, batch)
            return str(tenant)

        return Way(prepare, bring, drop)

    def by_hand() -> Way:
        def prepare(_: int) -> Sequence[Any]:
            tenant = new_tenant()
            return [
                (
                    tenant,
                    [_unrestored(moved(document, tenant)) for document in conversations],
                    [moved(document, tenant) for document in messages],
                )
            ]

        async def bring(given: Any) -> str:
            tenant, owners, documents = given
            await bare.restore(owners, documents)
            return str(tenant)

        return Way(prepare, bring, drop)

    row = Row(
        f"import {len(whole)} dialogues, {said} messages",
        ours,
        by_hand,
        goal=None,
        operations=1,
    )
    return await measured(place, scale, row, rounds=scale.fewest)


def _unrestored(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "restored"}


async def _imported(place: Place, tenant: TenantId, whole: Sequence[Dialogue]) -> None:
    async with place.store.unit(tenant) as unit:
        await unit.conversations.create_many([one.conversation for one in whole])
        await unit.messages.restore([message for one in whole for message in one.messages])
