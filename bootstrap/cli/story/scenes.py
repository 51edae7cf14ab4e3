"""What a story is made of."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import attrs

Cell: TypeAlias = str | int | float | None


@attrs.frozen(kw_only=True)
class Table:
    """Rows under their headings."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@attrs.frozen(kw_only=True)
class Step:
    """A scene: what it shows, in a sentence; what was seen; and the figures for programs."""

    title: str
    says: str
    figures: dict[str, Any]
    table: Table | None = None
    quotes: tuple[str, ...] = ()
    """What the library answered, word for word."""


Scene: TypeAlias = Callable[[], Awaitable[Step]]
