"""What is to be known about a database before one relies on it: for `doctor`."""

import re
from datetime import UTC, datetime
from typing import Any

import asyncpg
import attrs
from sqlalchemy.schema import CreateIndex, CreateTable

from adapters.postgres.database import METADATA
from adapters.postgres.errors import failed, not_connected
from adapters.postgres.migrations import VERSION_TABLE, MigrationState, state
from adapters.postgres.row_security import DEFINER, ROLES, functions, protected, protection
from adapters.postgres.statements import definition
from ports.errors import RepositoryError

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
UNION ALL
SELECT 'row security ' || t.relname, t.relname,
       CASE WHEN t.relrowsecurity THEN 'on' ELSE 'off' END
       || CASE WHEN t.relforcerowsecurity THEN ', forced' ELSE '' END, true
  FROM pg_class t
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE n.nspname = $1 AND t.relname = ANY($2)
UNION ALL
SELECT 'policy ' || t.relname || '.' || p.polname, t.relname,
       concat_ws(' ', CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                 'FOR', p.polcmd, 'TO', p.polroles::regrole[],
                 'USING (' || pg_get_expr(p.polqual, t.oid) || ')',
                 'WITH CHECK (' || pg_get_expr(p.polwithcheck, t.oid) || ')'), true
  FROM pg_policy p
  JOIN pg_class t ON t.oid = p.polrelid
  JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE n.nspname = $1 AND t.relname = ANY($2)
UNION ALL
SELECT 'rights ' || t.relname || ' ' || r.rolname, t.relname,
       string_agg(g.privilege_type || coalesce(' (' || g.attname || ')', ''), ', '
                  ORDER BY g.privilege_type, g.attname), true
  FROM pg_class t
  JOIN pg_namespace n ON n.oid = t.relnamespace
 CROSS JOIN LATERAL (
       SELECT x.grantee, x.privilege_type, NULL::name AS attname FROM aclexplode(t.relacl) x
       UNION ALL
       SELECT x.grantee, x.privilege_type, a.attname
         FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = t.oid
       ) g
  JOIN pg_roles r ON r.oid = g.grantee
 WHERE n.nspname = $1 AND t.relname = ANY($2) AND r.rolname = ANY($3)
 GROUP BY t.relname, r.rolname
"""
_FUNCTIONS = """
SELECT 'function ' || p.proname AS name,
       concat_ws(' ', CASE WHEN p.prosecdef THEN 'SECURITY DEFINER' END, p.proowner::regrole,
                 p.proconfig) AS definition
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname = $1 AND (p.proname = ANY($2) OR p.prosecdef AND p.proname LIKE 'dialogbase%')
"""
_STANDING = """
SELECT r.rolname, r.rolsuper, r.rolbypassrls, EXISTS (
           SELECT FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
            WHERE n.nspname = $1 AND t.relname = ANY($2)
              AND pg_has_role(t.relowner, 'USAGE')
       ) AS owns, EXISTS (
           SELECT FROM pg_roles d WHERE d.rolname = $3 AND pg_has_role(d.oid, 'USAGE')
       ) AS defines
  FROM pg_roles r WHERE r.rolname = current_user
"""
_SCHEMA = """
SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = to_regclass($1)
"""
_DEFINED = f'SECURITY DEFINER {DEFINER} {{"search_path=pg_catalog, pg_temp"}}'


@attrs.frozen
class Difference:
    """Something that the database has otherwise: None means that it isn't there at all."""

    name: str
    expected: str | None
    actual: str | None


@attrs.frozen(kw_only=True)
class Standing:
    """What row-level security is to the role that connects.

    `bypasses`: it doesn't hold for it at all, as for every superuser and for whoever `defines`, a
    member of `dialogbase_definer`, whose rights it has. `owns`: it holds, since it is forced, but
    the role owns tables and could turn it off.
    """

    role: str
    superuser: bool
    defines: bool
    bypasses: bool
    owns: bool


@attrs.frozen(kw_only=True)
class Inspection:
    """`clock_skew`: seconds by which the server's clock is ahead of the caller's; `protected`: how
    many tables hold tenants' rows."""

    server_version: str
    encoding: str
    standby: bool
    """Whether it follows another server, and takes no writes."""

    read_only: bool
    """Whether it takes none: a standby doesn't, nor one whose transactions are begun so."""

    clock_skew: float
    migrations: MigrationState
    differences: tuple[Difference, ...]
    standing: Standing
    protected: int

    @property
    def sound(self) -> bool:
        """Whether the store can be relied upon."""
        return (
            self.encoding == "UTF8"
            and not self.read_only
            and not self.migrations.pending
            and not self.differences
            and not self.standing.bypasses
        )


async def inspect(
    url: str, now: datetime, *, deadline: float = 10.0, compare: bool = True
) -> Inspection:
    """Look at the database at `url`; it is left as it was. `now` is the caller's time. Unless it is
    to `compare`, no difference is looked for: then it takes a few round trips.

    What is expected is asked of the server itself, which builds it in temporary tables and a
    transaction that is rolled back, so that both sides are worded alike. Any role that may connect
    may do that, unless it was denied temporary tables; the service's own shows how it stands.

    Raises:
        StoreUnavailableError: if the database can't be reached.
    """
    migrations = await state(url, deadline=deadline)
    try:
        connection = await asyncpg.connect(
            url, timeout=deadline, command_timeout=deadline, statement_cache_size=0
        )
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
        failure: Exception = not_connected(error)
    else:
        try:
            facts = await connection.fetchrow(
                "SELECT current_setting('server_version') AS version, clock_timestamp() AS now,"
                " current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby,"
                " current_setting('transaction_read_only')::boolean AS read_only"
            )
            schema = await connection.fetchval(_SCHEMA, VERSION_TABLE)
            differences: tuple[Difference, ...] = ()
            # (One that takes no writes can't be asked for what is expected: it makes no tables.)
            if compare and not migrations.pending and not facts["read_only"]:
                differences = await _differences(connection, schema)
            return Inspection(
                server_version=facts["version"],
                encoding=facts["encoding"],
                standby=facts["standby"],
                read_only=facts["read_only"],
                clock_skew=(facts["now"] - now.astimezone(UTC)).total_seconds(),
                migrations=migrations,
                differences=differences,
                standing=await _standing(connection, schema),
                protected=len(protected()),
            )
        except RepositoryError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
            failure = failed(error, writing=False)
        finally:
            await connection.close()
    raise failure


async def _standing(connection: Any, schema: str | None) -> Standing:
    tables = [table.name for table in protected()]
    row = await connection.fetchrow(_STANDING, schema, tables, DEFINER)
    return Standing(
        role=row["rolname"],
        superuser=row["rolsuper"],
        defines=row["defines"],
        bypasses=row["rolsuper"] or row["rolbypassrls"] or row["defines"],
        owns=row["owns"],
    )


async def _differences(connection: Any, schema: str) -> tuple[Difference, ...]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(
            "SELECT set_config('search_path', 'pg_temp, ' || quote_ident($1), true)", schema
        )
        for table in METADATA.sorted_tables:
            await connection.execute(definition(CreateTable(table)))
            for index in table.indexes:
                await connection.execute(definition(CreateIndex(index)))
            for statement in protection(table):
                await connection.execute(statement)
        temporary = await connection.fetchval("SELECT pg_my_temp_schema()::regnamespace::text")
        # Indexes are worded with the short name of the schema of temporary tables.
        expected = await _definitions(connection, temporary, "pg_temp.")
        expected |= {f"function {name}": _DEFINED for name in functions()}
        actual = await _definitions(connection, schema)
        for row in await connection.fetch(_FUNCTIONS, schema, functions()):
            actual[row["name"]] = row["definition"]
    finally:
        await transaction.rollback()
    return tuple(
        Difference(name, expected.get(name), actual.get(name))
        for name in sorted(expected.keys() | actual.keys())
        if expected.get(name) != actual.get(name)
    )


async def _definitions(connection: Any, schema: str, *prefixes: str) -> dict[str, str]:
    tables = [table.name for table in METADATA.sorted_tables]
    rows = await connection.fetch(_DEFINITIONS, schema, tables, ROLES)
    quoted = await connection.fetchval("SELECT quote_ident($1)", schema)
    named = "|".join(re.escape(prefix) for prefix in (f"{quoted}.", *prefixes))
    named = rf"(?<![\w\".])(?:{named})"  # and no name that ends so
    found: dict[str, str] = {}
    for row in rows:
        worded = re.sub(named, "", row["definition"])
        found[row["name"]] = worded if row["valid"] else f"{worded} (not valid)"
    return found
