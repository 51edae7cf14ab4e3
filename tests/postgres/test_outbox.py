"""Moments of the outbox that are too short to be met by chance."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from adapters.local.callbacks import CallbackConsumer
from adapters.postgres.outbox_statements import DISTRIBUTE
from adapters.postgres.store import PostgresStore
from domain.flows import Flow
from domain.identity import TenantId
from domain.outbox import ChangeEvent
from ports.stores import TenantScope
from tests.postgres.opening import bare, new_tenant, store, waiting_for_a_lock


class World:
    """A consumer, and a tenant of which it is to be told that a flow was made and changed."""

    def __init__(self, opened: PostgresStore) -> None:
        self.tenant = new_tenant()
        self.outbox = opened.maintenance().outbox
        self.told: list[int] = []
        self.consumer = CallbackConsumer(f"test {uuid4()}", self.hear)
        self.dispatcher = opened.maintenance().dispatcher([self.consumer])
        self.flows = TenantScope(self.tenant, opened).flows

    async def hear(self, events: Sequence[ChangeEvent]) -> None:
        """Which revision the flow of this tenant has."""
        self.told.extend(event.revision for event in events if event.tenant_id == self.tenant)

    async def left(self, connection: Any) -> int:
        """How many deliveries to the consumer there are."""
        async with connection.transaction():
            await connection.execute(
                "SELECT set_config('dialogbase.tenant', $1, true)", self.tenant
            )
            count: int = await connection.fetchval(
                "SELECT count(*) FROM outbox_deliveries WHERE tenant_id = $1 AND consumer = $2",
                self.tenant,
                self.consumer.name,
            )
        return count


@asynccontextmanager
async def world(url: str) -> AsyncIterator[World]:
    """Three events that nobody has distributed."""
    async with store(url) as opened:
        made = World(opened)
        await made.outbox.subscribe(made.consumer.name)
        flow = await made.flows.create(Flow.draft(name="a"))
        for category in ("x", "y"):
            await made.flows.patch(flow.id, category=category)
        yield made
        await made.outbox.unsubscribe(made.consumer.name)


async def distribute_one(connection: Any, tenant: TenantId) -> None:
    """The first event, in a transaction that is not at its end yet."""
    values = {"tenant": tenant, "limit": 1}
    assert await connection.fetchval(DISTRIBUTE.sql, *DISTRIBUTE.arguments(values)) == 1


def test_who_distributes_does_so_alone(url: str) -> None:
    """What follows an event whose distribution isn't committed is no one else's to distribute."""

    async def scenario() -> list[int]:
        async with world(url) as made, bare(url) as connection:
            transaction = connection.transaction()
            await transaction.start()
            await distribute_one(connection, made.tenant)
            assert await made.outbox.distribute(made.tenant, 10) == 0
            await made.dispatcher.once()
            assert made.told == []
            await transaction.commit()
            await made.dispatcher.once()
            return made.told

    assert asyncio.run(scenario()) == [1, 2, 3]


def test_a_distribution_that_is_rolled_back_is_made_again(url: str) -> None:
    """In its order."""

    async def scenario() -> list[int]:
        async with world(url) as made, bare(url) as connection:
            transaction = connection.transaction()
            await transaction.start()
            await distribute_one(connection, made.tenant)
            await transaction.rollback()
            await made.dispatcher.once()
            return made.told

    assert asyncio.run(scenario()) == [1, 2, 3]


def test_who_unsubscribes_meanwhile_leaves_nothing(url: str) -> None:
    """It waits for who distributes to them just now."""

    async def scenario() -> int:
        async with world(url) as made, bare(url) as connection, bare(url) as looking:
            transaction = connection.transaction()
            await transaction.start()
            await distribute_one(connection, made.tenant)
            leaving = asyncio.create_task(made.outbox.unsubscribe(made.consumer.name))
            await waiting_for_a_lock(looking)
            await transaction.commit()
            assert await leaving
            return await made.left(looking)

    assert asyncio.run(scenario()) == 0
