"""Rows to write: our adapter's own, under tenants and ids that nobody used yet."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from benchmarks.bare import Bare, Row
from benchmarks.content import drafts
from benchmarks.database import Database
from benchmarks.peer import Peer

_TEMPLATE = "template"
_numbers = count()


def new_tenant() -> str:
    """A tenant that nobody wrote to yet."""
    return f"tenant-{next(_numbers)}"


async def template(database: Database, rows: int) -> list[Row]:
    """So many rows as our adapter writes them."""
    stored = await database.bare.stored(_TEMPLATE)
    if len(stored) < rows:
        flows = database.flows(_TEMPLATE)
        await flows.delete_where(None)
        await flows.create_many(drafts(rows))
        stored = await database.bare.stored(_TEMPLATE)
    return stored[:rows]


def fresh_rows(bare: Bare, rows: Sequence[Row]) -> Callable[[], list[Row]]:
    """Gives these rows at each call, each time for a new tenant."""
    return lambda: bare.under(new_tenant(), rows)


def fresh_models(peer: Peer, bare: Bare, rows: Sequence[Row]) -> Callable[[], list[Any]]:
    """The same as the peer's instances."""
    return lambda: [peer.instance(bare.columns, row) for row in bare.under(new_tenant(), rows)]


def described(bare: Bare, row: Row, text: str) -> Row:
    """A row with another description, and the folded text that goes with it."""
    return bare.altered(row, {"description": text, "description_folded": text.casefold()})
