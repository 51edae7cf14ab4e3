"""The daily figures of flows: what their store promises."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from domain.errors import Fault, ValidationError
from domain.flows import Flow, FlowDailyMetrics, MetricIncrements, summed
from domain.rules import day
from ports.repository import Repository


class FlowMetrics(Repository[Flow]):
    """The part of `FlowRepository` that counts what becomes of flows, day by day."""

    async def record_metrics(
        self, id: UUID, metric_date: date, increments: MetricIncrements
    ) -> FlowDailyMetrics:
        """Add to the flow's figures of a day, in UTC; the figures afterwards. Atomic, none is lost.

        Raises:
            EntityNotFoundError: if there is no such flow.
            ValidationError: if a sum would leave its bounds; nothing is added then.
        """
        if not isinstance(increments, MetricIncrements):
            raise ValidationError("FlowDailyMetrics", [Fault("", "takes MetricIncrements")])
        checked_date = _day("metric_date", metric_date)
        now = self._context.clock.now()
        return await self._add_metrics(self.schema.check_id(id), checked_date, increments, now)

    async def get_metrics(self, id: UUID, start: date, end: date) -> tuple[FlowDailyMetrics, ...]:
        """The figures of the days from `start` to `end`, both included, that have any; in order."""
        return tuple(
            await self._metrics(self.schema.check_id(id), _day("start", start), _day("end", end))
        )

    async def refresh_statistics(self, id: UUID, start: date, end: date) -> Flow:
        """Work out `success_rate` and `avg_completion_time_ms` from the figures of some days.

        Two round trips. Without executions, or completions, they become None.

        Raises:
            EntityNotFoundError: if there is no such flow.
        """
        total = MetricIncrements()
        for metrics in await self.get_metrics(id, start, end):
            total = summed(total, metrics.totals)
        done = total.completions
        return await self.patch(
            id,
            success_rate=min(done / total.executions, 1.0) if total.executions else None,
            avg_completion_time_ms=total.total_duration_ms / done if done else None,
        )

    @abstractmethod
    async def _add_metrics(
        self, id: UUID, metric_date: date, increments: MetricIncrements, now: datetime
    ) -> FlowDailyMetrics: ...

    @abstractmethod
    async def _metrics(self, id: UUID, start: date, end: date) -> Sequence[FlowDailyMetrics]: ...


def _day(name: str, candidate: object) -> date:
    try:
        return day(candidate)
    except ValueError as error:
        raise ValidationError("FlowDailyMetrics", [Fault(name, str(error))]) from None
