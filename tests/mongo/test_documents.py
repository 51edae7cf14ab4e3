"""Entities as documents: nothing is lost, nothing misread, and what is corrupt is named."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
import bson
import pytest
from bson import Int64
from bson.datetime_ms import DatetimeMS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.mongo.collections import ALL, CONTEXTS, CONVERSATIONS, MESSAGES, Collection
from adapters.mongo.documents import DocumentMapper
from adapters.mongo.values import CODEC_OPTIONS
from domain.contexts import ExecutionContext
from domain.documents import JsonObject
from domain.identity import TenantId
from domain.messages import REDACTED, MessageAnalysis, MessageContent
from domain.text import fold
from domain.words import words
from ports.contracts.exact import exact
from ports.contracts.strategies import json_objects
from ports.errors import CorruptRecordError
from tests.mongo.server import Mongo, conversation, database, entities, message, new_tenant

TENANT = TenantId("acme")
collections = pytest.mark.parametrize("collection", ALL, ids=lambda each: each.name)
FEW = settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)


@pytest.fixture(scope="module")
def opened(server: str) -> Iterator[Mongo]:
    """A migrated database."""
    with database(server) as (_, found):
        yield found


def _there_and_back(document: dict[str, Any]) -> dict[str, Any]:
    return bson.decode(bson.encode(document, codec_options=CODEC_OPTIONS), CODEC_OPTIONS)


def _order_of_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _order_of_keys(item)) for key, item in value.items()]
    return [_order_of_keys(item) for item in value] if isinstance(value, list) else None


@collections
@FEW
@given(data=st.data())
def test_every_entity_comes_back_to_the_letter(collection: Collection, data: st.DataObject) -> None:
    """3 is not 3.0, -0.0 not 0.0, a 64-bit integer a plain one, whatever the field."""
    entity = data.draw(entities(collection, TENANT))
    document = collection.mapper.document(entity)
    assert exact(collection.mapper.restored(_there_and_back(document))) == exact(entity)


@collections
@FEW
@given(data=st.data())
def test_the_server_takes_and_gives_back_every_entity(
    opened: Mongo, collection: Collection, data: st.DataObject
) -> None:
    """Its validator included; whole, and set field by field."""
    entity = data.draw(entities(collection, new_tenant()))
    document = collection.mapper.document(entity)
    kept = opened[collection.name]
    kept.insert_one(dict(document))
    key = {"_id": document["_id"]}
    found = kept.find_one(key, collection.shown)
    assert found is not None
    assert exact(collection.mapper.restored(found)) == exact(entity)
    fields = {name: value for name, value in vars(entity).items() if name not in ("id",)}
    kept.update_one(key, {"$set": collection.mapper.changes(fields, entity.tenant_id)})
    assert kept.find_one(key) == found | _there_and_back(document)
    assert _order_of_keys(kept.find_one(key)) == _order_of_keys(_there_and_back(document))
    kept.delete_one(key)


@FEW
@given(json_objects())
def test_json_keeps_the_order_of_its_keys(held: JsonObject) -> None:
    """At every depth."""
    entity = conversation(TENANT, metrics=held)
    back = CONVERSATIONS.mapper.restored(_there_and_back(CONVERSATIONS.mapper.document(entity)))
    assert _order_of_keys(back.metrics) == _order_of_keys(held)


@pytest.mark.parametrize(
    "held",
    [
        {"$ref": "flows", "$id": 1, "$db": "x"},
        {"a": {"$ref": "flows", "$id": {"$ref": "b", "$id": 2}}},
        {"\\$ref": 1, "$ref": 2, "\\\\": 3, "\\": 4},
        {"$oid": "0" * 24, "$date": 1, "$numberLong": "5"},
        {"_id": 1, "": {"": {"": []}}, "a.b": {"c.d": 0}, ".": 1, "a..b": 2, "$": 3},
        {"a": [{"$where": 1}, [{"\\x": {"$": [{}]}}]]},
        {"n": [2**31, -(2**63), 2**63 - 1, 3, 3.0, -0.0, 1e308, 5e-324, True, None]},
        {"0": 1, "1": 2, "constructor": 3, "__proto__": 4, "é\n\x01": 5},
    ],
)
def test_no_key_is_taken_for_anything_else(opened: Mongo, held: dict[str, Any]) -> None:
    """Neither by the driver, which makes references of `$ref`, nor by the server."""
    entity = conversation(new_tenant(), business_context=JsonObject.of(held))
    kept = opened["conversations"]
    kept.insert_one(CONVERSATIONS.mapper.document(entity))
    found = kept.find_one({"_id": CONVERSATIONS.mapper.key(entity.tenant_id, "c")})
    assert found is not None
    assert exact(CONVERSATIONS.mapper.restored(found)) == exact(entity)


def test_the_largest_documents_fit() -> None:
    """An array of one-digit numbers takes the most of BSON for its JSON."""
    limits = {
        "slots": 512,
        "variables": 512,
        "user_profile": 256,
        "integration_results": 1024,
    }
    made = {
        name: JsonObject.of({"": [1] * (kib * 512 - 10)}, max_bytes=kib * 1024)
        for name, kib in limits.items()
    }
    entity = attrs.evolve(_context(), **made)
    encoded = bson.encode(CONTEXTS.mapper.document(entity), codec_options=CODEC_OPTIONS)
    assert len(encoded) < 16 * 1024 * 1024
    assert CONTEXTS.mapper.restored(bson.decode(encoded, CODEC_OPTIONS)) == entity


def _context() -> Any:
    return ExecutionContext.draft("c", user_id="ada").assigned(tenant=TENANT, new_id="c", at=_AT)


_AT = datetime(2026, 1, 1, tzinfo=UTC)


@collections
@FEW
@given(data=st.data())
def test_what_is_shown_is_all_that_an_entity_is_made_of(
    collection: Collection, data: st.DataObject
) -> None:
    """The projection leaves out what is derived, and the log's marks, nothing else."""
    entity = data.draw(entities(collection, TENANT))
    document = collection.mapper.document(entity)
    shown = {name: item for name, item in document.items() if name not in collection.shown}
    assert len(shown) == len(attrs.fields(type(entity)))
    assert collection.mapper.restored(_there_and_back(shown)) == entity


def test_companions_follow_their_field() -> None:
    """In a whole document as in a patch."""
    mapper = CONVERSATIONS.mapper
    summary = "Straße in ﬁne WEATHER"
    document = mapper.document(conversation(TENANT, summary=summary))
    assert document["folded_summary"] == fold(summary)
    assert document["words"] == sorted(f"acme!{word}" for word in words([summary]))
    changes = mapper.changes({"summary": summary, "user_id": "bo"}, TENANT)
    assert changes == {
        "summary": summary,
        "user_id": "bo",
        "folded_summary": document["folded_summary"],
        "words": document["words"],
    }
    assert mapper.changes({"summary": None}, TENANT) == {
        "summary": None,
        "folded_summary": None,
        "words": [],
    }
    assert mapper.changes({"user_id": "bo"}) == {"user_id": "bo"}


def test_words_come_out_of_a_part_of_the_entity() -> None:
    """Of a message's content; a redacted one has none."""
    mapper = MESSAGES.mapper
    assert mapper.document(message(TENANT))["words"] == ["acme!hello"]
    assert mapper.changes({"content": REDACTED}, TENANT)["words"] == []
    content = MessageContent(text="bye bye")
    assert mapper.changes({"content": content}, TENANT)["words"] == ["acme!bye"]


def test_a_part_that_may_be_asked_for_is_written_though_it_has_its_default() -> None:
    """Else null would have to stand for it; other defaults are left out."""
    document = MESSAGES.mapper.document(message(TENANT, analysis=MessageAnalysis()))
    assert document["content"] == {"type": "text", "text": "hello"}
    assert document["analysis"] == {}


CORRUPT: list[tuple[Collection, str, Any]] = [
    (CONVERSATIONS, "user_id", 5),
    (CONVERSATIONS, "user_id", None),
    (CONVERSATIONS, "summary", ["secret"]),
    (CONVERSATIONS, "status", "secret"),
    (CONVERSATIONS, "status", {"secret": 1}),
    (CONVERSATIONS, "status", None),
    (CONVERSATIONS, "started_at", "2026-01-01"),
    (CONVERSATIONS, "started_at", DatetimeMS(10**16)),
    (CONVERSATIONS, "started_at", None),
    (CONVERSATIONS, "flow_id", "secret"),
    (CONVERSATIONS, "flow_id", bson.Binary(b"secret", 0)),
    (CONVERSATIONS, "tags", "secret"),
    (CONVERSATIONS, "tags", ["a", None]),
    (CONVERSATIONS, "metrics", []),
    (CONVERSATIONS, "metrics", None),
    (CONVERSATIONS, "metrics", {"a": [{"secret": datetime(2026, 1, 1)}]}),  # noqa: DTZ001
    (CONVERSATIONS, "metrics", {"a": bson.ObjectId()}),
    (CONVERSATIONS, "last_sequence", 1.0),
    (CONVERSATIONS, "last_sequence", True),
    (CONVERSATIONS, "last_sequence", "1"),
    (CONVERSATIONS, "state_history", [{"state": "a"}]),
    (CONVERSATIONS, "state_history", [{"state": "a", "at": None}]),
    (CONVERSATIONS, "state_history", [{"state": "a", "at": _AT, "secret": 1}]),
    (CONVERSATIONS, "state_history", [None]),
    (MESSAGES, "content", None),
    (MESSAGES, "content", {"text": "secret"}),
    (MESSAGES, "content", {"type": "secret"}),
    (MESSAGES, "content", {"type": "text", "text": "a", "payload": 1}),
    (MESSAGES, "content", {"type": "text", "text": "a", "secret": 1}),
    (MESSAGES, "content", {"type": "text", "text": "a", "attachments": [{"name": "secret"}]}),
    (MESSAGES, "analysis", {"confidence": "secret"}),
    (MESSAGES, "analysis", {"entities": None}),
    (MESSAGES, "analysis", ["secret"]),
    (MESSAGES, "moderation", {"flagged": 1}),
    (CONTEXTS, "intent_history", [{"intent": "a", "at": _AT, "confidence": True}]),
    (CONTEXTS, "previous_states", {"0": "secret"}),
]


def _corrupted(collection: Collection) -> dict[str, Any]:
    entity = {
        "conversations": conversation(TENANT),
        "messages": message(TENANT),
        "contexts": _context(),
    }[collection.name]
    document: dict[str, Any] = collection.mapper.document(entity)
    return document


@pytest.mark.parametrize(("collection", "name", "value"), CORRUPT)
def test_what_cannot_be_read_is_named_and_never_shown(
    collection: Collection, name: str, value: Any
) -> None:
    """The error holds type, id and field."""
    whole = _corrupted(collection)
    document = _there_and_back({**whole, name: value})
    with pytest.raises(CorruptRecordError) as told:
        collection.mapper.all_restored([_there_and_back(whole), document])
    assert told.value.entity_type == collection.schema.name
    assert told.value.entity_id == whole["_id"].removeprefix("acme!")
    assert told.value.fields == (name,)
    assert "secret" not in str(told.value)
    assert told.value.__context__ is None
    with pytest.raises(CorruptRecordError):
        collection.mapper.stored(name, document[name])


@collections
def test_a_field_that_is_missing_is_corrupt(collection: Collection) -> None:
    """Every field is there, null or not; but for one that earlier versions didn't write."""
    whole = _corrupted(collection)
    for name in collection.mapper.codecs:
        if name not in ("id", "tenant_id"):
            document = {key: item for key, item in whole.items() if key != name}
            if name in collection.mapper.added:
                restored = collection.mapper.restored(_there_and_back(document))
                assert getattr(restored, name) is None
                continue
            with pytest.raises(CorruptRecordError) as told:
                collection.mapper.restored(_there_and_back(document))
            assert told.value.fields == (name,)


@pytest.mark.parametrize("key", ["c", "other!c", "acme!", "", 5, None])
def test_a_key_that_is_not_its_tenants_is_corrupt(key: Any) -> None:
    """Whatever it is: an entity is never given to the wrong tenant."""
    document = {**_there_and_back(_corrupted(CONVERSATIONS)), "_id": key}
    with pytest.raises(CorruptRecordError) as told:
        CONVERSATIONS.mapper.restored(document)
    assert (told.value.entity_id, told.value.fields) == (None, ("id",))


def test_a_number_that_another_tool_wrote_is_what_it_says() -> None:
    """1.0 becomes 1 where JSON is imported; a count comes as 64 bits from an increment."""
    analysis = {"confidence": 1, "sentiment": Int64(0)}
    document = {**_corrupted(MESSAGES), "analysis": analysis, "sequence": Int64(7)}
    restored = MESSAGES.mapper.restored(document)
    assert exact(restored.analysis) == exact(MessageAnalysis(confidence=1.0, sentiment=0.0))
    assert type(restored.sequence) is int


@FEW
@given(st.lists(st.tuples(st.sampled_from(["a", "a.b", "a:", "a-", "aa", "A"]), st.text('!~"a'))))
def test_keys_order_by_tenant_and_a_tenants_are_a_range(pairs: list[tuple[str, str]]) -> None:
    """Whatever the ids are."""
    mapper: DocumentMapper[Any] = CONVERSATIONS.mapper
    for tenant, id in pairs:
        for other, _ in pairs:
            bounds = mapper.keys(other)
            within = bounds["$gte"] <= mapper.key(tenant, id) < bounds["$lt"]
            assert within is (tenant == other)
    assert sorted(mapper.key(*pair) for pair in pairs) == [
        mapper.key(*pair) for pair in sorted(pairs)
    ]
