"""The table of what `dialogbase bench --json docs/figures.json` wrote, if somebody has.

```{figures} figures.json
```
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_HEADINGS = ("row", "against", "ratio", "quartiles", "goal", "met", "A/A", "ours", "theirs")
_ABSENT = "No figures were taken for this build."


class Figures(SphinxDirective):
    """A row for each figure, as it stands in the file."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        file = Path(self.env.srcdir) / self.arguments[0]
        self.env.note_dependency(str(file))
        if not file.exists():
            return [nodes.paragraph("", _ABSENT)]
        rows = [_cells(figure) for figure in json.loads(file.read_text(encoding="utf-8"))]
        table, group, body = nodes.table(), nodes.tgroup(cols=len(_HEADINGS)), nodes.tbody()
        group += [nodes.colspec(colwidth=1) for _ in _HEADINGS]
        group += [nodes.thead("", _row(_HEADINGS)), body]
        body += [_row(cells) for cells in rows]
        table += group
        return [table]


def _row(cells: tuple[str, ...]) -> nodes.row:
    entries = [nodes.entry("", nodes.paragraph("", cell)) for cell in cells]
    return nodes.row("", *entries)


def _cells(figure: dict[str, Any]) -> tuple[str, ...]:
    quartiles = figure["quartiles"]
    return (
        figure["name"],
        figure["against"],
        f"{figure['ratio']:.3g}",
        "" if quartiles is None else "–".join(f"{each:.3g}" for each in quartiles),
        "" if figure["goal"] is None else f"≤ {figure['goal']:.3g}",
        {True: "yes", False: "no", None: ""}[figure["met"]],
        "" if figure["noise"] is None else f"{figure['noise']:.3g}",
        figure["ours"],
        figure["theirs"],
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("figures", Figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
