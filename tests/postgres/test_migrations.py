"""The database's form, made by migrations, is the one that the tables declare."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from adapters.postgres import migrations
from adapters.postgres.database import METADATA
from adapters.postgres.inspection import Difference, inspect
from adapters.postgres.migrations import VERSION_TABLE, comparable, migrate, state
from domain.flows import Flow
from ports.errors import RepositoryError, StoreUnavailableError
from tests.postgres.opening import bare, new_tenant, store

_MIGRATE = """
import asyncio, sys
from adapters.postgres.migrations import migrate
sys.stdin.readline()
print(len(asyncio.run(migrate(sys.argv[1])).pending))
"""


def test_processes_that_migrate_at_once_take_turns(empty: str) -> None:
    """One finds everything to be done, the others nothing."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _MIGRATE, empty],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    found = sorted(int(racer.communicate()[0]) for racer in racers)
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert found[:2] == [0, 0]
    assert found[2] > 0
    assert asyncio.run(state(empty)).pending == ()


def test_alembic_finds_nothing_to_migrate(url: str) -> None:
    """Columns, keys and indexes are those of the metadata."""

    async def scenario() -> list[object]:
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=lambda: asyncpg.connect(url),
            poolclass=NullPool,
        )
        async with engine.connect() as connection:
            return await connection.run_sync(_compared)

    assert asyncio.run(scenario()) == []


def _compared(connection: sa.Connection) -> list[object]:
    options = {"version_table": VERSION_TABLE, "include_object": comparable}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


def test_the_server_words_what_is_and_what_should_be_alike(url: str) -> None:
    """Index expressions, checks and collations included, which Alembic doesn't compare."""
    found = asyncio.run(inspect(url, datetime.now(UTC)))
    assert found.differences == ()
    assert found.encoding == "UTF8"
    assert found.sound


def test_what_is_missing_changed_or_extra_is_named(empty: str) -> None:
    """An index, a check, a column; and looking changes nothing."""

    async def scenario() -> tuple[Difference, ...]:
        await migrate(empty)
        async with bare(empty) as connection:
            await connection.execute("DROP INDEX ix_flows_search")
            await connection.execute("DROP INDEX ix_flows_created_at")
            await connection.execute("CREATE INDEX ix_flows_created_at ON flows (created_at)")
            await connection.execute("CREATE INDEX ix_mine ON flows (updated_at)")
            await connection.execute("ALTER TABLE flows DROP CONSTRAINT ck_flows_status")
            await connection.execute("ALTER TABLE flows ADD COLUMN mine text")
        first = await inspect(empty, datetime.now(UTC))
        assert not first.sound
        second = await inspect(empty, datetime.now(UTC))
        assert second.differences == first.differences
        return first.differences

    found = {difference.name: difference for difference in asyncio.run(scenario())}
    assert found["index ix_flows_search"].actual is None
    assert found["index ix_mine"].expected is None
    assert found["constraint ck_flows_status"].actual is None
    assert found["column flows.mine"].expected is None
    changed = found["index ix_flows_created_at"]
    assert changed.expected is not None
    assert changed.actual is not None
    assert "tenant_id" in changed.expected
    assert "tenant_id" not in changed.actual
    assert len(found) == 5


def test_a_database_that_was_never_migrated_is_told_apart(empty: str) -> None:
    """By `state`, by the inspection, and by whoever uses it."""

    async def scenario() -> None:
        found = await inspect(empty, datetime.now(UTC))
        assert found.migrations.current is None
        assert found.migrations.pending
        assert not found.sound
        async with store(empty) as opened:
            with pytest.raises(RepositoryError, match="migrate"):
                await opened.repositories(new_tenant()).flows.count()

    asyncio.run(scenario())


def test_a_database_goes_back_to_an_earlier_form_and_on_again_with_its_data(empty: str) -> None:
    """What both forms have is still there, the trail holds, and nothing is left that differs."""
    tenant = new_tenant()

    async def written() -> int:
        async with store(empty) as opened:
            of = opened.repositories(tenant)
            await of.flows.create(Flow.draft(name=f"flow {await of.flows.count()}"))
            verified = await of.audit.verify()
            assert verified.sound
            return verified.entries

    asyncio.run(migrate(empty))
    assert asyncio.run(written()) == 1
    ini = Path(migrations.__file__).with_name("alembic.ini")
    back = ["-m", "alembic", "-c", str(ini), "-x", f"url={empty}", "downgrade", "0006"]
    subprocess.run([sys.executable, *back], check=True, capture_output=True)
    assert asyncio.run(state(empty)).current == "0006"
    asyncio.run(migrate(empty))
    assert asyncio.run(written()) == 2
    assert asyncio.run(inspect(empty, datetime.now(UTC))).sound


def test_a_database_of_a_later_version_is_left_alone(empty: str) -> None:
    """And told so, in words of ours."""

    async def scenario() -> None:
        await migrate(empty)
        async with bare(empty) as connection:
            await connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
        with pytest.raises(RepositoryError, match="9999"):
            await migrate(empty)
        assert (await state(empty)).current == "9999"

    asyncio.run(scenario())


def test_migrating_a_database_that_is_not_there_is_unavailable(url: str) -> None:
    """And so is asking for its state."""
    for asked in (migrate, state):
        with pytest.raises(StoreUnavailableError):
            asyncio.run(asked(url + "_not_there"))
