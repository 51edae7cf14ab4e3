"""Analytics of a whole platform on MongoDB, and what its settings say of expiry."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import attrs
import pytest
from pymongo import MongoClient

import bootstrap
from adapters.mongo.migrations import migrate
from bootstrap import NotMigratedError, Settings, Stores
from domain.analytics import AnalyticsEvent
from domain.conversations import Conversation
from domain.metric_queries import MetricQuery
from tests.bootstrap.stores import erased
from tests.servers import servers, sibling

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """Of a platform with dialogues and events on a MongoDB of its own, migrated for ever."""
    with servers("mongo") as urls:
        url = sibling(urls["mongo"], f"dialogbase_{uuid4().hex}")
        asyncio.run(migrate(url))
        yield Settings(
            profile="servers", mongo_url=url, stores=Stores(authoring="memory", runtime="memory")
        )
        with MongoClient[dict[str, object]](url) as client:
            client.drop_database(client.get_default_database().name)


def test_dialogues_and_events_share_a_server_and_its_connections(settings: Settings) -> None:
    """Each by its own ports; both are erased with the tenant."""

    async def body() -> None:
        async with bootstrap.open(settings) as platform:
            await platform.check()
            acme = platform.for_tenant("acme")
            talk = await acme.conversations.create(Conversation.draft(user_id="ada"))
            await acme.analytics.record(AnalyticsEvent.draft("turn", conversation_id=talk.id))
            now = datetime.now(UTC)
            result = await acme.analytics.query(MetricQuery.over(now - DAY, now + DAY))
            assert result.series[0].points[0].value == 1
            (events,) = await platform.maintenance.analytics.statistics()
            assert (events.name, events.documents) == ("events", 1)
            held = {each.name: each for each in await platform.maintenance.dialogue.statistics()}
            assert held.keys() == {"conversations", "messages", "contexts"}
            assert held["conversations"].documents == 1
            assert held["conversations"].index_bytes > 0
            assert [tenant async for tenant in platform.maintenance.dialogue.tenants()] == ["acme"]
            assert (await erased(platform, acme.tenant)).total == 2
            assert [tenant async for tenant in platform.maintenance.tenants()] == []

    asyncio.run(body())


def test_another_retention_is_a_migration(settings: Settings) -> None:
    """A platform that was set otherwise than its database says so, and what to do."""
    shorter = attrs.evolve(settings, analytics_retention_days=30)

    async def opened(chosen: Settings) -> None:
        async with bootstrap.open(chosen) as platform:
            await platform.check()

    with pytest.raises(NotMigratedError, match="ix_events_expiry"):
        asyncio.run(opened(shorter))
    url = settings.mongo_url
    assert url is not None
    asyncio.run(migrate(url, retention=shorter.analytics_retention))
    asyncio.run(opened(shorter))
    with pytest.raises(NotMigratedError, match="ix_events_expiry"):
        asyncio.run(opened(settings))
    asyncio.run(migrate(url))
    asyncio.run(opened(settings))
