"""Rows of reading on: the last page of very many against the first, and streams of any length."""

from collections.abc import Mapping
from uuid import UUID

import attrs

from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, in_turns
from benchmarks.scale import Scale
from benchmarks.stock import template
from benchmarks.streaming import memory_of
from domain.flows import Flow
from domain.identity import tenant_id
from ports.criteria import coerce
from ports.flows import FlowRepository
from ports.paging import CursorPage, Order, encode_cursor

GOAL = 1.3
PAGE = 50
_TENANT = "many"
_MINIMAL = '{"initial_state":"end","states":{"end":{"name":"end","type":"end","is_final":true}}}'


async def fill(database: Database, rows: int) -> None:
    """So many flows of one tenant, made by the server of one row of ours, with a short definition.

    A third was never used (`last_used_at` is null). The search index plays no part in pages and
    is left out of this database, since it would take most of the time.
    """
    bare = database.bare
    (row,) = await template(database, 1)
    await bare.pool.execute("DROP INDEX IF EXISTS ix_flows_search")
    changes = {
        "tenant_id": f"'{_TENANT}'",
        "id": "gen_random_uuid()",
        "status": "'active'",
        "name": "'flow ' || lpad(n::text, 9, '0')",
        "name_folded": "'flow ' || lpad(n::text, 9, '0')",
        "definition": f"'{_MINIMAL}'::json",
        "created_at": "timestamptz '2024-01-01Z' + (n * 7919 % $2) * interval '1 second'",
        "last_used_at": "CASE WHEN n % 3 = 0 THEN NULL "
        "ELSE timestamptz '2025-01-01Z' + (n * 104729 % $2) * interval '1 second' END",
    }
    values = ", ".join(changes.get(name, name) for name in bare.columns)
    await bare.pool.execute(
        f"INSERT INTO flows ({bare.written}) SELECT {values} "
        "FROM flows, generate_series(1, $2::bigint) AS n WHERE tenant_id = $1 AND id = $3",
        row[bare.place["tenant_id"]],
        rows,
        row[bare.place["id"]],
        timeout=600,
    )
    await database.settle()


@attrs.frozen
class _Listing:
    """What is paged through, and how bare SQL says the same."""

    title: str
    order: str | None
    criteria: Mapping[str, object] | None
    sql_order: str


_LISTINGS = (
    _Listing("by id", None, None, "id"),
    _Listing("newest first", "-created_at", None, "created_at DESC, id DESC"),
    _Listing(
        "active, last used first",
        "-last_used_at",
        {"status": "active"},
        "last_used_at DESC NULLS LAST, id DESC",
    ),
)


async def pages(database: Database, scale: Scale) -> list[Figure]:
    """The last page, read by its cursor, against the first, in three orders."""
    figures: list[Figure] = []
    last = scale.many_rows // PAGE
    flows = database.flows(_TENANT)
    for listing in _LISTINGS:
        cursor = await _cursor(database, flows, listing, (last - 1) * PAGE)
        found = await _page(flows, listing, cursor)
        assert len(found.items) == PAGE
        contenders = [
            _reading(flows, listing, name, after, scale.operations(4))
            for name, after in (("last", cursor), ("first", None), ("again", None))
        ]
        rounds = await in_turns(contenders, scale.few)
        figures.append(
            Figure.of(
                rounds,
                name=f"page {last} of {scale.many_rows} rows, {listing.title}",
                of="last",
                to="first",
                against="page 1",
                goal=GOAL,
                noise=("again", "first"),
            )
        )
    return figures


async def _page(flows: FlowRepository, listing: _Listing, after: str | None) -> CursorPage[Flow]:
    return await flows.scan(listing.criteria, listing.order, after=after, limit=PAGE)


def _reading(
    flows: FlowRepository, listing: _Listing, name: str, after: str | None, times: int
) -> Contender:
    async def work(_: object) -> None:
        for _ in range(times):
            await _page(flows, listing, after)

    return Contender(name=name, operations=times, work=work)


async def _cursor(database: Database, flows: FlowRepository, listing: _Listing, offset: int) -> str:
    """The cursor after so many rows, without reading page after page up to there."""
    id: UUID = await database.bare.pool.fetchval(
        f"SELECT id FROM flows WHERE tenant_id = $1 ORDER BY {listing.sql_order} OFFSET $2 LIMIT 1",
        _TENANT,
        offset - 1,
        timeout=600,
    )
    order = Order.of(listing.order, flows.schema)
    position = order.position(await flows.require(id))
    criteria = coerce(listing.criteria, flows.schema)
    return encode_cursor(tenant_id(_TENANT), criteria, order, position)


async def streams(database: Database, scale: Scale) -> list[Figure]:
    """Flows, as `stream` gives them."""
    return await memory_of(database.flows(_TENANT).stream, "stream", scale)
