"""Rows of a call to an integration that is recorded, against the bare statements that count and log
it: as one, and as two in a transaction.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from adapters.system import SystemClock, Uuid7Generator
from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import in_turns
from benchmarks.reading import One, getting
from benchmarks.scale import Scale
from domain.identity import tenant_id
from domain.integrations import CallReport, Integration

GOAL = 1.3
_ONE, _TWO, _AGAIN = "bare, one statement", "bare, a transaction of two", "bare again"
_TENANT = "callers"

_COUNT = (
    "UPDATE integrations SET health = 'healthy', consecutive_failures = 0, last_checked_at = $3, "
    "last_success_at = $3, call_count = call_count + 1, latency_total_ms = latency_total_ms + $4 "
    "WHERE tenant_id = $1 AND id = $2 RETURNING call_count"
)
_LOG = (
    "INSERT INTO integration_calls (tenant_id, integration_id, at, latency_ms, id, sequence, "
    "success, metadata) "
)
_AS_ONE = (
    f"WITH counted AS ({_COUNT}) {_LOG}"
    "SELECT $1, $2, $3, $4, $5, call_count, true, '{}' FROM counted RETURNING sequence"
)
_LOGGED = f"{_LOG}VALUES ($1, $2, $3, $4, $5, $6, true, '{{}}')"


async def rows(database: Database, scale: Scale) -> list[Figure]:
    """One caller, then many, each with an integration of his own at a time; the calls succeed, as
    most do, and the health stays what it is.
    """
    pool, ids = database.bare.pool, Uuid7Generator(SystemClock())
    integrations = database.store.repositories(tenant_id(_TENANT)).integrations
    report = CallReport(success=True, latency_ms=12)

    async def ours(id: UUID) -> None:
        await integrations.record_call(id, report)

    async def as_one(id: UUID) -> None:
        await pool.fetch(_AS_ONE, _TENANT, id, datetime.now(UTC), 12, ids.new_uuid())

    async def as_two(id: UUID) -> None:
        async with pool.acquire() as connection, connection.transaction():
            call = (_TENANT, id, datetime.now(UTC), 12)
            count = await connection.fetchval(_COUNT, *call)
            await connection.execute(_LOGGED, *call, ids.new_uuid(), count)

    ways: dict[str, One] = {"ours": ours, _ONE: as_one, _AGAIN: as_one, _TWO: as_two}
    own: dict[str, Sequence[UUID]] = {}
    for name in ways:
        made = await integrations.create_many(
            # As many as are called in a turn, so that nobody waits for another's row.
            Integration.draft(name=f"{name} {number}", type="webhook")
            for number in range(2 * scale.callers)
        )
        own[name] = [integration.id for integration in made]
        for id in own[name]:
            await ours(id)  # the first makes it healthy
    figures: list[Figure] = []
    for callers in (1, scale.callers):
        operations = scale.operations(20) if callers == 1 else 2 * callers
        contenders = [
            contender
            for name, way in ways.items()
            for contender in getting({name: way}, own[name], operations, callers)
        ]
        await database.settle()
        rounds = await in_turns(contenders, scale.rounds if callers == 1 else scale.few)
        title = "integration-calls: record" + ("" if callers == 1 else f", {callers} callers")
        figures += [
            Figure.of(rounds, name=title, of="ours", to=other, goal=GOAL, noise=(_AGAIN, _ONE))
            for other in (_ONE, _TWO)
        ]
    return figures
