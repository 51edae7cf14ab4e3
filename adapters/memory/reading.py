"""Reading tables in memory: the half that repositories and logs have in common."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import total_ordering
from itertools import islice
from typing import Any, TypeVar

import attrs

from adapters.memory.session import Session
from adapters.memory.tables import Transaction, sortable
from domain.identity import Entry
from ports.criteria import And, Comparison, Criteria, Operator
from ports.paging import Order, Position
from ports.reading import Context, Reading, Selection

E = TypeVar("E", bound=Entry)


class MemoryReading(Reading[E]):
    """Every primitive of `Reading`, for any schema."""

    def __init__(self, context: Context, session: Session) -> None:
        super().__init__(context)
        self._session = session
        self._name = self.schema.name

    async def _get(self, id: Any) -> E | None:
        found: E | None = self._session.reading().get(self._name, id)
        return found

    async def _get_many(self, ids: Sequence[Any]) -> Sequence[E]:
        view = self._session.reading()
        found = (view.get(self._name, id) for id in ids)
        return [entity for entity in found if entity is not None]

    async def _exists(self, id: Any) -> bool:
        return self._session.reading().get(self._name, id) is not None

    async def _count(self, criteria: Criteria) -> int:
        return sum(1 for _ in self._matching(self._session.reading(), criteria))

    async def _select(self, selection: Selection) -> Sequence[E]:
        view = self._session.reading()
        held = self._held(view, selection.criteria)
        if held is None and view.pristine and selection.order.keys[0].field.name == "id":
            found: Iterable[E] = self._in_key_order(view, selection)
            return _cut(found, selection.offset, selection.limit)
        place = sort_key(selection.order)
        matches: Iterable[E] = self._matching(view, selection.criteria)
        if selection.after is not None:
            after = position_key(selection.order, selection.after)
            matches = (entity for entity in matches if place(entity) > after)
        ordered: list[E] = heapq.nsmallest(selection.offset + selection.limit, matches, key=place)
        return list(ordered[selection.offset :])

    def _matching(self, view: Transaction, criteria: Criteria) -> Iterator[E]:
        return _meeting(criteria, self._candidates(view, criteria))

    def _candidates(self, view: Transaction, criteria: Criteria) -> Iterable[E]:
        held = self._held(view, criteria)
        return view.values(self._name) if held is None else held

    def _held(self, view: Transaction, criteria: Criteria) -> Sequence[E] | None:
        """All that can match because they hold a unique key, or are of a group, if criteria name
        one.
        """
        if not view.pristine:
            return None
        table = view.table(self._name)
        wanted = _equalities(criteria)
        for unique in table.unique:
            if unique.where is not None and wanted.get(unique.where) is not True:
                continue
            if all(name in wanted for name in unique.fields):
                key = tuple(wanted[name] for name in unique.fields)
                holder = table.holders[unique].get(key)
                return () if holder is None else (table.rows[holder],)
        if table.grouped_by in wanted:
            return view.members(self._name, wanted[table.grouped_by])
        return None

    def _in_key_order(self, view: Transaction, selection: Selection) -> Iterator[E]:
        table = view.table(self._name)
        after = None if selection.after is None else sortable(selection.after[0])
        keys = table.keys_after(after, selection.order.keys[0].descending)
        entities = (table.rows[key] for key in keys)
        return _meeting(selection.criteria, entities)


def _meeting(criteria: Criteria, entities: Iterable[E]) -> Iterator[E]:
    if isinstance(criteria, And) and not criteria.terms:
        return iter(entities)
    return filter(criteria.matches, entities)


def _equalities(criteria: Criteria) -> dict[str, Any]:
    """What a match's fields must equal, as far as it can be read off the top of the tree."""
    terms = criteria.terms if isinstance(criteria, And) else (criteria,)
    return {
        term.field.name: term.operand
        for term in terms
        if isinstance(term, Comparison) and term.operator is Operator.EQ
    }


def _cut(items: Iterable[E], offset: int, limit: int) -> list[E]:
    return list(islice(items, offset, offset + limit))


def sort_key(order: Order) -> Callable[[Any], tuple[Any, ...]]:
    """A key function that sorts entities as `order` defines."""

    def place(entity: Any) -> tuple[Any, ...]:
        return position_key(order, order.position(entity))

    return place


def position_key(order: Order, position: Position) -> tuple[Any, ...]:
    """A position in a form that compares as the order goes: nulls last in either direction."""
    return tuple(
        (True, None)
        if value is None
        else (False, _Reversed(sortable(value)) if key.descending else sortable(value))
        for key, value in zip(order.keys, position, strict=True)
    )


@total_ordering
@attrs.frozen(order=False)
class _Reversed:
    value: Any

    def __lt__(self, other: "_Reversed") -> bool:
        return bool(self.value > other.value)
