"""Calls to integrations: what is counted, how it is judged, and what the log holds."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import attrs
import pytest

from domain.documents import JsonObject
from domain.errors import ValidationError
from domain.integrations import CallReport, Integration, IntegrationCall, IntegrationHealth
from ports.capabilities import Capability
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.contracts.integrations import FAILURE, SUCCESS, new_integration
from ports.contracts.outbox_takers import Taker, dispatcher, subscribed
from ports.errors import EntityNotFoundError, InvalidQueryError
from ports.stores import TenantScope

H = IntegrationHealth
LAST = 2**63 - 1


@contract
async def test_a_call_is_counted_and_logged(backend: Backend, scope: TenantScope) -> None:
    """Counts, latency and times follow; neither the revision nor the time of change moves."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    now = backend.clock.advance(hours=1)
    recorded = await integrations.record_call(
        made.id,
        CallReport(
            success=True,
            latency_ms=42,
            status_code=200,
            conversation_id="conversation",
            metadata=JsonObject.of({"$a.b": [1, 1.0]}),
        ),
    )
    counted = attrs.evolve(
        made,
        health=H.HEALTHY,
        last_checked_at=now,
        last_success_at=now,
        call_count=1,
        latency_total_ms=42,
    )
    assert exact(await integrations.require(made.id)) == exact(counted)
    call = IntegrationCall(
        id=recorded.call.id,
        tenant_id=scope.tenant,
        integration_id=made.id,
        sequence=1,
        at=now,
        success=True,
        latency_ms=42,
        status_code=200,
        conversation_id="conversation",
        metadata=JsonObject.of({"$a.b": [1, 1.0]}),
    )
    assert exact(recorded.call) == exact(call)
    assert (recorded.health, recorded.consecutive_failures) == (H.HEALTHY, 0)
    later = backend.clock.advance(hours=1)
    report = CallReport(success=False, latency_ms=8, status_code=503, error="down")
    recorded = await integrations.record_call(made.id, report)
    counted = attrs.evolve(
        counted,
        health=H.DEGRADED,
        consecutive_failures=1,
        last_checked_at=later,
        last_error="down",
        call_count=2,
        failure_count=1,
        latency_total_ms=50,
    )
    assert exact(await integrations.require(made.id)) == exact(counted)
    assert (counted.failure_rate, counted.avg_latency_ms) == (0.5, 25.0)
    log = (await integrations.calls(made.id)).items
    assert exact(log) == exact((recorded.call, call))
    assert [entry.action for entry in (await scope.audit.scan()).items] == ["created"]


@contract
async def test_health_follows_the_calls(scope: TenantScope) -> None:
    """A failure degrades, the fifth in a row makes unhealthy, and a success heals at once."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    course: list[tuple[CallReport, int, IntegrationHealth]] = [
        (FAILURE, 1, H.DEGRADED),
        (SUCCESS, 0, H.HEALTHY),
        *((FAILURE, n, H.DEGRADED) for n in (1, 2, 3, 4)),
        *((FAILURE, n, H.UNHEALTHY) for n in (5, 6)),
        (SUCCESS, 0, H.HEALTHY),
        (SUCCESS, 0, H.HEALTHY),
        (FAILURE, 1, H.DEGRADED),
    ]
    before: IntegrationHealth = made.health
    for report, failures, health in course:
        recorded = await integrations.record_call(made.id, report)
        assert (recorded.consecutive_failures, recorded.health) == (failures, health)
        assert recorded.health_changed is (health is not before)
        before = health
    stored = await integrations.require(made.id)
    assert (stored.call_count, stored.failure_count) == (len(course), 8)


@contract
async def test_a_failure_makes_nothing_better(scope: TenantScope) -> None:
    """What was marked unhealthy stays so until a success, however few failures it had."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    await integrations.mark_health(made.id, H.UNHEALTHY)
    recorded = await integrations.record_call(made.id, FAILURE)
    assert (recorded.health, recorded.consecutive_failures) == (H.UNHEALTHY, 1)
    assert (await integrations.record_call(made.id, SUCCESS)).health is H.HEALTHY


@contract
async def test_a_mark_is_a_change_like_any_other(backend: Backend, scope: TenantScope) -> None:
    """It raises the revision and is audited; healthy ends the failures, and isn't a call."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    for _ in range(3):
        await integrations.record_call(made.id, FAILURE)
    now = backend.clock.advance(minutes=1)
    marked = await integrations.mark_health(made.id, "unhealthy", "a probe says no")
    assert (marked.health, marked.consecutive_failures, marked.revision) == (H.UNHEALTHY, 3, 2)
    assert (marked.last_error, marked.last_checked_at) == ("a probe says no", now)
    assert marked.last_success_at is None
    healed = await integrations.mark_health(made.id, H.HEALTHY, expected_revision=2)
    assert (healed.consecutive_failures, healed.last_success_at) == (0, now)
    assert (healed.last_error, healed.call_count) == ("a probe says no", 3)
    assert exact(await integrations.require(made.id)) == exact(healed)
    trail = (await scope.audit.of_entity("integration", made.id)).items
    assert [(entry.action, entry.revision) for entry in trail] == [
        ("updated", 3),
        ("updated", 2),
        ("created", 1),
    ]
    told = {name: attrs.astuple(change) for name, change in trail[1].changes.items()}
    at = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03}Z"
    before = told.pop("last_checked_at")[0]
    assert before is not None
    assert told == {"health": ("degraded", "unhealthy"), "last_error": (None, "a probe says no")}
    assert attrs.astuple(trail[0].changes["last_success_at"]) == (None, at)
    assert attrs.astuple(trail[0].changes["consecutive_failures"]) == (3, 0)
    wrong: Any = "no such"
    assert isinstance(await raised_by(integrations.mark_health(made.id, wrong)), ValidationError)


@contract
async def test_an_update_leaves_what_calls_made(scope: TenantScope) -> None:
    """Also if its caller read the integration before them."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    await integrations.record_call(made.id, CallReport(success=False, latency_ms=1, error="no"))
    updated = await integrations.update(made.edited(timeout_ms=5))
    assert (updated.health, updated.last_error, updated.call_count) == (H.DEGRADED, "no", 1)
    assert exact(await integrations.require(made.id)) == exact(updated)


@contract
async def test_a_late_report_moves_no_time_back(backend: Backend, scope: TenantScope) -> None:
    """It is counted when it comes, and keeps the time at which the call was made."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    now = backend.clock.kept
    await integrations.record_call(made.id, SUCCESS)
    first = datetime(1, 1, 1, tzinfo=UTC)
    recorded = await integrations.record_call(made.id, attrs.evolve(SUCCESS, at=first))
    assert recorded.call.at == first
    stored = await integrations.require(made.id)
    assert (stored.last_checked_at, stored.last_success_at) == (now, now)
    future = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    await integrations.record_call(made.id, attrs.evolve(FAILURE, at=future))
    stored = await integrations.require(made.id)
    assert (stored.last_checked_at, stored.last_success_at) == (
        future.replace(microsecond=999_000),
        now,
    )
    log = (await integrations.calls(made.id)).items
    assert [call.at for call in log] == [future.replace(microsecond=999_000), first, now]


@contract
async def test_an_errors_text_is_cut_and_never_refused(scope: TenantScope) -> None:
    """Not for its length, and not for what can't be stored of it."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    for error, kept in (
        ("x" * 100_000, "x" * 500),
        ("a\x00b\ud800c", "a\ufffdb\ufffdc"),
        ("", ""),
        (None, None),
        ("😀" * 501, "😀" * 500),
    ):
        report = CallReport(success=False, latency_ms=0, error=error)
        assert (await integrations.record_call(made.id, report)).call.error == kept
        assert (await integrations.require(made.id)).last_error == kept
        assert (await integrations.calls(made.id, limit=1)).items[0].error == kept
    marked = await integrations.mark_health(made.id, H.DEGRADED, "y" * 501)
    assert marked.last_error == "y" * 500


@contract
async def test_what_is_no_report_is_refused(scope: TenantScope) -> None:
    """And so is a call of what isn't there; nothing is counted."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    wrong: Any = {"success": True, "latency_ms": 1}
    unknown, no_id = uuid4(), "crm"
    errors = await raised_by_each(
        integrations.record_call(made.id, wrong),
        integrations.record_call(no_id, SUCCESS),  # type: ignore[arg-type]  # what is refused
        integrations.record_call(unknown, SUCCESS),
        integrations.record_call(unknown, CallReport(success=False, latency_ms=1, error="x")),
    )
    assert [type(error) for error in errors] == [ValidationError] * 2 + [EntityNotFoundError] * 2
    fields: list[dict[str, Any]] = [
        {"latency_ms": -1},
        {"latency_ms": 1.0},
        {"error": "in a success"},
        {"conversation_id": "\n"},
        {"at": datetime(2024, 1, 1)},  # noqa: DTZ001  # what is refused
        {"metadata": {"x": "y" * 20_000}},
    ]
    for faulty in fields:
        with pytest.raises(ValidationError):
            CallReport(**{"success": True, "latency_ms": 1, **faulty})
    assert exact(await integrations.require(made.id)) == exact(made)
    assert (await integrations.calls(made.id)).items == ()


@pytest.mark.parametrize(
    "full", ["call_count", "failure_count", "consecutive_failures", "latency_total_ms"]
)
@contract
async def test_a_count_beyond_all_bounds_is_refused(scope: TenantScope, full: str) -> None:
    """The call isn't recorded, and nothing else of it is counted."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    fields: dict[str, Any] = {full: LAST - 1}
    stored = await integrations.create(attrs.evolve(made, id=uuid4(), name="full", **fields))
    report = CallReport(success=False, latency_ms=1)
    await integrations.record_call(stored.id, report)
    before = await integrations.require(stored.id)
    assert getattr(before, full) == LAST
    assert isinstance(await raised_by(integrations.record_call(stored.id, report)), ValidationError)
    assert exact(await integrations.require(stored.id)) == exact(before)
    assert len((await integrations.calls(stored.id)).items) == 1


@pytest.mark.parametrize("full", ["failure_count", "consecutive_failures"])
@contract
async def test_a_success_needs_no_room_for_failures(scope: TenantScope, full: str) -> None:
    """Only what a call would add to can be too full for it."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    fields: dict[str, Any] = {full: LAST, "health": H.DEGRADED}
    stored = await integrations.create(attrs.evolve(made, id=uuid4(), name="full", **fields))
    for _ in range(2):  # a change of the health, and none
        assert (await integrations.record_call(stored.id, SUCCESS)).consecutive_failures == 0
    counted = await integrations.require(stored.id)
    assert (counted.call_count, counted.health) == (2, H.HEALTHY)
    assert counted.failure_count == (LAST if full == "failure_count" else 0)


@contract
async def test_the_log_is_read_from_its_end(scope: TenantScope) -> None:
    """Page after page, each call of the one integration once, whatever is recorded meanwhile."""
    integrations = scope.integrations
    made, other = [await new_integration(integrations, name) for name in ("crm", "other")]
    for n in range(7):
        await integrations.record_call(made.id, SUCCESS if n % 3 else FAILURE)
        await integrations.record_call(other.id, SUCCESS)
    found: list[int] = []
    page = await integrations.calls(made.id, limit=3)
    found += [call.sequence for call in page.items]
    await integrations.record_call(made.id, SUCCESS)
    while page.next is not None:
        page = await integrations.calls(made.id, None, page.next, 3)
        found += [call.sequence for call in page.items]
    assert found == [7, 6, 5, 4, 3, 2, 1]
    failed = await integrations.calls(made.id, {"success": False})
    assert [call.sequence for call in failed.items] == [7, 4, 1]
    quick = await integrations.calls(made.id, integrations.where_calls("latency_ms").lt(100))
    assert [call.sequence for call in quick.items] == [8, 6, 5, 3, 2]
    first = (await integrations.calls(made.id, limit=3)).next
    for error in await raised_by_each(
        integrations.calls(other.id, after=first, limit=3),
        integrations.calls(made.id, {"success": False}, first),
        integrations.calls(made.id, {"error": "x"}),
        integrations.calls(made.id, limit=0),
    ):
        assert isinstance(error, InvalidQueryError)


@contract
async def test_what_was_restored_counts_on(scope: TenantScope) -> None:
    """Its log goes on where its count stands."""
    integrations = scope.integrations
    made = await new_integration(integrations)
    restored: Integration = attrs.evolve(made, id=uuid4(), name="restored", call_count=41)
    await integrations.create(restored)
    assert (await integrations.record_call(restored.id, SUCCESS)).call.sequence == 42


@contract
async def test_old_calls_are_purged(backend: Backend, scope: TenantScope) -> None:
    """Of all integrations, those before a time; what was counted stays, and sequences go on."""
    integrations = scope.integrations
    made, other = [await new_integration(integrations, name) for name in ("crm", "other")]
    start = backend.clock.kept
    for hours in range(4):
        for one in (made, other):
            at = start + timedelta(hours=hours)
            await integrations.record_call(one.id, attrs.evolve(SUCCESS, at=at))
    assert await integrations.purge_calls(start) == 0
    assert await integrations.purge_calls(start + timedelta(hours=2), limit=3) == 3
    assert await integrations.purge_calls(start + timedelta(hours=2)) == 1
    for one in (made, other):
        log = (await integrations.calls(one.id)).items
        assert [call.sequence for call in log] == [4, 3]
        assert (await integrations.require(one.id)).call_count == 4
        assert (await integrations.record_call(one.id, SUCCESS)).call.sequence == 5
    wrong: Any = "2024-01-01"
    errors = await raised_by_each(
        integrations.purge_calls(wrong), integrations.purge_calls(start, limit=0)
    )
    assert [type(error) for error in errors] == [ValidationError, InvalidQueryError]


@contract(needs=Capability.TRANSACTIONS)
async def test_a_purge_hinders_no_deletion(backend: Backend, scope: TenantScope) -> None:
    """Nor the calls of a unit of work that still sees what is gone."""
    integrations = scope.integrations
    made, kept = [await new_integration(integrations, name) for name in ("made", "kept")]
    for one in (made, kept, made, kept):
        await integrations.record_call(one.id, SUCCESS)
    async with scope.authoring() as work:
        assert len((await work.integrations.calls(made.id)).items) == 2
        assert await integrations.purge_calls(backend.clock.advance(hours=1)) == 4
        assert await work.integrations.delete(made.id)
        await work.integrations.record_call(kept.id, FAILURE)
    assert await integrations.get_by_id(made.id) is None
    assert (await integrations.calls(made.id)).items == ()
    assert [call.sequence for call in (await integrations.calls(kept.id)).items] == [3]


@contract(needs=Capability.TRANSACTIONS)
async def test_a_changed_health_is_told(backend: Backend, scope: TenantScope) -> None:
    """Once, with the commit, at the revision that stands; a health that stays is none's news."""
    integrations = scope.integrations
    taker = Taker(scope.tenant)
    made = await new_integration(integrations)
    async with subscribed(backend, taker):
        for report in (SUCCESS, SUCCESS, FAILURE, FAILURE, SUCCESS):
            await integrations.record_call(made.id, report)
        with suppress(ZeroDivisionError):
            async with scope.authoring() as work:
                await work.integrations.record_call(made.id, FAILURE)
                raise ZeroDivisionError
        await dispatcher(backend, taker).once()
    assert taker.of(made) == [("updated", 1)] * 3
    assert {event.entity_type for event in taker.taken} == {"integration"}
    assert len({event.id for event in taker.taken}) == 3
