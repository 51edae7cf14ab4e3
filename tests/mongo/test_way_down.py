"""The way down: a pipeline of the service's own, which reads as the tenant and no further."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import pytest

from adapters.mongo.driver import DriverName, MongoOptions
from adapters.mongo.migrations import migrate
from adapters.mongo.store import MongoStore
from adapters.system import SystemClock, Uuid7Generator
from domain.conversations import Conversation
from domain.identity import TenantId
from domain.messages import Message
from ports.errors import InvalidQueryError, StoreUnavailableError

COUNT = {"$count": "n"}


async def _opened(url: str, driver: DriverName) -> MongoStore:
    await migrate(url)
    clock = SystemClock()
    options = MongoOptions(driver=driver)
    return await MongoStore.open(url, clock=clock, ids=Uuid7Generator(clock), options=options)


async def _filled(store: MongoStore, count: int = 3) -> TenantId:
    tenant = TenantId(f"t-{uuid4()}")
    await store.repositories(tenant).conversations.create_many(
        Conversation.draft(user_id=f"user {n}", channel="web" if n % 2 else "sms")
        for n in range(count)
    )
    return tenant


async def _all(
    store: MongoStore,
    tenant: TenantId,
    *stages: Mapping[str, Any],
    collection: str = "conversations",
) -> list[Mapping[str, Any]]:
    return [each async for each in store.aggregate(tenant, collection, stages)]


def test_a_pipeline_reads_the_tenant_s_documents_alone(empty: str, driver: DriverName) -> None:
    """Whatever it asks for; and nothing of a tenant whose name begins alike."""

    async def scenario() -> None:
        store = await _opened(empty, driver)
        try:
            mine, theirs = await _filled(store), await _filled(store, 2)
            alike = TenantId(f"{mine}:b")
            conversations = store.repositories(alike).conversations
            talk = await conversations.create(Conversation.draft(user_id="bob"))
            await store.repositories(alike).messages.append(talk.id, [Message.draft("hi")])
            by_channel = {"$group": {"_id": "$channel", "n": {"$sum": 1}}}
            found = await _all(store, mine, by_channel, {"$sort": {"_id": 1}})
            assert found == [{"_id": "sms", "n": 2}, {"_id": "web", "n": 1}]
            asked = {"$match": {"tenant_id": theirs}}
            assert await _all(store, mine, asked) == []
            either = {"$match": {"$or": [{"tenant_id": theirs}, {"user_id": "user 0"}]}}
            assert await _all(store, mine, either, COUNT) == [{"n": 1}]
            facets = {"$facet": {"all": [COUNT], "web": [{"$match": {"channel": "web"}}, COUNT]}}
            assert await _all(store, mine, facets) == [{"all": [{"n": 3}], "web": [{"n": 1}]}]
            assert await _all(store, mine, COUNT, collection="messages") == []
            assert await _all(store, alike, COUNT, collection="messages") == [{"n": 1}]
        finally:
            await store.close()

    asyncio.run(scenario())


def test_what_does_not_just_read_is_refused(empty: str, driver: DriverName) -> None:
    """Before the server is asked, with nothing changed and no word of the driver's."""
    refused: Sequence[Any] = [
        [{"$out": "other"}],
        [{"$merge": {"into": "conversations"}}],
        [{"$lookup": {"from": "messages", "pipeline": [], "as": "all"}}],
        [{"$graphLookup": {}}],
        [{"$unionWith": "conversations"}],
        [{"$facet": {"a": [{"$unionWith": "conversations"}]}}],
        [{"$facet": {"a": [{"$facet": {"b": [{"$out": "x"}]}}]}}],
        [{"$facet": []}],
        [{"$currentOp": {}}],
        [{"$indexStats": {}}],
        [{"$collStats": {}}],
        [{"$changeStream": {}}],
        [{"$documents": []}],
        [{"$match": {"$where": "true"}}],
        [{"$project": {"a": {"$cond": [{"$function": {"body": "f", "args": [], "lang": "js"}}]}}}],
        [{"$group": {"_id": 1, "a": {"$accumulator": {}}}}],
        [{"$nothing": 1}],
        [{"$match": {}, "$out": "x"}],
        [{}],
        ["$match"],
        [None],
        "$match",
        None,
        [{"$group": {}}],  # by the server
        [{"$match": {"$nothing": 1}}],
    ]

    async def scenario() -> None:
        store = await _opened(empty, driver)
        try:
            tenant = await _filled(store)
            for pipeline in refused:
                with pytest.raises(InvalidQueryError) as told:
                    [each async for each in store.aggregate(tenant, "conversations", pipeline)]
                assert told.value.__context__ is None, pipeline
            for name in ("tombstones", "nothing", "system.profile", ""):
                with pytest.raises(InvalidQueryError):
                    await _all(store, tenant, collection=name)
            assert await _all(store, tenant, COUNT) == [{"n": 3}]
        finally:
            await store.close()

    asyncio.run(scenario())


def test_documents_are_streamed_until_the_reader_has_enough(empty: str, driver: DriverName) -> None:
    """Many batches, each once; who stops leaves neither connection nor cursor in use."""

    async def scenario() -> None:
        store = await _opened(empty, driver)
        try:
            tenant = await _filled(store, 950)
            found = await _all(store, tenant, {"$project": {"user_id": 1}})
            assert {each["user_id"] for each in found} == {f"user {n}" for n in range(950)}
            assert len(found) == 950
            for _ in range(30):
                async with aclosing(store.aggregate(tenant, "conversations", [])) as documents:
                    assert (await anext(documents))["tenant_id"] == tenant
            assert await _all(store, tenant, COUNT) == [{"n": 950}]
        finally:
            await store.close()
        with pytest.raises(StoreUnavailableError):
            await _all(store, tenant, COUNT)

    asyncio.run(scenario())
