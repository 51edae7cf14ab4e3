"""The arithmetic of ratios. No time is asserted."""

import asyncio
from collections.abc import Sequence

import pytest

from benchmarks.figures import Figure, documents, duration, missed
from benchmarks.measuring import Contender, Rounds, Spread, in_order, in_turns


async def _nothing(_: object) -> None:
    return None


def _contenders(*names: str) -> list[Contender]:
    return [Contender(name=name, operations=1, work=_nothing) for name in names]


def test_a_ratio_is_taken_round_by_round() -> None:
    """A round in which the machine was ten times slower changes no ratio."""
    rounds = Rounds({"ours": [2.0, 20.0, 2.0], "theirs": [1.0, 10.0, 1.0]})
    assert rounds.ratio("ours", "theirs") == Spread(2.0, 2.0, 2.0)


def test_quartiles_enclose_the_median() -> None:
    """Inclusive quartiles of five values are three of them."""
    assert Spread.of([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(2.0, 3.0, 4.0)


def test_one_round_is_its_own_spread() -> None:
    """A single value has no quartiles but itself."""
    assert Spread.of([1.5]) == Spread(1.5, 1.5, 1.5)


@pytest.mark.parametrize("number", [2, 3, 4])
def test_every_contender_takes_every_place_equally_often(number: int) -> None:
    """Over a full cycle of rounds nobody is favoured by his place in the order."""
    contenders = _contenders(*(f"c{n}" for n in range(number)))
    turns = [in_order(contenders, turn) for turn in range(2 * number)]
    for place in range(number):
        at_place = [turn[place].name for turn in turns]
        assert all(at_place.count(contender.name) == 2 for contender in contenders)


def test_only_recorded_rounds_count() -> None:
    """Warm-up rounds are worked through, but give no figure."""
    seen: list[object] = []

    async def work(given: object) -> object:
        seen.append(given)
        return given

    contender = Contender(name="one", operations=4, prepare=lambda: "given", work=work)
    rounds = asyncio.run(in_turns([contender], 3, warm_up=2))
    assert seen == ["given"] * 5
    assert rounds.number == 3


def test_tidying_is_given_what_the_work_returned() -> None:
    """So that a contender can undo what it did, untimed."""
    tidied: list[object] = []

    async def work(_: object) -> str:
        return "made"

    async def tidy(result: object) -> None:
        tidied.append(result)

    contender = Contender(name="one", operations=1, work=work, tidy=tidy)
    asyncio.run(in_turns([contender], 1, warm_up=0))
    assert tidied == ["made"]


def test_two_contenders_of_one_name_are_refused() -> None:
    """Their times would be mixed up."""
    with pytest.raises(ValueError, match="names"):
        asyncio.run(in_turns(_contenders("same", "same"), 1))


@pytest.mark.parametrize(
    ("ratio", "goal", "met"), [(1.2, 1.2, True), (1.21, 1.2, False), (9.0, None, None)]
)
def test_a_goal_is_an_upper_bound(ratio: float, goal: float | None, met: bool | None) -> None:
    """It is met by a ratio up to and including it; no goal is neither met nor missed."""
    figure = Figure(name="get", against="bare", ratio=ratio, goal=goal)
    assert figure.met is met
    assert list(missed([figure])) == ([figure] if met is False else [])


def test_a_figure_is_the_median_of_its_rounds() -> None:
    """With the noise of a second copy beside it."""
    rounds = Rounds({"ours": [3.0, 4.0, 8.0], "bare": [1.0, 2.0, 2.0], "again": [1.0, 2.0, 4.0]})
    figure = Figure.of(rounds, name="get", of="ours", to="bare", goal=1.2, noise=("again", "bare"))
    (document,) = documents([figure])
    required: Sequence[str] = ("name", "ratio", "against", "goal", "met")
    assert {name: document[name] for name in required} == {
        "name": "get",
        "ratio": 3.0,
        "against": "bare",
        "goal": 1.2,
        "met": False,
    }
    assert document["rounds"] == 3
    assert document["noise"] == 1.0
    assert document["quartiles"] == [2.5, 3.5]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(2.5, "2.5 s"), (0.0031, "3.1 ms"), (4.2e-5, "42 µs"), (9e-8, "90 ns")]
)
def test_durations_are_shown_in_their_own_unit(seconds: float, shown: str) -> None:
    """Three digits and a unit that fits."""
    assert duration(seconds) == shown
