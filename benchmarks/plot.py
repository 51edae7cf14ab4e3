"""The picture of the ratios, with the goals marked."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure

_MET, _MISSED, _NONE, _GOAL = "#1b7f5c", "#c0392b", "#5b6470", "#222222"


def draw(figures: Sequence[Figure], target: Path) -> None:
    """Write a PNG or SVG, by the target's suffix."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    height = 2.0 + 0.3 * len(figures)
    figure, axes = pyplot.subplots(figsize=(11, height), layout="constrained")
    for place, row in enumerate(figures):
        color = _NONE if row.met is None else _MET if row.met else _MISSED
        if place % 2 == 0:
            axes.axhspan(place - 0.5, place + 0.5, color="#f4f5f7", zorder=0)
        if row.spread is not None:
            axes.plot(
                [row.spread.first, row.spread.third],
                [place, place],
                color=color,
                linewidth=5,
                alpha=0.35,
                solid_capstyle="butt",
            )
        axes.plot(row.ratio, place, "o", color=color, markersize=6)
        if row.goal is not None:
            axes.plot([row.goal] * 2, [place - 0.38, place + 0.38], color=_GOAL, linewidth=2)
        axes.annotate(
            f"{row.ratio:.2f}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color=color,
        )
    axes.set_xscale("log")
    shown = [value for row in figures for value in (row.ratio, row.goal) if value]
    shown += [end for row in figures if row.spread for end in (row.spread.first, row.spread.third)]
    axes.set_xlim(min([*shown, 0.5]) / 1.25, max([*shown, 2.0]) * 1.25)
    axes.axvline(1.0, color="#9aa1ab", linewidth=1, linestyle=":", zorder=1)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x", color="#e2e5e9", linewidth=0.8, zorder=0)
    axes.set_yticks(
        range(len(figures)), [f"{row.name}  |  {row.against}" for row in figures], fontsize=8
    )
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_ylim(len(figures) - 0.5, -0.5)
    axes.set_xlabel("ours / theirs, logarithmic: left is better")
    figure.suptitle("Dialogbase against bare drivers and peers", fontsize=13)
    figure.legend(
        handles=[
            Line2D([], [], color=_MET, marker="o", linestyle="", label="goal met"),
            Line2D([], [], color=_MISSED, marker="o", linestyle="", label="goal missed"),
            Line2D([], [], color=_NONE, marker="o", linestyle="", label="for information"),
            Line2D([], [], color=_GOAL, marker="|", markersize=11, linestyle="", label="goal"),
            Line2D([], [], color=_NONE, linewidth=5, alpha=0.35, label="quartiles"),
        ],
        loc="outside lower center",
        ncols=5,
        fontsize=8,
        frameon=False,
    )
    figure.savefig(target, dpi=130)
    pyplot.close(figure)
