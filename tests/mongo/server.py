"""Databases of a real server, looked at through the driver's plain, blocking client."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import uuid4

import attrs
import pymongo
from hypothesis import strategies as st
from pymongo.database import Database

from adapters.mongo.collections import CONTEXTS, CONVERSATIONS, MESSAGES, Collection
from adapters.mongo.keyset import Query, page
from adapters.mongo.migrations import migrate
from adapters.mongo.values import CODEC_OPTIONS
from domain.conversations import Conversation
from domain.identity import TenantId
from domain.messages import Message
from ports.contracts import message_strategies, subjects
from ports.reading import Selection
from tests.servers import sibling

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
Documents: TypeAlias = list[dict[str, Any]]
Mongo: TypeAlias = Database[dict[str, Any]]

BY_NAME = {each.name: each for each in (CONVERSATIONS, MESSAGES, CONTEXTS)}


@contextmanager
def database(server: str, *, migrated: bool = True) -> Iterator[tuple[str, Mongo]]:
    """A database of one's own and its URL; gone at the end."""
    name = f"dialogbase_{uuid4().hex}"
    url = sibling(server, name)
    with pymongo.MongoClient[dict[str, Any]](server) as client:
        if migrated:
            asyncio.run(migrate(url))
        yield url, client.get_database(name, codec_options=CODEC_OPTIONS)
        client.drop_database(name)


def new_tenant() -> TenantId:
    """One that no other test uses."""
    return TenantId(f"t-{uuid4()}")


def entities(collection: Collection, tenant: TenantId) -> st.SearchStrategy[Any]:
    """Every entity of a collection that the domain admits."""
    if collection is MESSAGES:
        return message_strategies.whole(tenant, "c").map(lambda made: made[-1])
    subject = subjects.CONVERSATIONS if collection is CONVERSATIONS else subjects.CONTEXTS
    return subject.entities(tenant)


def several(collection: Collection, tenant: TenantId) -> st.SearchStrategy[list[Any]]:
    """A few of them, of different ids, the messages each of a conversation of its own."""

    def apart(made: list[Any]) -> list[Any]:
        different = list({entity.id: entity for entity in made}.values())
        if collection is MESSAGES:
            return [
                attrs.evolve(entity, conversation_id=f"c{n}") for n, entity in enumerate(different)
            ]
        return different

    return st.lists(entities(collection, tenant), max_size=6).map(apart)


def conversation(tenant: TenantId, id: str = "c", **fields: Any) -> Conversation:
    """A plain one."""
    made = Conversation.draft(user_id="ada").assigned(tenant=tenant, new_id=id, at=AT)
    return attrs.evolve(made, **fields)


def message(tenant: TenantId, id: str = "m", *, place: int = 1, **fields: Any) -> Message:
    """A plain one."""
    placed = {"tenant_id": tenant, "conversation_id": "c", "sequence": place}
    made: Message = Message.draft("hello").placed(at=AT, new_id=id, **placed)
    return attrs.evolve(made, **fields)


def stored(opened: Mongo, collection: Collection, given: Sequence[Any]) -> None:
    """Put entities where the adapter would."""
    if given:
        documents = [collection.mapper.document(entity) for entity in given]
        opened[collection.name].insert_many(documents)


def read(
    opened: Mongo, collection: Collection, tenant: TenantId, selection: Selection, **more: Any
) -> Documents:
    """What a page's query gives."""
    query: Query = page(tenant, selection, collection)
    kept = opened[collection.name]
    if query.pipeline is not None:
        return kept.aggregate(query.pipeline, **more).to_list()
    return kept.find(
        query.filter,
        collection.shown,
        sort=query.sort,
        limit=query.limit,
        skip=query.skip,
        **more,
    ).to_list()
