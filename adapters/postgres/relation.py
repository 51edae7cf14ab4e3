"""A type of entity in its table, and the statements that every repository of it runs.

Those of a fixed form are compiled at their first use; those that a caller's criteria, order or
choice of fields decides, once a shape.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.criteria import Translation, outline
from adapters.postgres.keyset import ordering, segments
from adapters.postgres.mapper import RowMapper, columns_of
from adapters.postgres.statements import Shapes, Statement, compiled
from adapters.postgres.tables import (
    as_tenant,
    constraint_name,
    folded_column,
    folded_fields,
    folded_value,
    tenant_set,
)
from adapters.postgres.trail import Trail, array_text, stood
from adapters.sealing import token_before
from domain.identity import Entry
from ports.criteria import Criteria
from ports.reading import Selection
from ports.schema import EntitySchema

E = TypeVar("E", bound=Entry)
_STEP = sa.literal_column("1", sa.BigInteger())


class Relation(Generic[E]):
    """A schema's entities in a table. Whatever changes one of them tells of it (see `trail`)."""

    def __init__(self, schema: EntitySchema[E], table: sa.Table) -> None:
        self.schema = schema
        self.table = table
        self.mapper: RowMapper[E] = RowMapper(schema.entity, schema.name)
        self.columns = tuple(table.c[name] for name in self.mapper.names)
        self._folded = tuple((name, folded_column(name)) for name in folded_fields(schema))
        columns = columns_of(schema.entity, schema.name)
        self._secrets = tuple(name for name, (codec, _) in columns.items() if codec.secret)
        self._shapes = Shapes()

    @cached_property
    def trail(self) -> Trail:
        """What its statements tell."""
        return Trail(self.schema, self.table)

    def row(self, entity: E) -> dict[str, Any]:
        """All columns' values, the folded ones included, and what `stood` gives."""
        row = self.mapper.row(entity)
        for name, column in self._folded:
            row[column] = folded_value(getattr(entity, name))
        if self._secrets:
            row |= self.stood(vars(entity))
        return row

    def stood(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What the trail must know of secrets that are written (see `trail.stood`)."""
        secrets = {name: fields[name] for name in self._secrets if name in fields}
        return {
            stood(name): None if secret is None else token_before(secret)
            for name, secret in secrets.items()
        }

    def changed(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the columns that a patch sets, the folded ones included."""
        row = {name: self.mapper.value(name, value) for name, value in changes.items()}
        for name, column in self._folded:
            if name in changes:
                row[column] = folded_value(changes[name])
        return row

    def unique_key(self, constraint: str) -> tuple[str, ...]:
        """The fields that a broken constraint says must be unique together."""
        return self._keys.get(constraint, (constraint,))

    @cached_property
    def _keys(self) -> Mapping[str, tuple[str, ...]]:
        name = self.table.name
        keys = {constraint_name(name, unique): unique.key for unique in self.schema.unique}
        return {f"pk_{name}": ("id",), **keys}

    @cached_property
    def bulk_columns(self) -> tuple[str, ...]:
        """The columns of a row, in the order of `row`."""
        return (*self.mapper.names, *(column for _, column in self._folded))

    @cached_property
    def insert(self) -> Statement:
        return compiled(self.trail.inserted(self._insert))

    @cached_property
    def insert_unseen(self) -> Statement:
        """The same, and whether the transaction's view holds a row of that key, deleted since."""
        seen, added = self.table.alias(), self.table.name
        # Literal: SQLAlchemy doesn't correlate with the table of an INSERT.
        key = [seen.c[name] == sa.literal_column(f"{added}.{name}") for name in ("tenant_id", "id")]
        still = sa.select(_STEP).select_from(seen).where(*key).exists()
        return compiled(self.trail.inserted(self._insert, still.label("seen")))

    @cached_property
    def _insert(self) -> Any:
        values = _bound(self.table, self.bulk_columns)
        return sa.insert(self.table).values({**values, "tenant_id": tenant_set()})

    @cached_property
    def insert_many(self) -> Statement:
        """Adds rows in their order; the parameters are lists of what each column takes."""
        names = [name for name in self.bulk_columns if name != "tenant_id"]
        values = listed_rows(self.table, names)
        rows = sa.select(tenant_set(), *values)
        added = sa.insert(self.table).from_select(["tenant_id", *names], rows)
        return compiled(self.trail.inserted(added, many=True))

    def lists(self, entities: Sequence[E]) -> dict[str, list[Any]]:
        """The values of all columns, a list of each, as `insert_many` takes them."""
        return lists_of(self.table, [self.row(entity) for entity in entities], self.bulk_columns)

    @cached_property
    def seen_twice(self) -> Statement:
        """Those of some ids that this transaction gave to rows beside ones that it still sees."""
        ids = sa.bindparam("ids", type_=postgresql.ARRAY(self.table.c.id.type))
        return compiled(
            sa.select(self.table.c.id)
            .where(self.is_tenants(), self.table.c.id == sa.any_(ids))
            .group_by(self.table.c.id)
            .having(sa.func.count() > _STEP)
        )

    @cached_property
    def get(self) -> Statement:
        return compiled(sa.select(*self.columns).where(self.is_one()))

    @cached_property
    def get_many(self) -> Statement:
        ids = sa.bindparam("ids", type_=postgresql.ARRAY(self.table.c.id.type))
        return compiled(
            sa.select(*self.columns).where(self.is_tenants(), self.table.c.id == sa.any_(ids))
        )

    @cached_property
    def exists(self) -> Statement:
        return compiled(sa.select(_STEP).where(self.is_one()).select_from(self.table))

    @cached_property
    def standing(self) -> Statement:
        """What an update that changed nothing must know to say why."""
        columns = [self.table.c.revision]
        if self.schema.lifecycle is not None:
            columns.append(self.table.c.status)
        return compiled(sa.select(*columns).where(self.is_one()))

    @cached_property
    def returned(self) -> tuple[str, ...]:
        """What an update leaves as the store has it."""
        return ("created_at", *sorted(self.schema.maintained))

    @cached_property
    def replace(self) -> Statement:
        """Compare-and-set of everything but `returned`."""
        kept = {"id", "tenant_id", "revision", *self.returned}
        changes = _bound(self.table, (name for name in self.bulk_columns if name not in kept))
        conditions = [self._at_revision()]
        if self.schema.lifecycle is not None:
            before = sa.bindparam("before", type_=postgresql.ARRAY(TEXT))
            conditions.append(self.table.c.status == sa.any_(before))
        returned = [self.table.c[name] for name in self.returned]
        return compiled(self._changing_one(changes, conditions, returned))

    @cached_property
    def before(self) -> Mapping[str, list[str]]:
        """For each status, those from which it may be reached."""
        lifecycle = self.schema.lifecycle
        assert lifecycle is not None
        return {
            status.value: [member.value for member in lifecycle.before(status)]
            for status in lifecycle.table
        }

    def patch(self, names: frozenset[str], *, expected: bool) -> Statement:
        """Sets the columns `names` of one row, by revision if it is `expected`."""
        return self._shapes.get(
            ("patch", names, expected),
            lambda: self._changing_one(self._set(names), self._expected(expected), self.columns),
        )

    def delete(self, *, expected: bool) -> Statement:
        """Removes one row, by revision if it is `expected`."""
        return self._shapes.get(
            ("delete", expected),
            lambda: self.trail.deleted(
                sa.delete(self.table).where(self.is_one(), *self._expected(expected))
            ),
        )

    def count(self, criteria: Criteria, values: list[Any]) -> Statement:
        """Counts matches. Like all that follow: `values` are filled as `outline` says."""
        return self._shapes.get(
            ("count", outline(criteria, values)),
            lambda: sa.select(sa.func.count()).where(*self._matching(criteria)),
        )

    def patch_where(
        self, names: frozenset[str], criteria: Criteria, values: list[Any]
    ) -> Statement:
        """Sets the columns `names` of every match."""
        return self._shapes.get(
            ("patch", names, outline(criteria, values)),
            lambda: self.changing(self._locked(criteria), self._set(names), many=True),
        )

    def delete_where(self, criteria: Criteria, values: list[Any]) -> Statement:
        """Removes every match."""
        return self._shapes.get(
            ("delete", outline(criteria, values)),
            lambda: self._deleting(criteria),
        )

    def select(self, selection: Selection, columns: Sequence[Any], values: list[Any]) -> Statement:
        """Reads `columns` of a selection. Its place is given as `k0`, `k1`, … and `offset`."""
        after = selection.after
        shape: Hashable = (
            columns,
            outline(selection.criteria, values),
            str(selection.order),
            None if after is None else tuple(value is None for value in after),
            selection.offset > 0,
        )
        return self._shapes.get(shape, lambda: self._select(selection, columns))

    def _select(self, selection: Selection, columns: Sequence[Any]) -> Any:
        limit = sa.bindparam("limit", type_=sa.BigInteger())
        order = ordering(self.table, selection.order)
        matching = sa.select(*columns).where(*self._matching(selection.criteria))
        if selection.after is None:
            read = matching.order_by(*order).limit(limit)
            if selection.offset:
                read = read.offset(sa.bindparam("offset", type_=sa.BigInteger()))
            return read
        ranges = [
            matching.where(segment).order_by(*order).limit(limit)
            for segment in segments(self.table, selection.order, selection.after)
        ]
        if not ranges:
            return matching.where(sa.false())
        if len(ranges) == 1:
            return ranges[0]
        return sa.union_all(*(part.subquery().select() for part in ranges)).limit(limit)

    def _matching(self, criteria: Criteria) -> tuple[Any, Any]:
        condition = Translation(self.table, self.schema).condition(criteria)
        return self.is_tenants(), condition

    def _locked(self, criteria: Criteria) -> sa.Select[Any]:
        # Matches are locked in one order, whatever plan finds them: two statements over the same
        # rows then wait for each other, and never each for the other's next row.
        key = self.table.c.id
        return sa.select(key).where(*self._matching(criteria)).order_by(key)

    def _deleting(self, criteria: Criteria) -> Any:
        columns = self.table.c
        read = self._locked(criteria).add_columns(columns.tenant_id)
        matches = read.with_for_update().cte("matches")
        # By whole keys, as `Trail.updated` does.
        delete = sa.delete(self.table).where(
            as_tenant(), columns.tenant_id == matches.c.tenant_id, columns.id == matches.c.id
        )
        return self.trail.deleted(delete, many=True)

    def _changing_one(
        self, values: Mapping[str, Any], conditions: Sequence[Any], returned: Sequence[Any]
    ) -> Any:
        matches = sa.select(self.table.c.id).where(self.is_one(), *conditions)
        return self.changing(matches, values, *returned)

    def changing(
        self,
        matches: sa.Select[Any],
        values: Mapping[str, Any],
        *returned: Any,
        many: bool = False,
    ) -> Any:
        """Sets columns of the tenant's rows whose ids are selected, and raises their revisions."""
        raised = {**values, "revision": self.table.c.revision + _STEP}
        return self.trail.updated(matches, [as_tenant()], raised, *returned, many=many)

    def _set(self, names: frozenset[str]) -> dict[str, Any]:
        changes: dict[str, Any] = {
            name: sa.bindparam(f"set_{name}", type_=self.table.c[name].type)
            for name in sorted(names)
        }
        changes["updated_at"] = sa.bindparam("now", type_=self.table.c.updated_at.type)
        return changes

    def is_tenants(self) -> sa.ColumnElement[bool]:
        """The row is the tenant's; the parameter is `tenant`."""
        named = sa.bindparam("tenant", type_=TEXT)
        return sa.and_(self.table.c.tenant_id == named, as_tenant())

    def is_one(self) -> sa.ColumnElement[bool]:
        """The row is the tenant's, and of that id; the parameters are `tenant` and `id`."""
        column = self.table.c.id
        return sa.and_(self.is_tenants(), column == sa.bindparam("id", type_=column.type))

    def _expected(self, expected: bool) -> list[sa.ColumnElement[bool]]:
        return [self._at_revision()] if expected else []

    def _at_revision(self) -> sa.ColumnElement[bool]:
        return self.table.c.revision == sa.bindparam("expected", type_=sa.BigInteger())


def _bound(table: sa.Table, names: Any) -> dict[str, Any]:
    return {name: sa.bindparam(name, type_=table.c[name].type) for name in names}


def listed_rows(table: sa.Table, names: Sequence[str]) -> list[Any]:
    """Values of columns, row by row, out of parameters that are lists of what each column takes:
    `lists_of` makes them.
    """
    columns = {name: table.c[name].type for name in names}
    lists = [
        sa.func.unnest(sa.cast(sa.bindparam(name), postgresql.ARRAY(_listed(kind)))).label(name)
        for name, kind in columns.items()
    ]
    # In the list of a query, these are read side by side and need not be kept.
    given = sa.select(*lists).subquery("given")
    return [
        sa.cast(given.c[name], postgresql.ARRAY(sa.Text())).label(name)
        if isinstance(kind, sa.ARRAY)
        else given.c[name]
        for name, kind in columns.items()
    ]


def lists_of(
    table: sa.Table, rows: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, list[Any]]:
    """The values of columns, a list of each."""
    lists = {name: [row[name] for row in rows] for name in names}
    for name, values in lists.items():
        if isinstance(table.c[name].type, sa.ARRAY):
            # An array of arrays would need all of them to have one length.
            lists[name] = [None if items is None else array_text(items) for items in values]
    return lists


def _listed(kind: Any) -> Any:
    """The type of a column's value in a list of them."""
    return sa.Text() if isinstance(kind, sa.Text | sa.ARRAY) else kind
