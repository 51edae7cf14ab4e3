"""Analytics events of all tenants: named, counted, purged and erased."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.analytics import AnalyticsEvent
from domain.errors import ValidationError
from domain.identity import TenantId
from ports.contracts.analytics import counted
from ports.contracts.harness import RETENTION, Backend, contract, raised_by
from ports.errors import InvalidQueryError
from ports.stores import AnalyticsMaintenance, TenantScope

LONG_AGO = datetime(1990, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def maintenance(backend: Backend) -> AnalyticsMaintenance:
    """Of the second instance."""
    store = backend.instances[1].analytics
    assert store is not None
    return store.maintenance()


async def record(scope: TenantScope, *times: datetime) -> None:
    """An event at each time."""
    await scope.analytics.record_many(AnalyticsEvent.draft("turn", at=time) for time in times)


async def named(backend: Backend) -> list[TenantId]:
    """Every tenant that has events."""
    return [tenant async for tenant in maintenance(backend).tenants()]


@contract
async def test_every_tenant_with_events_is_named_once_and_in_order(backend: Backend) -> None:
    """By code point; one that was only looked at, or whose events are gone, is none."""
    names = [backend.tenant(prefix) for prefix in ("a", "B", "b", "Z", "0", "a.")]
    for name in names:
        await record(backend.scope(name), LONG_AGO, LONG_AGO)
    looked_at = backend.fresh()
    assert await counted(looked_at) == 0
    found = await named(backend)
    assert [tenant for tenant in found if tenant in names] == sorted(names)
    assert found == sorted(set(found))
    assert looked_at.tenant not in found


@contract
async def test_an_erased_tenant_has_no_events(backend: Backend) -> None:
    """It says how many went; another erasure finds nothing; others keep theirs."""
    gone, kept = backend.fresh(), backend.fresh()
    await record(kept, LONG_AGO)
    await record(gone, *[LONG_AGO] * 1_200)
    assert await maintenance(backend).erase_tenant(gone.tenant) == 1_200
    assert await counted(gone) == 0
    assert await maintenance(backend).erase_tenant(gone.tenant) == 0
    assert await maintenance(backend).erase_tenant(backend.tenant()) == 0
    assert gone.tenant not in await named(backend)
    await record(gone, LONG_AGO)
    assert (await counted(gone), await counted(kept)) == (1, 1)


@contract
async def test_what_happened_before_a_time_is_purged(backend: Backend) -> None:
    """In every tenant, the oldest first if there is a limit; what is as old as the time stays."""
    early, other = backend.fresh(), backend.fresh()
    # Before all that other contracts record, and kept still.
    past = backend.clock.kept - RETENTION + 400 * DAY
    await record(early, *(past + n * DAY for n in (3, 1, 2)), LONG_AGO)
    await record(other, *[past + DAY] * 1_100)
    purge = maintenance(backend).purge
    await purge(past)
    assert await purge(past + DAY) == 0
    only = min(early, other, key=lambda scope: scope.tenant)
    held = await counted(only)
    assert await purge(past + 9 * DAY, limit=1) == 1
    assert await counted(only) == held - 1
    assert await purge(past + 2 * DAY) == 1_100
    assert (await counted(early), await counted(other)) == (3, 0)
    assert await purge(past + 3 * DAY) == 1
    assert await purge(past + 9 * DAY) == 1
    assert await counted(early) == 1
    for wrong, kind in (
        ({"before": None}, ValidationError),
        ({"before": past.replace(tzinfo=None)}, ValidationError),
        ({"before": past, "limit": 0}, InvalidQueryError),
        ({"before": past, "limit": True}, InvalidQueryError),
        ({"before": past, "limit": "1"}, InvalidQueryError),
    ):
        asked: Any = wrong
        assert isinstance(await raised_by(purge(**asked)), kind), wrong


@contract
async def test_statistics_say_how_much_is_held(backend: Backend, scope: TenantScope) -> None:
    """At least what one tenant has; sizes where the store knows them."""
    (before,) = await maintenance(backend).statistics()
    await record(scope, *[LONG_AGO] * 500)
    (after,) = await maintenance(backend).statistics()
    assert after.name == before.name
    assert after.documents - before.documents == 500
    if after.data_bytes is not None and before.data_bytes is not None:
        assert after.data_bytes - before.data_bytes > 500 * 50
        assert after.index_bytes > 0
        assert after.storage_bytes is not None
