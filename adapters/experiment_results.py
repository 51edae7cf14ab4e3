"""What the outcomes of an experiment say: the statistics, which SciPy computes.

It is imported when it is first needed, for it takes about a second; and that, as the computing of
many figures, happens in a thread, so that nobody else waits.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from domain.experiment_results import (
    Estimate,
    ExperimentOutcome,
    ExperimentResults,
    Interval,
    Lift,
    MetricResult,
    VariantResult,
)
from domain.experiments import Experiment
from ports.errors import UnsupportedOperationError
from ports.experiments import ExperimentRepository

_REFUSED = 1e300
"""Finite, for whoever looks for a root."""


class JudgedByScipy(ExperimentRepository):
    """The part of an `ExperimentRepository` that no store does differently."""

    async def _judged(
        self,
        experiment: Experiment,
        assigned: Mapping[str, int],
        outcomes: Sequence[ExperimentOutcome],
        confidence: float,
    ) -> ExperimentResults:
        try:
            return await asyncio.to_thread(judged, experiment, assigned, outcomes, confidence)
        except ImportError:
            failure = UnsupportedOperationError(
                "results need SciPy: install dialogbase[experiments]"
            )
        raise failure


def judged(
    experiment: Experiment,
    assigned: Mapping[str, int],
    outcomes: Sequence[ExperimentOutcome],
    confidence: float,
) -> ExperimentResults:
    """The results, as `ExperimentRepository.results` says."""
    control = experiment.control.name
    controls = {outcome.metric: outcome for outcome in outcomes if outcome.variant == control}
    return ExperimentResults(
        experiment_id=experiment.id,
        name=experiment.name,
        status=experiment.status,
        confidence=confidence,
        variants=tuple(
            VariantResult(
                variant=variant,
                is_control=variant == control,
                assigned=count,
                metrics=tuple(
                    MetricResult(
                        metric=outcome.metric,
                        units=outcome.units,
                        count=outcome.count,
                        total=float(outcome.total),
                        rate=rate_of(outcome, controls[outcome.metric], confidence),
                        mean=mean_of(outcome, controls[outcome.metric], confidence),
                    )
                    for outcome in outcomes
                    if outcome.variant == variant
                ),
            )
            for variant, count in assigned.items()
        ),
    )


def rate_of(
    outcome: ExperimentOutcome, control: ExperimentOutcome, confidence: float
) -> Estimate | None:
    """The rate of an outcome, compared with the control's (which may be the same)."""
    from scipy.stats import binomtest

    if (rate := outcome.rate) is None:
        return None
    found = binomtest(outcome.units, outcome.assigned).proportion_ci(confidence, method="wilson")
    lift: Lift | None = None
    if outcome is not control and control.rate:
        lift = Lift(
            value=(outcome.units * control.assigned - control.units * outcome.assigned)
            / (control.units * outcome.assigned),
            interval=_rate_lift(outcome, control, confidence),
            p_value=_rate_p_value(outcome, control),
        )
    return Estimate(value=rate, interval=Interval(float(found.low), float(found.high)), lift=lift)


def _rate_p_value(outcome: ExperimentOutcome, control: ExperimentOutcome) -> float | None:
    from scipy.stats import chi2_contingency

    table = [[it.units, it.assigned - it.units] for it in (outcome, control)]
    if not all(map(sum, zip(*table, strict=True))):
        return None  # no unit anywhere has an outcome, or each of them has
    return float(chi2_contingency(table, correction=False).pvalue)


def _rate_lift(
    outcome: ExperimentOutcome, control: ExperimentOutcome, confidence: float
) -> Interval:
    """Koopman's interval: every ratio that the score test wouldn't refuse."""
    from scipy.optimize import brentq
    from scipy.stats import chi2

    x, m, y, n = outcome.units, outcome.assigned, control.units, control.assigned
    bound = float(chi2.ppf(confidence, 1))
    # Of whole numbers, in which nothing is lost however near to each other the rates are.
    more, spare = x * n - y * m, (m - x) * (n - y)
    difference = more / (m * n)

    def excess(logarithm: float) -> float:
        """How far the test of a ratio goes beyond what it lets pass."""
        tested, beside = math.exp(logarithm), math.expm1(logarithm)
        # The likeliest rate of the control if this is the ratio: a root of a quadratic equation,
        # in the form in which nothing cancels.
        b, c = tested * (m + y) + x + n, float(x + y)
        root = math.hypot(beside * (m + y) + (m - x) - (n - y), 2 * math.sqrt(tested * spare))
        likeliest = 2 * c / (b + root)
        expected = min(likeliest * tested, 1.0)
        variance = expected * (1 - expected) / m + tested**2 * likeliest * (1 - likeliest) / n
        near = abs(logarithm) < 0.5
        beyond = difference - beside * (y / n) if near else x / m - tested * (y / n)
        if variance <= 0:
            return -bound if beyond == 0 else _REFUSED
        return beyond**2 / variance - bound

    def limit(inside: float, step: float) -> float:
        outside = inside + step
        while excess(outside) <= 0:
            step *= 2
            outside += step
        return math.expm1(brentq(excess, inside, outside, xtol=1e-13))

    if x == 0:
        # Everything but 0 can be told from it; the upper limit lies above any that passes.
        inside = -1.0
        while excess(inside) > 0:
            inside *= 2
        return Interval(-1.0, limit(inside, 1.0))
    lift = more / (y * m)
    inside = math.log1p(lift) if abs(lift) < 0.5 else math.log((x * n) / (y * m))
    return Interval(limit(inside, -0.1), limit(inside, 0.1))


def mean_of(
    outcome: ExperimentOutcome, control: ExperimentOutcome, confidence: float
) -> Estimate | None:
    """The mean of an outcome, compared with the control's (which may be the same)."""
    from scipy.stats import t

    if (mean := outcome.mean) is None:
        return None
    interval: Interval | None = None
    if (variance := outcome.exact_mean_variance) is not None:
        margin = float(t.ppf((1 + confidence) / 2, outcome.units - 1)) * _root(variance)
        interval = Interval(mean - margin, mean + margin)
    lift: Lift | None = None
    if outcome is not control and control.mean:
        lift = _mean_lift(outcome, control, confidence)
    return Estimate(value=mean, interval=interval, lift=lift)


def _mean_lift(
    outcome: ExperimentOutcome, control: ExperimentOutcome, confidence: float
) -> Lift | None:
    from scipy.stats import t

    mean, base = outcome.exact_mean, control.exact_mean
    assert mean is not None
    assert base is not None
    # All is worked out in fractions: with floats, squares of what is small would be nothing.
    more = (mean - base) / abs(base)
    if math.isinf(value := _float(more)):
        return None
    one, other = outcome.exact_mean_variance, control.exact_mean_variance
    if one is None or other is None or one + other == 0:
        return Lift(value=value, interval=None, p_value=None)
    freedom = (one + other) ** 2 / (one**2 / (outcome.units - 1) + other**2 / (control.units - 1))
    p_value = 2 * float(t.sf(_root((mean - base) ** 2 / (one + other)), float(freedom)))
    quantile = Fraction(float(t.ppf((1 + confidence) / 2, float(freedom)))) ** 2
    # Fieller: the ratios r for which mean - r * base can't be told from 0.
    a = base**2 - quantile * other
    if a <= 0:
        return Lift(value=value, interval=None, p_value=p_value)
    b, c = mean * base, mean**2 - quantile * one
    middle = _float((b - a) / a * (1 if base > 0 else -1))
    margin = _root((b * b - a * c) / a**2)
    if math.isinf(middle) or math.isinf(margin):
        return Lift(value=value, interval=None, p_value=p_value)
    return Lift(value=value, interval=Interval(middle - margin, middle + margin), p_value=p_value)


def _float(exact: Fraction) -> float:
    """As near as a float comes; infinite beyond all of them."""
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def _root(square: Fraction) -> float:
    """Its square root, also where the square itself lies beyond all floats."""
    half = (square.numerator.bit_length() - square.denominator.bit_length()) // 2
    try:
        return math.ldexp(math.sqrt(square / Fraction(4) ** half), half)
    except OverflowError:
        return math.inf
