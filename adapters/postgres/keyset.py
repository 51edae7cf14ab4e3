"""Pages by position: what stands after a place in an order, read as ranges of an index.

What follows a place (v1, v2, …) is a sequence of disjoint ranges: those that agree on all keys but
the last, then those that agree on all but the last two, and so on. Keys of one direction that can't
be null need one range together, `(a, id) > ($1, $2)`; of a key that can be null, the nulls, which
stand last in either direction, are a range of their own. The ranges are read one after the other
(UNION ALL under LIMIT), each in order, so that the next begins only when one is exhausted. As one
condition with OR, PostgreSQL would read the index from its beginning.

No ORDER BY stands around them, since PostgreSQL would begin every range to merge them. None is
needed: it appends parts in turn unless it appends in parallel, which it never does with parts that
have a LIMIT of their own (their rows would differ from process to process), as each range has.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from ports.paging import Order, Position, SortKey

Segment = sa.ColumnElement[Any]


def segments(table: sa.Table, order: Order, after: Position) -> list[Segment]:
    """The ranges that follow `after`, in order; `after` only says which of its values are null.

    The values are parameters, `k0`, `k1`, …
    """
    return list(_segments(table, order.keys, [value is None for value in after]))


def _segments(table: sa.Table, keys: Sequence[SortKey], null: Sequence[bool]) -> Iterator[Segment]:
    last = len(keys)
    while last > 0:
        first = _run(keys, null, last)
        same = [_same(table, keys[index], index, null[index]) for index in range(first)]
        column = table.c[keys[first].field.name]
        if not null[first]:
            yield sa.and_(*same, _beyond(table, keys, first, last))
            if column.nullable:
                yield sa.and_(*same, column.is_(None))
        last = first


def _run(keys: Sequence[SortKey], null: Sequence[bool], last: int) -> int:
    """Where the keys begin that, up to `last`, one row comparison can take together."""
    first = last - 1
    while (
        first > 0
        and keys[first - 1].descending == keys[first].descending
        and not keys[first].field.nullable
        and not null[first - 1]
    ):
        first -= 1
    return first


def _beyond(table: sa.Table, keys: Sequence[SortKey], first: int, last: int) -> Segment:
    columns = [table.c[key.field.name] for key in keys[first:last]]
    values = [_value(table, keys[index], index) for index in range(first, last)]
    one, other = (
        (columns[0], values[0]) if last - first == 1 else (sa.tuple_(*columns), sa.tuple_(*values))
    )
    return one < other if keys[first].descending else one > other


def _same(table: sa.Table, key: SortKey, index: int, null: bool) -> Segment:
    column = table.c[key.field.name]
    return column.is_(None) if null else column == _value(table, key, index)


def _value(table: sa.Table, key: SortKey, index: int) -> Any:
    return sa.bindparam(f"k{index}", type_=table.c[key.field.name].type)


def ordering(table: sa.Table, order: Order) -> list[sa.UnaryExpression[Any]]:
    """The ORDER BY of an order.

    NULLS LAST only where there may be nulls: an index serves just the form that it was made with.
    """
    terms: list[sa.UnaryExpression[Any]] = []
    for key in order.keys:
        column = table.c[key.field.name]
        term = column.desc() if key.descending else column.asc()
        terms.append(term.nulls_last() if column.nullable and key.descending else term)
    return terms
