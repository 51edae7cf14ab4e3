"""What is to be known about a database before one relies on it: for `doctor`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import asyncpg
import attrs
from sqlalchemy.schema import CreateIndex, CreateTable

from adapters.postgres.database import METADATA
from adapters.postgres.errors import failed, not_connected
from adapters.postgres.migrations import VERSION_TABLE, MigrationState, state
from adapters.postgres.statements import definition
from ports.errors import RepositoryError

_EXPECTED = "dialogbase_expected"
_DEFINITIONS = """
SELECT 'index ' || i.relname AS name, t.relname AS table, pg_get_indexdef(i.oid) AS definition,
       x.indisvalid AS valid
  FROM pg_index x
  JOIN pg_class i ON i.oid = x.indexrelid
  JOIN pg_class t ON t.oid = x.indrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE n.nspname = $1 AND t.relname = ANY($2)
UNION ALL
SELECT 'constraint ' || c.conname, t.relname, pg_get_constraintdef(c.oid), c.convalidated
  FROM pg_constraint c
  JOIN pg_class t ON t.oid = c.conrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE n.nspname = $1 AND t.relname = ANY($2) AND c.contype IN ('c', 'f', 'p', 'u')
UNION ALL
SELECT 'column ' || t.relname || '.' || a.attname, t.relname,
       format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
       || coalesce(' COLLATE ' || quote_ident(o.collname), ''), true
  FROM pg_attribute a
  JOIN pg_class t ON t.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
  LEFT JOIN pg_collation o ON o.oid = a.attcollation
 WHERE n.nspname = $1 AND t.relname = ANY($2) AND a.attnum > 0 AND NOT a.attisdropped
"""


@attrs.frozen
class Difference:
    """Something that the database has otherwise: None means that it isn't there at all."""

    name: str
    expected: str | None
    actual: str | None


@attrs.frozen(kw_only=True)
class Inspection:
    """`clock_skew`: seconds by which the server's clock is ahead of the caller's."""

    server_version: str
    encoding: str
    clock_skew: float
    migrations: MigrationState
    differences: tuple[Difference, ...]

    @property
    def sound(self) -> bool:
        """Whether the store can be relied upon."""
        return self.encoding == "UTF8" and not self.migrations.pending and not self.differences


async def inspect(url: str, now: datetime, *, deadline: float = 10.0) -> Inspection:
    """Look at the database at `url`; it is left as it was. `now` is the caller's time.

    What is expected is asked of the server itself, which builds it in a transaction that is rolled
    back (that takes the right to create a schema), so that both sides are worded alike.

    Raises:
        StoreUnavailableError: if the database can't be reached.
    """
    migrations = await state(url, deadline=deadline)
    try:
        connection = await asyncpg.connect(url, timeout=deadline, command_timeout=deadline)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
        failure: Exception = not_connected(error)
    else:
        try:
            facts = await connection.fetchrow(
                "SELECT current_setting('server_version') AS version, clock_timestamp() AS now,"
                " current_setting('server_encoding') AS encoding"
            )
            differences = () if migrations.pending else await _differences(connection)
            return Inspection(
                server_version=facts["version"],
                encoding=facts["encoding"],
                clock_skew=(facts["now"] - now.astimezone(UTC)).total_seconds(),
                migrations=migrations,
                differences=differences,
            )
        except RepositoryError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            failure = failed(error, writing=False)
        finally:
            await connection.close()
    raise failure


async def _differences(connection: Any) -> tuple[Difference, ...]:
    schema = await connection.fetchval(
        "SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = to_regclass($1)",
        VERSION_TABLE,
    )
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"CREATE SCHEMA {_EXPECTED}")
        await connection.execute(
            "SELECT set_config('search_path', $1 || ', ' || current_setting('search_path'), true)",
            _EXPECTED,
        )
        for table in METADATA.sorted_tables:
            await connection.execute(definition(CreateTable(table)))
            for index in table.indexes:
                await connection.execute(definition(CreateIndex(index)))
        expected = await _definitions(connection, _EXPECTED)
        actual = await _definitions(connection, schema)
    finally:
        await transaction.rollback()
    return tuple(
        Difference(name, expected.get(name), actual.get(name))
        for name in sorted(expected.keys() | actual.keys())
        if expected.get(name) != actual.get(name)
    )


async def _definitions(connection: Any, schema: str) -> Mapping[str, str]:
    tables = [table.name for table in METADATA.sorted_tables]
    rows = await connection.fetch(_DEFINITIONS, schema, tables)
    return {
        row["name"]: row["definition"].replace(f"{schema}.", "")
        + ("" if row["valid"] else " (not valid)")
        for row in rows
    }
