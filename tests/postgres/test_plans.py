"""Every named query, and every page however deep, is read off an index."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
import sqlalchemy as sa

from adapters.postgres import flow_statements, maintenance
from adapters.postgres.database import ENTITIES
from adapters.postgres.flow_tables import FLOWS
from adapters.postgres.trail import told_of_all
from domain.flows import Flow, FlowStatus
from domain.identity import NOBODY, TenantId
from ports.criteria import Criteria, CriteriaLike, Where, coerce
from ports.flows import FLOW_SCHEMA
from ports.paging import Order
from ports.reading import Selection
from tests.postgres.opening import bare, new_tenant, store
from tests.servers import as_service

_FLOWS = 1_500
_START = datetime(2026, 1, 1, tzinfo=UTC)
WHERE: Where[Flow] = Where(FLOW_SCHEMA)
RELATION = flow_statements.RELATION


@attrs.frozen
class Plan:
    """What PostgreSQL would do: the kinds of its nodes, and the indexes that it would read."""

    nodes: tuple[str, ...]
    indexes: frozenset[str]

    @classmethod
    def of(cls, tree: Any) -> "Plan":
        nodes = list(_nodes(tree))
        indexes = frozenset(node["Index Name"] for node in nodes if "Index Name" in node)
        return cls(tuple(node["Node Type"] for node in nodes), indexes)

    @property
    def scans_or_sorts(self) -> bool:
        """Whether it reads more than what it returns."""
        return any("Seq Scan" in node or "Sort" in node for node in self.nodes)


def _nodes(tree: Any) -> Iterator[Any]:
    yield tree
    for part in tree.get("Plans", ()):
        yield from _nodes(part)


@pytest.fixture(scope="module")
def tenant(url: str) -> TenantId:
    """One of several, with many flows, of which half were never used."""
    mine = new_tenant()

    async def fill() -> None:
        async with store(url) as opened:
            for tenant in (mine, *(new_tenant() for _ in range(3))):
                flows = opened.repositories(tenant).flows
                made = await flows.create_many(
                    Flow.draft(name=f"flow {n}", description=f"number {n:05} of them", tags=["a"])
                    for n in range(_FLOWS)
                )
                await flows.delete_where(None)
                await flows.create_many(
                    attrs.evolve(
                        flow,
                        created_at=_START + timedelta(minutes=n),
                        last_used_at=None if n % 2 == 0 else _START + timedelta(seconds=n),
                        status=FlowStatus.TESTING if n % 3 else FlowStatus.DRAFT,
                    )
                    for n, flow in enumerate(made)
                )
        async with bare(url) as connection:
            await connection.execute("VACUUM ANALYZE flows")

    asyncio.run(fill())
    return mine


@asynccontextmanager
async def _planned(url: str) -> AsyncIterator[Any]:
    async with bare(as_service(url)) as connection:

        async def plan(sql: str, arguments: list[Any]) -> Plan:
            rows = await connection.fetch("EXPLAIN (FORMAT JSON) " + sql, *arguments)
            return Plan.of(json.loads(rows[0][0])[0]["Plan"])

        yield plan


def _planned_selection(
    url: str, tenant: TenantId, criteria: CriteriaLike, order: str, after: Any = None
) -> Plan:
    total = Order.of(order, FLOW_SCHEMA)
    selection = Selection(
        criteria=coerce(criteria, FLOW_SCHEMA), order=total, limit=51, after=after
    )
    operands: list[Any] = []
    statement = RELATION.select(selection, RELATION.columns, operands)
    values = {"tenant": tenant, "limit": 51}
    values |= {f"p{index}": value for index, value in enumerate(operands)}
    values |= {f"k{index}": value for index, value in enumerate(after or ())}

    async def asked() -> Plan:
        async with _planned(url) as plan:
            found: Plan = await plan(statement.sql, statement.arguments(values))
            return found

    return asyncio.run(asked())


_TESTING = WHERE("status").eq(FlowStatus.TESTING)


def test_a_flow_by_name_and_version_is_found_by_its_key(url: str, tenant: TenantId) -> None:
    """One entry of the unique index."""
    criteria = WHERE("name").eq("flow 7") & WHERE("version").eq("1.0")
    plan = _planned_selection(url, tenant, criteria, "id")
    assert plan.indexes == {"uq_flows_name_version"}


def test_the_default_flow_is_found_by_the_index_of_defaults(url: str, tenant: TenantId) -> None:
    """A partial index, which serves because the condition stands in the text."""
    plan = _planned_selection(url, tenant, WHERE("is_default").eq(True), "id")
    assert plan.indexes == {"uq_flows_is_default"}


@pytest.mark.parametrize("term", ["01234", "number 00777", "ﬂow 123 00123"])
def test_a_search_reads_the_search_index(url: str, tenant: TenantId, term: str) -> None:
    """For terms of three and more characters: a function reads it, and gives the keys of rows."""
    criteria = WHERE.search(term)
    plan = _planned_selection(url, tenant, criteria, "-created_at")
    assert plan.indexes == {"pk_flows"}
    assert not any("Seq Scan" in node for node in plan.nodes)

    async def asked(criteria: Criteria) -> int:
        operands: list[Any] = []
        count = RELATION.count(criteria, operands)
        values = {"tenant": tenant, **{f"p{n}": value for n, value in enumerate(operands)}}
        async with bare(as_service(url)) as connection, connection.transaction():
            await connection.fetchval(count.sql, *count.arguments(values))
            scans: int = await connection.fetchval(
                "SELECT pg_stat_get_xact_numscans('ix_flows_search'::regclass)"
            )
            return scans

    assert asyncio.run(asked(criteria)) > 0
    assert asyncio.run(asked(criteria | WHERE.search("number"))) > 0
    assert asyncio.run(asked(~criteria)) == 0


@pytest.mark.parametrize(
    ("criteria", "order", "index"),
    [
        (None, "id", "pk_flows"),
        (None, "-created_at", "ix_flows_created_at"),
        (None, "created_at", "ix_flows_created_at"),
        (_TESTING, "-last_used_at", "ix_flows_last_used_at"),
    ],
)
def test_a_page_costs_the_same_however_deep(
    url: str, tenant: TenantId, criteria: Criteria | None, order: str, index: str
) -> None:
    """The first and a later one are ranges of one index, in its order: nothing is sorted."""

    async def position() -> Any:
        async with store(url) as opened:
            page = await opened.repositories(tenant).flows.scan(criteria, order, limit=200)
            return Order.of(order, FLOW_SCHEMA).position(page.items[-1])

    for after in (None, asyncio.run(position())):
        plan = _planned_selection(url, tenant, criteria, order, after)
        assert plan.indexes == {index}, plan
        assert not plan.scans_or_sorts, plan


def test_the_nulls_at_the_end_of_an_order_are_a_range_too(url: str, tenant: TenantId) -> None:
    """A page among the flows that were never used."""

    async def position() -> Any:
        async with store(url) as opened:
            unused = WHERE("last_used_at").is_null() & _TESTING
            page = await opened.repositories(tenant).flows.scan(unused, "-last_used_at", limit=100)
            return Order.of("-last_used_at", FLOW_SCHEMA).position(page.items[-1])

    plan = _planned_selection(url, tenant, _TESTING, "-last_used_at", asyncio.run(position()))
    assert plan.indexes == {"ix_flows_last_used_at"}
    assert not plan.scans_or_sorts


def test_the_next_tenant_is_one_step_in_the_key(url: str, tenant: TenantId) -> None:
    """However many rows a tenant has; only a table of a few rows may be read as a whole."""

    async def asked(tables: Sequence[sa.Table], scans: str) -> list[Any]:
        async with bare(as_service(url)) as connection, connection.transaction():
            await connection.execute(f"SET LOCAL enable_seqscan = {scans}")
            await connection.fetchval(maintenance.NEXT_TENANT.sql, tenant)
            rows = await connection.fetch(
                "SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables"
                " WHERE relname = ANY($1)",
                [table.name for table in tables],
            )
            return [tuple(row) for row in rows]

    for tables, scans in (([FLOWS], "on"), (ENTITIES, "off")):
        for scanned, fetched in asyncio.run(asked(tables, scans)):
            assert scanned == 0
            assert fetched <= 1


@pytest.mark.parametrize("change", ["patch_where", "delete_where"])
def test_matches_of_a_tenant_that_nobody_counted_are_each_looked_up(
    url: str, tenant: TenantId, change: str
) -> None:
    """Statistics know nothing of a new tenant's rows: the time doesn't grow with their square."""
    operands: list[Any] = []
    criteria = coerce(None, FLOW_SCHEMA)
    if change == "patch_where":
        names = frozenset({"description", "description_folded"})
        statement = RELATION.patch_where(names, criteria, operands)
    else:
        statement = RELATION.delete_where(criteria, operands)
    values = {f"p{index}": value for index, value in enumerate(operands)}
    values |= {"tenant": new_tenant(), "now": _START, **told_of_all(NOBODY, _START)}
    values |= {"set_description": "x", "set_description_folded": "x"}

    async def explained() -> Any:
        async with bare(as_service(url)) as connection:
            sql = "EXPLAIN (FORMAT JSON) " + statement.sql
            rows = await connection.fetch(sql, *statement.arguments(values))
            return json.loads(rows[0][0])[0]["Plan"]

    nodes = list(_nodes(asyncio.run(explained())))
    assert not [node for node in nodes if "Join Filter" in node]
    found = [node["Index Cond"] for node in nodes if node.get("Index Name") == "pk_flows"]
    assert any("before.id" in condition or "matches.id" in condition for condition in found)
