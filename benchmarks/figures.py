"""What a benchmark says: ratios with the goals that they should meet."""

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from benchmarks.measuring import Rounds, Spread


@attrs.frozen(kw_only=True)
class Figure:
    """One ratio: our time (or memory) over that of `against`, so less is better for us.

    `goal` is the most that it should be, None where nothing was promised. `noise` is the ratio of
    a contender to a second copy of itself in the same run: what the machine alone makes up.
    `processor` is the ratio of what the two computed, which a busy machine or disk changes less.
    """

    name: str
    against: str
    ratio: float
    goal: float | None = None
    spread: Spread | None = None
    noise: Spread | None = None
    processor: Spread | None = None
    rounds: int = 1
    unit: str = "time"
    ours: str = ""
    theirs: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None if there is none."""
        return None if self.goal is None else self.ratio <= self.goal

    @classmethod
    def of(
        cls,
        rounds: Rounds,
        *,
        name: str,
        of: str,
        to: str,
        goal: float | None = None,
        noise: tuple[str, str] | None = None,
        against: str | None = None,
    ) -> "Figure":
        """The figure that rounds give for the contenders `of` and `to`."""
        spread = rounds.ratio(of, to)
        return cls(
            name=name,
            against=to if against is None else against,
            ratio=spread.median,
            goal=goal,
            spread=spread,
            noise=None if noise is None else rounds.ratio(*noise),
            processor=rounds.processor_ratio(of, to),
            rounds=rounds.number,
            ours=duration(rounds.median(of)),
            theirs=duration(rounds.median(to)),
        )

    def document(self) -> dict[str, Any]:
        """The figure as JSON has it."""
        return {
            "name": self.name,
            "ratio": _digits(self.ratio),
            "against": self.against,
            "goal": self.goal,
            "met": self.met,
            "unit": f"our {self.unit} / theirs",
            "quartiles": _pair(self.spread),
            "noise": None if self.noise is None else _digits(self.noise.median),
            "noise_quartiles": _pair(self.noise),
            "processor": None if self.processor is None else _digits(self.processor.median),
            "rounds": self.rounds,
            "ours": self.ours,
            "theirs": self.theirs,
        }


def documents(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    """All figures as JSON has them."""
    return [figure.document() for figure in figures]


def missed(figures: Iterable[Figure]) -> Sequence[Figure]:
    """Those whose goal isn't met."""
    return [figure for figure in figures if figure.met is False]


def duration(seconds: float) -> str:
    """For reading: 3.1 ms."""
    for unit, length in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def rate(seconds: float) -> str:
    """How many operations a second, for reading: 12 300/s."""
    return f"{float(f'{1 / seconds:.3g}'):,.0f}/s".replace(",", " ")


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def _pair(spread: Spread | None) -> list[float] | None:
    return None if spread is None else [_digits(spread.first), _digits(spread.third)]
