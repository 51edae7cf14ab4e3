"""The way down: a statement of the service's own, which reads as the tenant and no further."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import pytest
import sqlalchemy as sa

from adapters.postgres.flow_tables import FLOWS
from adapters.postgres.store import PostgresStore
from domain.flows import Flow
from domain.identity import TenantId
from ports.errors import InvalidQueryError, RepositoryError
from tests.postgres.opening import bare, new_tenant, open_transactions, store


async def _filled(opened: PostgresStore, count: int = 3) -> TenantId:
    tenant = new_tenant()
    await opened.repositories(tenant).flows.create_many(
        Flow.draft(name=f"flow {n}", category="a" if n % 2 else "b") for n in range(count)
    )
    return tenant


async def _all(
    opened: PostgresStore, tenant: TenantId, statement: Any, **parameters: Any
) -> list[Mapping[str, Any]]:
    return [row async for row in opened.read(tenant, statement, parameters)]


def test_text_and_core_statements_take_parameters(url: str) -> None:
    """By name, lists included, whatever stands in them."""

    async def scenario() -> None:
        async with store(url) as opened:
            tenant = await _filled(opened)
            told = await _all(
                opened,
                tenant,
                "SELECT category, count(*)::int AS flows FROM flows WHERE name <> :not GROUP BY 1",
                **{"not": "'; DROP TABLE flows; --"},
            )
            assert sorted(told, key=str) == [
                {"category": "a", "flows": 1},
                {"category": "b", "flows": 2},
            ]
            named = sa.select(FLOWS.c.name).where(FLOWS.c.name.in_(["flow 0", "flow 2"]))
            assert await _all(opened, tenant, named.order_by(FLOWS.c.name)) == [
                {"name": "flow 0"},
                {"name": "flow 2"},
            ]
            one = sa.select(FLOWS.c.name).where(FLOWS.c.name == sa.bindparam("asked"))
            assert await _all(opened, tenant, one, asked="flow 1") == [{"name": "flow 1"}]

    asyncio.run(scenario())


def test_another_tenants_rows_are_not_there(url: str) -> None:
    """Though no statement names a tenant."""

    async def scenario() -> None:
        async with store(url, max_size=1) as opened:
            mine, theirs = await _filled(opened, 1), await _filled(opened, 2)
            for tenant, count in ((mine, 1), (theirs, 2), (new_tenant(), 0)):
                rows = await _all(opened, tenant, "SELECT tenant_id FROM flows")
                assert rows == [{"tenant_id": tenant}] * count

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM flows RETURNING id",
        "WITH gone AS (DELETE FROM flows RETURNING id) SELECT * FROM gone",
        "SELECT id FROM flows FOR UPDATE",
        "UPDATE flows SET name = 'x'",
        "TRUNCATE flows",
        "COMMIT",
        "SET dialogbase.tenant = 'other'",
        "SELECT 1; SELECT 2",
        "SELECT nothing FROM flows",
        "no SQL at all",
        "SELECT :missing",
        "",
    ],
)
def test_what_does_not_just_read_is_refused(url: str, statement: str) -> None:
    """With nothing changed, and no word of the driver's; the connection is as good as new."""

    async def scenario() -> None:
        async with store(url, max_size=1) as opened:
            tenant = await _filled(opened)
            with pytest.raises(InvalidQueryError) as told:
                await _all(opened, tenant, statement)
            assert told.value.__context__ is None
            assert await _all(opened, tenant, "SELECT count(*)::int AS n FROM flows") == [{"n": 3}]

    asyncio.run(scenario())


def test_a_parameter_of_another_type_is_refused(url: str) -> None:
    """Without its value in the message."""

    async def scenario() -> None:
        async with store(url) as opened:
            with pytest.raises(InvalidQueryError) as told:
                await _all(opened, new_tenant(), "SELECT 1 WHERE :n > 5", n="hunter2")
            assert "hunter2" not in str(told.value)

    asyncio.run(scenario())


def test_what_fails_while_it_runs_is_typed(url: str) -> None:
    """A division by zero, after some rows."""

    async def scenario() -> None:
        async with store(url) as opened:
            rows = opened.read(
                new_tenant(), "SELECT 1 / (500 - n) AS n FROM generate_series(1, 600) n"
            )
            with pytest.raises(RepositoryError) as told:
                async for _ in rows:
                    pass
            assert not isinstance(told.value, InvalidQueryError)

    asyncio.run(scenario())


def test_who_stops_before_the_end_keeps_no_transaction_open(url: str) -> None:
    """And leaves no setting and no lock of the session behind."""

    async def scenario() -> None:
        async with store(url, max_size=1) as opened, bare(url) as beside:
            tenant = await _filled(opened)
            endless = "SELECT generate_series(1, 1000000000) AS n, pg_advisory_lock(4711)::text"
            async with aclosing(opened.read(tenant, endless)) as rows:
                async for row in rows:
                    assert row["n"] == 1
                    break
            setting = "SELECT current_setting('dialogbase.tenant', true) AS tenant"
            assert await _all(opened, tenant, setting) == [{"tenant": tenant}]
            assert await beside.fetchval("SELECT pg_try_advisory_lock(4711)")
            assert await opened.repositories(tenant).flows.count() == 3
            assert await open_transactions(beside) == 0

    asyncio.run(scenario())


def test_a_pooler_that_shares_connections_by_transaction_will_do(url: str) -> None:
    """Nothing is kept prepared."""

    async def scenario() -> None:
        async with store(url, statement_cache_size=0) as opened:
            tenant = await _filled(opened)
            assert len(await _all(opened, tenant, "SELECT id FROM flows")) == 3

    asyncio.run(scenario())
