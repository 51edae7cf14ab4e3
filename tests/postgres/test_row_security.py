"""The second lock between tenants: what the server says to whoever goes round our statements.

As the role that services connect by, of which these tests know the password.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import attrs
import pytest
import sqlalchemy as sa

from adapters.postgres.audit_tables import AUDIT_ANCHORS, AUDIT_ENTRIES, AUDIT_HEADS
from adapters.postgres.row_security import functions, protected
from domain.erasure import Tombstone
from domain.experiments import Experiment, Variant
from domain.flows import ChangeType, Flow, MetricIncrements
from domain.identity import TenantId, UserId
from domain.integrations import CallReport, Integration
from tests.postgres.opening import bare, new_tenant, see, store
from tests.servers import as_service

TABLES = [table.name for table in protected()]
TRAIL = {AUDIT_ENTRIES.name, AUDIT_HEADS.name, AUDIT_ANCHORS.name}
_VARIANTS = [
    Variant(name="control", weight=5_000, is_control=True),
    Variant(name="other", weight=5_000),
]


@attrs.frozen
class Tenants:
    """Two that have rows in every table."""

    mine: TenantId
    theirs: TenantId


@pytest.fixture(scope="module")
def tenants(url: str) -> Iterator[Tenants]:
    """Made by ordinary means."""
    made = Tenants(new_tenant(), new_tenant())
    name = f"row security {made.mine}"

    async def fill() -> None:
        async with store(url) as opened:
            outbox = opened.maintenance().outbox
            await outbox.subscribe(name)
            for tenant in (made.mine, made.theirs):
                ports = opened.repositories(tenant)
                flow = await ports.flows.create(Flow.draft(name="told", description="searched"))
                await ports.flows.create_version(
                    flow.id, change_type=ChangeType.MAJOR, change_description="all of it"
                )
                await ports.flows.record_metrics(
                    flow.id, date(2026, 1, 1), MetricIncrements(executions=1), key="once"
                )
                draft = Experiment.draft(name="e", variants=_VARIANTS, metrics=["sold"])
                experiment = await ports.experiments.create(draft)
                await ports.experiments.start(experiment.id)
                await ports.experiments.assign(experiment.id, "ada")
                await ports.experiments.record_outcome(experiment.id, "ada", "sold", key="once")
                integration = await ports.integrations.create(
                    Integration.draft(name="i", type="webhook")
                )
                await ports.integrations.record_call(
                    integration.id, CallReport(success=True, latency_ms=1)
                )
                await opened.maintenance().seal_audit(tenant)
                await opened.maintenance()._purge_audit(datetime.max.replace(tzinfo=UTC), tenant, 1)
                await outbox.distribute(tenant, 100)
                await ports.flows.patch(flow.id, category="x")  # waits in the outbox
                now = datetime.now(UTC)
                await opened.maintenance().tombstones.bury(
                    Tombstone(
                        tenant_id=tenant, user_id=UserId("gone"), at=now, until=now + timedelta(1)
                    )
                )

    async def forget() -> None:
        async with store(url) as opened:
            await opened.maintenance().outbox.unsubscribe(name)

    asyncio.run(fill())
    yield made
    asyncio.run(forget())


@asynccontextmanager
async def service(url: str, tenant: TenantId | None = None) -> AsyncIterator[Any]:
    """A bare connection such as services have, with a tenant set or none."""
    async with bare(as_service(url), tenant) as connection:
        yield connection


def _run(url: str, tenant: TenantId | None, body: Callable[[Any], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with service(url, tenant) as connection:
            await body(connection)

    asyncio.run(scenario())


def test_every_table_with_a_tenants_rows_is_protected(url: str) -> None:
    """Also one that nobody declared."""

    async def body(connection: Any) -> None:
        rows = await connection.fetch(
            "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS locked"
            " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p')"
        )
        assert {row["relname"] for row in rows} == set(TABLES)
        assert all(row["locked"] for row in rows)

    _run(url, None, body)


@pytest.mark.parametrize("setting", [None, "", "nobody"])
def test_without_a_tenant_there_is_nothing(url: str, tenants: Tenants, setting: str | None) -> None:
    """None set, an empty one, as a transaction leaves it, and one that has no rows."""

    async def body(connection: Any) -> None:
        if setting is not None:
            await see(connection, TenantId(setting))
        for table in TABLES:
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table
            if table not in TRAIL:
                assert await connection.execute(f"DELETE FROM {table}") == "DELETE 0"
        assert await connection.fetchval("SELECT dialogbase_find_flows(ARRAY['searched'])") == []

    _run(url, None, body)


def test_with_a_tenant_there_are_its_rows_alone(url: str, tenants: Tenants) -> None:
    """In every table, though the statement doesn't ask for them."""

    async def body(connection: Any) -> None:
        for table in TABLES:
            rows = await connection.fetch(f"SELECT tenant_id FROM {table}")
            assert {row["tenant_id"] for row in rows} == {tenants.mine}, table

    _run(url, tenants.mine, body)


@pytest.mark.parametrize("table", TABLES)
def test_another_tenants_rows_can_not_be_changed(url: str, tenants: Tenants, table: str) -> None:
    """None is added, changed, given away, taken over, locked or deleted."""

    async def body(connection: Any) -> None:
        theirs = f"tenant_id = '{tenants.theirs}'"
        columns = [column.name for column in _table(table).c if column.name != "tenant_id"]
        listed = ", ".join(columns)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                f"INSERT INTO {table} (tenant_id, {listed}) OVERRIDING SYSTEM VALUE"
                f" SELECT '{tenants.theirs}', {listed} FROM {table} LIMIT 1"
            )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"UPDATE {table} SET {theirs}")
        changed = "sequence" if table in TRAIL else "tenant_id"
        update = f"UPDATE {table} SET {changed} = {changed} WHERE {theirs}"
        if table == AUDIT_ANCHORS.name:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(update)
        else:
            assert await connection.execute(update) == "UPDATE 0"
        if table in TRAIL:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"DELETE FROM {table}")
        else:
            assert await connection.execute(f"DELETE FROM {table} WHERE {theirs}") == "DELETE 0"
        lock = "" if table == AUDIT_ANCHORS.name else "FOR UPDATE"
        assert await connection.fetch(f"SELECT FROM {table} WHERE {theirs} {lock}") == []

    _run(url, tenants.mine, body)


def _table(name: str) -> sa.Table:
    (table,) = [table for table in protected() if table.name == name]
    return table


def test_what_is_sealed_stays_as_it_is(url: str, tenants: Tenants) -> None:
    """Entries of the trail can be sealed once, and not otherwise changed."""

    async def body(connection: Any) -> None:
        unsealed = await connection.fetchval(
            "SELECT count(*) FROM audit_entries WHERE sequence IS NULL"
        )
        assert unsealed > 0
        async with _undone(connection):
            told = await connection.execute("UPDATE audit_entries SET sequence = 1000 + position")
            assert told == f"UPDATE {unsealed}"
        for column in ("actor = 'eve'", "changes = '{}'", "reason = 'none'"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"UPDATE audit_entries SET {column}")

    _run(url, tenants.mine, body)


@asynccontextmanager
async def _undone(connection: Any) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    yield
    await transaction.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "SET ROLE dialogbase",
        "SET ROLE dialogbase_definer",
        "SET SESSION AUTHORIZATION dialogbase",
        "GRANT dialogbase_definer TO CURRENT_USER",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "ALTER TABLE flows DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE flows NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE flows OWNER TO CURRENT_USER",
        "CREATE POLICY mine ON flows USING (true)",
        "ALTER POLICY dialogbase_tenant ON flows USING (true)",
        "DROP POLICY dialogbase_tenant ON flows",
        "CREATE INDEX mine ON flows (name)",
        "CREATE RULE mine AS ON UPDATE TO flows DO INSTEAD NOTHING",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql RETURN 1",
        "CREATE TABLE public.mine (id int)",
        "ALTER FUNCTION dialogbase_next_tenant(text) RESET search_path",
        "DROP TABLE flows",
        "TRUNCATE flows",
        "TRUNCATE audit_entries",
        "COPY flows FROM STDIN",
        "DELETE FROM dialogbase_migrations",
        "SET dialogbase.tenant = 'x'; SET row_security = off; SELECT * FROM flows",
    ],
)
def test_services_can_not_turn_it_off(url: str, statement: str) -> None:
    """Nor become who could, nor take away what it keeps."""

    async def body(connection: Any) -> None:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)):
            await connection.execute(statement)

    _run(url, None, body)


def test_who_owns_the_tables_is_bound_as_well(url: str, tenants: Tenants) -> None:
    """As where a service connects by the login that migrates."""

    async def scenario() -> None:
        async with bare(url) as connection:
            for table in TABLES:
                assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0

    asyncio.run(scenario())


def test_what_reads_past_it_tells_names_and_what_is_ones_own(url: str, tenants: Tenants) -> None:
    """Of the set tenant; nothing of another is found or erased."""

    async def body(connection: Any) -> None:
        mine = await connection.fetch("SELECT id FROM flows")
        found = await connection.fetchval("SELECT dialogbase_find_flows(ARRAY['searched'])")
        assert found == [row["id"] for row in mine]
        after = await connection.fetchval("SELECT dialogbase_next_tenant($1)", tenants.theirs[:-1])
        assert after == tenants.theirs
        left = await connection.fetchval("SELECT dialogbase_erase_audit($1, 100)", tenants.theirs)
        assert left is False
        gone = await connection.fetchval(
            "SELECT dialogbase_purge_audit($1, 1, 2, 'infinity')", tenants.theirs
        )
        assert gone == 0
        await see(connection, tenants.theirs)
        assert await connection.fetchval("SELECT count(*) FROM audit_entries") > 0

    _run(url, tenants.mine, body)


def test_what_reads_past_it_finds_nothing_by_the_callers_path(url: str, tenants: Tenants) -> None:
    """A table, an operator and a function of the caller's own stay unused."""

    async def body(connection: Any) -> None:
        await connection.execute(
            "CREATE TEMP TABLE flows (id uuid, tenant_id text);"
            " INSERT INTO pg_temp.flows VALUES (gen_random_uuid(), 'a-hijacker');"
            " CREATE FUNCTION pg_temp.contained(text[], text[]) RETURNS boolean"
            " LANGUAGE sql RETURN true;"
            " CREATE OPERATOR pg_temp.@>"
            " (LEFTARG = text[], RIGHTARG = text[], FUNCTION = pg_temp.contained);"
            " SET search_path = pg_temp, public"
        )
        assert await connection.fetchval("SELECT count(*) FROM flows") == 1
        sought = "SELECT dialogbase_find_flows(ARRAY['nowhere to be found'])"
        assert await connection.fetchval(sought) == []
        assert await connection.fetchval("SELECT dialogbase_next_tenant('')") != "a-hijacker"
        for name in functions():
            config = await connection.fetchval(
                "SELECT proconfig FROM pg_proc WHERE oid = ($1::text)::regproc", f"public.{name}"
            )
            assert config == ["search_path=pg_catalog, pg_temp"]

    _run(url, tenants.mine, body)


def test_a_role_that_may_not_makes_no_roles(url: str) -> None:
    """Who migrates without the right to is told what to do."""
    from adapters.postgres.migrations import migrate
    from ports.errors import RepositoryError

    async def scenario() -> None:
        with pytest.raises(RepositoryError, match="may not do all that this takes"):
            await migrate(as_service(url).rpartition("/")[0] + "/postgres")

    asyncio.run(scenario())
