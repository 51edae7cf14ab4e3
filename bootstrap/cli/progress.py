"""How far a command is, on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bootstrap.cli import options


@contextmanager
def progress(doing: str, what: str, *, quiet: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A bar for the block, and what moves it: how many are done, of how many if that is known.
    Nothing is shown if it is `quiet`, or where nobody looks.
    """
    console = options.messages()
    columns = (
        TextColumn(doing),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn(what),
        TimeRemainingColumn(),
    )
    shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, disable=not shown, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
