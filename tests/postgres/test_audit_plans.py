"""What waits to be sealed is read a batch at a time, however much of it there is."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.postgres import audit_statements as statements
from domain.identity import TenantId
from tests.postgres.opening import bare, new_tenant
from tests.servers import as_service

ROWS = 3_000
BATCH = 100
_ENTRIES = """
INSERT INTO audit_entries (
    tenant_id, id, at, action, entity_type, entity_id, revision, changes, sequence, digest
)
SELECT $1, gen_random_uuid(), now(), 'created', 'flow', gen_random_uuid(), 1, '{}',
       CASE WHEN n <= $2 THEN n END, CASE WHEN n <= $2 THEN repeat('0', 64) END
  FROM generate_series(1, 2 * $2::int) AS n
"""


@pytest.fixture(scope="module")
def tenant(url: str) -> Iterator[TenantId]:
    """One with many entries, half of which are sealed."""
    made = new_tenant()

    async def run(statement: str, *values: object) -> None:
        async with bare(url, made) as connection:
            await connection.execute(statement, *values)

    asyncio.run(run(_ENTRIES, made, ROWS))
    yield made
    asyncio.run(run("DELETE FROM audit_entries"))


def _nodes(tree: Any) -> Iterator[Any]:
    yield tree
    for part in tree.get("Plans", ()):
        yield from _nodes(part)


@pytest.mark.parametrize("joined", ["nestloop", "hashjoin"])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", ["AT_END", "UNSEALED", "SEAL"])
def test_nothing_beyond_the_batch_is_read(
    url: str, tenant: TenantId, name: str, mode: str, joined: str
) -> None:
    """With the values known and without, row by row or by a hash: which of them the server prefers
    depends on what it thinks that it knows of the table. (A merge would need all in order.)
    """
    statement = getattr(statements, name)

    async def scenario() -> Any:
        async with bare(as_service(url), tenant) as connection:
            transaction = connection.transaction()
            await transaction.start()
            first = await connection.fetch(
                "SELECT id, position FROM audit_entries"
                " WHERE tenant_id = $1 AND sequence IS NULL ORDER BY position LIMIT $2",
                *(tenant, BATCH),
            )
            values = {
                "tenant": tenant,
                "limit": BATCH,
                "bytes": 2**20,
                "sequence": ROWS,
                "ids": [row["id"] for row in first],
                "sequences": [ROWS + n for n in range(1, BATCH + 1)],
                "digests": ["1" * 64] * BATCH,
                "position": first[-1]["position"],
            }
            await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
            for other in {"nestloop", "hashjoin", "mergejoin"} - {joined}:
                await connection.execute(f"SET LOCAL enable_{other} = off")
            explained = await connection.fetchval(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.sql}", *statement.arguments(values)
            )
            await transaction.rollback()
            return json.loads(explained)[0]["Plan"]

    for node in _nodes(asyncio.run(scenario())):
        if "Scan" in node["Node Type"] and "Relation Name" in node:
            read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            assert max(read, node["Actual Loops"]) <= BATCH, node
