"""The way down: what no port covers, asked of PostgreSQL in its own words, as the tenant."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ClauseElement

from adapters.postgres.errors import ConstraintBroken, Undecodable, failed
from adapters.postgres.pool import Pool
from adapters.postgres.statements import DIALECT
from adapters.postgres.transaction import naming
from domain.identity import TenantId
from ports.errors import InvalidQueryError, RepositoryError

_BEGIN = "BEGIN READ ONLY"
_END = "ROLLBACK; SELECT pg_advisory_unlock_all()"
"""Whatever it set goes with it, but for locks of the session."""
_FETCHED = 200
"""Rows in memory at a time."""
_SYNTAX_AND_ACCESS = "42"
_READ_ONLY = "25006"
_NOT_ENCODED = "22000"
"""What asyncpg itself says of a value that it can't send."""


async def read(
    pool: Pool, tenant: TenantId, statement: str | ClauseElement, parameters: Mapping[str, Any]
) -> AsyncGenerator[Mapping[str, Any], None]:
    """As `PostgresStore.read` promises."""
    sql, arguments = _compiled(statement, parameters)
    deadline = pool.options.deadline
    connection = await pool.acquire()
    try:
        await connection.execute(f"{_BEGIN}; {naming(tenant)}", timeout=deadline)
        prepared = await connection.prepare(sql, timeout=deadline)
        if not prepared.get_attributes():
            raise InvalidQueryError("the statement is none that gives rows")
        async for row in prepared.cursor(*arguments, prefetch=_FETCHED, timeout=deadline):
            yield dict(row)
    except RepositoryError as error:
        failure: Exception = error
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
        failure = _told(error)
    else:
        return
    finally:
        pool.leave(_ended(pool, connection))
    raise failure


def _compiled(
    statement: str | ClauseElement, parameters: Mapping[str, Any]
) -> tuple[str, list[Any]]:
    try:
        # Of a list, each item becomes a parameter, as `IN` needs it.
        options = {"render_postcompile": True}
        clause = sa.text(statement) if isinstance(statement, str) else statement
        made: Any = clause.params(parameters).compile(dialect=DIALECT, compile_kwargs=options)
        values = made.construct_params(_check=True)
    except (sa.exc.SQLAlchemyError, AttributeError, TypeError):
        failure = InvalidQueryError(
            "the statement must be text or one of SQLAlchemy Core's, and each of its parameters"
            " be given"
        )
    else:
        return str(made), [values[name] for name in made.positiontup or ()]
    raise failure


def _told(error: Exception) -> Exception:
    state = str(getattr(error, "sqlstate", None) or "")
    if state == _READ_ONLY:
        return InvalidQueryError("the statement doesn't only read")
    if state.startswith(_SYNTAX_AND_ACCESS):
        return InvalidQueryError(f"PostgreSQL doesn't take the statement (SQLSTATE {state})")
    if state == _NOT_ENCODED:
        return InvalidQueryError("a parameter isn't of the type that PostgreSQL expects there")
    told = failed(error, writing=False)
    if isinstance(told, ConstraintBroken | Undecodable):
        return RepositoryError("a value that the statement gives can't be read")
    return told


async def _ended(pool: Pool, connection: Any) -> None:
    try:
        # asyncpg sends it when the server has ended what was cut short.
        await connection.execute(_END, timeout=pool.options.deadline)
    except Exception:  # noqa: BLE001  # what can't be rolled back is so by its end
        connection.terminate()
    finally:
        pool.release(connection)
