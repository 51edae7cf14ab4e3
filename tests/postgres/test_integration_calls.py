"""Calls in PostgreSQL: one statement each, and what is found by an index."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.postgres import erasing
from adapters.postgres import integration_statements as sql
from adapters.postgres.autocommit import PoolExecutor
from adapters.postgres.statements import Statement
from domain.identity import TenantId
from domain.integrations import CallReport, Integration
from ports.criteria import coerce
from ports.integrations import CALL_SCHEMA
from ports.paging import Order
from ports.reading import Selection
from tests.postgres.opening import bare, new_tenant, see, store

_CALLS = 3_000


@pytest.mark.parametrize(
    ("report", "statements"),
    [
        (CallReport(success=False, latency_ms=1, status_code=500), [sql.RECORD_CALL]),
        (
            CallReport(success=False, latency_ms=1, error="down"),
            [sql.CREDENTIALS, sql.RECORD_CALL],
        ),
        (CallReport(success=True, latency_ms=1), [sql.RECORD_CALL, sql.RECORD_CHANGE]),
    ],
    ids=["as before", "in words", "changed"],
)
def test_a_call_is_recorded_by_one_statement(
    url: str, monkeypatch: pytest.MonkeyPatch, report: CallReport, statements: list[Statement]
) -> None:
    """Which commits by itself. Another reads the credentials, if there are words to be masked; and
    one that finds the health changed has done nothing, and leaves it to a second.
    """
    sent: list[str] = []
    run = PoolExecutor._run

    async def counted(self: PoolExecutor, method: str, arguments: Any, *more: Any) -> Any:
        sent.append(arguments[0])
        return await run(self, method, arguments, *more)

    async def scenario() -> None:
        async with store(url) as opened:
            integrations = opened.repositories(new_tenant()).integrations
            made = await integrations.create(Integration.draft(name="crm", type="webhook"))
            await integrations.record_call(made.id, CallReport(success=False, latency_ms=1))
            monkeypatch.setattr(PoolExecutor, "_run", counted)
            await integrations.record_call(made.id, report)

    asyncio.run(scenario())
    assert sent == [statement.sql for statement in statements]


@pytest.fixture(scope="module")
def filled(url: str) -> tuple[TenantId, Any]:
    """A tenant with a long log of one integration, among others."""
    mine = new_tenant()

    async def fill() -> Any:
        async with store(url) as opened, bare(url) as connection:
            ids = []
            for tenant in (mine, new_tenant()):
                await see(connection, tenant)
                for name in "ab":
                    integrations = opened.repositories(tenant).integrations
                    draft = Integration.draft(name=name, type="webhook")
                    made = await integrations.create(draft)
                    ids.append(made.id)
                    await connection.execute(
                        "INSERT INTO integration_calls (id, tenant_id, integration_id, sequence,"
                        " at, success, latency_ms, metadata) SELECT gen_random_uuid(), $1, $2, n,"
                        " '2026-01-01Z'::timestamptz + n * interval '1 minute', true, 1, '{}'"
                        " FROM generate_series(1, $3::int) AS n",
                        tenant,
                        made.id,
                        _CALLS,
                    )
            await connection.execute("VACUUM ANALYZE integrations, integration_calls")
        return ids[0]

    return mine, asyncio.run(fill())


def _nodes(tree: Any) -> Iterator[Any]:
    yield tree
    for part in tree.get("Plans", ()):
        yield from _nodes(part)


def _planned(url: str, text: str, arguments: list[Any]) -> list[Any]:
    async def asked() -> list[Any]:
        async with bare(url) as connection:
            rows = await connection.fetch("EXPLAIN (FORMAT JSON) " + text, *arguments)
            return list(_nodes(json.loads(rows[0][0])[0]["Plan"]))

    return asyncio.run(asked())


def _read_by(nodes: list[Any]) -> set[str]:
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"], nodes
    return {node["Index Name"] for node in nodes if "Index Name" in node}


@pytest.mark.parametrize("deep", [False, True], ids=["first page", "deep"])
def test_a_page_of_the_log_is_a_range_of_its_key(
    url: str, filled: tuple[TenantId, Any], deep: bool
) -> None:
    """However deep it is, it is read backwards from where it begins."""
    tenant, id = filled
    total = Order.of("-sequence", CALL_SCHEMA)
    criteria = coerce({"integration_id": str(id)}, CALL_SCHEMA)
    after = (_CALLS // 2, id) if deep else None
    selection = Selection(criteria=criteria, order=total, limit=51, after=after)
    operands: list[Any] = []
    statement = sql.CALLS.select(selection, sql.CALLS.columns, operands)
    values = {"tenant": tenant, "limit": 51, "p0": operands[0]}
    values |= {f"k{index}": value for index, value in enumerate(after or ())}
    nodes = _planned(url, statement.sql, statement.arguments(values))
    assert _read_by(nodes) == {"pk_integration_calls"}
    assert not [node for node in nodes if node["Node Type"] == "Sort"]
    (scan,) = [node for node in nodes if "Index Name" in node]
    assert scan["Scan Direction"] == "Backward"
    if deep:
        assert "sequence" in scan["Index Cond"]


def test_what_is_old_is_found_by_its_time(url: str, filled: tuple[TenantId, Any]) -> None:
    """And removed by its key."""
    tenant, _ = filled
    values = {"tenant": tenant, "limit": 100, "before": datetime(2026, 1, 1, 1, tzinfo=UTC)}
    nodes = _planned(url, sql.PURGE_CALLS.sql, sql.PURGE_CALLS.arguments(values))
    assert _read_by(nodes) <= {"ix_integration_calls_at", "pk_integration_calls"}


def test_what_calls_say_of_conversations_is_found_by_these(
    url: str, filled: tuple[TenantId, Any]
) -> None:
    """However many other calls there are: an erasure reads no log."""
    values = {"tenant": filled[0], "limit": 100, "conversations": ["talk 1", "talk 2"]}
    arguments = erasing.REDACT_CALLS.arguments(values)
    nodes = _planned(url, erasing.REDACT_CALLS.sql, arguments)
    (said,) = [node for node in nodes if node.get("Subplan Name") == "CTE said"]
    read = {node["Index Name"] for node in _nodes(said) if "Index Name" in node}
    assert read == {"ix_integration_calls_conversation"}, nodes
