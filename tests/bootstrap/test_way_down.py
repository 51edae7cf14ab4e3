"""What no port covers: a platform gives the store that answers in its own words."""

import pytest

import bootstrap
from adapters.mongo.store import MongoStore
from adapters.postgres.store import PostgresStore
from bootstrap import Settings
from domain.conversations import Conversation
from domain.flows import Flow
from domain.identity import TenantId
from ports.errors import UnsupportedOperationError
from tests.bootstrap.running import run


@run
async def test_a_platform_gives_its_stores_by_their_class(
    on_servers: Settings, tenant: str
) -> None:
    """Also PostgreSQL's, before which there are caches."""
    named = TenantId(tenant)
    async with bootstrap.open(on_servers) as platform:
        scope = platform.for_tenant(tenant)
        await scope.flows.create(Flow.draft(name="welcome"))
        await scope.conversations.create(Conversation.draft(user_id="mia"))
        rows = platform.store(PostgresStore).read(named, "SELECT name FROM flows")
        assert [dict(row) async for row in rows] == [{"name": "welcome"}]
        talks = platform.store(MongoStore).aggregate(named, "conversations", [{"$count": "n"}])
        assert [dict(found) async for found in talks] == [{"n": 1}]


@run
async def test_a_store_that_is_not_there_is_told(tenant: str) -> None:
    """Where the settings chose memory."""
    async with bootstrap.open(Settings.memory()) as platform:
        with pytest.raises(UnsupportedOperationError):
            platform.store(MongoStore)
