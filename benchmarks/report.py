"""The table that people read."""

from collections.abc import Sequence
from itertools import zip_longest

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.figures import Figure, missed
from benchmarks.measuring import Spread

_WIDE = 130


def show(figures: Sequence[Figure], console: Console) -> None:
    """Print all figures, and which goals aren't met."""
    wide = console.width >= _WIDE
    table = Table(
        title="Ours over theirs: less is better. Medians over interleaved rounds"
        + (", quartiles beside." if wide else "."),
        caption="A/A: a contender against its own copy in the same run, the machine's own noise. "
        "CPU: the ratio of what both computed in this process. "
        "Times are for information; only ratios are compared.",
        box=SIMPLE_HEAD,
    )
    for heading in ("name", "against"):
        table.add_column(heading, overflow="fold")
    headings = ["ratio", "", "goal", "met", "A/A", "CPU", "ours", "theirs"]
    for heading in headings if wide else ["ratio", "goal", "met"]:
        table.add_column(heading, justify="right", no_wrap=True)
    for figure, following in zip_longest(figures, figures[1:]):
        ratio = Text(f"{figure.ratio:.2f}", "bold")
        goal = "" if figure.goal is None else f"≤ {figure.goal:.3g}"
        shown: list[Text | str] = [ratio, goal, _verdict(figure)]
        if wide:
            shown = [ratio, _range(figure.spread), goal, _verdict(figure), _range(figure.noise)]
            shown += ["" if figure.processor is None else f"{figure.processor.median:.2f}"]
            shown += [figure.ours, figure.theirs]
        last = following is None or _group(following) != _group(figure)
        table.add_row(figure.name, figure.against, *shown, end_section=last)
    console.print(table)
    short = missed(figures)
    goals = sum(figure.goal is not None for figure in figures)
    console.print(f"{goals - len(short)} of {goals} goals met.")
    for figure in short:
        console.print(
            f"  missed: {figure.name} against {figure.against}: "
            f"{figure.ratio:.2f}, the goal is at most {figure.goal:.3g}"
        )


def _range(spread: Spread | None) -> str:
    return "" if spread is None else f"{spread.first:.2f}–{spread.third:.2f}"


def _group(figure: Figure) -> str:
    return figure.name.split(" ")[0].rstrip(",:")


def _verdict(figure: Figure) -> Text:
    if figure.met is None:
        return Text("")
    return Text("yes", "green") if figure.met else Text("no", "bold red")
