"""Rows of reading on: the last page of very many against the first, and streams of any length."""

import resource
import tracemalloc
from pathlib import Path
from uuid import UUID

from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import Contender, Rounds, in_turns
from benchmarks.scale import Scale
from benchmarks.stock import template
from domain.identity import tenant_id
from ports.criteria import coerce
from ports.flows import FlowRepository
from ports.paging import Order, encode_cursor

GOAL = 1.3
GOAL_STREAM = 1.2
PAGE = 50
_TENANT = "many"
_MINIMAL = '{"initial_state":"end","states":{"end":{"name":"end","type":"end","is_final":true}}}'
_MEBIBYTE = 1024 * 1024


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


async def pages(database: Database, scale: Scale) -> list[Figure]:
    """The last page, read by its cursor, against the first, in three orders."""
    figures: list[Figure] = []
    last = scale.many_rows // PAGE
    for title, order in (
        ("by id", None),
        ("newest first", "-created_at"),
        ("last used first, nulls last", "-last_used_at"),
    ):
        flows = database.flows(_TENANT)
        cursor = await _cursor_before(database, flows, order, (last - 1) * PAGE)
        found = await flows.scan(order=order, after=cursor, limit=PAGE)
        assert len(found.items) == PAGE
        first = await flows.scan(order=order, limit=PAGE)
        assert not {flow.id for flow in first.items} & {flow.id for flow in found.items}
        contenders = [
            _reading(flows, name, order, after, scale.operations(10))
            for name, after in (("last", cursor), ("first", None), ("again", None))
        ]
        rounds = await in_turns(contenders, scale.few)
        figures.append(_figure(rounds, f"page {last} of {scale.many_rows} rows, {title}"))
    return figures


def _figure(rounds: Rounds, name: str) -> Figure:
    return Figure.of(
        rounds,
        name=name,
        of="last",
        to="first",
        against="page 1",
        goal=GOAL,
        noise=("again", "first"),
    )


def _reading(
    flows: FlowRepository, name: str, order: str | None, after: str | None, times: int
) -> Contender:
    async def work(_: object) -> None:
        for _ in range(times):
            await flows.scan(order=order, after=after, limit=PAGE)

    return Contender(name=name, operations=times, work=work)


async def _cursor_before(
    database: Database, flows: FlowRepository, order: str | None, offset: int
) -> str:
    """The cursor after so many rows, without reading page after page up to there."""
    total = Order.of(order, flows.schema)
    keys = ", ".join(
        f"{key.field.name} {'DESC' if key.descending else 'ASC'} NULLS LAST" for key in total.keys
    )
    id: UUID = await database.bare.pool.fetchval(
        f"SELECT id FROM flows WHERE tenant_id = $1 ORDER BY {keys} OFFSET $2 LIMIT 1",
        _TENANT,
        offset - 1,
        timeout=600,
    )
    before = await flows.require(id)
    everything = coerce(None, flows.schema)
    return encode_cursor(tenant_id(_TENANT), everything, total, total.position(before))


async def streams(database: Database, scale: Scale) -> list[Figure]:
    """What memory is held at most while ten times as many flows stream by; and all there are."""
    few, many = scale.streamed
    flows = database.flows(_TENANT)
    async for _ in flows.stream():  # what is made once and kept is made now
        break
    peaks = [await _peak(flows, count) for count in (few, many)]
    before, most = await _resident_through(flows)
    return [
        Figure(
            name=f"stream {many} rows: peak of Python's memory",
            against=f"streaming {few}",
            ratio=peaks[1] / peaks[0],
            goal=GOAL_STREAM,
            unit="memory",
            ours=f"{peaks[1] / _MEBIBYTE:.2f} MiB",
            theirs=f"{peaks[0] / _MEBIBYTE:.2f} MiB",
        ),
        Figure(
            name=f"stream {scale.many_rows} rows: peak of the process's memory",
            against="before it",
            ratio=most / before,
            goal=GOAL_STREAM,
            unit="memory",
            ours=f"{most / _MEBIBYTE:.0f} MiB",
            theirs=f"{before / _MEBIBYTE:.0f} MiB",
        ),
    ]


async def _peak(flows: FlowRepository, count: int) -> int:
    seen = 0
    tracemalloc.start()
    try:
        async for _ in flows.stream():
            seen += 1
            if seen == count:
                break
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def _resident_through(flows: FlowRepository) -> tuple[int, int]:
    """The process's memory before all is streamed, and the most that it was meanwhile."""
    before = most = _resident()
    seen = 0
    async for _ in flows.stream():
        seen += 1
        if seen % 5_000 == 0:
            most = max(most, _resident())
    return before, most


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
