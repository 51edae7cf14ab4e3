"""Retention of the calls of integrations, of all tenants."""

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from domain.errors import ValidationError
from domain.integrations import Integration
from domain.retention import Swept
from ports.contracts.concurrency import all_at_once, split
from ports.contracts.harness import Backend, contract, raised_by
from ports.contracts.integrations import SUCCESS, new_integration
from ports.errors import InvalidQueryError, UnsupportedOperationError
from ports.stores import AuthoringMaintenance, TenantScope

LONG_AGO = datetime(1975, 1, 1, tzinfo=UTC)
"""Before anything in a store that is used, for what looks at every tenant."""
HOUR = timedelta(hours=1)
BOUND = LONG_AGO + 1_000 * HOUR


def maintenance(backend: Backend, instance: int = 1) -> AuthoringMaintenance:
    """What works across tenants, on one of the instances."""
    store = backend.instances[instance].authoring
    assert store is not None
    return store.maintenance()


async def called(scope: TenantScope, *hours: float) -> Integration:
    """An integration that was called so many hours after `LONG_AGO`."""
    made = await new_integration(scope.integrations)
    for hour in hours:
        at = LONG_AGO + hour * HOUR
        await scope.integrations.record_call(made.id, attrs.evolve(SUCCESS, at=at))
    return made


async def standing(scope: TenantScope, made: Integration) -> list[int]:
    """The sequences of the calls in its log, the last first."""
    return [call.sequence for call in (await scope.integrations.calls(made.id)).items]


@contract
async def test_old_calls_of_every_tenant_are_purged(backend: Backend) -> None:
    """Those before the time, the oldest of a tenant first; what was counted stays counted."""
    kept = maintenance(backend)
    await kept.purge_calls(BOUND)
    scopes = sorted((backend.fresh() for _ in range(3)), key=lambda scope: scope.tenant)
    made = [await called(scope, 3, 1, 2) for scope in scopes[:2]]
    recent = await called(scopes[2], 2_000)
    for _ in range(2):
        assert await kept.due(Swept.INTEGRATION_CALLS, LONG_AGO + 3 * HOUR) == 4
    assert await kept.purge_calls(LONG_AGO + HOUR) == 0
    assert await kept.purge_calls(LONG_AGO + 3 * HOUR, limit=3) == 3
    logs = [await standing(scope, one) for scope, one in zip(scopes, made, strict=False)]
    assert logs == [[1], [3, 1]]
    assert await kept.purge_calls(LONG_AGO + 3 * HOUR) == 1
    assert await kept.purge_calls(BOUND) == 2
    assert await kept.due(Swept.INTEGRATION_CALLS, BOUND) == 0
    for scope, one in zip(scopes, made, strict=False):
        assert await standing(scope, one) == []
        assert (await scope.integrations.require(one.id)).call_count == 3
    assert await standing(scopes[2], recent) == [1]


@contract
async def test_two_that_purge_at_once_count_each_call_once(backend: Backend) -> None:
    """What they return adds up, and nothing old is left by all of them together."""
    kept = maintenance(backend)
    await kept.purge_calls(BOUND)
    scopes = backend.rivals()
    made = await called(scopes[0], *range(60))
    won, lost = split(
        await all_at_once(
            scopes, lambda n, scope: maintenance(backend, n % 2).purge_calls(BOUND), 4
        )
    )
    assert (sum(won), lost) == (60, [])
    assert await standing(scopes[1], made) == []


@contract
async def test_a_bound_without_meaning_is_refused(backend: Backend) -> None:
    """A time or limit that is none; nor can be counted what the store doesn't hold."""
    kept = maintenance(backend)
    wrong: Any = "1975-01-01"
    limit: Any = "1"
    for purge in (kept.purge_calls, kept.purge_audit):
        assert isinstance(await raised_by(purge(wrong)), ValidationError)
        assert isinstance(await raised_by(purge(LONG_AGO, limit=0)), InvalidQueryError)
        assert isinstance(await raised_by(purge(LONG_AGO, limit=limit)), InvalidQueryError)
    for kind in (Swept.INTEGRATION_CALLS, Swept.AUDIT_ENTRIES):
        assert isinstance(await raised_by(kept.due(kind, wrong)), ValidationError)
    assert isinstance(await raised_by(kept.due(wrong, LONG_AGO)), ValidationError)
    error = await raised_by(kept.due(Swept.ANALYTICS_EVENTS, LONG_AGO))
    assert isinstance(error, UnsupportedOperationError)
