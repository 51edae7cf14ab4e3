"""What the database itself sees to when the oldest entries of a trail are removed."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.postgres import audit_statements, integration_statements
from adapters.postgres.maintenance import _OLD
from adapters.postgres.statements import Statement
from domain.flows import Flow
from domain.identity import TenantId
from domain.integrations import CallReport, Integration
from domain.retention import Swept
from ports.errors import CorruptRecordError
from tests.postgres.opening import bare, new_tenant, see, store
from tests.servers import as_service

FAR = datetime(9000, 1, 1, tzinfo=UTC)
OLD, YOUNG = datetime(1990, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
ROWS = 3_000
_ENTRIES = """
INSERT INTO audit_entries (
    tenant_id, id, at, action, entity_type, entity_id, revision, changes, sequence, digest
)
SELECT $1, gen_random_uuid(),
       CASE WHEN n <= 20 THEN $2::timestamptz ELSE $3 END + n * interval '1 second', 'created',
       'flow', gen_random_uuid(), 1, '{}', n, repeat('0', 64)
  FROM generate_series(1, $4::int) AS n
"""
_CALLS = """
INSERT INTO integration_calls (
    id, tenant_id, integration_id, sequence, at, success, latency_ms, metadata
)
SELECT gen_random_uuid(), $1, $5, n,
       CASE WHEN n <= 20 THEN $2::timestamptz ELSE $3 END + n * interval '1 second', true, 1, '{}'
  FROM generate_series(1, $4::int) AS n
"""
PURGE = "SELECT dialogbase_purge_audit($1, $2, $3, $4)"


async def _trail(url: str, tenant: TenantId, length: int) -> None:
    async with store(url) as opened:
        flows = opened.repositories(tenant).flows
        await flows.create_many(Flow.draft(name=f"{n}") for n in range(length))
        await opened.maintenance().seal_audit(tenant)


def test_a_trail_is_purged_by_the_function_alone(url: str) -> None:
    """From its beginning and without gaps, of what is old enough, of the tenant that is set, and
    with the anchor.
    """
    tenant = new_tenant()

    async def scenario() -> None:
        await _trail(url, tenant, 5)
        async with bare(as_service(url), tenant) as connection:
            assert await connection.fetchval(PURGE, tenant, 0, 1, FAR) == 1
            for anchored, through, before in (
                (0, 2, FAR),
                (2, 3, FAR),
                (1, 1, FAR),
                (1, 0, FAR),
                (1, 6, FAR),
                (1, 2, OLD),
            ):
                asked = (tenant, anchored, through, before)
                assert await connection.fetchval(PURGE, *asked) == 0, asked
            digest = await connection.fetchval("SELECT digest FROM audit_entries WHERE sequence=3")
            assert await connection.fetchval(PURGE, tenant, 1, 3, FAR) == 2
            anchor = await connection.fetchrow("SELECT sequence, digest FROM audit_anchors")
            assert tuple(anchor) == (3, digest)
            await see(connection, new_tenant())
            assert await connection.fetchval(PURGE, tenant, 3, 4, FAR) == 0

    asyncio.run(scenario())


def test_purges_take_turns(url: str) -> None:
    """Also those that went past our statements: the second finds that the first has been there."""
    tenant = new_tenant()

    async def scenario() -> None:
        await _trail(url, tenant, 5)
        service = as_service(url)
        async with bare(service, tenant) as one, bare(service, tenant) as other:
            transaction = one.transaction()
            await transaction.start()
            assert await one.fetchval(PURGE, tenant, 0, 2, FAR) == 2
            second = asyncio.create_task(other.fetchval(PURGE, tenant, 0, 2, FAR))
            await asyncio.sleep(0.05)
            assert not second.done()
            await transaction.commit()
            assert await second == 0
            assert await one.fetchval("SELECT count(*) FROM audit_entries") == 3

    asyncio.run(scenario())


def test_an_entry_that_can_not_be_read_is_left_where_it_is(url: str) -> None:
    """It may be what somebody altered: nothing from there on is removed."""
    tenant = new_tenant()

    async def scenario() -> None:
        await _trail(url, tenant, 3)
        async with bare(url, tenant) as connection, store(url) as opened:
            await connection.execute(
                "WITH gone AS (DELETE FROM audit_entries WHERE sequence = 1 RETURNING *)"
                " INSERT INTO audit_entries OVERRIDING SYSTEM VALUE SELECT position, tenant_id, id,"
                " at, actor, reason, action, entity_type, entity_id, revision, '[5]', sequence,"
                " digest FROM gone"
            )
            with pytest.raises(CorruptRecordError):
                await opened.maintenance()._purge_audit(FAR, tenant, 100)
            assert await connection.fetchval("SELECT count(*) FROM audit_entries") == 3

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def tenant(url: str) -> Iterator[TenantId]:
    """One with many entries and calls, few of which are old."""
    made = new_tenant()

    async def fill() -> None:
        async with store(url) as opened:
            integrations = opened.repositories(made).integrations
            crm = await integrations.create(Integration.draft(name="crm", type="webhook"))
            await integrations.record_call(crm.id, CallReport(success=True, latency_ms=1))
        async with bare(url, made) as connection:
            await connection.execute("DELETE FROM audit_entries")
            await connection.execute("DELETE FROM integration_calls")
            await connection.execute(_ENTRIES, made, OLD, YOUNG, ROWS)
            await connection.execute(_CALLS, made, OLD, YOUNG, ROWS, crm.id)
            await connection.execute("ANALYZE audit_entries; ANALYZE integration_calls")

    async def empty() -> None:
        async with bare(url, made) as connection:
            for table in ("audit_entries", "integration_calls"):
                await connection.execute(f"DELETE FROM {table}")

    asyncio.run(fill())
    yield made
    asyncio.run(empty())


def _nodes(tree: Any) -> Iterator[Any]:
    yield tree
    for part in tree.get("Plans", ()):
        yield from _nodes(part)


_VALUES = {"limit": 100, "bytes": 2**20, "before": datetime(2000, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    "statement",
    [
        audit_statements.OLDEST,
        audit_statements.OLD_ENTRIES,
        integration_statements.OLD_CALLS,
        integration_statements.PURGE_CALLS,
    ],
    ids=["OLDEST", "OLD_ENTRIES", "OLD_CALLS", "PURGE_CALLS"],
)
def test_nothing_young_is_read(url: str, tenant: TenantId, statement: Statement, mode: str) -> None:
    """But for a batch, and where what is old ends."""

    async def scenario() -> Any:
        async with bare(url, tenant) as connection:
            await connection.execute("BEGIN")  # and nothing of it is kept
            await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
            values = statement.arguments({**_VALUES, "tenant": tenant})
            found = await connection.fetchval(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", *values
            )
            return json.loads(found)[0]["Plan"]

    for node in _nodes(asyncio.run(scenario())):
        if "Scan" in node["Node Type"] and "Relation Name" in node:
            read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            assert read * node["Actual Loops"] <= 200, node


@pytest.mark.parametrize("kind", [Swept.AUDIT_ENTRIES, Swept.INTEGRATION_CALLS])
def test_who_has_what_is_old_is_found_in_two_steps_a_tenant(
    url: str, tenant: TenantId, kind: Swept
) -> None:
    """However many rows they have."""
    statement = _OLD[kind][0]

    async def scenario() -> tuple[Any, Any]:
        async with bare(as_service(url)) as connection, connection.transaction():
            await connection.execute("SET LOCAL enable_seqscan = off")
            rows = await connection.fetch(
                statement.sql,
                *statement.arguments({"after": tenant[:-1], "before": YOUNG, "most": 1}),
            )
            read = await connection.fetchrow(
                "SELECT sum(seq_tup_read) AS scanned, sum(idx_tup_fetch) AS fetched"
                " FROM pg_stat_xact_user_tables"
                " WHERE relname IN ('audit_entries', 'integration_calls')"
            )
            return rows, read

    rows, read = asyncio.run(scenario())
    assert [tuple(row) for row in rows] == [(tenant, True)]
    assert read["scanned"] == 0
    assert (read["fetched"] or 0) <= 4
