"""Events in MongoDB: by which index they are found, and what is wrong with one is told."""

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.mongo.analytics import MongoAnalyticsStore
from adapters.mongo.collections import EVENTS
from adapters.mongo.driver import Client, MongoOptions
from adapters.mongo.execution_queue import COUNT, uncounted
from adapters.mongo.keyset import page
from adapters.mongo.pipelines import pipeline
from adapters.system import SystemClock, Uuid7Generator
from domain.analytics import AnalyticsEvent
from domain.identity import TenantId
from domain.metric_queries import MetricQuery
from ports.analytics import EVENT_SCHEMA, Analytics, Asked
from ports.buckets import buckets_of
from ports.criteria import coerce
from ports.errors import CorruptRecordError
from ports.paging import Order
from ports.reading import Selection
from tests.mongo.server import Mongo, database, new_tenant

START = datetime(2025, 1, 1, tzinfo=UTC)
END = START + timedelta(days=30)


@pytest.fixture(scope="module")
def opened(server: str) -> Iterator[tuple[str, Mongo]]:
    """A migrated database in which there are events of two tenants."""
    with database(server) as (url, found):
        for tenant in ("mine", "theirs"):
            drafts = (
                AnalyticsEvent.draft(
                    "turn" if number % 10 else "rare",
                    at=START + timedelta(minutes=number),
                    user_id=f"u{number % 7}",
                    measures={"n": number},
                )
                for number in range(2_000)
            )
            documents = [
                EVENTS.mapper.document(
                    draft.placed(at=START, new_id=f"e{place}", tenant_id=TenantId(tenant))
                )
                for place, draft in enumerate(drafts)
            ]
            found["events"].insert_many(documents)
        yield url, found


def examined(found: Mongo, **asked: Any) -> tuple[int, int, str]:
    """How many keys and documents a query reads, and of which index."""
    query = MetricQuery.over(**{"start": START, "end": END, **asked})
    ready = Asked(query=query, buckets=buckets_of(query), start=query.start, end=query.end)
    command = {
        "aggregate": "events",
        "pipeline": pipeline(TenantId("mine"), ready),
        "cursor": {},
    }
    told = found.command({"explain": command, "verbosity": "executionStats"})
    stats = _found(told, "executionStats")
    names = set(_all(_found(told, "winningPlan"), "indexName"))
    assert len(names) == 1, told
    return stats["totalKeysExamined"], stats["totalDocsExamined"], names.pop()


def _all(value: Any, name: str) -> Iterator[Any]:
    items = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping) and name in value:
        yield value[name]
    if isinstance(items, list) or isinstance(value, Mapping):
        for item in items:
            yield from _all(item, name)


def _found(value: Any, name: str) -> Any:
    return next(_all(value, name))


def test_figures_read_their_range_by_index_and_no_other_tenants(
    opened: tuple[str, Mongo],
) -> None:
    """Narrowed by the type, where one is asked for; a count of those reads no document."""
    _, found = opened
    hours = {"end": START + timedelta(hours=10), "aggregation": "max", "measure": "n"}
    keys, documents, index = examined(found, **hours)
    assert (documents, index) == (600, "ix_events_at")
    assert keys <= 602
    keys, documents, index = examined(found, where={"type": "rare"}, **hours)
    assert (documents, index) == (60, "ix_events_type")
    assert keys <= 62
    keys, documents, index = examined(found, where={"type": "rare"}, granularity="day")
    assert (documents, index) == (0, "ix_events_type")
    assert keys <= 202


def test_a_long_range_of_uneven_buckets_is_one_pipeline(opened: tuple[str, Mongo]) -> None:
    """Sixty years of months, each of another length than the one before."""
    _, found = opened
    start, end = datetime(1990, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
    query = {"start": start, "end": end, "granularity": "month", "zone": "America/Santiago"}
    keys, _, _ = examined(found, **query)
    assert keys <= 2_002


def looked_at(found: Mongo, **asked: Any) -> tuple[int, int, set[str]]:
    """How many keys and documents a find reads, of which indexes, and whether it sorts them."""
    told = found.command({"explain": {"find": "events", **asked}, "verbosity": "executionStats"})
    stats = _found(told, "executionStats")
    plan = _found(told, "winningPlan")
    stages = {*_all(plan, "indexName"), *(name for name in _all(plan, "stage") if name == "SORT")}
    return stats["totalKeysExamined"], stats["totalDocsExamined"], stages


@pytest.mark.parametrize("order", ["at", "-at"])
def test_events_are_listed_in_the_order_of_an_index(opened: tuple[str, Mongo], order: str) -> None:
    """From where the page begins, and no further than it goes."""
    _, found = opened
    total = Order.of(order, EVENT_SCHEMA)
    for after in (None, (START + timedelta(minutes=1_000), "e1000")):
        criteria = coerce({"at": {"operator": "gt", "value": START}}, EVENT_SCHEMA)
        selection = Selection(criteria=criteria, order=total, limit=50, after=after)
        query = page(TenantId("mine"), selection, EVENTS)
        if query.pipeline is not None:
            # The first range: those of the same time; then those beyond.
            (beyond,) = [stage for stage in query.pipeline if "$unionWith" in stage]
            stages = beyond["$unionWith"]["pipeline"]
            asked = {"filter": stages[0]["$match"], "sort": stages[1]["$sort"], "limit": 50}
        else:
            asked = {"filter": query.filter, "sort": dict(query.sort), "limit": query.limit}
        keys, documents, stages = looked_at(found, **asked)
        assert stages == {"ix_events_at"}
        assert (keys <= 51, documents) == (True, 50)


def test_what_is_uncounted_is_found_by_its_marks(opened: tuple[str, Mongo]) -> None:
    """However many events there are beside; how many it is, without looking at one."""
    _, found = opened
    mark = {"uncounted": {"due": START, "since": START}}
    found["events"].update_many({"_id": {"$in": ["mine!e1", "theirs!e2"]}}, {"$set": mark})
    try:
        due = {"filter": uncounted(END), "sort": {"uncounted.due": 1}, "limit": 500}
        assert looked_at(found, **due) == (2, 2, {"ix_events_uncounted"})
        command = {"aggregate": "events", "pipeline": COUNT, "cursor": {}}
        told = found.command({"explain": command, "verbosity": "executionStats"})
        stats = _found(told, "executionStats")
        assert (stats["totalKeysExamined"], stats["totalDocsExamined"]) == (2, 0)
    finally:
        found["events"].update_many({}, {"$unset": {"uncounted": ""}})


async def _asked(url: str, tenant: str, *calls: Any) -> None:
    client = Client.open(url, MongoOptions(driver="pymongo"))
    try:
        clock = SystemClock()
        store = MongoAnalyticsStore(client, clock, Uuid7Generator(clock))
        analytics: Analytics = store.repositories(TenantId(tenant))
        for call in calls:
            with pytest.raises(CorruptRecordError) as told:
                await call(analytics)
            assert "SECRET" not in str(told.value)
            assert told.value.__context__ is None
    finally:
        await client.close()


def test_a_corrupt_event_is_told_without_what_it_holds(opened: tuple[str, Mongo]) -> None:
    """By its id, and in a figure that it would be part of."""
    url, found = opened
    tenant = new_tenant()
    draft = AnalyticsEvent.draft("turn", at=START, dimensions={"a": "b"})
    document = EVENTS.mapper.document(draft.placed(at=START, new_id="e", tenant_id=tenant))
    broken = {"channel": "SECRET", "flow_id": "SECRET", "dimensions": {"a": 7}}
    found.command({"collMod": "events", "validationLevel": "off"})
    try:
        found["events"].insert_one({**document, **broken})
    finally:
        found.command({"collMod": "events", "validationLevel": "strict"})
    queries = [
        MetricQuery.over(START, END, group_by=[key])
        for key in ("channel", "flow_id", "dimensions.a")
    ]
    asyncio.run(
        _asked(
            url,
            tenant,
            lambda analytics: analytics.get_by_id("e"),
            *(lambda analytics, query=query: analytics.query(query) for query in queries),
        )
    )
