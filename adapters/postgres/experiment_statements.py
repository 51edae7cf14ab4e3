"""The statements that only experiments need: assignments, outcomes and their sums."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.experiment_tables import (
    EXPERIMENT_ASSIGNMENTS,
    EXPERIMENT_OUTCOME_KEYS,
    EXPERIMENT_OUTCOMES,
    EXPERIMENTS,
)
from adapters.postgres.mapper import RowMapper
from adapters.postgres.relation import Relation
from adapters.postgres.statements import compiled, given
from adapters.postgres.tables import as_tenant
from domain.experiment_results import ExperimentAssignment
from ports.experiment_outcomes import ASSIGNMENT
from ports.experiments import EXPERIMENT_SCHEMA

RELATION = Relation(EXPERIMENT_SCHEMA, EXPERIMENTS)
ASSIGNMENT_MAPPER = RowMapper(ExperimentAssignment, ASSIGNMENT)

_E, _A = EXPERIMENTS, EXPERIMENT_ASSIGNMENTS
_O, _K = EXPERIMENT_OUTCOMES, EXPERIMENT_OUTCOME_KEYS
_ONE = sa.literal_column("1", sa.BigInteger())


def _given(column: sa.Column[Any], name: str | None = None) -> Any:
    """A parameter of a column's type."""
    return given(name or column.name, column.type)


def _units(table: sa.Table) -> sa.ColumnElement[bool]:
    """The row is the unit's, in the experiment that stands beside it."""
    return sa.and_(
        table.c.tenant_id == _E.c.tenant_id,
        table.c.experiment_id == _E.c.id,
        table.c.unit == sa.bindparam("unit", type_=TEXT),
    )


def _of_experiment(table: sa.Table) -> list[sa.ColumnElement[bool]]:
    """The rows are the experiment's; the parameters are `tenant` and `id`."""
    return [
        table.c.tenant_id == sa.bindparam("tenant", type_=TEXT),
        as_tenant(),
        table.c.experiment_id == sa.bindparam("id", type_=table.c.experiment_id.type),
    ]


ALLOTTED = compiled(
    sa.select(
        _A.c.variant,
        _A.c.assigned_at,
        _E.c.revision,
        _E.c.status,
        _E.c.salt,
        _E.c.traffic_share,
        _E.c.starts_at,
        _E.c.ends_at,
        # They may be long, and who has one needs no other.
        sa.case((_A.c.unit.is_(None), _E.c.variants)),
    )
    .select_from(_E.outerjoin(_A, _units(_A)))
    .where(RELATION.is_one())
)

_AT_REVISION = _E.c.revision == sa.bindparam("revision", type_=sa.BigInteger())
KEEP = compiled(
    postgresql.insert(_A)
    .from_select(
        ["tenant_id", "experiment_id", "unit", "variant", "assigned_at"],
        sa.select(
            _E.c.tenant_id,
            _E.c.id,
            _given(_A.c.unit),
            _given(_A.c.variant),
            _given(_A.c.assigned_at),
        ).where(RELATION.is_one(), _AT_REVISION),
    )
    .on_conflict_do_nothing(constraint=_A.primary_key)
    .returning(_ONE)
)
"""Nothing, if the unit has one by now or the experiment isn't what it was."""

_LIMIT = sa.bindparam("limit", type_=sa.BigInteger())
ASSIGNMENTS = compiled(
    sa.select(*(_A.c[name] for name in ASSIGNMENT_MAPPER.names))
    .where(*_of_experiment(_A), _A.c.unit > sa.bindparam("after", type_=TEXT))
    .order_by(_A.c.unit)
    .limit(_LIMIT)
)

_METRIC_IS_KNOWN = sa.bindparam("metric", type_=TEXT) == sa.any_(_E.c.metrics)
_ASSIGNED = (
    sa.select(
        _E.c.tenant_id,
        _E.c.id,
        _given(_O.c.metric).label("metric"),
        _given(_O.c.unit).label("unit"),
        _A.c.variant,
        _ONE.label("recorded"),
        _given(_K.c.value).label("total"),
    )
    .select_from(_E.join(_A, _units(_A)))
    .where(
        RELATION.is_one(),
        _METRIC_IS_KNOWN,
        _E.c.status.in_([sa.literal_column("'running'"), sa.literal_column("'paused'")]),
    )
)


def _counted(outcome: Any) -> Any:
    new = postgresql.insert(_O).from_select([column.name for column in _O.c], outcome)
    return new.on_conflict_do_update(
        constraint=_O.primary_key,
        set_={
            "recorded": _O.c.recorded + _ONE,
            "total": _O.c.total + new.excluded.total,
        },
    ).returning(_ONE.label("counted"))


RECORD = compiled(_counted(_ASSIGNED))
"""Nothing, if the outcome doesn't count: `STANDING` says why."""


def _recorded_once() -> Any:
    outcome = _ASSIGNED.cte("outcome")
    fresh = (
        postgresql.insert(_K)
        .from_select(
            ["tenant_id", "experiment_id", "key", "unit", "metric", "value"],
            sa.select(
                outcome.c.tenant_id,
                outcome.c.id,
                _given(_K.c.key),
                outcome.c.unit,
                outcome.c.metric,
                outcome.c.total,
            ),
        )
        .on_conflict_do_nothing(constraint=_K.primary_key)
        .returning(_K.c.key)
        .cte("fresh")
    )
    counted = _counted(sa.select(*outcome.c).select_from(outcome.join(fresh, sa.true())))
    return sa.select(counted.cte("counted").c.counted)


RECORD_ONCE = compiled(_recorded_once())
"""The same, if the key is a new one."""

STANDING = compiled(
    sa.select(
        _E.c.status,
        _METRIC_IS_KNOWN,
        _A.c.unit.is_not(None),
        _K.c.unit,
        _K.c.metric,
        _K.c.value,
    )
    .select_from(
        _E.outerjoin(_A, _units(_A)).outerjoin(
            _K,
            sa.and_(
                _K.c.tenant_id == _E.c.tenant_id,
                _K.c.experiment_id == _E.c.id,
                _K.c.key == sa.bindparam("key", type_=TEXT),
            ),
        )
    )
    .where(RELATION.is_one())
)


def _tally() -> Any:
    assigned = (
        sa.select(_A.c.variant, sa.func.count().label("units"))
        .where(*_of_experiment(_A))
        .group_by(_A.c.variant)
        .subquery("assigned")
    )
    metrics = sa.bindparam("metrics", type_=postgresql.ARRAY(TEXT))
    outcomes = (
        sa.select(
            _O.c.variant,
            _O.c.metric,
            sa.func.count().label("units"),
            sa.func.sum(_O.c.recorded).label("recorded"),
            sa.func.sum(_O.c.total).label("total"),
            sa.func.sum(_O.c.total * _O.c.total).label("squares"),
            sa.func.sum(_O.c.total * _O.c.recorded).label("products"),
            sa.func.sum(_O.c.recorded * _O.c.recorded).label("count_squares"),
        )
        .where(*_of_experiment(_O), _O.c.metric == sa.any_(metrics))
        .group_by(_O.c.variant, _O.c.metric)
        .subquery("outcomes")
    )
    figures = [column for column in outcomes.c if column.name != "variant"]
    return sa.select(assigned.c.variant, assigned.c.units, *figures).select_from(
        assigned.outerjoin(outcomes, assigned.c.variant == outcomes.c.variant)
    )


TALLY = compiled(_tally())
"""Each variant's units, and beside them the sums of each metric; numbers are added up exactly."""
