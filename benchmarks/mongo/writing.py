"""Rows of writing conversations: insert, compare-and-set, and thousands at once."""

from collections.abc import Iterator, Sequence
from itertools import count, cycle, islice
from typing import Any

import attrs

from adapters.mongo.collections import CONVERSATIONS
from adapters.mongo.documents import word_key
from benchmarks.dialogues import conversation_drafts
from benchmarks.figures import Figure
from benchmarks.mongo.bare import Document, moved
from benchmarks.mongo.comparing import (
    GOAL_PEER_BULK,
    Row,
    Way,
    measured,
)
from benchmarks.mongo.place import Place, new_tenant
from benchmarks.scale import Scale
from domain.conversations import CONVERSATION_LIFECYCLE, Conversation, ConversationStatus
from domain.identity import tenant_id
from domain.text import fold
from domain.words import words

_TEMPLATE = tenant_id("template")
_SCHEMA = CONVERSATIONS.schema
_MAINTAINED = ("created_at", *_SCHEMA.maintained)
_LEFT = frozenset({"_id", "tenant_id", *_MAINTAINED})
_turns = count()


async def template(place: Place, size: int) -> list[Document]:
    """So many documents as our adapter writes them."""
    stored = await place.bare.stored(_TEMPLATE, place.bare.conversations)
    if len(stored) < size:
        await place.bare.drop(_TEMPLATE)
        await place.of(_TEMPLATE).conversations.create_many(conversation_drafts(size))
        stored = await place.bare.stored(_TEMPLATE, place.bare.conversations)
    return stored[:size]


def _fresh(documents: Sequence[Document], size: int) -> list[Document]:
    tenant = new_tenant()
    return [moved(document, tenant) for document in islice(documents, size)]


async def insert(place: Place, scale: Scale) -> list[Figure]:
    """Insert one: one caller, and many."""
    documents = await template(place, max(2 * scale.callers, 10))
    bare, peer = place.bare, place.peer

    def ours() -> Way:
        async def create(given: Any) -> Any:
            conversations, draft = given
            return await conversations.create(draft)

        def prepare(operations: int) -> Sequence[Any]:
            conversations = place.of(new_tenant()).conversations
            return [(conversations, draft) for draft in conversation_drafts(operations)]

        return Way(prepare, create)

    def by_hand() -> Way:
        return Way(lambda size: _fresh(documents, size), bare.conversations.insert_one)

    def by_peer() -> Way:
        def prepare(size: int) -> Sequence[Any]:
            return [peer.instance(document) for document in _fresh(documents, size)]

        return Way(prepare, peer.insert)

    row = Row("insert", ours, by_hand, by_peer)
    return [
        *await measured(place, scale, row),
        *await measured(place, scale, row, callers=scale.callers),
    ]


async def replace(place: Place, scale: Scale) -> list[Figure]:
    """Compare-and-set of conversations that were read before, with another summary."""
    documents = await template(place, max(2 * scale.callers, 10))
    # Each contender has its own, in either run.
    taken = iter([await _copied(place, documents) for _ in range(8)])
    row = Row(
        "compare-and-set",
        lambda: _ours(place, next(taken)),
        lambda: _by_hand(place, next(taken)),
        lambda: _by_peer(place, next(taken)),
    )
    return [
        *await measured(place, scale, row),
        *await measured(place, scale, row, callers=scale.callers),
    ]


async def _copied(place: Place, documents: Sequence[Document]) -> list[Document]:
    copies = _fresh(documents, len(documents))
    await place.bare.conversations.insert_many(copies)
    return copies


def _text() -> str:
    return f"Asked about what was promised for last Friday, as told in turn {next(_turns)}."


def _summary(tenant: str, text: str) -> Document:
    """A summary, and what is derived from it."""
    kept = sorted([word_key(tenant, word) for word in words((text,))])
    return {"summary": text, "folded_summary": fold(text), "words": kept}


def _some(current: dict[str, Any]) -> Iterator[str]:
    return cycle(list(current))


def _ours(place: Place, documents: Sequence[Document]) -> Way:
    conversations = place.of(documents[0]["tenant_id"]).conversations
    entities = CONVERSATIONS.mapper.all_restored(documents)
    current: dict[str, Conversation] = {entity.id: entity for entity in entities}
    turn = _some(current)

    def prepare(operations: int) -> Sequence[Any]:
        return [attrs.evolve(current[id], summary=_text()) for id in islice(turn, operations)]

    async def tidy(updated: Any) -> None:
        current.update({conversation.id: conversation for conversation in updated})

    return Way(prepare, conversations.update, tidy)


def _by_hand(place: Place, documents: Sequence[Document]) -> Way:
    current = {document["_id"]: dict(document) for document in documents}
    turn = _some(current)
    collection = place.bare.conversations
    before = [one.value for one in CONVERSATION_LIFECYCLE.before(ConversationStatus.ACTIVE)]
    kept = dict.fromkeys(_MAINTAINED, 1)

    def prepare(operations: int) -> Sequence[Document]:
        changed = []
        for key in islice(turn, operations):
            text, document = _text(), current[key]
            changed.append({**document, **_summary(document["tenant_id"], text)})
        return changed

    async def replace(document: Document) -> Document:
        revision = document["revision"]
        changes = {name: value for name, value in document.items() if name not in _LEFT}
        changes["revision"] = revision + 1
        await collection.find_one_and_update(
            {"_id": document["_id"], "revision": revision, "status": {"$in": before}},
            {"$set": changes},
            projection=kept,
            return_document=True,
        )
        return {**document, "revision": revision + 1}

    async def tidy(updated: Any) -> None:
        current.update({document["_id"]: document for document in updated})

    return Way(prepare, replace, tidy)


def _by_peer(place: Place, documents: Sequence[Document]) -> Way:
    peer = place.peer
    current = {document["_id"]: peer.instance(document) for document in documents}
    turn = _some(current)

    def prepare(operations: int) -> Sequence[Any]:
        models = [current[key] for key in islice(turn, operations)]
        return [(model, _summary(model.tenant_id, _text())) for model in models]

    async def replace(given: Any) -> Any:
        return await peer.replace(*given)

    async def tidy(updated: Any) -> None:
        current.update({model.id: model for model in updated})

    return Way(prepare, replace, tidy)


async def bulk(place: Place, scale: Scale) -> list[Figure]:
    """Thousands at once, in one transaction; what was written goes again after each turn."""
    documents = await template(place, scale.bulk_rows)
    bare, peer = place.bare, place.peer

    async def drop(tenants: Any) -> None:
        for tenant in tenants:
            await bare.drop(tenant)

    def ours() -> Way:
        def prepare(_: int) -> Sequence[Any]:
            return [(new_tenant(), list(conversation_drafts(scale.bulk_rows)))]

        async def create(given: Any) -> str:
            tenant, made = given
            await place.of(tenant).conversations.create_many(made)
            return str(tenant)

        return Way(prepare, create, drop)

    def by_hand() -> Way:
        async def insert(given: list[Document]) -> str:
            async with bare.transaction() as session:
                await bare.conversations.insert_many(given, session=session)
            return str(given[0]["tenant_id"])

        return Way(lambda _: [_fresh(documents, scale.bulk_rows)], insert, drop)

    def by_peer() -> Way:
        def prepare(_: int) -> Sequence[Any]:
            fresh = _fresh(documents, scale.bulk_rows)
            return [[peer.instance(document) for document in fresh]]

        async def insert(given: Any) -> str:
            await peer.insert_many(given)
            return str(given[0].tenant_id)

        return Way(prepare, insert, drop)

    row = Row(
        f"bulk create {scale.bulk_rows}",
        ours,
        by_hand,
        by_peer,
        goal=None,
        peer_goal=GOAL_PEER_BULK,
        operations=1,
    )
    return await measured(place, scale, row, rounds=scale.fewest)
