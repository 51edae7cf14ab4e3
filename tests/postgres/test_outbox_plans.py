"""What waits in the outbox is found by index, however much of it there is."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from adapters.postgres import outbox_statements as statements
from adapters.postgres.statements import Statement
from domain.identity import TenantId
from tests.postgres.opening import bare, new_tenant

ROWS = 3_000
DUE = datetime(2026, 1, 1, tzinfo=UTC)
CONSUMER = f"plans {uuid4()}"

_OUTBOX = """
INSERT INTO outbox (tenant_id, id, at, action, entity_type, entity_id, revision)
SELECT $1, gen_random_uuid(), $2, 'created', 'flow', gen_random_uuid(), 1
  FROM generate_series(1, $3)
"""
_DELIVERIES = """
INSERT INTO outbox_deliveries (
    tenant_id, consumer, position, id, at, action, entity_type, entity_id, revision, due_at
)
SELECT $1, $2, n, gen_random_uuid(), $3::timestamptz, 'created', 'flow', gen_random_uuid(), 1,
       CASE WHEN n % 2 = 0 THEN $3::timestamptz END
  FROM generate_series(1, $4) AS n
"""


@pytest.fixture(scope="module")
def tenant(url: str) -> Iterator[TenantId]:
    """One with much to be told, half of which was refused; beside another."""
    mine, other = new_tenant(), new_tenant()

    async def fill() -> None:
        async with bare(url) as connection:
            for one in (mine, other):
                await _as(connection, one)
                await connection.execute(_OUTBOX, one, DUE, ROWS)
                await connection.execute(_DELIVERIES, one, CONSUMER, DUE, ROWS)
            await connection.execute("ANALYZE outbox; ANALYZE outbox_deliveries")

    async def empty() -> None:
        async with bare(url) as connection:
            for one in (mine, other):
                await _as(connection, one)
                for table in ("outbox", "outbox_deliveries"):
                    await connection.execute(f"DELETE FROM {table} WHERE tenant_id = $1", one)

    asyncio.run(fill())
    yield mine
    asyncio.run(empty())


async def _as(connection: Any, tenant: TenantId) -> None:
    await connection.execute("SELECT set_config('dialogbase.tenant', $1, false)", tenant)


def _nodes(tree: Any) -> Iterator[Any]:
    yield tree
    for part in tree.get("Plans", ()):
        yield from _nodes(part)


async def explained(connection: Any, statement: Statement, tenant: TenantId) -> list[Any]:
    """The nodes of its plan, as it was executed; nothing of it is kept."""
    values = {
        "tenant": tenant,
        "consumer": CONSUMER,
        "limit": 20,
        "due_at": DUE + timedelta(days=1),
        "position": 1,
        "positions": [1, 2],
        "entity_type": "flow",
        "entity_id": uuid4(),
        "error": "Refusal",
    }
    transaction = connection.transaction()
    await transaction.start()
    try:
        found = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", *statement.arguments(values)
        )
    finally:
        await transaction.rollback()
    return list(_nodes(json.loads(found)[0]["Plan"]))


@pytest.mark.parametrize(
    "name", ["DISTRIBUTE", "TAKE_NEW", "TAKE_DUE", "TAKEN", "REFUSED", "FORGET"]
)
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_nothing_is_read_but_what_is_asked_for(
    url: str, tenant: TenantId, name: str, mode: str
) -> None:
    """With the values known, and without."""

    async def scenario() -> list[Any]:
        async with bare(url) as connection:
            await connection.execute(f"SET plan_cache_mode = {mode}")
            await _as(connection, tenant)
            return await explained(connection, getattr(statements, name), tenant)

    for node in asyncio.run(scenario()):
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        if str(node.get("Relation Name")).startswith("outbox") and "Scan" in node["Node Type"]:
            assert read * node["Actual Loops"] <= 100, node
