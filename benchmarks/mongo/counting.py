"""Rows of analytics events: recording one and many, and figures of a hundred thousand."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any

import attrs

from adapters.mongo.collections import EVENTS
from adapters.mongo.pipelines import pipeline
from benchmarks.figures import Figure
from benchmarks.measuring import One
from benchmarks.mongo.bare import Document
from benchmarks.mongo.comparing import Row, Way, measured
from benchmarks.mongo.place import Place, new_tenant
from benchmarks.scale import Scale
from domain.analytics import AnalyticsEvent
from domain.conversations import Channel
from domain.identity import EntryDraft
from domain.metric_queries import MetricQuery
from ports.analytics import MAX_RECORD, Asked
from ports.buckets import buckets_of

GOAL_RECORD = 1.2
GOAL_QUERY = 1.1
_BATCH = 1_000
_EVENTS = 100_000
_START = datetime(2025, 10, 1, tzinfo=UTC)
_DAYS = 30
_numbers = count()
_QUERIES: Mapping[str, Mapping[str, Any]] = {
    "count by day": {"granularity": "day"},
    "sum by hour and country": {
        "granularity": "hour",
        "aggregation": "sum",
        "measure": "latency_ms",
        "group_by": ["dimensions.country"],
    },
    "p95 by day and channel": {
        "granularity": "day",
        "aggregation": "p95",
        "measure": "latency_ms",
        "group_by": ["channel"],
    },
    "avg of a type": {
        "aggregation": "avg",
        "measure": "latency_ms",
        "where": {"type": "error"},
    },
}
"""Over a month, on whose last Sunday the clocks of Vienna are put back."""


def drafts(number: int) -> Iterator[EntryDraft[AnalyticsEvent]]:
    """Events of conversations, in no order of time; always the same ones."""
    lots = random.Random(number)
    channels = list(Channel)
    for place in range(number):
        yield AnalyticsEvent.draft(
            lots.choice(["turn", "turn", "turn", "handoff", "error"]),
            at=_START + timedelta(milliseconds=lots.randrange(_DAYS * 86_400_000)),
            conversation_id=f"conversation-{place // 8}",
            user_id=f"user-{place // 20}",
            channel=channels[place // 8 % 3],
            dimensions={
                "country": lots.choice(["at", "ch", "de", "fr"]),
                "intent": f"intent-{lots.randrange(30)}",
            },
            measures={"latency_ms": lots.randrange(20, 4_000), "score": lots.random()},
        )


async def rows(place: Place, scale: Scale) -> list[Figure]:
    """All of them."""
    return [*await _recording(place, scale), *await _asking(place, scale)]


async def _recording(place: Place, scale: Scale) -> list[Figure]:
    given = list(drafts(_BATCH))
    template = [EVENTS.mapper.document(_placed(draft)) for draft in given]
    one = Row(
        "record one event",
        lambda: _ours(place, given[:1]),
        lambda: _by_hand(place, template[:1]),
        goal=GOAL_RECORD,
    )
    many = attrs.evolve(
        one,
        name=f"record {_BATCH} events",
        ours=lambda: _ours(place, given),
        bare=lambda: _by_hand(place, template),
        operations=2,
    )
    return [
        *await measured(place, scale, one),
        *await measured(place, scale, one, callers=scale.callers),
        *await measured(place, scale, many, rounds=scale.few),
    ]


def _placed(draft: EntryDraft[AnalyticsEvent]) -> AnalyticsEvent:
    return draft.placed(at=_START, new_id="template", tenant_id=new_tenant())


def _ours(place: Place, given: Sequence[EntryDraft[AnalyticsEvent]]) -> Way:
    async def record(tenant: Any) -> Any:
        await place.analytics.repositories(tenant).record_many(given)
        return tenant

    return Way(lambda operations: [new_tenant()] * operations, record, _forgetting(place))


def _by_hand(place: Place, template: Sequence[Document]) -> Way:
    def prepare(operations: int) -> Sequence[Any]:
        tenant = new_tenant()
        return [(tenant, list(_renamed(template, tenant))) for _ in range(operations)]

    async def record(batch: Any) -> Any:
        tenant, documents = batch
        if len(documents) == 1:
            await place.bare.events.insert_one(documents[0])
        else:
            await place.bare.events.insert_many(documents, ordered=False)
        return tenant

    return Way(prepare, record, _forgetting(place))


def _renamed(template: Sequence[Document], tenant: str) -> Iterator[Document]:
    for document in template:
        key = f"{tenant}!0190a6f2-7c1e-7d64-9a3b-{next(_numbers):012x}"
        yield {**document, "_id": key, "tenant_id": tenant}


def _forgetting(place: Place) -> Any:
    async def forget(tenants: Any) -> None:
        for tenant in set(tenants):
            await place.bare.events.delete_many({"tenant_id": tenant})

    return forget


async def _asking(place: Place, scale: Scale) -> list[Figure]:
    tenant = new_tenant()
    analytics = place.analytics.repositories(tenant)
    given = list(drafts(scale.operations(_EVENTS)))
    for first in range(0, len(given), MAX_RECORD):
        await analytics.record_many(given[first : first + MAX_RECORD])
    end = _START + timedelta(days=_DAYS)
    figures: list[Figure] = []
    for name, asked in _QUERIES.items():
        query = MetricQuery.over(_START, end, zone="Europe/Vienna", **asked)
        ready = Asked(query=query, buckets=buckets_of(query), start=_START, end=end)
        row = Row(
            f"{name}, {len(given)} events",
            partial(_repeated, analytics.query, query),
            partial(_repeated, place.bare.aggregate, pipeline(tenant, ready)),
            goal=GOAL_QUERY,
            operations=1,
        )
        figures += await measured(place, scale, row, rounds=max(scale.few // 2, 1))
    return figures


def _repeated(one: One, item: Any) -> Way:
    return Way(lambda operations: [item] * operations, one)
