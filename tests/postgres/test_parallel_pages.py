"""A page is ranges read one after the other, also where PostgreSQL does all in parallel it can:
none of it, since each statement says whose it is by a function that forbids that."""

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from adapters.postgres.flow_statements import RELATION
from adapters.postgres.migrations import migrate
from domain.flows import Flow, FlowStatus
from domain.identity import TenantId
from ports.criteria import coerce
from ports.flows import FLOW_SCHEMA
from ports.paging import Order
from ports.reading import Selection
from tests.postgres.opening import bare, new_tenant, store

_EAGER = {
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "min_parallel_table_scan_size": "0",
    "min_parallel_index_scan_size": "0",
    "enable_indexscan": "off",
    "enable_bitmapscan": "off",
}
_START = datetime(2026, 1, 1, tzinfo=UTC)
_ORDERS = [
    ["-category", "name"],
    ["category", "-name"],
    ["last_used_at", "-category", "version"],
    ["-success_rate", "-last_used_at", "name"],
    ["status", "-category", "-usage_count", "success_rate"],
]


def _flows(tenant: TenantId) -> list[Flow]:
    """Every combination of values that repeat, nulls among them."""
    values = itertools.product((None, "x", "y"), (None, 0.0, 0.5), (None, 0, 1), "ab", range(9))
    return [
        Flow(
            id=UUID(int=index * 7919 % 10_007),
            tenant_id=tenant,
            name=name,
            version=f"{index}",
            status=(FlowStatus.DRAFT, FlowStatus.TESTING)[number % 2],
            category=category,
            success_rate=rate,
            last_used_at=None if day is None else _START + timedelta(days=day),
            usage_count=number % 3,
            created_at=_START,
            updated_at=_START,
        )
        for index, (category, rate, day, name, number) in enumerate(values)
    ]


@pytest.mark.parametrize("order", _ORDERS, ids=",".join)
def test_pages_keep_their_order_where_everything_is_read_in_parallel(
    empty: str, order: list[str]
) -> None:
    """One process reads range after range."""

    async def scenario() -> None:
        await migrate(empty)
        async with bare(empty) as connection:
            for name, value in _EAGER.items():
                database = urlsplit(empty).path[1:]
                await connection.execute(f"ALTER DATABASE {database} SET {name} = {value}")
        tenant = new_tenant()
        total_order = Order.of(order, FLOW_SCHEMA)
        async with store(empty) as opened, bare(empty, tenant) as connection:
            flows = opened.repositories(tenant).flows
            made = total_order.sorted(await flows.create_many(_flows(tenant)))
            await connection.execute("ANALYZE flows")
            for limit in (7, 400):
                read, after = [], None
                while True:
                    page = await flows.summaries(order=order, after=after, limit=limit)
                    read += [summary.id for summary in page.items]
                    if (after := page.next) is None:
                        break
                assert read == [flow.id for flow in made]

            place = total_order.position(made[0])
            selection = Selection(
                criteria=coerce(None, FLOW_SCHEMA), order=total_order, limit=400, after=place
            )
            statement = RELATION.select(selection, RELATION.columns, [])
            values: dict[str, Any] = {"tenant": tenant, "limit": 400}
            values |= {f"k{index}": value for index, value in enumerate(place)}
            plan = json.loads(
                await connection.fetchval(
                    f"EXPLAIN (FORMAT JSON) {statement.sql}", *statement.arguments(values)
                )
            )
        assert "Gather" not in json.dumps(plan)
        (append,) = plan[0]["Plan"]["Plans"]
        assert append["Node Type"] == "Append"

    asyncio.run(scenario())
