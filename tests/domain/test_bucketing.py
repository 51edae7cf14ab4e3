"""Draws: the published vectors, and that they are as even and as independent as chance.

The bounds are those of chi-squared tests that chance would fail once in a million times; inputs are
fixed, so a test passes always or never.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

import pytest

from domain.bucketing import BUCKETS, Purpose, bucket, chosen, drawn, within

EXPERIMENT = UUID("0198c5a0-0000-7000-8000-000000000001")
UNITS = [f"user-{n}" for n in range(100_000)]
CHI_SQUARED = {1: 23.93, 9: 45.08, 81: 157.7}
"""What a sum exceeds once in a million times, by degrees of freedom."""


@pytest.mark.parametrize(
    ("salt", "purpose", "unit", "number", "place"),
    [
        ("", Purpose.TRAFFIC, "ada", 9781289667631915580, 5302),
        ("", Purpose.VARIANT, "ada", 13096287965844116108, 7099),
        ("", Purpose.VARIANT, "grace", 17450151348513364113, 9459),
        ("autumn", Purpose.VARIANT, "ada", 8322590721931162426, 4511),
        ("", Purpose.VARIANT, "訪問者 é", 1411411944571968362, 765),
    ],
)
def test_the_published_vectors_hold(
    salt: str, purpose: Purpose, unit: str, number: int, place: int
) -> None:
    """They stand in the docstring of the module, too; a change of one moves everybody's units."""
    found = drawn("acme", EXPERIMENT, salt, purpose, unit)
    assert (found, bucket(found)) == (number, place)


def test_no_two_lists_of_parts_are_written_alike() -> None:
    """Wherever a separator could be misread."""
    seen = {
        drawn(tenant, EXPERIMENT, salt, Purpose.TRAFFIC, unit)
        for tenant in ("a", "a:", "a:b")
        for salt in ("", "b", ":b", "bc")
        for unit in ("c", "bc", ":c", "b:c")
    }
    assert len(seen) == 3 * 4 * 4


def test_the_ends_of_the_range_belong_to_the_first_and_last() -> None:
    """Exactly, where floats would round up to 1."""
    last = 2**64 - 1
    weights = [("a", 1), ("b", BUCKETS - 2), ("c", 1)]
    assert (bucket(0), bucket(last)) == (0, BUCKETS - 1)
    assert (chosen(0, weights), chosen(last, weights)) == ("a", "c")
    assert chosen(last, [("all", BUCKETS), ("none", 0)]) == "all"
    assert chosen(0, [("none", 0), ("all", BUCKETS)]) == "all"
    assert within(last, 1.0)
    assert not within(0, 0.0)
    assert within(0, 5e-324)
    assert within(2**63 - 1, 0.5)
    assert not within(2**63, 0.5)
    with pytest.raises(ValueError, match="all buckets"):
        chosen(last, [("a", BUCKETS - 1)])


@pytest.mark.parametrize("weights", [(5_000, 5_000), (9_900, 100), (3_333, 3_333, 3_334)], ids=str)
def test_observed_shares_are_the_weights(weights: Sequence[int]) -> None:
    """Of 100 000 units, within what chance explains."""
    named = [(str(place), weight) for place, weight in enumerate(weights)]
    found = Counter(chosen(number, named) for number in _numbers("acme", EXPERIMENT))
    expected = [len(UNITS) * weight / BUCKETS for weight in weights]
    total = sum(
        (found[name] - mean) ** 2 / mean for (name, _), mean in zip(named, expected, strict=True)
    )
    # With two degrees of freedom it would be 27.6; the bound of one is the stricter.
    assert total < CHI_SQUARED[1]


def test_buckets_are_even() -> None:
    """Tenths of the range hold a tenth of the units each."""
    found = Counter(bucket(number) // 1_000 for number in _numbers("acme", EXPERIMENT))
    mean = len(UNITS) / 10
    assert sum((found[place] - mean) ** 2 / mean for place in range(10)) < CHI_SQUARED[9]


@pytest.mark.parametrize(
    ("tenant", "experiment", "salt", "purpose"),
    [
        ("acme2", EXPERIMENT, "", Purpose.VARIANT),
        ("acme", UUID(int=EXPERIMENT.int + 1), "", Purpose.VARIANT),
        ("acme", EXPERIMENT, "autumn", Purpose.VARIANT),
        ("acme", EXPERIMENT, "", Purpose.TRAFFIC),
    ],
    ids=["another tenant", "another experiment", "another salt", "traffic and variant"],
)
def test_nothing_is_correlated(tenant: str, experiment: UUID, salt: str, purpose: Purpose) -> None:
    """The tenth of the range that a unit draws here says nothing of the one that it draws there."""
    here = _numbers("acme", EXPERIMENT)
    there = _numbers(tenant, experiment, salt, purpose)
    pairs = Counter(
        (bucket(one) // 1_000, bucket(other) // 1_000)
        for one, other in zip(here, there, strict=True)
    )
    rows, columns = Counter[int](), Counter[int]()
    for (row, column), count in pairs.items():
        rows[row] += count
        columns[column] += count
    total = 0.0
    for row in range(10):
        for column in range(10):
            mean = rows[row] * columns[column] / len(UNITS)
            total += (pairs[row, column] - mean) ** 2 / mean
    assert total < CHI_SQUARED[81]


def _numbers(
    tenant: str, experiment: UUID, salt: str = "", purpose: Purpose = Purpose.VARIANT
) -> Iterable[int]:
    return [drawn(tenant, experiment, salt, purpose, unit) for unit in UNITS]
