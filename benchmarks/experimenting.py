"""Rows of experiments, against bare statements on the same tables: a unit's variant is looked up,
or drawn by the caller and kept; an outcome is added to the unit's.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from benchmarks.database import Database
from benchmarks.figures import Figure
from benchmarks.measuring import One, in_turns, shared_out
from benchmarks.reading import BARE, NOISE
from benchmarks.scale import Scale
from benchmarks.trial import METRIC, new_units, started
from domain.identity import tenant_id
from ports.experiments import ExperimentRepository

GOAL = 1.3
_TENANT = tenant_id("experimenters")

_KNOWN = (
    "SELECT variant, assigned_at FROM experiment_assignments "
    "WHERE tenant_id = $1 AND experiment_id = $2 AND unit = $3"
)
_TERMS = (
    "SELECT a.variant, e.status, e.salt, e.traffic_share, e.variants FROM experiments AS e "
    "LEFT JOIN experiment_assignments AS a "
    "ON a.tenant_id = e.tenant_id AND a.experiment_id = e.id AND a.unit = $3 "
    "WHERE e.tenant_id = $1 AND e.id = $2"
)
_KEEP = (
    "INSERT INTO experiment_assignments (tenant_id, experiment_id, unit, variant, assigned_at) "
    "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING 1"
)
_RECORD = (
    "INSERT INTO experiment_outcomes AS o "
    "(tenant_id, experiment_id, metric, unit, variant, recorded, total) "
    "SELECT a.tenant_id, a.experiment_id, $4, a.unit, a.variant, 1, $5 "
    "FROM experiment_assignments AS a "
    "WHERE a.tenant_id = $1 AND a.experiment_id = $2 AND a.unit = $3 "
    "ON CONFLICT (tenant_id, experiment_id, metric, unit) DO UPDATE "
    "SET recorded = o.recorded + 1, total = o.total + excluded.total RETURNING 1"
)


async def rows(database: Database, scale: Scale) -> list[Figure]:
    """A unit that is known, one that is new, an outcome; one caller, then many, each with a unit of
    his own at a time.
    """
    experiments = database.store.repositories(_TENANT).experiments
    figures: list[Figure] = []
    for callers in (1, scale.callers):
        for title, build in _WORKS.items():
            id = await started(experiments, f"{title}, {callers} callers")
            known = new_units(2 * scale.callers)
            for unit in known:
                await experiments.assign(id, unit)
            ours, bare, is_new = build(experiments, database.bare.pool, id)
            await database.settle()
            figures.append(
                await _measured(scale, title, callers, ours, bare, None if is_new else known)
            )
    return figures


async def _measured(
    scale: Scale, title: str, callers: int, ours: One, bare: One, known: Sequence[str] | None
) -> Figure:
    operations = scale.operations(20) if callers == 1 else 2 * callers

    def prepare() -> Sequence[str]:
        return new_units(operations) if known is None else known[:operations]

    contenders = [
        shared_out(name, way, prepare=prepare, operations=operations, callers=callers)
        for name, way in {"ours": ours, BARE: bare, NOISE[0]: bare}.items()
    ]
    rounds = await in_turns(contenders, scale.rounds if callers == 1 else scale.few)
    name = f"experiments: {title}" + ("" if callers == 1 else f", {callers} callers")
    return Figure.of(rounds, name=name, of="ours", to=BARE, goal=GOAL, noise=NOISE)


_Built = tuple[One, One, bool]
"""Ours, the bare driver's, and whether it is for new units."""


def _assign_known(experiments: ExperimentRepository, pool: Any, id: UUID) -> _Built:
    async def ours(unit: str) -> Any:
        return await experiments.assign(id, unit)

    async def bare(unit: str) -> Any:
        return await pool.fetchrow(_KNOWN, _TENANT, id, unit)

    return ours, bare, False


def _assign_new(experiments: ExperimentRepository, pool: Any, id: UUID) -> _Built:
    async def ours(unit: str) -> Any:
        return await experiments.assign(id, unit)

    async def bare(unit: str) -> Any:
        await pool.fetchrow(_TERMS, _TENANT, id, unit)
        return await pool.fetchval(_KEEP, _TENANT, id, unit, "control", datetime.now(UTC))

    return ours, bare, True


def _record(experiments: ExperimentRepository, pool: Any, id: UUID) -> _Built:
    async def ours(unit: str) -> Any:
        return await experiments.record_outcome(id, unit, METRIC, 9.5)

    async def bare(unit: str) -> Any:
        return await pool.fetchval(_RECORD, _TENANT, id, unit, METRIC, Decimal("9.5"))

    return ours, bare, False


_WORKS: Mapping[str, Callable[[ExperimentRepository, Any, UUID], _Built]] = {
    "assign a known unit": _assign_known,
    "assign a new unit": _assign_new,
    "record an outcome": _record,
}
