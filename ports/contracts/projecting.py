"""What contracts about executions and their figures have in common."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from hypothesis import strategies as st

from domain.flow_executions import FlowExecution, Outcome
from domain.flows import Flow, MetricIncrements
from domain.identity import TenantId
from ports.contracts.harness import Backend, Group
from ports.flow_metrics import FlowMetrics, MetricsRecorded
from ports.flow_projection import (
    ExecutionQueue,
    FlowProjector,
    ProjectionOptions,
    Uncounted,
    UncountedExecution,
)
from ports.stores import AnalyticsMaintenance, AnalyticsStore, AuthoringStore, TenantScope

Happening: TypeAlias = Callable[[], Awaitable[object]]

OPTIONS = ProjectionOptions(
    interval=timedelta(milliseconds=10), lease=timedelta(seconds=30), retry=timedelta(minutes=1)
)

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


class DiedError(Exception):
    """A projector's process ended."""


async def died() -> None:
    """Happens to who is killed."""
    raise DiedError


def execution(flow: UUID, ended: datetime, **fields: Any) -> FlowExecution:
    """One that took a quarter of a second."""
    given: dict[str, Any] = {
        "id": str(uuid4()),
        "started_at": ended - timedelta(milliseconds=250),
        "outcome": "completed",
        **fields,
    }
    return FlowExecution(flow_id=flow, ended_at=ended, **given)


def executions() -> st.SearchStrategy[dict[str, Any]]:
    """Of what an execution may be, all but its flow."""
    near = st.integers(-3, 3).map(lambda hours: MIDNIGHT + timedelta(hours=hours, milliseconds=-1))
    lookups = st.integers(0, 5)
    return st.fixed_dictionaries(
        {
            "ended": near,
            "outcome": st.sampled_from(Outcome),
            "user_id": st.sampled_from([None, "ada", "bob"]),
            "channel": st.sampled_from([None, "web", "sms"]),
            "responses": st.integers(0, 4),
            "response_time_ms": st.integers(0, 2**40),
            "satisfaction": st.none() | st.integers(0, 10) | st.just(0.5),
            "cache_hits": st.just(0),
            "cache_lookups": lookups,
            "dimensions": st.dictionaries(st.sampled_from(["a", "a.b", "$x"]), st.just("y")),
        }
    )


async def flow_in(scope: TenantScope) -> UUID:
    """A flow that is executed."""
    return (await scope.flows.create(Flow.draft(name=f"executed {uuid4()}"))).id


async def totals(scope: TenantScope, flow: UUID) -> Mapping[date, MetricIncrements]:
    """A flow's figures, by day."""
    found = await scope.flows.get_metrics(flow, date(1970, 1, 1), date(2100, 1, 1))
    return {metrics.metric_date: metrics.totals for metrics in found}


async def counted(scope: TenantScope, flow: UUID) -> int:
    """How many executions of a flow are in its figures."""
    return sum(each.executions for each in (await totals(scope, flow)).values())


def maintenance(backend: Backend, instance: int = 0) -> AnalyticsMaintenance:
    """Of an instance's events."""
    store: Any = backend.instances[instance].store(Group.ANALYTICS)
    analytics: AnalyticsStore = store
    return analytics.maintenance()


class OneTenants(ExecutionQueue):
    """The queue, as if there were but one tenant; something may happen, once, as somebody uses it:
    just before `settle` or `postpone` is asked, or just after `take` answered. `following` happens
    each time that `take` answered.
    """

    def __init__(
        self,
        queue: ExecutionQueue,
        tenant: TenantId,
        following: Happening | None = None,
        **happening: Happening,
    ) -> None:
        self._following = following
        self._queue = queue
        self._tenant = tenant
        self._happening = happening

    async def _now(self, step: str) -> None:
        happening = self._happening.pop(step, None)
        if happening is not None:
            await happening()

    async def take(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[UncountedExecution]:
        found: list[UncountedExecution] = []
        while not found and (taken := await self._queue.take(now, until, limit)):
            found = [one for one in taken if one.tenant == self._tenant]
        await self._now("take")
        if self._following is not None:
            await self._following()
        return found

    async def settle(self, executions: Iterable[UncountedExecution]) -> None:
        await self._now("settle")
        await self._queue.settle(executions)

    async def postpone(self, executions: Iterable[UncountedExecution], until: datetime) -> None:
        await self._now("postpone")
        await self._queue.postpone(executions, until)

    async def uncounted(self, tenant: TenantId | None = None) -> Uncounted:
        return await self._queue.uncounted(tenant)


class Adding:
    """A tenant's figures, to which something happens: once, just `before` some are added, or just
    `after`."""

    def __init__(self, flows: FlowMetrics, happening: dict[str, Happening]) -> None:
        self._flows = flows
        self._happening = happening

    async def record_many_metrics(
        self, id: UUID, metric_date: date, increments: Mapping[str, MetricIncrements]
    ) -> MetricsRecorded:
        """As the port's."""
        for step in ("before", "after"):
            happening = self._happening.pop(step, None)
            if step == "after":
                done = await self._flows.record_many_metrics(id, metric_date, increments)
            if happening is not None:
                await happening()
        return done


def projector(
    backend: Backend,
    tenant: TenantId,
    instance: int = 0,
    options: ProjectionOptions = OPTIONS,
    following: Happening | None = None,
    **happening: Happening,
) -> FlowProjector:
    """Who counts a tenant's executions, though something happens to it (see `OneTenants` and
    `Adding`)."""
    store: Any = backend.instances[instance].store(Group.AUTHORING)
    authoring: AuthoringStore = store
    adding = {step: told for step, told in happening.items() if step in ("before", "after")}
    queue = OneTenants(maintenance(backend, instance).executions, tenant, following, **happening)

    def of(of_tenant: TenantId) -> Any:
        return Adding(authoring.repositories(of_tenant).flows, adding)

    return FlowProjector(queue, of, backend.clock, options=options)
