"""Conversations whose messages are more than one transaction holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from adapters.mongo.collections import CONVERSATIONS, MESSAGES
from adapters.mongo.conversations import AT_ONCE
from adapters.mongo.driver import DriverName, MongoOptions
from adapters.mongo.store import MongoStore
from adapters.system import Uuid7Generator
from domain.erasure import Tombstone
from domain.identity import TenantId
from domain.messages import Moderation
from ports.contracts.harness import ContractClock
from ports.errors import ConflictError, OutcomeUnknownError
from ports.stores import TenantScope
from tests.mongo.server import AT, Mongo, conversation, database, message, new_tenant, stored

LONG = 2 * AT_ONCE + 1
STEP = 1_000


def long_one(beside: Mongo, tenant: TenantId, **fields: Any) -> None:
    """One whose log is long; every message of it but the first is as it was sent."""
    head = conversation(tenant, last_sequence=LONG, message_count=LONG - 1, **fields)
    stored(beside, CONVERSATIONS, [head])
    redacted = MESSAGES.mapper.document(message(tenant, "1").redacted(at=AT))
    plain = MESSAGES.mapper.document(message(tenant))
    for start in range(2, LONG + 1, STEP):
        places = range(start, min(start + STEP, LONG + 1))
        beside.messages.insert_many(
            [{**plain, "_id": f"{tenant}!{place}", "sequence": place} for place in places]
        )
    beside.messages.insert_one(redacted)


@asynccontextmanager
async def opened(
    url: str, driver: DriverName, tenant: TenantId, **options: Any
) -> AsyncIterator[tuple[MongoStore, TenantScope]]:
    """A store, and a tenant's scope in it."""
    clock = ContractClock()
    store = await MongoStore.open(
        url,
        clock=clock,
        ids=Uuid7Generator(clock),
        options=MongoOptions(driver=driver, **options),
    )
    try:
        yield store, TenantScope(tenant, dialogue=store)
    finally:
        await store.close()


def test_a_long_one_that_cannot_be_deleted_to_its_end_is_deleted_by_the_next_call(
    server: str, driver: DriverName
) -> None:
    """What failed says that something may have happened, and what it left is counted right; a call
    at another revision changes nothing.
    """
    tenant = new_tenant()

    async def scenario(url: str, beside: Mongo) -> None:
        async with (
            opened(url, driver, tenant) as (_, rival),
            opened(url, driver, tenant, deadline=1.0) as (_, scope),
        ):
            with pytest.raises(ConflictError):
                await scope.conversations.delete("c", 2)
            assert beside.messages.count_documents({"tenant_id": tenant}) == LONG
            async with rival.dialogue() as work:
                await work.messages.annotate(f"{LONG}", moderation=Moderation(flagged=True))
                with pytest.raises(OutcomeUnknownError):
                    await scope.conversations.delete("c")
            head = await rival.conversations.require("c")
            left = beside.messages.count_documents({"tenant_id": tenant})
            assert 0 < left < LONG
            assert (head.last_sequence, head.message_count) == (LONG, left)
            page = await rival.messages.history("c", limit=1)
            assert page.items[0].sequence == LONG - left + 1
            assert await rival.conversations.delete("c", head.revision) is True
        assert beside.messages.count_documents({"tenant_id": tenant}) == 0
        assert beside.conversations.count_documents({"tenant_id": tenant}) == 0

    with database(server) as (url, beside):
        long_one(beside, tenant)
        asyncio.run(scenario(url, beside))


def test_a_long_one_is_erased_with_its_user(server: str) -> None:
    """Every message of it is in the receipt once, whichever transaction it went in."""
    tenant = new_tenant()

    async def scenario(url: str) -> None:
        async with opened(url, "pymongo", tenant) as (store, scope):
            user = (await scope.conversations.require("c")).user_id
            maintenance, now = store.maintenance(), ContractClock().kept
            until = now + timedelta(days=1)
            stone = Tombstone(tenant_id=tenant, user_id=user, at=now, until=until)
            await maintenance.tombstones.bury(stone)
            gone = await maintenance.erase_user(tenant, user)
            assert gone == {"conversations": 1, "messages": LONG}
            found = await maintenance.tombstones.find(tenant, user)
            assert found is not None
            assert found.erased == gone

    with database(server) as (url, beside):
        long_one(beside, tenant)
        asyncio.run(scenario(url))
        assert beside.messages.count_documents({"tenant_id": tenant}) == 0


def test_a_long_one_that_expired_keeps_no_other_from_being_purged(
    server: str, driver: DriverName
) -> None:
    """It goes first and whole, and those that expired after it go, too."""
    tenant = new_tenant()

    async def scenario(url: str, beside: Mongo) -> None:
        async with opened(url, driver, tenant) as (store, scope):
            assert await store.maintenance().purge_expired(AT) == 2
            assert [one.id async for one in scope.conversations.stream()] == ["kept"]
        assert beside.messages.count_documents({"tenant_id": tenant}) == 0

    with database(server) as (url, beside):
        long_one(beside, tenant, retain_until=AT - timedelta(days=1))
        other = conversation(tenant, "other", retain_until=AT)
        stored(beside, CONVERSATIONS, [other, conversation(tenant, "kept")])
        asyncio.run(scenario(url, beside))
