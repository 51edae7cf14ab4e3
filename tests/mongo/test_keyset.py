"""Pages: each is the next part of the order, and costs what the first does."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.mongo.collections import ALL, CONVERSATIONS, MESSAGES, Collection
from adapters.mongo.keyset import segments
from domain.conversations import Conversation, ConversationStatus
from domain.identity import TenantId
from domain.messages import MessageAnalysis, MessageContent
from ports.contracts import queries
from ports.criteria import Criteria, Where, coerce
from ports.paging import Order, OrderLike
from ports.reading import Selection
from tests.mongo.server import (
    AT,
    Mongo,
    conversation,
    database,
    message,
    new_tenant,
    read,
    several,
    stored,
)

collections = pytest.mark.parametrize("collection", ALL, ids=lambda each: each.name)
SOME = settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None)
TIED = 600
"""Conversations, of each tenant, that have all that can be ordered by in common."""


@pytest.fixture(scope="module")
def opened(server: str) -> Iterator[Mongo]:
    """A migrated database, which keeps what its operations read."""
    with database(server) as (_, found):
        found.create_collection("system.profile", capped=True, size=64 * 1024 * 1024)
        found.command("profile", 2)
        yield found
        found.command("profile", 0)


def _selection(
    collection: Collection, criteria: Criteria | None, order: OrderLike, **more: Any
) -> Selection:
    schema = collection.schema
    return Selection(
        criteria=coerce(criteria, schema), order=Order.of(order, schema), **{"limit": 51, **more}
    )


@collections
@SOME
@given(data=st.data())
def test_page_after_page_gives_the_order(
    opened: Mongo, collection: Collection, data: st.DataObject
) -> None:
    """Any order, with nulls last in either direction, after every place of it."""
    tenant, schema = new_tenant(), collection.schema
    given = data.draw(several(collection, tenant))
    stored(opened, collection, given)
    order = Order.of(data.draw(queries.orders(schema)), schema)
    asked = data.draw(queries.criteria(schema, given))
    expected = order.sorted([entity for entity in given if asked.matches(entity)])
    for place in range(-1, len(expected)):
        after = None if place < 0 else order.position(expected[place])
        for offset, limit in ((0, 1), (0, 3), (1, 2), (0, 1000)):
            selection = _selection(
                collection, asked, order, after=after, offset=offset, limit=limit
            )
            found = collection.mapper.all_restored(read(opened, collection, tenant, selection))
            start = place + 1 + offset
            assert found == expected[start : start + limit]


@collections
@SOME
@given(data=st.data())
def test_the_ranges_after_a_place_share_nothing(
    opened: Mongo, collection: Collection, data: st.DataObject
) -> None:
    """And hold together what stands after it."""
    tenant, schema = new_tenant(), collection.schema
    given = data.draw(several(collection, tenant))
    stored(opened, collection, given)
    order = Order.of(data.draw(queries.orders(schema)), schema)
    expected = order.sorted(given)
    for place, entity in enumerate(expected):
        found: list[str] = []
        for segment in segments(tenant, order, order.position(entity), collection.mapper):
            kept = opened[collection.name].find({"tenant_id": tenant, **segment.filter})
            found += [document["_id"].partition("!")[2] for document in kept]
        assert sorted(found) == sorted(one.id for one in expected[place + 1 :])


@pytest.fixture(scope="module")
def tenant(opened: Mongo) -> TenantId:
    """One of three, with many conversations that tie, and some that don't."""
    mine = TenantId("plan-b")
    for tenant in (TenantId("plan-a"), mine, TenantId("plan-c")):
        stored(opened, CONVERSATIONS, list(_conversations(tenant)))
        stored(opened, MESSAGES, list(_messages(tenant)))
    return mine


def _conversations(tenant: TenantId) -> Iterator[Conversation]:
    for n in range(3 * TIED):
        at = AT if TIED <= n < 2 * TIED else AT + timedelta(seconds=n - TIED)
        yield conversation(
            tenant,
            f"c{n:05}",
            started_at=at,
            last_activity_at=at,
            user_id=f"u{n % 20}",
            status=ConversationStatus.PAUSED if n % 3 else ConversationStatus.ACTIVE,
            summary=f"common {'rare' if n % 500 == 0 else ''}",
            retain_until=at if n % 100 == 0 else None,
        )


def _messages(tenant: TenantId) -> Iterator[Any]:
    for n in range(3 * TIED):
        yield message(
            tenant,
            f"m{n:05}",
            place=n % 20 + 1,
            conversation_id=f"c{n // 20:05}",
            at=AT + timedelta(seconds=n % 7),
            content=MessageContent(text=f"common {'rare' if n % 500 == 0 else ''}"),
            analysis=MessageAnalysis(intent=f"i{n % 30}", confidence=0.5) if n % 2 else None,
        )


def _work(
    opened: Mongo, collection: Collection, tenant: TenantId, selection: Selection
) -> tuple[list[Any], int]:
    """What a page holds, and how many documents and keys were looked at for it, at the most."""
    comment = str(uuid4())
    found = read(opened, collection, tenant, selection, comment=comment)
    told = opened["system.profile"].find({"command.comment": comment}).to_list()
    assert told
    looked = max(max(each["docsExamined"], each["keysExamined"]) for each in told)
    return collection.mapper.all_restored(found), looked


INDEXED: Sequence[OrderLike] = (
    *(None, "-id", "started_at", "-started_at", "last_activity_at", "-last_activity_at"),
)


@pytest.mark.parametrize("order", INDEXED)
def test_every_page_costs_what_the_first_does(
    opened: Mongo, tenant: TenantId, order: OrderLike
) -> None:
    """In the midst of hundreds that tie, too; there are other tenants before and after."""
    every = list(_conversations(tenant))
    sequence = Order.of(order, CONVERSATIONS.schema)
    expected = sequence.sorted(every)
    selection = _selection(CONVERSATIONS, None, order)
    found, looked = _work(opened, CONVERSATIONS, tenant, selection)
    assert (found, looked) == (expected[:51], 51)
    for place in (50, TIED + 100, 2 * TIED - 10, 3 * TIED - 60):
        after = sequence.position(expected[place])
        selection = _selection(CONVERSATIONS, None, order, after=after)
        found, looked = _work(opened, CONVERSATIONS, tenant, selection)
        assert found == expected[place + 1 : place + 52]
        # Where one range ends, a whole page of the next is looked at.
        assert looked <= 51 * len(sequence.keys)


WHERE: Where[Any] = Where(CONVERSATIONS.schema)
SAID: Where[Any] = Where(MESSAGES.schema)
_ACTIVE = WHERE("user_id").eq("u6") & WHERE("status").eq("active")


@pytest.mark.parametrize(
    ("collection", "criteria", "order", "most"),
    [
        (CONVERSATIONS, _ACTIVE, "-last_activity_at", 51),
        (CONVERSATIONS, WHERE.search("rar"), "-started_at", 4),
        (CONVERSATIONS, WHERE.search("common rar"), "-started_at", 4),
        (CONVERSATIONS, WHERE.search("nothing"), "-started_at", 0),
        (CONVERSATIONS, WHERE.search("com"), "-started_at", 60),
        (MESSAGES, SAID.search("rar"), "-at", 4),
        (MESSAGES, SAID.search("rar common"), "-at", 4),
        (MESSAGES, SAID.search("com common rare"), "-at", 4),
        (MESSAGES, SAID.search("com") & SAID("conversation_id").eq("c00003"), "-at", 20),
        (MESSAGES, SAID("intent").eq("i7"), "-at", 51),
        (MESSAGES, SAID("intent").eq("i7") & SAID("confidence").gte(0.4), "-at", 51),
        (MESSAGES, SAID("intent").eq("i8"), "-at", 0),
        (MESSAGES, None, "-at", 51),
    ],
)
def test_every_named_query_reads_an_index(
    opened: Mongo,
    tenant: TenantId,
    collection: Collection,
    criteria: Criteria | None,
    order: OrderLike,
    most: int,
) -> None:
    """It looks at about as much as it gives; of several words, at what has the rarest."""
    found, looked = _work(opened, collection, tenant, _selection(collection, criteria, order))
    assert len(found) <= looked <= most


@pytest.mark.parametrize(
    ("filter", "sort"),
    [
        ({"status": "active", "last_activity_at": {"$lt": AT}}, [("last_activity_at", 1)]),
        ({"retain_until": {"$lte": AT}}, [("retain_until", 1)]),
        ({"retain_until": None, "completed_at": {"$lt": AT}}, [("completed_at", 1)]),
    ],
)
def test_maintenance_reads_an_index_in_its_order(
    opened: Mongo, tenant: TenantId, filter: dict[str, Any], sort: list[tuple[str, int]]
) -> None:
    """Over all tenants: what is idle for longest, what is to be kept no longer, what has ended."""
    assert tenant
    comment = str(uuid4())
    wanted = opened["conversations"].find(filter, {"_id": 1}, sort=sort, limit=20, comment=comment)
    assert len(wanted.to_list()) == 20 or "retain_until" in filter
    (told,) = opened["system.profile"].find({"command.comment": comment})
    assert told["keysExamined"] <= 20
    assert not told.get("hasSortStage")


def test_a_log_is_read_off_its_numbers(opened: Mongo, tenant: TenantId) -> None:
    """Forwards and backwards, and a replay by its key."""
    for ways in (1, -1):
        comment = str(uuid4())
        wanted = {"tenant_id": tenant, "conversation_id": "c00003", "sequence": {"$gt": 5}}
        kept = opened["messages"].find(wanted, sort=[("sequence", ways)], limit=5, comment=comment)
        assert len(kept.to_list()) == 5
        (told,) = opened["system.profile"].find({"command.comment": comment})
        assert (told["docsExamined"], told.get("hasSortStage")) == (5, None)
    wanted = {"tenant_id": tenant, "conversation_id": "c00003", "replay.key": "k"}
    plan = opened["messages"].find(wanted).explain()["queryPlanner"]["winningPlan"]
    assert "uq_messages_replay" in str(plan)
