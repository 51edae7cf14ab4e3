"""A flow's daily figures."""

import math
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationError
from domain.flow_rates import FlowRates
from domain.flows import COUNTERS, FlowDailyMetrics, MetricIncrements, summed
from domain.identity import TenantId
from tests.domain.values import AT, INCREMENTS

MOST = 2**53


def daily(**totals: Any) -> FlowDailyMetrics:
    """Figures of some day."""
    return FlowDailyMetrics(
        tenant_id=TenantId("acme"),
        flow_id=uuid4(),
        metric_date=date(2026, 3, 29),
        totals=MetricIncrements(**totals),
        created_at=AT,
        updated_at=AT,
    )


@pytest.mark.parametrize("name", [each for each in COUNTERS if each != "satisfaction_total"])
def test_a_count_is_a_whole_number_that_a_float_holds_exactly(name: str) -> None:
    """From nothing to 2^53."""

    def counted(value: Any) -> MetricIncrements:
        fields: dict[str, Any] = {name: value}
        return MetricIncrements(**fields)

    assert getattr(counted(MOST), name) == MOST
    for value in (-1, MOST + 1, 1.0, True, None):
        with pytest.raises(ValidationError, match=f"MetricIncrements: {name}"):
            counted(value)


@pytest.mark.parametrize("value", [-0.5, math.nan, math.inf, 1.1e15, "1", True])
def test_a_sum_of_scores_is_a_finite_number(value: Any) -> None:
    """And may have fractions."""
    assert MetricIncrements(satisfaction_total=4.5).satisfaction_total == 4.5
    with pytest.raises(ValidationError, match="satisfaction_total"):
        MetricIncrements(satisfaction_total=value)


def test_every_faulty_figure_of_ones_own_is_named() -> None:
    """By its name, in a form that can be printed."""
    with pytest.raises(ValidationError) as caught:
        MetricIncrements(
            custom_metrics={
                "fine": 1,
                "nan": math.nan,
                "true": True,
                "": 1,
                "x" * 101: 1,
                "nul\0": 1,
                5: 1,  # type: ignore[dict-item]  # that is the point
            }
        )
    paths = [fault.path for fault in caught.value.faults]
    assert paths[:3] == ["custom_metrics.nan", "custom_metrics.true", 'custom_metrics[""]']
    assert len(paths) == 6
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("value", [None, [("a", 1)], {str(n): 1 for n in range(101)}])
def test_figures_of_ones_own_are_at_most_a_hundred_by_name(value: Any) -> None:
    """And are kept as floats."""
    kept = MetricIncrements(custom_metrics={str(n): n for n in range(100)}).custom_metrics
    assert (len(kept), type(kept["1"])) == (100, float)
    with pytest.raises(ValidationError, match="MetricIncrements: custom_metrics: must be"):
        MetricIncrements(custom_metrics=value)


@given(INCREMENTS, INCREMENTS)
def test_sums_are_taken_figure_by_figure(one: MetricIncrements, other: MetricIncrements) -> None:
    """In either order; a figure that one lacks counts as nothing."""
    both = summed(one, other)
    assert both == summed(other, one)
    for name in COUNTERS:
        assert getattr(both, name) == getattr(one, name) + getattr(other, name)
    assert set(both.custom_metrics) == set(one.custom_metrics) | set(other.custom_metrics)
    for name, value in both.custom_metrics.items():
        assert value == one.custom_metrics.get(name, 0) + other.custom_metrics.get(name, 0)


@given(INCREMENTS)
def test_adding_nothing_changes_nothing(one: MetricIncrements) -> None:
    """The empty increments are neutral."""
    assert summed(one, MetricIncrements()) == one


@pytest.mark.parametrize(
    "one",
    [
        MetricIncrements(errors=MOST),
        MetricIncrements(satisfaction_total=1e15),
        MetricIncrements(custom_metrics={"a": 1e15}),
    ],
)
def test_a_sum_beyond_its_bounds_is_refused(one: MetricIncrements) -> None:
    """Rather than wrapped or rounded."""
    with pytest.raises(ValidationError, match="MetricIncrements"):
        summed(one, one)


def test_sums_of_too_many_figures_are_refused() -> None:
    """A hundred names are the limit of both together."""
    halves = [
        MetricIncrements(custom_metrics={f"{half}{n}": 1.0 for n in range(51)}) for half in "ab"
    ]
    with pytest.raises(ValidationError, match="at most 100"):
        summed(*halves)


def test_rates_and_averages_are_derived() -> None:
    """Each is one sum divided by another."""
    made = daily(
        executions=8,
        completions=4,
        errors=2,
        total_duration_ms=1000,
        response_time_total_ms=90,
        response_time_count=3,
        satisfaction_total=13.5,
        satisfaction_count=3,
        cache_hits=1,
        cache_lookups=4,
    )
    assert (made.success_rate, made.error_rate) == (0.5, 0.25)
    assert (made.avg_duration_ms, made.avg_response_time_ms) == (250, 30)
    assert (made.avg_satisfaction, made.cache_hit_rate) == (4.5, 0.25)


RATES = [name for name, kind in vars(FlowRates).items() if isinstance(kind, property)]


@pytest.mark.parametrize("name", RATES)
def test_a_rate_of_nothing_is_none(name: str) -> None:
    """Not zero, and not an error."""
    assert getattr(daily(), name) is None


@given(st.sampled_from(RATES), INCREMENTS)
def test_no_rate_is_ever_infinite(name: str, totals: MetricIncrements) -> None:
    """Whatever was counted."""
    made = daily(**{each: getattr(totals, each) for each in COUNTERS})
    rate = getattr(made, name)
    assert rate is None or math.isfinite(rate)
