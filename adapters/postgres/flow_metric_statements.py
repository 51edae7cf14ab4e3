"""The statements that add to the daily figures of flows, once by a key or whenever they come."""

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import JSON, TEXT
from adapters.postgres.flow_tables import FLOW_DAILY_METRICS, FLOW_METRIC_KEYS
from adapters.postgres.mapper import RowMapper
from adapters.postgres.statements import compiled, given
from adapters.postgres.tables import as_tenant, tenant_set
from domain.flows import COUNTERS, MetricIncrements
from ports.flow_metrics import KeyedIncrements

FIGURES_MAPPER = RowMapper(MetricIncrements, "flow metrics")

_METRICS, _KEYS = FLOW_DAILY_METRICS, FLOW_METRIC_KEYS
_FIGURES = [_METRICS.c[name] for name in FIGURES_MAPPER.names]
_STAMPS = [
    _METRICS.c.metric_date,
    _METRICS.c.created_at,
    _METRICS.c.updated_at,
    _METRICS.c.revision,
]


def _literal(text: str, kind: Any = None) -> Any:
    return sa.literal_column(text, kind or sa.BigInteger())


def _parameter(column: sa.Column[Any]) -> Any:
    return sa.bindparam(column.name, type_=column.type)


def _largest(name: str) -> Any:
    # The sum of two that are within it neither overflows nor rounds.
    return _literal("1e15::float8" if name == "satisfaction_total" else "9007199254740992")


# Both figures of a name added; none at all where a sum, or their number, leaves its bounds.
_BOUNDED = "HAVING count(*) <= 100 AND coalesce(bool_and(abs(total) <= 1e15), true)"
_CUSTOM = (
    "(SELECT coalesce(json_object_agg(name, total), '{}') FROM ("
    "SELECT name, coalesce(one.value::float8, 0) + coalesce(other.value::float8, 0) AS total"
    " FROM json_each_text(flow_daily_metrics.custom_metrics) AS one(name, value)"
    " FULL JOIN json_each_text(excluded.custom_metrics) AS other(name, value) USING (name)"
    f") AS sums {_BOUNDED})"
)


def _added_up(new: Any, standing_revision: Any) -> dict[str, Any]:
    """What becomes of a day's figures when `new` ones are added."""
    return {
        **{name: _METRICS.c[name] + new[name] for name in COUNTERS},
        "custom_metrics": _literal(_CUSTOM, _METRICS.c.custom_metrics.type),
        "updated_at": new.updated_at,
        "revision": standing_revision,
    }


def _within_bounds(new: Any) -> sa.ColumnElement[bool]:
    return sa.and_(
        *(_METRICS.c[name] + new[name] <= _largest(name) for name in COUNTERS),
        _literal(_CUSTOM, sa.Text()).is_not(None),
    )


_NAMES = [column.name for column in _METRICS.c]
_ONE = _literal("1")
_INSERTED = (
    postgresql.insert(_METRICS)
    .values(
        {
            **{name: _parameter(_METRICS.c[name]) for name in _NAMES},
            "tenant_id": tenant_set("tenant_id"),
        }
    )
    # Inline: else SQLAlchemy asks for the key that it thinks the server has made.
    .inline()
)
ADD_METRICS = compiled(
    _INSERTED.on_conflict_do_update(
        constraint=_METRICS.primary_key,
        set_=_added_up(_INSERTED.excluded, _METRICS.c.revision + _ONE),
        where=_within_bounds(_INSERTED.excluded),
    ).returning(*_FIGURES, *_STAMPS)
)
"""Nothing, if a sum leaves its bounds."""


def _added_once() -> Any:
    """In one statement, so that a key is there just if what came with it was added.

    Where a sum leaves its bounds, the revision becomes null, which no row may have: then nothing of
    the statement is kept.
    """
    document = (
        sa.func.json_to_recordset(given("given", JSON))
        .table_valued(
            sa.column("key", TEXT),
            sa.column("digest", TEXT),
            *(sa.column(name, _METRICS.c[name].type) for name in FIGURES_MAPPER.names),
            name="document",
        )
        .render_derived(with_types=True)
    )
    came = sa.select(document).cte("came")
    flow, date, now = (
        given(name, _KEYS.c[name].type) for name in ("flow_id", "metric_date", "created_at")
    )
    fresh = (
        postgresql.insert(_KEYS)
        .from_select(
            ["tenant_id", "flow_id", "key", "metric_date", "digest", "created_at"],
            # In order: of two that add the same, one waits for the other, and never both.
            sa.select(tenant_set(), flow, came.c.key, date, came.c.digest, now).order_by(
                came.c.key
            ),
        )
        .on_conflict_do_nothing(constraint=_KEYS.primary_key)
        .returning(_KEYS.c.key)
        .cte("fresh")
    )
    new = came.join(fresh, came.c.key == fresh.c.key)
    sums = {
        name: sa.cast(sa.func.sum(came.c[name]), _METRICS.c[name].type).label(name)
        for name in COUNTERS
    }
    each = (
        sa.func.json_each_text(came.c.custom_metrics)
        .table_valued(sa.column("name", TEXT), sa.column("value", TEXT), name="each")
        .render_derived()
        .lateral()
    )
    totals = (
        sa.select(
            each.c.name,
            sa.func.sum(sa.cast(each.c.value, postgresql.DOUBLE_PRECISION())).label("total"),
        )
        .select_from(new.join(each, sa.true()))
        .group_by(each.c.name)
        .subquery("totals")
    )
    custom = (
        sa.select(
            sa.func.coalesce(
                sa.func.json_object_agg(totals.c.name, totals.c.total),
                _literal("'{}'", JSON),
            )
        )
        .select_from(totals)
        .scalar_subquery()
    )
    bounded = sa.select(
        sa.and_(
            sa.func.count() <= _literal("100"),
            sa.func.coalesce(
                sa.func.bool_and(sa.func.abs(totals.c.total) <= _literal("1e15::float8")),
                sa.true(),
            ),
        )
    ).select_from(totals)
    total = (
        sa.select(*sums.values())
        .select_from(new)
        .having(sa.func.count() > _literal("0"))
        .subquery("total")
    )
    right = sa.and_(
        *(total.c[name] <= _largest(name) for name in COUNTERS), bounded.scalar_subquery()
    )
    inserted = postgresql.insert(_METRICS).from_select(
        [
            "tenant_id",
            "flow_id",
            "metric_date",
            *COUNTERS,
            "custom_metrics",
            "created_at",
            "updated_at",
            "revision",
        ],
        sa.select(
            tenant_set(),
            flow,
            date,
            *(total.c[name] for name in COUNTERS),
            custom,
            now,
            now,
            sa.case((right, _ONE)),
        ),
    )
    revision = sa.case((_within_bounds(inserted.excluded), _METRICS.c.revision + _ONE))
    added = (
        inserted.on_conflict_do_update(
            constraint=_METRICS.primary_key, set_=_added_up(inserted.excluded, revision)
        )
        .returning(*_FIGURES, *_STAMPS)
        .cte("added")
    )
    keys = sa.select(sa.func.array_agg(fresh.c.key)).scalar_subquery()
    return sa.select(keys, *added.c)


ADD_ONCE = compiled(_added_once())
"""The keys that are new, and the figures; nothing, if none is."""


def document(increments: Sequence[KeyedIncrements]) -> str:
    """What the statement is given them as."""
    rows = [
        {"key": each.key, "digest": each.digest, **vars(each.increments)} for each in increments
    ]
    return orjson.dumps(rows).decode()


_OWN = [
    *(_KEYS.c[name] == _parameter(_KEYS.c[name]) for name in ("tenant_id", "flow_id")),
    as_tenant("tenant_id"),
]
KNOWN_KEYS = compiled(
    sa.select(_KEYS.c.key, _KEYS.c.metric_date, _KEYS.c.digest).where(
        *_OWN, _KEYS.c.key == sa.any_(sa.bindparam("keys", type_=postgresql.ARRAY(TEXT)))
    )
)

_TENANTS = sa.and_(_KEYS.c.tenant_id == sa.bindparam("tenant", type_=TEXT), as_tenant())
_OLD = (
    sa.select(_KEYS.c.flow_id, _KEYS.c.key)
    .where(_TENANTS, _KEYS.c.created_at < sa.bindparam("before", type_=_KEYS.c.created_at.type))
    .order_by(_KEYS.c.created_at)
    .limit(sa.bindparam("limit", type_=sa.BigInteger()))
)
PURGE_KEYS = compiled(
    sa.delete(_KEYS).where(_TENANTS, sa.tuple_(_KEYS.c.flow_id, _KEYS.c.key).in_(_OLD))
)

METRICS = compiled(
    sa.select(*_FIGURES, *_STAMPS)
    .where(
        *(_METRICS.c[name] == _parameter(_METRICS.c[name]) for name in ("tenant_id", "flow_id")),
        as_tenant("tenant_id"),
        _METRICS.c.metric_date.between(
            sa.bindparam("start", type_=sa.Date()), sa.bindparam("end", type_=sa.Date())
        ),
    )
    .order_by(_METRICS.c.metric_date)
)
