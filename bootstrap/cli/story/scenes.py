"""What a story is made of."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import attrs

Cell: TypeAlias = str | int | float | None


@attrs.frozen(kw_only=True)
class Table:
    """Rows under their headings."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@attrs.frozen(kw_only=True)
class Bar:
    """A share (0 to 1) and its interval."""

    name: str
    low: float
    value: float
    high: float


@attrs.frozen(kw_only=True)
class Plot:
    """Shares on one scale. `picture`: where a file of it lies, if one could be made."""

    bars: tuple[Bar, ...]
    picture: Path | None = None


@attrs.frozen(kw_only=True)
class Step:
    """A scene: what it shows, in a sentence; what was seen; and the figures for programs."""

    title: str
    says: str
    figures: dict[str, Any]
    table: Table | None = None
    plot: Plot | None = None
    quotes: tuple[str, ...] = ()
    """What the library answered, word for word."""


Scene: TypeAlias = Callable[[], Awaitable[Step]]
