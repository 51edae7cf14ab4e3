"""What PostgreSQL and asyncpg report, as what a port may raise: by SQLSTATE or class, not by text.

Nothing that is returned here carries a message, a detail or a value of theirs; raise it outside the
`except` block, or the driver's error, which quotes rows, hangs on to it as its context.
"""

import asyncpg

from ports.errors import (
    InvalidQueryError,
    OutcomeUnknownError,
    RepositoryError,
    StoreTimeoutError,
    StoreUnavailableError,
    TransactionError,
)

FOREIGN_KEY = "23503"
NOT_NULL = "23502"
_LOST = ("08", "57P01", "57P02", "57P03", "57P05")
_CANCELLED = ("57014", "55P03", "25P03", "25P04")
_COLLIDED = ("40001", "40P01")
_EXHAUSTED = ("53", "58", "25006")
_NOT_MIGRATED = ("42P01", "42703", "42883", "3F000")
_PATTERN = ("2201B",)
FORBIDDEN = "42501"


class ConstraintBroken(Exception):
    """A constraint refused a row. For the repository, which knows what it stands for."""

    def __init__(self, sqlstate: str, constraint: str) -> None:
        self.sqlstate = sqlstate
        self.constraint = constraint
        super().__init__(sqlstate, constraint)


class Undecodable(Exception):
    """The driver can't read a value that the server sent. For the repository, to name the type."""


def not_connected(error: Exception) -> RepositoryError:
    """When no connection could be had: nothing was sent."""
    if isinstance(error, asyncpg.PostgresError):
        return StoreUnavailableError(f"PostgreSQL refused a connection (SQLSTATE {_state(error)})")
    if isinstance(error, asyncpg.InterfaceError):
        return StoreUnavailableError("the URL, or an option in it, isn't one for PostgreSQL")
    return StoreUnavailableError(f"PostgreSQL can't be reached ({type(error).__name__})")


def failed(error: Exception, *, writing: bool) -> Exception:
    """When a statement was sent; `writing` if it commits by itself what it changes."""
    if isinstance(error, asyncpg.PostgresError):
        return _reported(error, _state(error), writing)
    if isinstance(error, TimeoutError):
        return late(writing=writing)
    if isinstance(error, OSError | asyncpg.InternalClientError):
        # The latter is what asyncpg comes to when a connection ends where it doesn't expect it.
        return lost(writing=writing)
    if isinstance(error, asyncpg.DataError):
        return RepositoryError("a value doesn't fit its column")
    if isinstance(error, asyncpg.InterfaceError):
        return StoreUnavailableError("the connection was closed before the statement was sent")
    if isinstance(error, ValueError | OverflowError | KeyError):
        return Undecodable()
    if type(error).__module__.startswith("asyncpg."):
        return RepositoryError(f"the PostgreSQL driver failed ({type(error).__name__})")
    return error


def lost(*, writing: bool) -> RepositoryError:
    """When the connection broke before the answer came."""
    if writing:
        return OutcomeUnknownError("the connection to PostgreSQL broke before it acknowledged")
    return StoreUnavailableError("the connection to PostgreSQL broke")


def late(*, writing: bool) -> RepositoryError:
    """When the deadline passed before the answer came."""
    if writing:
        return OutcomeUnknownError("the deadline passed before PostgreSQL acknowledged")
    return StoreTimeoutError("the deadline passed")


def _reported(error: asyncpg.PostgresError, state: str, writing: bool) -> Exception:
    if state.startswith("23"):
        return ConstraintBroken(state, getattr(error, "constraint_name", None) or "")
    if state.startswith(_LOST):
        return lost(writing=writing)
    if state.startswith(_CANCELLED):
        return StoreTimeoutError(f"PostgreSQL cancelled the statement (SQLSTATE {state})")
    if state.startswith(_COLLIDED):
        return TransactionError(f"another transaction came first (SQLSTATE {state})")
    if state.startswith(_EXHAUSTED):
        return StoreUnavailableError(f"PostgreSQL can't do it now (SQLSTATE {state})")
    if state.startswith(_NOT_MIGRATED):
        return RepositoryError(
            f"the database isn't what this version expects (SQLSTATE {state}): migrate it"
        )
    if state == FORBIDDEN:
        return RepositoryError(
            f"the role that connects may not do this (SQLSTATE {state}): it must be a member of"
            " dialogbase_app, in a database with all migrations"
        )
    if state.startswith(_PATTERN):
        return InvalidQueryError("PostgreSQL doesn't take this pattern")
    return RepositoryError(f"PostgreSQL refused the statement (SQLSTATE {state})")


def _state(error: asyncpg.PostgresError) -> str:
    return str(getattr(error, "sqlstate", None) or "?")
