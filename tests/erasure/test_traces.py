"""After an erasure, whoever went is named nowhere: in no part of anything that the stores hold."""

import asyncio
from collections import Counter
from uuid import uuid4

from bootstrap.platform import open as open_platform
from bootstrap.settings import Settings
from domain.identity import UserId
from domain.receipts import Erasure
from ports.stores import TenantScope
from tests.bootstrap.running import run
from tests.bootstrap.stores import erased
from tests.erasure.people import LEFT, furnish, live, talk_of
from tests.erasure.raw import traces

TOMBSTONES = {"tombstones", "event_tombstones", "tombstone", "tombstone-news"}


def counts(erasure: Erasure) -> Counter[str]:
    """What went, of all stores together."""
    total: Counter[str] = Counter()
    for receipt in erasure.receipts:
        total.update(receipt.erased)
    return total


@run
async def test_a_user_leaves_no_trace(on_servers: Settings) -> None:
    """In no table, document, key or value; of their conversations' ids only that they are gone."""
    user, other = UserId(f"user{uuid4().hex}"), UserId(f"user{uuid4().hex}")
    async with open_platform(on_servers) as platform:
        scope = platform.for_tenant(f"t-{uuid4()}", actor="staff")
        await furnish(scope)
        await live(scope, user)
        await live(scope, other)
        before = await asyncio.to_thread(traces, on_servers, user)
        assert {"experiment_assignments", "integration_calls"} < before.keys()
        assert {"conversations", "messages", "contexts", "events"} < before.keys()
        assert {"session", "sessions", "execution", "rate", "cache", "cache-tag"} < before.keys()
        theirs = await asyncio.to_thread(traces, on_servers, other)
        erasure = await erased(platform, scope.tenant, user)
        assert counts(erasure) == LEFT
        assert await asyncio.to_thread(traces, on_servers, user) == {}
        assert await asyncio.to_thread(traces, on_servers, other) == theirs
        talks = await asyncio.to_thread(traces, on_servers, talk_of(user, 1))
        assert talks == {"execution-erased": 1}
        assert await erased(platform, scope.tenant, user) == await named(platform, scope, user)


async def named(platform: object, scope: TenantScope, user: UserId) -> Erasure:
    """The receipt, found by the user's id."""
    found: Erasure | None = await platform.maintenance.erasures.find(scope.tenant, user)  # type: ignore[attr-defined]  # a platform
    assert found is not None
    assert found.finished_at is not None
    return found


@run
async def test_a_tenant_leaves_nothing_but_its_tombstones(on_servers: Settings) -> None:
    """Neither in its own keys nor in what all tenants share; its users' tombstones go, too."""
    tenant, user = f"tenant{uuid4().hex}", UserId("ada")
    async with open_platform(on_servers) as platform:
        scope = platform.for_tenant(tenant, actor="staff")
        await furnish(scope)
        for each in (user, "mary"):
            await live(scope, each)
        async with scope.locks.hold("nightly"):
            pass
        await erased(platform, scope.tenant, user)
        erasure = await erased(platform, scope.tenant)
        assert counts(erasure)["conversations"] == 3
        assert counts(erasure)["flows"] == 1
        found = await asyncio.to_thread(traces, on_servers, tenant)
        assert found.keys() <= TOMBSTONES, found
        for maintenance in platform.maintenance.erasures.stores.values():
            (stone,) = [each async for each in maintenance.tombstones.standing(scope.tenant)]
            assert stone.is_tenants
