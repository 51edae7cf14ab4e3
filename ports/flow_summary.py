"""A summary of a flow's days, from its figures and from its executions' events, in whichever stores
these are.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from domain.conversations import Channel
from domain.errors import Fault, ValidationError
from domain.flow_executions import DURATION, EXECUTION, OUTCOME, Outcome
from domain.flow_summaries import ChannelSummary, FlowPeriodSummary, Percentiles
from domain.flows import total_of
from domain.frozen import FrozenDict
from domain.metric_queries import DIMENSION, Aggregation, MetricQuery, MetricResult
from domain.rules import argument, day
from ports.analytics import Analytics
from ports.errors import EntityNotFoundError
from ports.flow_metrics import FlowMetrics
from ports.together import together

MAX_DAYS: Final = 3_660
_SUBJECT: Final = "flow summary"
_PERCENTILES: Final = (Aggregation.P50, Aggregation.P95, Aggregation.P99)


async def summary_of(
    flows: FlowMetrics, analytics: Analytics, flow_id: UUID, start: date, end: date
) -> FlowPeriodSummary:
    """As `TenantScope.flow_summary`."""
    first, last = (
        argument(_SUBJECT, name, given, day) for name, given in (("start", start), ("end", end))
    )
    if not 0 <= (last - first).days < MAX_DAYS:
        told = f"must lie at most {MAX_DAYS - 1} days after start, and not before"
        raise ValidationError(_SUBJECT, [Fault("end", told)])
    id = flows.schema.check_id(flow_id)
    if not await flows.exists(id):
        raise EntityNotFoundError(flows.schema.name, id)
    span = _midnight(first), _midnight(last) + timedelta(days=1)
    # In this order: whatever is recorded has its mark, or else is in the figures already.
    events = await together([analytics.query(query) for query in _queries(id, *span)])
    uncounted = await analytics.uncounted(id, *span)
    days = await flows.get_metrics(id, first, last)
    channels = _channels(events[0])
    return FlowPeriodSummary(
        flow_id=id,
        start=first,
        end=last,
        totals=total_of(each.totals for each in days),
        days=days,
        recorded=sum(each.executions for each in channels),
        uncounted=uncounted,
        duration_ms=Percentiles(
            **{
                percentile.value: _figure(result)
                for percentile, result in zip(_PERCENTILES, events[1:], strict=True)
            }
        ),
        channels=channels,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _queries(flow: UUID, start: datetime, end: datetime) -> Sequence[MetricQuery]:
    """How many ended how on which channel; then each percentile of those that were completed."""
    of_flow: Mapping[str, object] = {"type": EXECUTION, "flow_id": flow}
    outcome = DIMENSION + OUTCOME
    completed = {**of_flow, outcome: Outcome.COMPLETED.value}
    return [
        MetricQuery.over(start, end, where=of_flow, group_by=["channel", outcome]),
        *(
            MetricQuery.over(start, end, aggregation=each, measure=DURATION, where=completed)
            for each in _PERCENTILES
        ),
    ]


def _figure(result: MetricResult) -> int | float | None:
    return next((point.value for series in result.series for point in series.points), None)


def _channels(result: MetricResult) -> tuple[ChannelSummary, ...]:
    found: dict[Channel | None, dict[Outcome, int]] = {}
    for series in result.series:
        group: Mapping[str, Any] = series.group
        outcomes = found.setdefault(group["channel"], {})
        outcomes[Outcome(group[DIMENSION + OUTCOME])] = sum(each.count for each in series.points)
    return tuple(
        ChannelSummary(
            channel=channel,
            executions=sum(outcomes.values()),
            outcomes=FrozenDict.holding(outcomes),
        )
        for channel, outcomes in found.items()
    )
