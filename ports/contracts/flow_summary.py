"""A summary of a flow's days says what its figures and its executions' events say, and what of them
isn't counted yet.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from domain.conversations import Channel
from domain.errors import ValidationError
from domain.flow_executions import Outcome
from domain.flow_summaries import ChannelSummary, Percentiles
from domain.flows import MetricIncrements
from domain.frozen import FrozenDict
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, raised_by
from ports.contracts.projecting import execution, flow_in, projector
from ports.errors import EntityNotFoundError
from ports.stores import TenantScope

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 3)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
DAY = timedelta(days=1)


@contract
async def test_a_summary_joins_figures_and_events(backend: Backend) -> None:
    """Totals and rates, day by day, how long executions took, and by channel."""
    scope = backend.fresh()
    flow, other = await flow_in(scope), await flow_in(scope)
    made = [
        execution(
            flow,
            NOON + (n % 2) * DAY,
            started_at=NOON + (n % 2) * DAY - n * MILLISECOND,
            channel=("web", "sms", None)[n % 3],
            responses=2,
            response_time_ms=n,
        )
        for n in range(1, 101)
    ]
    made += [execution(flow, NOON, outcome="error", channel="web", satisfaction=3)]
    made += [execution(other, NOON, channel="voice")]
    await scope.analytics.record_executions(made)
    await projector(backend, scope.tenant).once()
    found = await scope.flow_summary(flow, FIRST, LAST)
    assert (found.flow_id, found.start, found.end) == (flow, FIRST, LAST)
    assert exact(found.days) == exact(await scope.flows.get_metrics(flow, FIRST, LAST))
    assert [metrics.metric_date for metrics in found.days] == [FIRST, FIRST + DAY]
    assert found.totals == MetricIncrements(
        executions=101,
        completions=100,
        errors=1,
        total_duration_ms=5_050,
        response_time_total_ms=5_050,
        response_time_count=200,
        satisfaction_total=3.0,
        satisfaction_count=1,
    )
    assert (found.success_rate, found.avg_duration_ms) == (100 / 101, 50.5)
    assert (found.avg_satisfaction, found.cache_hit_rate) == (3.0, None)
    assert (found.recorded, found.uncounted) == (101, 0)
    assert found.duration_ms == Percentiles(p50=50, p95=95, p99=99)
    assert found.channels == (
        ChannelSummary(
            channel=Channel.SMS, executions=34, outcomes=FrozenDict({Outcome.COMPLETED: 34})
        ),
        ChannelSummary(
            channel=Channel.WEB,
            executions=34,
            outcomes=FrozenDict({Outcome.COMPLETED: 33, Outcome.ERROR: 1}),
        ),
        ChannelSummary(channel=None, executions=33, outcomes=FrozenDict({Outcome.COMPLETED: 33})),
    )


@contract
async def test_a_summary_says_what_is_not_counted_yet(backend: Backend) -> None:
    """So that both halves make sense together, while executions are recorded and counted."""
    scope = backend.fresh()
    flow = await flow_in(scope)
    await scope.analytics.record_executions(execution(flow, NOON) for _ in range(3))
    found = await scope.flow_summary(flow, FIRST, LAST)
    assert (found.totals.executions, found.uncounted, found.recorded) == (0, 3, 3)
    assert found.days == ()
    await projector(backend, scope.tenant).once()
    await scope.analytics.record_executions([execution(flow, NOON + DAY)])
    found = await scope.flow_summary(flow, FIRST, LAST)
    assert (found.totals.executions, found.uncounted, found.recorded) == (3, 1, 4)
    await projector(backend, scope.tenant).once()
    found = await scope.flow_summary(flow, FIRST, LAST)
    assert (found.totals.executions, found.uncounted, found.recorded) == (4, 0, 4)


@contract
async def test_only_what_ended_in_its_days_is_in_a_summary(backend: Backend) -> None:
    """From the first moment of the first day to the last of the last, in UTC; no other tenant's."""
    scope, other = backend.fresh(), backend.fresh()
    flow = await flow_in(scope)
    begin = datetime(2026, 3, 1, tzinfo=UTC)
    ended = [begin - MILLISECOND, begin, begin + 3 * DAY - MILLISECOND, begin + 3 * DAY]
    await scope.analytics.record_executions(execution(flow, at) for at in ended)
    await other.analytics.record_executions([execution(flow, NOON)])
    for uncounted in (2, 0):
        found = await scope.flow_summary(flow, FIRST, LAST)
        assert (found.recorded, found.uncounted) == (2, uncounted)
        assert found.totals.executions == 2 - uncounted
        await projector(backend, scope.tenant).once()
    one = await scope.flow_summary(flow, LAST + DAY, LAST + DAY)
    assert (one.recorded, one.totals.executions) == (1, 1)


@contract
async def test_a_flow_that_was_never_executed_has_a_summary_of_nothing(
    scope: TenantScope,
) -> None:
    """Without rates; figures that were added in another way are in it."""
    flow = await flow_in(scope)
    found = await scope.flow_summary(flow, FIRST, LAST)
    assert (found.totals, found.days, found.channels) == (MetricIncrements(), (), ())
    assert (found.recorded, found.uncounted, found.success_rate) == (0, 0, None)
    assert found.duration_ms == Percentiles(p50=None, p95=None, p99=None)
    await scope.flows.record_metrics(flow, LAST, MetricIncrements(executions=2, errors=1))
    found = await scope.flow_summary(flow, FIRST, LAST)
    assert (found.totals.executions, found.error_rate, found.recorded) == (2, 0.5, 0)


@contract
async def test_days_that_would_be_too_much_for_one_are_summed_up(scope: TenantScope) -> None:
    """In a summary and in the flow's statistics: the bounds are those of a day's figures."""
    flow, most = await flow_in(scope), 2**53
    for day, names in ((FIRST, "ab"), (LAST, "bc")):
        custom = {f"{name}{n}": 1.0 for name in names for n in range(50)}
        given = MetricIncrements(completions=most, executions=most, custom_metrics=custom)
        await scope.flows.record_metrics(flow, day, given)
    found = await scope.flow_summary(flow, FIRST, LAST)
    assert (found.totals.executions, found.success_rate) == (2 * most, 1.0)
    assert (len(found.totals.custom_metrics), found.totals.custom_metrics["b7"]) == (150, 2.0)
    assert (await scope.flows.refresh_statistics(flow, FIRST, LAST)).success_rate == 1.0


@contract
async def test_what_can_not_be_summed_up_is_refused(scope: TenantScope) -> None:
    """No flow, no days, days in the wrong order, or too many."""
    flow = await flow_in(scope)
    ask: Any = scope.flow_summary
    assert isinstance(await raised_by(ask(uuid4(), FIRST, LAST)), EntityNotFoundError)
    wrong: tuple[tuple[object, ...], ...] = (
        (flow, LAST, FIRST),
        (flow, NOON, LAST),
        (flow, FIRST, None),
        (flow, FIRST, date(2036, 4, 1)),
        ("x", FIRST, LAST),
    )
    for asked in wrong:
        assert isinstance(await raised_by(ask(*asked)), ValidationError), asked
