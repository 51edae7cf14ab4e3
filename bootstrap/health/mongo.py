"""MongoDB, looked at by connections of its own."""

from collections.abc import AsyncIterator

from adapters.mongo.analytics import MongoAnalyticsStore
from adapters.mongo.collections import EVENTS, EVENTS_EXPIRY
from adapters.mongo.driver import Client, MongoOptions
from adapters.mongo.inspection import Inspection, inspect
from adapters.mongo.migrations import connected
from adapters.mongo.store import MongoStore
from adapters.system import SystemClock, Uuid7Generator
from bootstrap.health.findings import WARNING, Check
from bootstrap.health.lags import erasures, flow_metrics
from bootstrap.health.schemas import clock, migrations, schema
from bootstrap.settings import Settings

NAME = "mongo"


async def ready(url: str, settings: Settings, deadline: float) -> AsyncIterator[Check]:
    """Whether it can be used."""
    seen = await _inspected(url, settings, deadline)
    yield Check(NAME, "answers", True, f"MongoDB {seen.server_version}")
    yield migrations(NAME, seen.migrations)
    yield await _replica_set(url, deadline)


async def looked_at(url: str, settings: Settings, deadline: float) -> AsyncIterator[Check]:
    """Everything."""
    seen = await _inspected(url, settings, deadline)
    yield Check(NAME, "answers", True, f"MongoDB {seen.server_version}")
    yield migrations(NAME, seen.migrations)
    for check in schema(NAME, seen, "collections, indexes and validators as declared"):
        yield check
    yield clock(NAME, seen.clock_skew)
    yield await _replica_set(url, deadline)
    if settings.stores.analytics == NAME:
        yield _retention(seen, settings)
    if seen.migrations.pending:
        return
    async for check in _lags(url, settings, deadline):
        yield check


async def _lags(url: str, settings: Settings, deadline: float) -> AsyncIterator[Check]:
    ticking = SystemClock()
    now, ids = ticking.now(), Uuid7Generator(ticking)
    options = MongoOptions(driver=settings.mongo_driver, deadline=deadline, max_size=2)
    client = Client.open(url, options)
    try:
        dialogue = MongoStore(client, ticking, ids).maintenance()
        events = MongoAnalyticsStore(client, ticking, ids).maintenance()
        groups = {"dialogue": dialogue, "analytics": events}
        chosen = [each for name, each in groups.items() if vars(settings.stores)[name] == NAME]
        yield await erasures(NAME, now, *chosen)
        if settings.stores.analytics == NAME:
            yield await flow_metrics(NAME, events, now)
    finally:
        await client.close()


async def _inspected(url: str, settings: Settings, deadline: float) -> Inspection:
    retention = settings.analytics_retention
    return await inspect(url, SystemClock().now(), retention=retention, deadline=deadline)


async def _replica_set(url: str, deadline: float) -> Check:
    async with connected(url, deadline) as server:
        hello = await server.command({"hello": 1})
    name = "of a sharded cluster" if hello.get("msg") == "isdbgrid" else hello.get("setName")
    found = name or "none: it has no transactions then; start it with --replSet, and initiate it"
    return Check(NAME, "replica set", name is not None, found)


def _retention(seen: Inspection, settings: Settings) -> Check:
    """Whether analytics events are removed when the settings say so, and not before."""
    days = settings.analytics_retention_days
    asked = "for ever" if days is None else f"for {days} days"
    index = f"index {EVENTS.name}.{EVENTS_EXPIRY}"
    other = next((each for each in seen.differences if each.name == index), None)
    if other is None:
        return Check(NAME, "analytics retention", True, f"events are kept {asked}", WARNING)
    found = f"events are to be kept {asked}, and {index} is {other.actual or 'missing'}"
    return Check(NAME, "analytics retention", False, f"{found}: run dialogbase migrate", WARNING)
