"""`dialogbase demo`: the library's main points, played on a real store and told in a terminal."""

import secrets
import time
from contextlib import aclosing
from shlex import quote
from typing import Any, Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from adapters.system import SystemClock
from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.cli.story import Plot, Step, Table, beneath, story
from bootstrap.container import Container
from bootstrap.platform import opened
from bootstrap.setting_rules import ServerName
from bootstrap.settings import Settings

_WIDTH = 100
_SCALE = 60
"""Characters of a plot's scale."""


def demo(*, common: Common = DEFAULTS) -> int:
    """Tell a short story with the flows and conversations of a small shop; ten minutes to read.

    Every figure is computed as you watch. Each run uses a fresh tenant, so that it can be run
    again on the same data; of other tenants nothing is changed.
    """
    return options.run(_demo(common))


async def _demo(common: Common) -> int:
    settings = common.settings()
    console = options.output()
    tenant = f"acme-{secrets.token_hex(3)}"
    began = time.monotonic()
    steps: list[dict[str, Any]] = []
    container = Container(settings=settings)
    async with opened(container) as platform:
        if not common.json:
            _open_scene(console, settings, tenant, time.monotonic() - began)
        number = 0
        told = story(platform, tenant, SystemClock().now(), await beneath(container))
        async with aclosing(told):
            async for step in told:
                number += 1
                if common.json:
                    steps.append({"step": step.title, **step.figures})
                else:
                    _scene(console, number, step)
        await platform.dispatcher().once()  # nothing of it is left waiting
    if common.json:
        options.print_json({"profile": settings.profile, "tenant": tenant, "steps": steps})
    else:
        _end_scene(console, settings, tenant, number, time.monotonic() - began)
    return options.OK


_SERVERS: Final[dict[ServerName, str]] = {
    "postgres": "PostgreSQL",
    "mongo": "MongoDB",
    "redis": "Redis",
}


def _open_scene(console: Console, settings: Settings, tenant: str, seconds: float) -> None:
    where = "in memory: nothing of it will be kept"
    if named := [name for server, name in _SERVERS.items() if server in settings.servers_needed]:
        *first, last = named
        listed = f"{', '.join(first)} and {last}" if first else last
        embedded = settings.profile == "embedded"
        where = f"on a private {listed} (in {settings.data})" if embedded else f"on your {listed}"
    text = Text.from_markup(
        f"Ada, Bob and Grace write conversation flows for a small shop, and its customers talk to "
        f"them, in tenant [bold]{tenant}[/] {escape(where)}. It was "
        f"ready after {seconds:.1f} s. You see what they are answered."
    )
    console.print(
        Panel(text, title="[bold]Dialogbase[/]", border_style="cyan", padding=(1, 2), width=_WIDTH)
    )


def _scene(console: Console, number: int, step: Step) -> None:
    parts: list[RenderableType] = [Text(step.says)]
    if step.quotes:
        quoted = Text("\n").join(Text(f"› {quote}", style="yellow") for quote in step.quotes)
        parts.extend(["", quoted])
    if step.table is not None:
        parts.extend(["", _table(step.table)])
    if step.plot is not None and step.plot.bars:
        parts.extend(["", _plot(step.plot)])
    console.print(
        Panel(
            Group(*parts),
            title=f"[bold cyan]{number}[/] [bold]{escape(step.title)}[/]",
            title_align="left",
            border_style="dim",
            padding=(1, 2),
            width=_WIDTH,
        )
    )


def _table(content: Table) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for index, heading in enumerate(content.columns):
        cells = [row[index] for row in content.rows if row[index] is not None]
        numeric = bool(cells) and all(isinstance(cell, int | float) for cell in cells)
        table.add_column(heading, justify="right" if numeric else "left")
    for row in content.rows:
        table.add_row(*(Text("—" if cell is None else str(cell)) for cell in row))
    return table


def _plot(plot: Plot) -> RenderableType:
    """Each share as a point between the ends of its interval, all on one scale."""
    least, most = min(bar.low for bar in plot.bars), max(bar.high for bar in plot.bars)

    def place(share: float) -> int:
        return round((share - least) / ((most - least) or 1) * (_SCALE - 1))

    grid = RichTable.grid(padding=(0, 2))
    for bar in plot.bars:
        low, point, high = place(bar.low), place(bar.value), place(bar.high)
        line = Text(" " * low + "├" + "─" * (high - low - 1) + "┤")
        line.plain = f"{line.plain[:point]}●{line.plain[point + 1 :]}"
        line.stylize("cyan")
        grid.add_row(bar.name, line, f"{bar.value:.1%}")
    ends = f"{least:.1%}", f"{most:.1%}"
    grid.add_row("", Text(ends[0] + ends[1].rjust(_SCALE - len(ends[0])), style="dim"), "")
    if plot.picture is None:
        return grid
    return Group(grid, "", Text(f"As a picture: {plot.picture}"))


def _end_scene(
    console: Console, settings: Settings, tenant: str, steps: int, seconds: float
) -> None:
    lines = [f"{steps} scenes, {seconds:.1f} s."]
    if settings.servers_needed:
        chosen = f" --profile {settings.profile}"
        if settings.profile == "embedded":
            chosen += f" --data {quote(str(settings.data))}"
        lines.append("What they wrote is kept, if it wasn't erased or lost. Look at it:")
        lines += [
            f"  dialogbase export {kind} --tenant {tenant}{chosen}"
            for kind, store in (
                ("flows", settings.stores.authoring),
                ("dialogues", settings.stores.dialogue),
            )
            if store != "memory"
        ]
        lines.append(f"  dialogbase export tenant {tenant} --to {tenant}{chosen}")
    console.print(Text("\n".join(lines)), soft_wrap=True)
