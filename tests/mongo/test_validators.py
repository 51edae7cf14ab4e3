"""The server itself refuses what no entity can be, whoever writes it."""

from collections.abc import Iterator
from typing import Any

import pymongo.errors
import pytest
from bson import Int64

from adapters.mongo.collections import CONVERSATIONS, EVENTS, MESSAGES, REPLAY
from domain.analytics import AnalyticsEvent
from domain.messages import MessageAnalysis
from tests.mongo.server import AT, Mongo, conversation, database, message, new_tenant

REFUSED = 121


@pytest.fixture(scope="module")
def opened(server: str) -> Iterator[Mongo]:
    """A migrated database."""
    with database(server) as (_, found):
        yield found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "unheard of"),
        ("status", None),
        ("channel", 1),
        ("revision", 0),
        ("revision", 1.5),
        ("user_id", None),
        ("summary", 1),
        ("started_at", "2026-01-01"),
        ("flow_id", "text"),
        ("tags", "a"),
        ("tags", [1]),
        ("metrics", []),
        ("metrics", None),
        ("state_history", [{"state": "a"}]),
        ("state_history", [{"state": "a", "at": AT, "more": 1}]),
        ("words", None),
        ("words", [1]),
        ("folded_summary", 1),
        ("tenant_id", "another"),
    ],
)
def test_a_conversation_that_cannot_be_is_refused(opened: Mongo, name: str, value: Any) -> None:
    """Inserted, or made so later."""
    document = CONVERSATIONS.mapper.document(conversation(new_tenant()))
    kept = opened["conversations"]
    with pytest.raises(pymongo.errors.WriteError) as told:
        kept.insert_one({**document, name: value})
    assert told.value.code == REFUSED
    kept.insert_one(document)
    with pytest.raises(pymongo.errors.WriteError) as told:
        kept.update_one({"_id": document["_id"]}, {"$set": {name: value}})
    assert told.value.code == REFUSED
    with pytest.raises(pymongo.errors.WriteError):
        kept.update_one({"_id": document["_id"]}, {"$unset": {name: 1}})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("content.type", "unheard of"),
        ("content.text", 1),
        ("content.more", 1),
        ("content", None),
        ("content.attachments", [{"name": "no url"}]),
        ("analysis.confidence", "much"),
        ("analysis.entities", [{"type": "a"}]),
        ("moderation", {"action": "none"}),
        (REPLAY, {"key": "k"}),
        (REPLAY, {"key": "k", "digest": "d", "count": 0}),
    ],
)
def test_a_message_that_cannot_be_is_refused(opened: Mongo, path: str, value: Any) -> None:
    """In its parts, too, and in the marks of the log."""
    document = MESSAGES.mapper.document(message(new_tenant(), analysis=MessageAnalysis()))
    kept = opened["messages"]
    kept.insert_one(document)
    with pytest.raises(pymongo.errors.WriteError) as told:
        kept.update_one({"_id": document["_id"]}, {"$set": {path: value}})
    assert told.value.code == REFUSED


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("at", "2026-01-01"),
        ("type", None),
        ("channel", "unheard of"),
        ("dimensions.country", 1),
        ("dimensions", None),
        ("measures.latency", "slow"),
        ("measures", [1]),
        ("tenant_id", "another"),
    ],
)
def test_an_event_that_cannot_be_is_refused(opened: Mongo, path: str, value: Any) -> None:
    """In what it was measured, too."""
    draft = AnalyticsEvent.draft("turn", dimensions={"a.b": "$x"}, measures={"n": 1, "f": 0.5})
    document = EVENTS.mapper.document(draft.placed(at=AT, new_id="e", tenant_id=new_tenant()))
    opened["events"].insert_one(document)
    with pytest.raises(pymongo.errors.WriteError) as told:
        opened["events"].update_one({"_id": document["_id"]}, {"$set": {path: value}})
    assert told.value.code == REFUSED


def test_what_the_store_counts_may_grow_beyond_32_bits(opened: Mongo) -> None:
    """And a log's mark is taken."""
    tenant = new_tenant()
    document = CONVERSATIONS.mapper.document(conversation(tenant, last_sequence=2**31 - 1))
    opened["conversations"].insert_one(document)
    key = {"_id": document["_id"]}
    opened["conversations"].update_one(key, {"$inc": {"last_sequence": 1}})
    found = opened["conversations"].find_one(key)
    assert found is not None
    assert type(found["last_sequence"]) is Int64
    assert CONVERSATIONS.mapper.restored(found).last_sequence == 2**31
    mark = {"key": "k", "digest": "d", "count": 3}
    opened["messages"].insert_one({**MESSAGES.mapper.document(message(tenant)), REPLAY: mark})


def test_what_is_unique_is(opened: Mongo) -> None:
    """A number in its log, a key of a replay in its log; other logs have their own."""
    tenant, mapper, kept = new_tenant(), MESSAGES.mapper, opened["messages"]
    mark = {REPLAY: {"key": "k", "digest": "d", "count": 1}}
    kept.insert_one({**mapper.document(message(tenant, "a")), **mark})
    kept.insert_one({**mapper.document(message(tenant, "b", conversation_id="d")), **mark})
    kept.insert_one({**mapper.document(message(new_tenant(), "a")), **mark})
    for entity, more, taken in (
        (message(tenant, "c"), {}, "sequence"),
        (message(tenant, "c", place=2), mark, "replay.key"),
        (message(tenant, "a", place=2), {}, "_id"),
    ):
        with pytest.raises(pymongo.errors.DuplicateKeyError) as told:
            kept.insert_one({**mapper.document(entity), **more})
        assert told.value.details is not None
        assert taken in told.value.details["keyPattern"]
