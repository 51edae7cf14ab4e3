"""The statistics, against what was worked out by hand or printed in the papers."""

import asyncio
import math
import sys
from fractions import Fraction
from itertools import product

import pytest

from adapters.experiment_results import mean_of, rate_of
from adapters.memory import MemoryAuthoringStore
from domain.experiment_results import Estimate, ExperimentOutcome, Interval, Lift
from domain.experiments import Experiment, Variant
from domain.identity import TenantId
from ports.errors import UnsupportedOperationError


def units_with(units: int, assigned: int) -> ExperimentOutcome:
    """So many of the units with an outcome of 1."""
    return ExperimentOutcome(
        variant="v",
        metric="m",
        assigned=assigned,
        units=units,
        count=units,
        total=Fraction(units),
        squares=Fraction(units),
        products=Fraction(units),
        count_squares=units,
    )


def valued(*values: float) -> ExperimentOutcome:
    """One outcome a unit."""
    return valued_exactly(*map(Fraction, values))


def valued_exactly(*exact: Fraction) -> ExperimentOutcome:
    """The same, of what floats may not hold."""
    return ExperimentOutcome(
        variant="v",
        metric="m",
        assigned=len(exact),
        units=len(exact),
        count=len(exact),
        total=sum(exact, Fraction()),
        squares=sum((value**2 for value in exact), Fraction()),
        products=sum(exact, Fraction()),
        count_squares=len(exact),
    )


def rate(outcome: ExperimentOutcome, control: ExperimentOutcome, level: float = 0.95) -> Estimate:
    """The rate, which is there."""
    found = rate_of(outcome, control, level)
    assert found is not None
    return found


def mean(outcome: ExperimentOutcome, control: ExperimentOutcome, level: float = 0.95) -> Estimate:
    """The mean, which is there."""
    found = mean_of(outcome, control, level)
    assert found is not None
    return found


def lift(estimate: Estimate) -> Lift:
    """The lift, which is there."""
    assert estimate.lift is not None
    return estimate.lift


def close(interval: Interval | None, low: float, high: float, within: float) -> bool:
    """Whether the interval is that one, but for rounding."""
    assert interval is not None
    return abs(interval.low - low) <= within and abs(interval.high - high) <= within


@pytest.mark.parametrize(
    ("units", "assigned", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_a_rate_has_wilson_s_interval(units: int, assigned: int, low: float, high: float) -> None:
    """As it is printed."""
    outcome = units_with(units, assigned)
    assert rate(outcome, outcome).value == units / assigned
    assert close(rate(outcome, outcome).interval, low, high, 0.00005)


def test_a_lift_of_rates_has_koopman_s_interval() -> None:
    """Koopman, Biometrics 40 (1984), 513-517: 36 of 40 against 16 of 80 is 4.5 (2.94 to 7.15)."""
    found = lift(rate(units_with(36, 40), units_with(16, 80)))
    assert found.value == pytest.approx(3.5)
    assert close(found.interval, 1.94, 6.15, 0.005)


def test_the_p_value_of_rates_is_pearson_s() -> None:
    """By hand: 15 of 50 against 5 of 50 is 100 * (15 * 45 - 5 * 35)² / (20 * 80 * 50 * 50) = 6.25;
    of a chi-squared of one degree that is erfc(sqrt(6.25 / 2)).
    """
    found = lift(rate(units_with(15, 50), units_with(5, 50)))
    assert found.p_value == pytest.approx(math.erfc(2.5 / math.sqrt(2)), rel=1e-12)


VERY_MANY = [(1, 10**9), (10**9 - 1, 10**9), (10**9, 10**9)]


@pytest.mark.parametrize(
    ("one", "other"),
    list(product([(0, 9), (1, 9), (5, 9), (9, 9), (40, 1_000), *VERY_MANY], repeat=2)),
    ids=str,
)
def test_interval_and_test_of_a_rate_agree(one: tuple[int, int], other: tuple[int, int]) -> None:
    """At any confidence: the interval leaves out 0 just if the test is below; and it holds what was
    seen.
    """
    outcome, control = units_with(*one), units_with(*other)
    if not control.units:
        assert rate(outcome, control).lift is None
        return
    for level in (0.5, 0.8, 0.9, 0.95, 0.99, 0.999):
        found = lift(rate(outcome, control, level))
        assert found.interval is not None
        assert -1 <= found.interval.low <= found.value <= found.interval.high < math.inf
        if found.p_value is None:
            assert outcome.rate == control.rate == 1
        else:
            leaves_out = not found.interval.low <= 0 <= found.interval.high
            assert leaves_out == (found.p_value < 1 - level)


def test_a_mean_has_student_s_interval() -> None:
    """By hand: 2, 4 and 9 have mean 5 and s² / n = 13 / 3; t of 2 degrees at 0.975 is 4.302653."""
    outcome = valued(2, 4, 9)
    found = mean(outcome, outcome)
    margin = 4.302653 * math.sqrt(13 / 3)
    assert found.value == 5.0
    assert close(found.interval, 5 - margin, 5 + margin, 1e-5)


def test_a_lift_of_means_is_welch_s_and_fieller_s() -> None:
    """By hand: 14, 15, 16, 15 against 9, 11, 10, 10 are 15 and 10, with s² = 2 / 3 each.

    s² / n = 1 / 6 each, so t = 5 / sqrt(1 / 3) = 8.660254 with 6 degrees; two-sided, p = 0.000131.
    t at 0.975 is 2.446912, its square 5.987378. Fieller: a = 100 - 0.997896 = 99.002104, b = 150,
    c = 225 - 0.997896 = 224.002104; (150 ± sqrt(22500 - a * c)) / a = 1.515119 ± 0.182206.
    """
    found = lift(mean(valued(14, 15, 16, 15), valued(9, 11, 10, 10)))
    assert found.value == 0.5
    assert found.p_value == pytest.approx(0.000131, abs=1e-6)
    a, c = 100 - 5.987378 / 6, 225 - 5.987378 / 6
    margin = math.sqrt(150**2 - a * c) / a
    assert close(found.interval, 150 / a - margin - 1, 150 / a + margin - 1, 1e-6)


def test_against_a_negative_mean_more_is_more() -> None:
    """A loss of 10 that becomes one of 5 is half of it better; its interval the same way round."""
    found = lift(mean(valued(-4, -5, -6), valued(-9, -10, -11)))
    assert found.value == 0.5
    assert found.interval is not None
    assert found.interval.low < 0.5 < found.interval.high < 1


@pytest.mark.parametrize("spread", [0.5, 1, 2, 4])
@pytest.mark.parametrize("base", [10.0, -10.0])
def test_interval_and_test_of_a_mean_agree(spread: float, base: float) -> None:
    """At any confidence at which there is one."""
    control = valued(base - 1, base, base + 1, base)
    outcome = valued(12 - spread, 12, 12 + spread, 12, 12)
    for level in (0.5, 0.9, 0.95, 0.99, 0.999):
        found = lift(mean(outcome, control, level))
        assert found.p_value is not None
        if found.interval is not None:
            assert found.interval.low <= found.value <= found.interval.high
            leaves_out = not found.interval.low <= 0 <= found.interval.high
            assert leaves_out == (found.p_value < 1 - level)


@pytest.mark.parametrize("scale", [-320, -200, -120, 10, 14])
def test_the_unit_of_measurement_says_nothing(scale: int) -> None:
    """Whether something is told in light years or in atoms, it is as much more, and as sure."""
    tenths = (140, 150, 160, 155), (90, 110, 100, 100)
    outcome, control = (
        valued_exactly(*(Fraction(value) * Fraction(10) ** scale for value in values))
        for values in tenths
    )
    scaled, plain = mean(outcome, control), mean(valued(*tenths[0]), valued(*tenths[1]))
    assert scaled.lift == plain.lift
    assert scaled.interval is not None
    assert scaled.interval.low < scaled.value < scaled.interval.high


def test_what_is_beyond_all_numbers_is_told_of_neither() -> None:
    """A lift that no float holds; and a difference that no chance makes."""
    assert mean(valued(1e15, 2e15), valued(5e-324, 1e-323)).lift is None
    found = lift(mean(valued(1e15, 1e15), valued(1, 1 + 2**-52)))
    assert found.p_value == pytest.approx(0, abs=1e-15)
    assert found.interval is not None
    assert found.interval.low <= found.value <= found.interval.high


def test_what_can_t_be_said_isn_t() -> None:
    """Nobody assigned, one observation, no variance, or a control that could as well be nothing."""
    nobody, one = units_with(0, 0), valued(3)
    assert rate_of(nobody, nobody, 0.95) is mean_of(nobody, nobody, 0.95) is None
    assert rate_of(units_with(1, 2), nobody, 0.95) == rate(units_with(1, 2), units_with(0, 9))
    assert mean(one, one) == Estimate(value=3.0, interval=None, lift=None)
    assert lift(mean(one, valued(1, 2))) == Lift(value=1.0, interval=None, p_value=None)
    assert lift(mean(valued(3, 3), valued(2, 2))) == Lift(value=0.5, interval=None, p_value=None)
    assert mean(valued(1, 2), valued(-1, 1)).lift is None
    found = lift(mean(valued(5, 6), valued(-9, 10)))
    assert (found.interval, found.p_value is None) == (None, False)


def test_without_scipy_there_are_outcomes_and_no_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "scipy.stats", None)

    async def scenario() -> None:
        experiments = MemoryAuthoringStore().repositories(TenantId("acme")).experiments
        variants = (
            Variant(name="control", weight=10_000, is_control=True),
            Variant(name="other", weight=0),
        )
        draft = Experiment.draft(name="greeting", variants=variants, metrics=("bought",))
        made = await experiments.create(draft)
        await experiments.start(made.id)
        await experiments.assign(made.id, "ada")
        assert (await experiments.outcomes(made.id))[0].assigned == 1
        with pytest.raises(UnsupportedOperationError, match=r"dialogbase\[experiments\]"):
            await experiments.results(made.id)

    asyncio.run(scenario())
