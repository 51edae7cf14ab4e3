"""What becomes of an experiment: who was assigned what, what was recorded, and what it says."""

from datetime import datetime
from fractions import Fraction
from uuid import UUID

from attrs import field, frozen

from domain.experiments import UNIT, VARIANT_NAME, ExperimentStatus
from domain.identity import TENANT, TenantId
from domain.rules import Value, instant, rule, uuid


@frozen(kw_only=True, slots=False)
class ExperimentAssignment(Value):
    """A unit's variant, for ever. Unique by experiment and unit."""

    tenant_id: TenantId = field(metadata=rule(TENANT))
    experiment_id: UUID = field(metadata=rule(uuid))
    unit: str = field(metadata=rule(UNIT))
    variant: str = field(metadata=rule(VARIANT_NAME))
    assigned_at: datetime = field(metadata=rule(instant))


@frozen(kw_only=True)
class ExperimentOutcome:
    """All that was recorded of one metric for one variant, in exact sums.

    A unit is what was assigned by chance, so it is what statistics must count, however many
    outcomes it has (Deng, Knoblich and Lu, Applying the Delta Method in Metric Analytics, KDD
    2018). Beside the plain sums there are those over units: of each unit's count n and total t.

    `assigned`: units that have the variant. `units`: those of them with an outcome. `count`:
    outcomes. `total`: the sum of their values; a value is the decimal number that its shortest text
    shows (0.1 is a tenth), so that sums are exact and no order of recording shows in them.
    `squares`: the sum of t²; `products`: of n·t; `count_squares`: of n².
    """

    variant: str
    metric: str
    assigned: int
    units: int = 0
    count: int = 0
    total: Fraction = Fraction()
    squares: Fraction = Fraction()
    products: Fraction = Fraction()
    count_squares: int = 0

    @property
    def rate(self) -> float | None:
        """Units with an outcome per assigned unit: never above 1. None if none is assigned."""
        return self.units / self.assigned if self.assigned else None

    @property
    def mean(self) -> float | None:
        """The mean value of an outcome. None without one."""
        return float(exact) if (exact := self.exact_mean) is not None else None

    @property
    def mean_variance(self) -> float | None:
        """`exact_mean_variance`, as near as a float comes."""
        return float(exact) if (exact := self.exact_mean_variance) is not None else None

    @property
    def exact_mean(self) -> Fraction | None:
        """The mean value of an outcome. None without one."""
        return self.total / self.count if self.count else None

    @property
    def exact_mean_variance(self) -> Fraction | None:
        """The variance of that mean, units being independent of each other and outcomes of one unit
        not: that of a ratio of two sums (Cochran, Sampling Techniques, 3rd ed., 2.11). With one
        outcome a unit it is the sample variance divided by their number. None below two units.
        """
        if self.units < 2:
            return None
        ratio = self.total / self.count
        # Exact: the difference of such sums is what rounding would make nonsense of.
        spread = self.squares - 2 * ratio * self.products + ratio * ratio * self.count_squares
        return spread * self.units / ((self.units - 1) * self.count**2)


@frozen
class Interval:
    """A confidence interval."""

    low: float
    high: float


@frozen(kw_only=True)
class Lift:
    """How much more than the control's, relative to it: 0.1 is a tenth more.

    `interval` is None where the figures are too few for one. `p_value`: how probable a difference
    at least as large is if there is none; None where it can't be tested.
    """

    value: float
    interval: Interval | None
    p_value: float | None


@frozen(kw_only=True)
class Estimate:
    """A figure, how sure it is, and how it compares. `lift` is None for the control, and where
    that has nothing to compare with."""

    value: float
    interval: Interval | None
    lift: Lift | None


@frozen(kw_only=True)
class MetricResult:
    """A metric of a variant. `rate` and `mean` are what `ExperimentOutcome` says, None as there."""

    metric: str
    units: int
    count: int
    total: float
    rate: Estimate | None
    mean: Estimate | None


@frozen(kw_only=True)
class VariantResult:
    """What became of the units of a variant; metrics in the experiment's order."""

    variant: str
    is_control: bool
    assigned: int
    metrics: tuple[MetricResult, ...]


@frozen(kw_only=True)
class ExperimentResults:
    """Variants in the experiment's order; behind them those that it no longer names, if units have
    them. `confidence`: of all intervals, between 0 and 1."""

    experiment_id: UUID
    name: str
    status: ExperimentStatus
    confidence: float
    variants: tuple[VariantResult, ...]

    def of(self, variant: str, metric: str) -> MetricResult:
        """What one metric of one variant came to.

        Raises:
            LookupError: if there is no such variant or metric.
        """
        for result in self.variants:
            for figures in result.metrics:
                if (result.variant, figures.metric) == (variant, metric):
                    return figures
        raise LookupError("no such variant and metric in these results")
