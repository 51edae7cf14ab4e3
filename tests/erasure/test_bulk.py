"""What adds many at once may take longer than an erasure waits for: it is asked for twice."""

from collections.abc import Iterable
from itertools import count
from typing import Any
from unittest.mock import patch

import attrs
import pytest

from adapters.mongo.analytics import MongoAnalyticsStore
from adapters.mongo.driver import Client, MongoOptions
from adapters.mongo.store import MongoStore
from adapters.system import SystemClock, Uuid7Generator
from bootstrap.settings import Settings
from domain.analytics import AnalyticsEvent
from domain.conversations import Conversation
from domain.flows import Flow
from domain.identity import TenantId, UserId
from ports.errors import ErasedError
from ports.gate import Gate
from tests.bootstrap.running import run
from tests.bootstrap.stores import fresh_tenant
from tests.postgres.opening import opened

CLOCK = SystemClock()


class Meanwhile(Gate):
    """Everybody is erased after the first question."""

    def __init__(self) -> None:
        self.asked = 0

    async def admit(self, tenant: TenantId, users: Iterable[UserId] = ()) -> None:
        self.asked += 1
        if self.asked > 1:
            raise ErasedError(tenant)


async def _refused(repository: Any, drafts: list[Any]) -> None:
    repository._context = attrs.evolve(repository._context, gate=Meanwhile())
    with pytest.raises(ErasedError):
        await repository.create_many(drafts)
    assert await repository.count() == 0


@run
async def test_many_rows_of_whom_is_erased_meanwhile_are_not_kept(on_servers: Settings) -> None:
    """In PostgreSQL: those that are more than one statement."""
    assert on_servers.postgres_url is not None
    async with opened(on_servers.postgres_url) as store:
        flows = store.repositories(TenantId(fresh_tenant())).flows
        await _refused(flows, [Flow.draft(name=f"flow {n}") for n in range(401)])


@run
async def test_many_documents_of_whom_is_erased_meanwhile_are_not_kept(
    on_servers: Settings,
) -> None:
    """In MongoDB."""
    assert on_servers.mongo_url is not None
    client = Client.open(on_servers.mongo_url, MongoOptions(driver="pymongo"))
    store = MongoStore(client, CLOCK, Uuid7Generator(CLOCK))
    try:
        conversations = store.repositories(TenantId(fresh_tenant())).conversations
        await _refused(conversations, [Conversation.draft(user_id="ada") for _ in range(50)])
    finally:
        await store.close()


@run
async def test_events_of_whom_is_erased_meanwhile_are_taken_back(on_servers: Settings) -> None:
    """If it took longer than an erasure waits; those that were there before stay."""
    assert on_servers.mongo_url is not None
    client = Client.open(on_servers.mongo_url, MongoOptions(driver="pymongo"))
    store = MongoAnalyticsStore(client, CLOCK, Uuid7Generator(CLOCK))
    try:
        events: Any = store.repositories(TenantId(fresh_tenant()))
        drafts = [AnalyticsEvent.draft("turn", id=f"{n}") for n in range(50)]
        await events.record_many(drafts[:1])
        events._context = attrs.evolve(events._context, gate=Meanwhile())
        clock = map(client.options.deadline.__mul__, count())
        with (
            patch("adapters.mongo.analytics.monotonic", clock.__next__),
            pytest.raises(ErasedError),
        ):
            await events.record_many(drafts)
        assert [event.id async for event in events.stream()] == ["0"]
    finally:
        await client.close()
