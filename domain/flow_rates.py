"""What is derived from the figures of a flow, of a day or of several."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from domain.flows import MetricIncrements


class FlowRates:
    """Rates and averages of `totals`; None where there is nothing to divide by."""

    totals: "MetricIncrements"

    @property
    def success_rate(self) -> float | None:
        """Completions per execution."""
        return _ratio(self.totals.completions, self.totals.executions)

    @property
    def error_rate(self) -> float | None:
        """Errors per execution."""
        return _ratio(self.totals.errors, self.totals.executions)

    @property
    def avg_duration_ms(self) -> float | None:
        """Mean duration of a completed execution."""
        return _ratio(self.totals.total_duration_ms, self.totals.completions)

    @property
    def avg_response_time_ms(self) -> float | None:
        """Mean response time."""
        return _ratio(self.totals.response_time_total_ms, self.totals.response_time_count)

    @property
    def avg_satisfaction(self) -> float | None:
        """Mean satisfaction score."""
        return _ratio(self.totals.satisfaction_total, self.totals.satisfaction_count)

    @property
    def cache_hit_rate(self) -> float | None:
        """Hits per lookup."""
        return _ratio(self.totals.cache_hits, self.totals.cache_lookups)


def _ratio(total: float, count: int) -> float | None:
    return total / count if count else None
