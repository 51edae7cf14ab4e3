"""What became of a flow in some days, put together from its figures and its executions' events."""

from datetime import date
from uuid import UUID

from attrs import field, frozen

from domain.conversations import Channel
from domain.flow_executions import Outcome
from domain.flow_rates import FlowRates
from domain.flows import FlowDailyMetrics, MetricIncrements
from domain.frozen import FrozenDict


@frozen(kw_only=True)
class Percentiles:
    """By nearest rank; None of nothing."""

    p50: int | float | None
    p95: int | float | None
    p99: int | float | None


@frozen(kw_only=True)
class ChannelSummary:
    """A channel's executions (None: those without), and how many ended how."""

    channel: Channel | None
    executions: int
    outcomes: FrozenDict[Outcome, int]


@frozen(kw_only=True, slots=False)
class FlowPeriodSummary(FlowRates):
    """A flow's days from `start` to `end`, both included, in UTC.

    From its figures: `days`, those that have any, in order; `totals` of them, from which the rates
    are. From the events of its executions that ended in these days: how many are `recorded`; how
    long those took that were completed; and by channel, ordered by name, those without last.

    `uncounted` of those that are recorded aren't in the figures yet. If a flow's executions are
    recorded as events and its figures made of nothing else, `totals.executions` and `uncounted`
    make up `recorded`, but for what was counted while the summary was made (then they are more),
    for events that have expired or were erased since (more), and for executions that were given up
    (less).
    """

    flow_id: UUID
    start: date
    end: date
    totals: MetricIncrements = field()
    days: tuple[FlowDailyMetrics, ...]
    recorded: int
    uncounted: int
    duration_ms: Percentiles
    channels: tuple[ChannelSummary, ...]
