"""The database's form, version by version: Alembic migrations, run by `migrate`.

A migration says all that it does itself and imports nothing of ours, so that it does the same for
ever. A new one is drawn up from what the tables declare and a migrated database lacks, such as that
of `dialogbase up postgres`, which prints its URL; then `make format`, and read it:

    alembic -c adapters/postgres/migrations/alembic.ini -x url=URL \\
        revision --autogenerate -m campaigns

A search index whose fields change is written in by hand: Alembic can't compare those.

Neither does it know of row-level security (`adapters.postgres.row_security`), so a migration that
makes a table also enables and forces it, makes the policies and grants the rights, as 0006 does for
the tables before it; if the table is an entity's, it makes `dialogbase_next_tenant` anew, and if it
is searched, its `dialogbase_find_…`. Functions of `dialogbase_definer` are made by who migrates and
then given to it. `doctor` and a test name what was forgotten. One that changes rows acts for each
tenant in turn, since policies bind the owner, too.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import attrs
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from adapters.postgres.errors import FORBIDDEN, failed, not_connected
from ports.errors import RepositoryError

VERSION_TABLE = "dialogbase_migrations"
_ALEMBIC = threading.Lock()
_PAUSE_SECONDS = 0.05
_LOCK = 0x6469616C6F67  # "dialog"; held by whoever migrates
_FORBIDDEN = (
    f"the role that migrates may not do all that this takes (SQLSTATE {FORBIDDEN}): it must own the"
    " database and, before the cluster has the roles of row-level security, have CREATEROLE. Or a"
    " superuser runs, with the name of the role that migrates in the place of OWNER:"
    " CREATE ROLE dialogbase_app NOLOGIN; CREATE ROLE dialogbase_definer NOLOGIN;"
    " GRANT dialogbase_definer TO OWNER; and once it has migrated, since a member sees every"
    " tenant's rows: REVOKE dialogbase_definer FROM OWNER"
)


@attrs.frozen
class MigrationState:
    """`current` is None for a database that was never migrated; `pending` are applied in order."""

    current: str | None
    pending: tuple[str, ...]


async def migrate(url: str, *, revision: str = "head", deadline: float = 60.0) -> MigrationState:
    """Bring the database to `revision`; what it was before, and what was applied.

    Several processes may call it at once: one does the work, the others wait for it (up to
    `deadline` seconds each for the connection and for every lock).

    Raises:
        StoreUnavailableError: if the database can't be reached.
        RepositoryError: if the role may not do it, or a later version has migrated the database.
    """

    def upgrade(connection: sa.Connection) -> MigrationState:
        state = _state(connection)
        if state.current is not None and state.current not in _known():
            raise RepositoryError(
                f"the database is at {state.current}, which this version doesn't know: use the"
                " version that migrated it, or a later one"
            )
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
        return state

    return await _with_connection(url, deadline, upgrade, lock=True)


async def state(url: str, *, deadline: float = 10.0) -> MigrationState:
    """Which migrations the database has, and which it lacks.

    Raises:
        StoreUnavailableError: if the database can't be reached.
    """
    return await _with_connection(url, deadline, _state, lock=False)


def comparable(item: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    """What Alembic can compare: not two search indexes' expressions, nor a table of others'."""
    if kind == "table":
        return not reflected or other is not None
    return other is None or not (kind == "index" and str(name).endswith("_search"))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _known() -> list[str]:
    """All migrations, the last first."""
    scripts = ScriptDirectory.from_config(_config())
    return [script.revision for script in scripts.walk_revisions()]


def _state(connection: sa.Connection) -> MigrationState:
    options = {"version_table": VERSION_TABLE}
    current = MigrationContext.configure(connection, opts=options).get_current_revision()
    known = _known()
    pending = known[: known.index(current)] if current in known else [] if current else known
    connection.rollback()
    return MigrationState(current, tuple(reversed(pending)))


async def _with_connection(
    url: str, deadline: float, work: Callable[[sa.Connection], MigrationState], *, lock: bool
) -> MigrationState:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url, timeout=deadline, statement_cache_size=0)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        connection = await engine.connect()
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told below
        failure: Exception = not_connected(_cause(error))
    else:
        try:
            if not lock:
                return await _done(connection, work)
            await _lock(connection, deadline)
            async with _alone():
                return await _done(connection, work)
        except sa.exc.DBAPIError as error:
            cause = _cause(error)
            failure = failed(cause, writing=lock)
            if lock and getattr(cause, "sqlstate", None) == FORBIDDEN:
                failure = RepositoryError(_FORBIDDEN)
        finally:
            # The session's end also gives back its lock.
            await asyncio.shield(connection.close())
            await engine.dispose()
    raise failure


def _cause(error: Exception) -> Exception:
    """The driver's error, of one that SQLAlchemy made of it."""
    cause: Exception | None = getattr(getattr(error, "orig", None), "__cause__", None)
    return cause or error


async def _done(
    connection: AsyncConnection, work: Callable[[sa.Connection], MigrationState]
) -> MigrationState:
    return await connection.run_sync(work)


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """One at a time in this process, whatever its database and event loop: where Alembic keeps what
    it is at is the module's, and so the process's."""
    while not _ALEMBIC.acquire(blocking=False):  # noqa: ASYNC110  # loops share no event
        await asyncio.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        _ALEMBIC.release()


async def _lock(connection: AsyncConnection, deadline: float) -> None:
    milliseconds = str(int(deadline * 1000))
    await connection.execute(
        sa.text("SELECT set_config('lock_timeout', :ms, false)"), {"ms": milliseconds}
    )
    await connection.execute(sa.text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    await connection.commit()
