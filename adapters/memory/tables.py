"""Tables in memory: rows, unique keys, groups, and transactions over them.

A transaction writes into an overlay, and commits it in one go. Those that live for more than one
step see the tables as they stood at their first access: whoever commits in between leaves the old
rows with them (`preserved`).
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Hashable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import attrs

from ports.errors import DuplicateEntityError, TransactionError
from ports.schema import Unique


class _Gone:
    """What stands for a row that is not there."""


GONE: Final = _Gone()
Row = Any
Key = Hashable


def sortable(key: Any) -> Any:
    """A key in the form in which keys compare fast (UUIDs compare in Python, integers in C)."""
    return key.int if isinstance(key, UUID) else key


def _values_of(names: tuple[str, ...]) -> Callable[[Row], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)  # three times as fast
    return lambda row: tuple([getattr(row, name) for name in names])


@attrs.define(eq=False)
class Table:
    """One tenant's rows of one type.

    `key`: a row's primary key. `group`: rows that are read together, such as a flow's versions;
    `grouped_by`: the field that says so, if one does. `entities`: its rows stand by themselves, and
    belong to no row of another table. `parent`: the table whose rows its own belong to, each to the
    one whose key is its group. `ordered`: its keys are kept sorted, so that scans in their
    order need no sort. `place`: a row's number within its group, by which it is found in `places`:
    neighbours lie close together there.
    """

    entity_type: str
    key: Callable[[Row], Key]
    unique: tuple[Unique, ...] = ()
    group: Callable[[Row], Key] | None = None
    grouped_by: str = ""
    entities: bool = False
    parent: str = ""
    ordered: bool = False
    place: Callable[[Row], int] | None = None
    rows: dict[Key, Row] = attrs.field(factory=dict)
    holders: dict[Unique, dict[tuple[Any, ...], Key]] = attrs.field(init=False)
    values: Sequence[tuple[Unique, Callable[[Row], tuple[Any, ...]]]] = attrs.field(init=False)
    groups: dict[Key, dict[Key, None]] = attrs.field(factory=dict)
    places: dict[Key, dict[int, Row]] = attrs.field(factory=dict)
    order: list[Any] = attrs.field(factory=list)
    by_order: dict[Any, Key] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.holders = {unique: {} for unique in self.unique}
        self.values = [(unique, _values_of(unique.fields)) for unique in self.unique]

    def keys_of(self, row: Row) -> Sequence[tuple[Unique, tuple[Any, ...]]]:
        """The unique keys that a row holds."""
        return [
            (unique, values(row))
            for unique, values in self.values
            if unique.where is None or getattr(row, unique.where)
        ]

    def keys_after(self, position: Key | None, descending: bool) -> Iterator[Key]:
        """Primary keys in order, exclusively after `position`; only of an ordered table."""
        if descending:
            end = len(self.order) if position is None else bisect_left(self.order, position)
            return (self.by_order[self.order[index]] for index in range(end - 1, -1, -1))
        start = 0 if position is None else bisect_right(self.order, position)
        return (self.by_order[self.order[index]] for index in range(start, len(self.order)))

    def put(self, row: Row) -> None:
        """Store a row whose keys were checked."""
        key = self.key(row)
        old = self.rows.get(key, GONE)
        if old is not GONE:
            for unique, values in self.keys_of(old):
                if self.holders[unique].get(values) == key:
                    del self.holders[unique][values]
        elif self.ordered:
            place = sortable(key)
            self.by_order[place] = key
            if not self.order or self.order[-1] < place:
                self.order.append(place)
            else:
                insort(self.order, place)
        self.rows[key] = row
        for unique, values in self.keys_of(row):
            self.holders[unique][values] = key
        if self.group is not None:
            group = self.group(row)
            self.groups.setdefault(group, {})[key] = None
            if self.place is not None:
                self.places.setdefault(group, {})[self.place(row)] = row

    def remove(self, key: Key) -> None:
        """Forget a row, if it is there."""
        row = self.rows.pop(key, GONE)
        if row is GONE:
            return
        for unique, values in self.keys_of(row):
            if self.holders[unique].get(values) == key:
                del self.holders[unique][values]
        if self.ordered:
            place = sortable(key)
            del self.order[bisect_left(self.order, place)]
            del self.by_order[place]
        if self.group is not None:
            group = self.group(row)
            members = self.groups[group]
            del members[key]
            if self.place is not None:
                del self.places[group][self.place(row)]
            if not members:
                del self.groups[group]
                self.places.pop(group, None)


@attrs.define(eq=False)
class Tables:
    """All tables of one tenant, and the transactions that look at them."""

    tables: dict[str, Table]
    watching: set["Transaction"] = attrs.field(factory=set)
    children: dict[str, dict[str, Table]] = attrs.field(init=False)
    """By its name, the tables whose rows belong to those of one."""

    def __attrs_post_init__(self) -> None:
        self.children = {}
        for name, table in self.tables.items():
            if table.parent:
                self.children.setdefault(table.parent, {})[name] = table

    @property
    def has_entities(self) -> bool:
        """Whether there is an entity in any of them."""
        return any(table.rows for table in self.tables.values() if table.entities)


@attrs.define(eq=False)
class Transaction:
    """An overlay over a tenant's tables; nothing shows outside before `commit`."""

    base: Tables
    writes: dict[str, dict[Key, Row]] = attrs.field(factory=dict)
    preserved: dict[str, dict[Key, Row]] = attrs.field(factory=dict)
    claims: dict[str, dict[tuple[Unique, tuple[Any, ...]], Key]] = attrs.field(factory=dict)
    removed: dict[str, set[Key]] = attrs.field(factory=dict)
    """Rows, of those that others belong to, that were removed here."""
    lost: dict[str, set[Key]] = attrs.field(factory=dict)
    """Of the same, what others removed since this view began."""

    def watch(self) -> None:
        """From now on, see the tables as they stand now."""
        self.base.watching.add(self)

    def table(self, name: str) -> Table:
        """The committed table under this view."""
        return self.base.tables[name]

    @property
    def pristine(self) -> bool:
        """Whether this view is the committed state itself."""
        return not self.writes and not self.preserved

    def get(self, name: str, key: Key) -> Row:
        """A row as this transaction sees it, or None."""
        for layer in (self.writes, self.preserved):
            row = layer[name].get(key) if name in layer else None
            if row is not None:
                return None if row is GONE else row
        return self.base.tables[name].rows.get(key)

    def keys(self, name: str) -> Iterator[Key]:
        """The key of every row that this transaction may see."""
        rows = self.base.tables[name].rows
        yield from list(rows)
        yield from self._extra_keys(name, rows)

    def values(self, name: str) -> Iterator[Row]:
        """Every row that this transaction sees."""
        if self.pristine:
            yield from list(self.base.tables[name].rows.values())
            return
        for key in self.keys(name):
            row = self.get(name, key)
            if row is not None:
                yield row

    def members(self, name: str, group: Key) -> list[Row]:
        """The rows of a group."""
        table = self.base.tables[name]
        assert table.group is not None
        known = table.groups.get(group, {})
        rows = (self.get(name, key) for key in [*known, *self._extra_keys(name, known)])
        return [row for row in rows if row is not None and table.group(row) == group]

    def insert(self, name: str, row: Row) -> None:
        """Add a row.

        Raises:
            DuplicateEntityError: if its primary or a unique key is taken, by anyone.
        """
        table = self.base.tables[name]
        key = table.key(row)
        written = self.writes.get(name, {}).get(key)
        if (key in table.rows) if written is None else (written is not GONE):
            raise DuplicateEntityError(table.entity_type, ("id",))
        self._write(name, key, row)

    def append(self, name: str, key: Key, row: Row) -> None:
        """Add a row which holds no unique key, and whose primary one was just made."""
        self.writes.setdefault(name, {})[key] = row

    def replace(self, name: str, row: Row) -> None:
        """Put a row in the place of the one with its key."""
        self._write(name, self.base.tables[name].key(row), row)

    def remove(self, name: str, key: Key) -> None:
        """Take a row away; what belongs to it has to go, too."""
        self._write(name, key, GONE)
        if name in self.base.children:
            self.removed.setdefault(name, set()).add(key)

    def commit(self) -> None:
        """Make everything visible, or nothing.

        Raises:
            TransactionError: if a row that was written here changed since this view began, or one
                that it belongs to went; or if something was added to one that was removed here.
            DuplicateEntityError: if a unique key was taken meanwhile.
        """
        for name, rows in self.writes.items():
            for key in rows if name in self.preserved else ():
                self._refuse_changed(name, key)
        for name, rows in self.writes.items():
            table = self.base.tables[name]
            for key, row in rows.items() if table.unique else ():
                if row is not GONE:
                    self._refuse_lost(table, name, key, row)
            for row in rows.values() if table.parent else ():
                if row is not GONE:
                    self._refuse_orphan(table, row)
        for name, keys in self.removed.items():
            self._refuse_unseen(name, keys)
        self.base.watching.discard(self)
        for name, rows in self.writes.items():
            table = self.base.tables[name]
            for key in rows:
                for other in self.base.watching:
                    other.preserved.setdefault(name, {}).setdefault(key, table.rows.get(key, GONE))
            for other in self.base.watching if name in self.removed else ():
                other.lost.setdefault(name, set()).update(self.removed[name])
            # Rows that give keys up go first, so that a key can change hands within a commit.
            for key, row in rows.items():
                if row is GONE or key in table.rows:
                    self._release(table, key, row)
            for row in rows.values():
                if row is not GONE:
                    table.put(row)

    def end(self) -> None:
        """Forget what wasn't committed."""
        self.base.watching.discard(self)
        self.writes.clear()
        self.claims.clear()
        self.removed.clear()

    @staticmethod
    def _release(table: Table, key: Key, row: Row) -> None:
        if row is GONE:
            table.remove(key)
            return
        for unique, values in table.keys_of(table.rows[key]):
            if table.holders[unique].get(values) == key:
                del table.holders[unique][values]

    def _extra_keys(self, name: str, known: Any) -> Iterator[Key]:
        preserved = self.preserved.get(name, {})
        yield from (key for key in preserved if key not in known)
        yield from (
            key for key in self.writes.get(name, {}) if key not in known and key not in preserved
        )

    def _write(self, name: str, key: Key, row: Row) -> None:
        self._refuse_changed(name, key)
        table = self.base.tables[name]
        if table.parent and row is not GONE:
            self._refuse_orphan(table, row)
        claims = self.claims.setdefault(name, {})
        held = () if row is GONE else table.keys_of(row)
        self._refuse_held(table, name, key, held)
        for claim in held:
            if claims.get(claim, key) != key:
                raise DuplicateEntityError(table.entity_type, claim[0].key)
        written = self.writes.setdefault(name, {})
        old = written.get(key, GONE)
        if old is not GONE:
            for claim in table.keys_of(old):
                claims.pop(claim, None)
        written[key] = row
        for claim in held:
            claims[claim] = key

    def _refuse_changed(self, name: str, key: Key) -> None:
        if name in self.preserved and key in self.preserved[name]:
            raise TransactionError("another transaction changed the same entity first")

    def _refuse_orphan(self, table: Table, row: Row) -> None:
        assert table.group is not None
        parent = table.group(row)
        written = self.writes.get(table.parent, {}).get(parent)
        if written is None:
            stands = parent in self.base.tables[table.parent].rows
        else:
            stands = written is not GONE
        if not stands or parent in self.lost.get(table.parent, ()):
            raise TransactionError("another transaction deleted what this belongs to first")

    def _refuse_unseen(self, name: str, keys: set[Key]) -> None:
        """Whatever this view shows of what belonged to a row has been removed with it."""
        for child, table in self.base.children[name].items():
            written = self.writes.get(child, {})
            for key in keys:
                if any(one not in written for one in table.groups.get(key, ())):
                    raise TransactionError("another transaction added to what is deleted here")

    def _refuse_lost(self, table: Table, name: str, key: Key, row: Row) -> None:
        try:
            self._refuse_held(table, name, key, table.keys_of(row))
        except DuplicateEntityError as error:
            # Who holds a flag may change without anyone having made a duplicate: a lost race.
            if any(unique.where in error.key for unique in table.unique):
                raise TransactionError("another transaction came first") from None
            raise

    def _refuse_held(self, table: Table, name: str, key: Key, held: Sequence[Any]) -> None:
        written = self.writes.get(name, {})
        for unique, values in held:
            holder = table.holders[unique].get(values)
            if holder is not None and holder != key and holder not in written:
                raise DuplicateEntityError(table.entity_type, unique.key)
