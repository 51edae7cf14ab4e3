"""Integrations: what is found, in which status they are, and what goes with them."""

from contextlib import suppress
from typing import Any
from uuid import uuid4

import attrs
import pytest

from domain.errors import TransitionNotAllowedError, ValidationError
from domain.integrations import (
    INTEGRATION_LIFECYCLE,
    CallReport,
    Integration,
    IntegrationHealth,
    IntegrationStatus,
    IntegrationType,
)
from ports.capabilities import Capability
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.errors import EntityNotFoundError, InvalidQueryError
from ports.integrations import IntegrationRepository
from ports.paging import Pagination
from ports.stores import TenantScope

SUCCESS = CallReport(success=True, latency_ms=20)
FAILURE = CallReport(success=False, latency_ms=300)


async def new_integration(
    integrations: IntegrationRepository, name: str = "crm", **fields: Any
) -> Integration:
    """One in status testing."""
    draft = Integration.draft(name=name, **{"type": IntegrationType.REST_API, **fields})
    return await integrations.create(draft)


@contract
async def test_an_integration_is_found_by_its_name(scope: TenantScope) -> None:
    """By the whole of it, to the letter; there is none of another."""
    integrations = scope.integrations
    made = await new_integration(integrations, "crm")
    await new_integration(integrations, "CRM")
    assert exact(await integrations.get_by_name("crm")) == exact(made)
    assert await integrations.get_by_name("cr") is None


@contract
async def test_they_are_listed_by_type_status_and_health(scope: TenantScope) -> None:
    """By name, narrowed before the page is cut; each of them may be left open."""
    integrations = scope.integrations
    for name, kind in (("b", "webhook"), ("a", "webhook"), ("c", "graphql"), ("d", "webhook")):
        made = await new_integration(integrations, name, type=kind)
        if name != "d":
            await integrations.move_to(made.id, "active")
        if name in "ac":
            await integrations.record_call(made.id, FAILURE)

    async def names(**wanted: Any) -> list[str]:
        return [one.name for one in (await integrations.list_by(**wanted)).items]

    assert await names() == ["a", "b", "c", "d"]
    assert await names(type="webhook") == ["a", "b", "d"]
    assert await names(type=IntegrationType.WEBHOOK, status="active") == ["a", "b"]
    assert await names(health="degraded") == ["a", "c"]
    assert await names(type="webhook", status="active", health="unknown") == ["b"]
    page = await integrations.list_by(type="webhook", pagination=Pagination(2, 2))
    assert ([one.name for one in page.items], page.total) == (["d"], 3)
    for error in await raised_by_each(
        integrations.list_by(type="no such"),
        integrations.list_by(status="no such"),
        integrations.list_by(health="no such"),
    ):
        assert isinstance(error, InvalidQueryError)


@pytest.mark.parametrize("target", IntegrationStatus)
@pytest.mark.parametrize("status", IntegrationStatus)
@contract
async def test_a_status_follows_the_table(
    scope: TenantScope, status: IntegrationStatus, target: IntegrationStatus
) -> None:
    """What it doesn't hold is refused; the status that one has already changes nothing."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    stored = await integrations.create(attrs.evolve(made, id=uuid4(), name="x", status=status))
    if not INTEGRATION_LIFECYCLE.allows(status, target):
        refusal = await raised_by(integrations.move_to(stored.id, target))
        assert isinstance(refusal, TransitionNotAllowedError)
    elif target is status:
        assert exact(await integrations.move_to(stored.id, target.value)) == exact(stored)
    else:
        moved = await integrations.move_to(stored.id, target.value)
        assert (moved.status, moved.revision) == (target, stored.revision + 1)
        stored = moved
    assert exact(await integrations.require(stored.id)) == exact(stored)


@contract
async def test_what_is_no_status_is_refused(scope: TenantScope) -> None:
    """And so is a change of what isn't there."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    errors = await raised_by_each(
        integrations.move_to(made.id, "no such"), integrations.move_to(uuid4(), "active")
    )
    assert [type(error) for error in errors] == [ValidationError, EntityNotFoundError]


@contract
async def test_what_belongs_to_an_integration_goes_with_it(scope: TenantScope) -> None:
    """Its calls aren't found again under the same id, and those of others stay."""
    integrations = scope.integrations
    made, other = [await new_integration(integrations, name) for name in ("crm", "other")]
    for one in (made, other):
        await integrations.record_call(one.id, SUCCESS)
    assert await integrations.delete(made.id)
    assert (await integrations.calls(made.id)).items == ()
    await integrations.create(made)
    assert (await integrations.calls(made.id)).items == ()
    assert len((await integrations.calls(other.id)).items) == 1
    assert (await integrations.record_call(made.id, SUCCESS)).call.sequence == 1
    assert await integrations.delete_where(None) == 2
    assert (await integrations.calls(other.id)).items == ()


@contract
async def test_another_tenants_integration_does_not_exist(
    backend: Backend, scope: TenantScope
) -> None:
    """Nobody else records its calls, reads, purges or marks them; not even under the same id."""
    mine, theirs = scope.integrations, backend.fresh()
    made = await new_integration(mine)
    await mine.record_call(made.id, SUCCESS)
    foreign = theirs.integrations
    for error in await raised_by_each(
        foreign.record_call(made.id, FAILURE),
        foreign.record_call(made.id, attrs.evolve(FAILURE, error="in words")),
        foreign.mark_health(made.id, IntegrationHealth.UNHEALTHY, "down"),
        foreign.set_credentials(made.id, None),
        foreign.move_to(made.id, IntegrationStatus.ACTIVE),
    ):
        assert isinstance(error, EntityNotFoundError)
    later = backend.clock.advance(days=1)
    assert await foreign.purge_calls(later) == await foreign.rotate_credentials() == 0
    assert (await foreign.calls(made.id)).items == ()
    assert await foreign.get_by_name("crm") is None
    twin = attrs.evolve(made, tenant_id=theirs.tenant)
    await foreign.create(twin)
    assert (await foreign.record_call(made.id, FAILURE)).call.sequence == 1
    assert [call.success for call in (await mine.calls(made.id)).items] == [True]
    assert (await mine.require(made.id)).health is IntegrationHealth.HEALTHY


@contract
async def test_an_erased_tenants_calls_are_gone(backend: Backend, scope: TenantScope) -> None:
    """Only integrations are counted."""
    store = backend.instances[0].authoring
    assert store is not None
    made = await new_integration(scope.integrations)
    for _ in range(3):
        await scope.integrations.record_call(made.id, FAILURE)
    assert await store.maintenance().erase_tenant(scope.tenant) == 1
    assert (await scope.integrations.calls(made.id)).items == ()
    assert await store.maintenance().erase_tenant(scope.tenant) == 0


@contract(needs=Capability.TRANSACTIONS)
async def test_a_unit_of_work_holds_all_of_a_call(backend: Backend, scope: TenantScope) -> None:
    """It is seen within, by nobody else before the commit, and gone with a roll-back."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    with suppress(ZeroDivisionError):
        async with scope.authoring() as work:
            await work.integrations.record_call(made.id, FAILURE)
            assert (await work.integrations.require(made.id)).failure_count == 1
            assert len((await work.integrations.calls(made.id)).items) == 1
            assert (await integrations.calls(made.id)).items == ()
            raise ZeroDivisionError
    assert exact(await integrations.require(made.id)) == exact(made)
    assert (await integrations.calls(made.id)).items == ()
    async with scope.authoring() as work:
        await work.integrations.record_call(made.id, FAILURE)
        await work.integrations.record_call(made.id, FAILURE)
    stored = await backend.scope(scope.tenant, 1).integrations.require(made.id)
    assert (stored.call_count, stored.consecutive_failures) == (2, 2)
    assert [call.sequence for call in (await integrations.calls(made.id)).items] == [2, 1]
