"""The outbox in memory."""

from itertools import count
from typing import Final

import attrs

from adapters.memory.tables import Table
from domain.outbox import ChangeEvent

EVENTS: Final = "outbox event"
"""The table, one a tenant, of what was changed and nobody was told of yet."""

_positions = count(1)


@attrs.frozen
class OutboxRow:
    """An event, and its place in the order in which events were written (not committed)."""

    position: int
    event: ChangeEvent


def outbox_row(event: ChangeEvent) -> OutboxRow:
    """The row of an event that is written now, within the transaction of its change."""
    return OutboxRow(next(_positions), event)


def events_table() -> Table:
    """A tenant's, empty."""
    return Table(EVENTS, key=lambda row: row.position, ordered=True)
