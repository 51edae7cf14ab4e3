"""What Alembic runs: on the connection of `migrate`, or, from its command line, on a URL given as
`-x url=postgresql://…`."""

import asyncio

import asyncpg
from alembic import context
from alembic.operations.ops import MigrationScript
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from adapters.postgres.database import METADATA
from adapters.postgres.migrations import VERSION_TABLE, comparable


def number(_: object, before: object, scripts: list[MigrationScript]) -> None:
    """A new revision is called by the number after the last one's."""
    for script in scripts:
        last = context.script.get_current_head()
        script.rev_id = f"{int(last or 0) + 1:04}"


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        version_table=VERSION_TABLE,
        include_object=comparable,
        process_revision_directives=number,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_on(url: str) -> None:
    async def connect() -> object:
        return await asyncpg.connect(url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url = context.get_x_argument(as_dictionary=True).get("url")
    if url is None:
        raise SystemExit("name a migrated database: alembic -c … -x url=postgresql://… …")
    asyncio.run(run_on(url))
