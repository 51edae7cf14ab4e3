"""Pictures of results, where matplotlib is installed."""

from collections.abc import Sequence
from pathlib import Path

from bootstrap.cli.story.scenes import Bar

_BLUE = "#2a78d6"
_DOTS_PER_INCH = 150


def drawn(bars: Sequence[Bar], path: Path, *, title: str, confidence: float) -> Path | None:
    """Draw shares and their intervals into a PNG file; None if that can't be done here."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import PercentFormatter
    except ImportError:
        return None
    figure = Figure(figsize=(7, 1.2 + 0.6 * len(bars)), layout="constrained")
    axes = figure.subplots()
    places = range(len(bars))
    axes.errorbar(
        [bar.value for bar in bars],
        places,
        xerr=(
            [bar.value - bar.low for bar in bars],
            [bar.high - bar.value for bar in bars],
        ),
        fmt="o",
        color=_BLUE,
        capsize=5,
    )
    axes.set_yticks(places, [bar.name for bar in bars])
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(f"units with an outcome, and the {confidence:.0%} confidence interval")
    axes.set_title(title)
    axes.grid(axis="x", alpha=0.3)
    try:
        figure.savefig(path, dpi=_DOTS_PER_INCH)
    except OSError:  # a folder that is another's: the story goes on without it
        return None
    return path
