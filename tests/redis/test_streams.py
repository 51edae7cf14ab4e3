"""Events in Redis streams, as programs that know nothing of us read them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis

from adapters.redis.maintenance import RedisRuntimeMaintenance
from adapters.redis.streams import RedisStreamConsumer
from domain.audit import AuditAction
from domain.errors import ValidationError
from domain.identity import TenantId, UserId
from domain.outbox import ChangeEvent
from ports.errors import StoreUnavailableError
from tests.redis.opening import opened
from tests.valkey import Cluster, Node

AT = datetime(2026, 1, 31, 12, 0, 0, 5_000, tzinfo=UTC)


def new_tenant() -> TenantId:
    """One that no other test uses."""
    return TenantId(f"t-{uuid4()}")


def events(tenant: TenantId, entity: UUID, count: int = 1) -> list[ChangeEvent]:
    """An entity's first events."""
    return [
        ChangeEvent(
            id=uuid4(),
            tenant_id=tenant,
            at=AT,
            actor=UserId("ada") if revision == 1 else None,
            action=AuditAction.CREATED if revision == 1 else AuditAction.UPDATED,
            entity_type="flow",
            entity_id=entity,
            revision=revision,
        )
        for revision in range(1, count + 1)
    ]


def published(url: str, told: Sequence[Sequence[ChangeEvent]], **options: Any) -> str:
    """Call by call; the name of the stream that the last of them went to."""

    async def publish() -> str:
        async with opened(url) as client:
            consumer = RedisStreamConsumer(client, "changes", **options)
            for call in told:
                await consumer.consume(call)
            return consumer.key(told[-1][0].tenant_id)

    return asyncio.run(publish())


def test_a_group_of_readers_gets_what_was_published(shared: Node) -> None:
    """By plain XREADGROUP, in its order; every field is text."""
    tenant = new_tenant()
    told = events(tenant, uuid4(), 3)
    name = published(shared.url, [told[:2], told[2:]])
    with redis.Redis.from_url(shared.url, decode_responses=True) as client:
        client.xgroup_create(name, "readers", id="0")
        ((_, entries),) = client.xreadgroup("readers", "one", {name: ">"}, count=10)
    assert [fields["id"] for _, fields in entries] == [str(event.id) for event in told]
    assert entries[0][1] == {
        "id": str(told[0].id),
        "tenant_id": tenant,
        "at": "2026-01-31T12:00:00.005Z",
        "actor": "ada",
        "action": "created",
        "entity_type": "flow",
        "entity_id": str(told[0].entity_id),
        "revision": "1",
    }
    assert (entries[2][1]["actor"], entries[2][1]["revision"]) == ("", "3")


def test_each_tenant_has_a_stream_that_goes_with_it(shared: Node) -> None:
    """Erasure finds it by its name."""
    ours, theirs = new_tenant(), new_tenant()
    mine = published(shared.url, [events(ours, uuid4())])
    other = published(shared.url, [events(theirs, uuid4())])

    async def erase() -> None:
        async with opened(shared.url) as client:
            await RedisRuntimeMaintenance(client).erase_tenant(ours)

    asyncio.run(erase())
    with shared.client() as client:
        assert (client.exists(mine), client.xlen(other)) == (0, 1)


def test_a_stream_is_bounded_in_length_and_time(shared: Node) -> None:
    """It keeps at least so many entries, and not many more; its end moves with each."""
    tenant, entity = new_tenant(), uuid4()
    calls = [events(tenant, entity, 100) for _ in range(5)]
    name = published(shared.url, calls, length=150, lasting=timedelta(minutes=2))
    with shared.client() as client:
        assert 150 <= client.xlen(name) < 400
        assert 60_000 < client.pttl(name) <= 120_000


def test_streams_of_a_cluster_are_where_their_tenants_are(three: Cluster) -> None:
    """Some on each node, whichever was connected to."""
    tenants = [new_tenant() for _ in range(12)]
    for tenant in tenants:
        published(three.url, [events(tenant, uuid4())])
    with redis.RedisCluster.from_url(three.url) as client:
        found = set(client.scan_iter("dialogbase:1:{t-*/changes}:stream", count=100))
    assert len(found) >= len(tenants)


def test_what_cannot_be_published_was_not_taken(shared: Node) -> None:
    """So that it comes again."""

    async def publish() -> None:
        async with opened(shared.url) as client:
            consumer = RedisStreamConsumer(client, "changes")
        await consumer.consume(events(new_tenant(), uuid4()))

    with pytest.raises(StoreUnavailableError):
        asyncio.run(publish())


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "x" * 100}, {"length": 0}, {"lasting": timedelta()}],
    ids=str,
)
def test_what_can_be_no_stream_is_refused(shared: Node, wrong: dict[str, Any]) -> None:
    """At once."""

    async def make() -> None:
        async with opened(shared.url) as client:
            RedisStreamConsumer(client, **{"name": "changes", **wrong})

    with pytest.raises(ValidationError):
        asyncio.run(make())
