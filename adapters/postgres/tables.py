"""Tables, declared from the schemas that the ports declare.

Everything of a tenant's begins with `tenant_id`, primary keys included, so that a tenant's index
entries lie together. A folded text stands in a column of its own, `<field>_folded`; those of the
searchable fields together are what a search looks through.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, get_args

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.mapper import columns_of
from ports.schema import EntitySchema, Unique, search_text

METADATA = sa.MetaData()

TENANT_SETTING = "dialogbase.tenant"
"""Whose rows the policies of row-level security let through; unset, nobody's."""


def as_tenant(parameter: str = "tenant") -> sa.ColumnElement[bool]:
    """Always true; sets the tenant, for this transaction alone, before a row is looked at.

    A condition that names no row is a one-time filter: PostgreSQL evaluates it above the scans
    and joins of its query, and so before them. Every query and every UPDATE or DELETE that reads a
    table has one of its own; an INSERT takes its tenant from the same subquery.
    """
    named = sa.bindparam(parameter, type_=TEXT)
    return tenant_set(parameter) == named


def tenant_set(parameter: str = "tenant") -> sa.ScalarSelect[str]:
    """The tenant's name, which it sets as `as_tenant` does."""
    setting = sa.literal_column(f"'{TENANT_SETTING}'", TEXT)
    named = sa.bindparam(parameter, type_=TEXT)
    return sa.select(sa.func.set_config(setting, named, sa.true(), type_=TEXT)).scalar_subquery()


def tenants_lock(purpose: str) -> sa.ColumnElement[int]:
    """The key of an advisory lock of a tenant's for one purpose. Two tenants whose names hash alike
    have the same: they wait for each other, and no more than that.
    """
    named = sa.literal_column(f"'dialogbase.{purpose}/'", TEXT).op("||")(
        sa.bindparam("tenant", type_=TEXT)
    )
    zero = sa.literal_column("0", sa.BigInteger())
    return sa.func.hashtextextended(named, zero, type_=sa.BigInteger())


NEW_LINE = sa.literal_column("E'\\n'", TEXT)
NOTHING = sa.literal_column("''", TEXT)


def entity_table(name: str, schema: EntitySchema[Any], *extras: Any) -> sa.Table:
    """The table of a type of entity, with the keys, checks and search index of its schema."""
    folded = [
        sa.Column(
            folded_column(field),
            TEXT,
            nullable=field in schema.fields and schema.fields[field].nullable,
        )
        for field in folded_fields(schema)
    ]
    table = child_table(name, schema.entity, *folded, *extras)
    for unique in schema.unique:
        columns = [table.c.tenant_id, *(table.c[field] for field in unique.fields)]
        called = constraint_name(name, unique)
        if unique.where is None:
            table.append_constraint(sa.UniqueConstraint(*columns, name=called))
        else:
            sa.Index(called, *columns, unique=True, postgresql_where=table.c[unique.where])
    if schema.searchable:
        keys = grams(table.c.tenant_id, search_document(table, schema))
        sa.Index(search_index(name), keys, postgresql_using="gin")
    return table


def child_table(
    name: str, entity: type, *extras: Any, key: Iterable[str] = ("tenant_id", "id")
) -> sa.Table:
    """The table of a class, with a column for each of its fields."""
    columns = columns_of(entity, name)
    checks = [
        sa.CheckConstraint(
            f"{field} IN ({', '.join(repr(str(member.value)) for member in members)})",
            name=f"ck_{name}_{field}",
        )
        for field, members in _enumerations(entity)
    ]
    if "revision" in columns:
        checks.append(sa.CheckConstraint("revision >= 1", name=f"ck_{name}_revision"))
    return sa.Table(
        name,
        METADATA,
        *(
            sa.Column(field, codec.sql, nullable=nullable)
            for field, (codec, nullable) in columns.items()
        ),
        *extras,
        sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
        *checks,
    )


def belonging_to(parent: sa.Table, entity: str, table: str) -> sa.ForeignKeyConstraint:
    """What ties the rows of a table to a type of entity: they are there, and go, with their own."""
    return sa.ForeignKeyConstraint(
        ("tenant_id", f"{entity}_id"),
        (parent.c.tenant_id, parent.c.id),
        ondelete="CASCADE",
        name=f"fk_{table}_{entity}",
    )


def _enumerations(entity: type) -> Iterable[tuple[str, type[Enum]]]:
    for field in attrs.fields(entity):
        kinds = get_args(field.type) or (field.type,)
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, Enum):
                yield field.name, kind


def constraint_name(table: str, unique: Unique) -> str:
    """What the database calls a unique key, and what an error is traced back by."""
    return f"uq_{table}_{'_'.join(unique.key)}"


def folded_fields(schema: EntitySchema[Any]) -> tuple[str, ...]:
    """The fields that have a folded column beside them."""
    return tuple(
        name for name, field in schema.fields.items() if field.folded or name in schema.searchable
    )


def folded_column(field: str) -> str:
    """The column that holds a field folded, a list's items a line each."""
    return f"{field}_folded"


def folded_value(value: Any) -> str | None:
    """What that column holds."""
    return None if value is None else search_text((value,))


GRAMS = "dialogbase_grams"
grams: Callable[..., sa.ColumnElement[Any]] = getattr(sa.func, GRAMS)
"""The SQL function of a tenant and a text that gives every three characters that follow each other
in the text, each behind the tenant's name: the keys of the search index. A search so reads its own
tenant's entries only, however common its letters are elsewhere; without `btree_gin`, which is an
extension, an index of tenant and trigram can't be had otherwise. Migration 0001 makes it."""


def find(table: sa.Table, terms: Sequence[sa.ColumnElement[str]]) -> sa.ColumnElement[Any]:
    """The ids of the rows of the tenant that is set in which each trigram of the terms occurs: the
    candidates of a search, off the search index.

    The function reads past row-level security, which would keep it from the index, and so looks at
    the tenant itself; the table's migration makes it.
    """
    found: Callable[..., sa.ColumnElement[Any]] = getattr(sa.func, finds(table))
    return found(postgresql.array(terms, type_=TEXT))


def finds(table: sa.Table) -> str:
    """What that function of a table is called."""
    return f"dialogbase_find_{table.name}"


def search_index(table: str) -> str:
    """What the search index of a table is called."""
    return f"ix_{table}_search"


def search_document(table: sa.Table, schema: EntitySchema[Any]) -> sa.ColumnElement[str]:
    """The text that a search looks through, out of the folded columns.

    No column of its own: it would double what each row holds. The index is on this expression, so
    a query must use it as it is.
    """
    document: sa.ColumnElement[str] | None = None
    for field in schema.searchable:
        column = table.c[folded_column(field)]
        line = sa.func.coalesce(column, NOTHING) if column.nullable else column
        document = line if document is None else document.op("||")(NEW_LINE).op("||")(line)
    assert document is not None
    return document
