"""Integrations in the reference, and the course that the state machine takes them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

import attrs
from hypothesis import strategies as st

from domain.integrations import (
    CallReport,
    Integration,
    IntegrationCall,
    IntegrationHealth,
    IntegrationStatus,
    IntegrationType,
)
from domain.secrets import Secret
from ports.contracts.model import NEVER, Course, Draw, Operation, RepositoryModel, Ways
from ports.integrations import RecordedCall
from ports.paging import CursorPage, PaginatedResult

_H = IntegrationHealth


@attrs.define(slots=False)
class IntegrationModel(RepositoryModel):
    """One tenant's integrations, with their calls."""

    entities: dict[UUID, Integration] = attrs.field(factory=dict)
    log: dict[UUID, list[IntegrationCall]] = attrs.field(factory=dict)

    def copy(self) -> Self:
        return attrs.evolve(super().copy(), log={id: list(calls) for id, calls in self.log.items()})

    def _forget(self, ids: Iterable[UUID]) -> None:
        for id in ids:
            super()._forget([id])
            self.log.pop(id, None)

    def get_by_name(self, name: str) -> Integration | None:
        return next((one for one in self.entities.values() if one.name == name), None)

    def list_by(self, **wanted: Any) -> PaginatedResult[Integration]:
        found = [
            one
            for one in self.entities.values()
            if all(getattr(one, name) is value for name, value in wanted.items())
        ]
        found.sort(key=lambda one: one.name)
        return PaginatedResult(
            items=tuple(found), total=len(found), page=1, page_size=50, has_next=False
        )

    def move_to(self, id: UUID, status: IntegrationStatus) -> Integration:
        moved: Integration = self.modify(
            id, lambda one: one if one.status is status else one.moved_to(status)
        )
        return moved

    def set_credentials(self, id: UUID, credentials: Secret | None) -> Integration:
        changed: Integration = self.patch(id, credentials=credentials)
        return changed

    def record_call(self, id: UUID, report: CallReport) -> RecordedCall:
        with self._in_store():
            standing: Integration = self._standing(id, None)
        at = self.clock.kept if report.at is None else report.at
        error = _without(report.error, standing.credentials)
        failures = 0 if report.success else standing.consecutive_failures + 1
        if report.success:
            health = _H.HEALTHY
        elif failures > 4 or standing.health is _H.UNHEALTHY:
            health = _H.UNHEALTHY
        else:
            health = _H.DEGRADED
        latest = max(at, standing.last_checked_at or at)
        success = max(at, standing.last_success_at or at)
        self.entities[id] = attrs.evolve(
            standing,
            health=health,
            consecutive_failures=failures,
            last_checked_at=latest,
            last_success_at=success if report.success else standing.last_success_at,
            last_error=standing.last_error if report.success else error,
            call_count=standing.call_count + 1,
            failure_count=standing.failure_count + (not report.success),
            latency_total_ms=standing.latency_total_ms + report.latency_ms,
        )
        call = IntegrationCall(
            id=NEVER,
            tenant_id=self.tenant,
            integration_id=id,
            sequence=standing.call_count + 1,
            at=at,
            success=report.success,
            latency_ms=report.latency_ms,
            error=error,
        )
        self.log.setdefault(id, []).append(call)
        return RecordedCall(
            call=call,
            health=health,
            consecutive_failures=failures,
            health_changed=health is not standing.health,
        )

    def mark_health(
        self, id: UUID, health: IntegrationHealth, error: str | None = None
    ) -> Integration:
        now = self.clock.kept
        changes: dict[str, Any] = {"health": health, "last_checked_at": now}
        if health is _H.HEALTHY:
            changes |= {"consecutive_failures": 0, "last_success_at": now}
        if error is not None:
            standing = self.entities.get(id)
            credentials = None if standing is None else standing.credentials
            changes["last_error"] = _without(error, credentials)
        marked: Integration = self.patch(id, **changes)
        return marked

    def calls(self, id: UUID, limit: int) -> CursorPage[IntegrationCall]:
        return CursorPage(items=tuple(self.log.get(id, ()))[::-1][:limit], next=None)

    def purge_calls(self, before: datetime) -> int:
        kept = {id: [call for call in calls if call.at >= before] for id, calls in self.log.items()}
        purged = sum(map(len, self.log.values())) - sum(map(len, kept.values()))
        self.log = kept
        return purged


def _without(error: str | None, credentials: Secret | None) -> str | None:
    if error is None or credentials is None:
        return error
    for value in credentials.reveal().values():
        error = error.replace(str(value), "***")
    return error


_NAMES = st.sampled_from(["a", "A", "%"])
_SECRETS = st.none() | st.sampled_from([Secret({"key": "hunter2"}), Secret({"pass": "s3cret"})])
_ERRORS = st.sampled_from(["boom", "not hunter2", "s3cret? hunter2!"])
_TIMES = st.sampled_from([datetime(2024, 2, 29, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)])
_REPORTS = st.builds(
    CallReport,
    success=st.just(False),
    latency_ms=st.sampled_from([0, 1, 500]),
    error=st.none() | _ERRORS,
    at=st.none() | _TIMES,
) | st.builds(
    CallReport,
    success=st.just(True),
    latency_ms=st.sampled_from([0, 7]),
    at=st.none() | _TIMES,
)


def _operations(draw: Draw, id: UUID) -> Ways:
    return {
        "get_by_name": lambda: Operation("get_by_name", (draw(_NAMES),)),
        "list_by": lambda: Operation(
            "list_by",
            (),
            {
                "health": draw(st.sampled_from(IntegrationHealth)),
                "type": draw(st.sampled_from(IntegrationType)),
            },
        ),
        "move_to": lambda: Operation("move_to", (id, draw(st.sampled_from(IntegrationStatus)))),
        "set_credentials": lambda: Operation("set_credentials", (id, draw(_SECRETS))),
        "record_call": lambda: Operation(
            "record_call", (id, draw(_REPORTS)), minted=frozenset({"id"})
        ),
        "mark_health": lambda: Operation(
            "mark_health",
            (id, draw(st.sampled_from(IntegrationHealth)), draw(st.none() | _ERRORS)),
        ),
        "calls": lambda: Operation("calls", (id,), {"limit": 1_000}, minted=frozenset({"id"})),
        "purge_calls": lambda: Operation("purge_calls", (draw(_TIMES),)),
    }


INTEGRATION_COURSE = Course(
    few={
        "name": _NAMES,
        "type": st.sampled_from([IntegrationType.WEBHOOK, IntegrationType.REST_API]),
        "description": st.none() | st.sampled_from(["", "x", "X%", "ß", "\\"]),
        "endpoint": st.none() | st.sampled_from(["https://a.example", "B"]),
        "credentials": _SECRETS,
        "timeout_ms": st.sampled_from([1, 9]),
    },
    model=IntegrationModel,
    operations=_operations,
    often=("record_call", "set_credentials"),
)
