"""The statements of tombstones."""

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.statements import compiled, given
from adapters.postgres.tables import as_tenant, tenant_set
from adapters.postgres.tombstone_tables import AFTER, FROM, NUMBER, PAST, TOMBSTONES

_T = TOMBSTONES.c
_TIME = postgresql.TIMESTAMP(timezone=True)
_NOW = sa.bindparam("now", type_=_TIME)
_LIMIT = sa.bindparam("limit", type_=sa.BigInteger())
_HASHES = sa.bindparam("hashes", type_=postgresql.ARRAY(TEXT))
SHOWN: Final = ("tenant_id", "user_hash", "user_id", "at", "until", "erased", "finished_at")
_SHOWN = [_T[name] for name in SHOWN]


def _of_tenant() -> sa.ColumnElement[bool]:
    return sa.and_(as_tenant(), _T.tenant_id == sa.bindparam("tenant", type_=TEXT))


def _is_one() -> sa.ColumnElement[bool]:
    return sa.and_(_of_tenant(), _T.user_hash == sa.bindparam("hash", type_=TEXT))


def _stands() -> sa.ColumnElement[bool]:
    return _T.until > _NOW


def _function(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(sa.func, name)
    return found


def _bury() -> sa.ClauseElement:
    values = {
        "tenant_id": tenant_set(),
        "user_hash": sa.bindparam("hash", type_=TEXT),
        "user_id": sa.bindparam("user", type_=TEXT),
        "at": sa.bindparam("at", type_=_TIME),
        "until": sa.bindparam("until", type_=_TIME),
        "erased": given("erased", postgresql.JSONB()),
        "finished_at": sa.bindparam("finished_at", type_=_TIME),
        "number": _function(NUMBER)(type_=sa.BigInteger()),
    }
    adding = postgresql.insert(TOMBSTONES).values(**values)
    new = adding.excluded
    kept = ("user_id", "at", "erased", "finished_at")
    return adding.on_conflict_do_update(
        index_elements=[_T.tenant_id, _T.user_hash],
        set_={
            **{name: sa.case((_stands(), _T[name]), else_=new[name]) for name in kept},
            "until": sa.func.greatest(_T.until, new.until),
            "number": new.number,
        },
    ).returning(*_SHOWN)


def _summed() -> Any:
    """The counts of the receipt and the new ones together."""
    old = sa.func.jsonb_each_text(_T.erased).table_valued("key", "value", name="old")
    new = sa.func.jsonb_each_text(given("erased", postgresql.JSONB())).table_valued(
        "key", "value", name="new"
    )
    both = sa.union_all(
        sa.select(old.c.key, old.c.value).correlate(TOMBSTONES),
        sa.select(new.c.key, new.c.value),
    ).subquery("both")
    each = (
        sa.select(both.c.key, sa.func.sum(sa.cast(both.c.value, sa.BigInteger())).label("total"))
        .group_by(both.c.key)
        .subquery("each")
    )
    nothing = sa.literal_column("'{}'", postgresql.JSONB())
    return sa.select(
        sa.func.coalesce(sa.func.jsonb_object_agg(each.c.key, each.c.total), nothing)
    ).scalar_subquery()


def _note() -> sa.ClauseElement:
    finished = sa.func.coalesce(sa.bindparam("finished_at", type_=_TIME), _T.finished_at)
    return (
        sa.update(TOMBSTONES)
        .where(_is_one(), _stands())
        .values(
            erased=_summed(),
            finished_at=finished,
            user_id=sa.case((finished.is_(None), _T.user_id), else_=sa.null()),
        )
        .returning(*_SHOWN)
    )


def _listed(name: str, *arguments: Any) -> Any:
    called = _function(name)(*arguments).table_valued("tenant", "hash", name="t")
    return compiled(sa.select(called.c.tenant, called.c.hash).select_from(called))


_MOST = given("limit", sa.Integer())
_AFTER = _function(AFTER)(sa.bindparam("after", type_=sa.BigInteger()), _MOST).table_valued(
    "number", "tenant", "hash", name="t"
)

BURY: Final = compiled(_bury())
FIND: Final = compiled(sa.select(*_SHOWN).where(_is_one(), _stands()))
NOTE: Final = compiled(_note())
LIFT: Final = compiled(sa.delete(TOMBSTONES).where(_is_one()).returning(_T.until))
STAND: Final = compiled(
    sa.select(_T.user_hash).where(_of_tenant(), _T.user_hash == sa.any_(_HASHES), _stands())
)
THESE: Final = compiled(
    sa.select(*_SHOWN).where(_of_tenant(), _T.user_hash == sa.any_(_HASHES), _stands())
)
_SOME_USERS = (
    sa.select(_T.user_hash)
    .where(_of_tenant(), _T.user_hash > sa.literal_column("''", TEXT))
    .limit(_LIMIT)
)
FORGET_USERS: Final = compiled(
    sa.delete(TOMBSTONES).where(_of_tenant(), _T.user_hash.in_(_SOME_USERS))
)
REMOVE_PAST: Final = compiled(
    sa.delete(TOMBSTONES).where(_of_tenant(), _T.user_hash == sa.any_(_HASHES), _T.until <= _NOW)
)
OF_TENANT: Final = compiled(
    sa.select(*_SHOWN)
    .where(_of_tenant(), _T.user_hash > sa.bindparam("hash", type_=TEXT), _stands())
    .order_by(_T.user_hash)
    .limit(_LIMIT)
)
NEWS: Final = compiled(
    sa.select(_AFTER.c.number, _AFTER.c.tenant, _AFTER.c.hash).select_from(_AFTER)
)
KEYS: Final = _listed(
    FROM,
    sa.bindparam("tenant", type_=TEXT),
    sa.bindparam("hash", type_=TEXT),
    _MOST,
    given("unfinished", sa.Boolean()),
)
PAST_KEYS: Final = _listed(PAST, _NOW, _MOST)
