"""The statements that only integrations need: calls, credentials and their rotation."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from adapters.postgres.columns import TEXT
from adapters.postgres.integration_tables import INTEGRATION_CALLS, INTEGRATIONS
from adapters.postgres.outbox_tables import OUTBOX
from adapters.postgres.relation import Relation
from adapters.postgres.statements import compiled, given
from domain.audit import AuditAction
from domain.integrations import UNHEALTHY_AFTER, IntegrationHealth
from ports.integrations import CALL_SCHEMA, INTEGRATION_SCHEMA

RELATION = Relation(INTEGRATION_SCHEMA, INTEGRATIONS)
CALLS = Relation(CALL_SCHEMA, INTEGRATION_CALLS)
_I = INTEGRATIONS.c
_LAST_NUMBER = "9223372036854775807"
_UUID = postgresql.UUID(as_uuid=True)


def _number(text: str) -> Any:
    return sa.literal_column(text, sa.BigInteger())


def _text(text: str) -> Any:
    return sa.literal_column(f"'{text}'", TEXT)


_SUCCESS = given("success", sa.Boolean())
_LATENCY = given("latency_ms", sa.BigInteger())
_AT = given("at", _I.last_checked_at.type)
_ERROR = given("error", TEXT)
_ONE = _number("1")
_NONE = _number("0")

# As `domain.integrations.health_after` says.
_BECOMES = sa.case(
    (_SUCCESS, _text(IntegrationHealth.HEALTHY)),
    (
        sa.or_(
            _I.consecutive_failures >= _number(str(UNHEALTHY_AFTER - 1)),
            _I.health == _text(IntegrationHealth.UNHEALTHY),
        ),
        _text(IntegrationHealth.UNHEALTHY),
    ),
    else_=_text(IntegrationHealth.DEGRADED),
)


def _counted(*conditions: Any) -> Any:
    """The row, with one call more."""
    return (
        sa.update(INTEGRATIONS)
        .where(
            *conditions,
            # Beyond 64 bits nothing is counted: the caller is told why.
            _I.call_count < _number(_LAST_NUMBER),
            sa.or_(
                _SUCCESS,
                sa.and_(
                    _I.failure_count < _number(_LAST_NUMBER),
                    _I.consecutive_failures < _number(_LAST_NUMBER),
                ),
            ),
            _I.latency_total_ms <= _number(_LAST_NUMBER) - _LATENCY,
        )
        .values(
            {
                "health": _BECOMES,
                "consecutive_failures": sa.case(
                    (_SUCCESS, _NONE), else_=_I.consecutive_failures + _ONE
                ),
                "last_checked_at": sa.func.greatest(_I.last_checked_at, _AT),
                "last_success_at": sa.case(
                    (_SUCCESS, sa.func.greatest(_I.last_success_at, _AT)),
                    else_=_I.last_success_at,
                ),
                "last_error": sa.case((_SUCCESS, _I.last_error), else_=_ERROR),
                "call_count": _I.call_count + _ONE,
                "failure_count": _I.failure_count + sa.case((_SUCCESS, _NONE), else_=_ONE),
                "latency_total_ms": _I.latency_total_ms + _LATENCY,
            }
        )
        .returning(
            _I.tenant_id.label("tenant_id"),
            _I.id.label("id"),
            _I.revision.label("revision"),
            _I.call_count.label("call_count"),
            _I.health.label("health"),
            _I.consecutive_failures.label("consecutive_failures"),
        )
    )


def _logged(after: Any) -> Any:
    call = {
        "id": given("call_id", _UUID),
        "tenant_id": after.c.tenant_id,
        "integration_id": after.c.id,
        "sequence": after.c.call_count,
        "at": _AT,
        "success": _SUCCESS,
        "latency_ms": _LATENCY,
        "status_code": given("status_code", sa.BigInteger()),
        "error": _ERROR,
        "conversation_id": given("conversation_id", TEXT),
        "metadata": given("metadata", INTEGRATION_CALLS.c.metadata.type),
    }
    return sa.insert(INTEGRATION_CALLS).from_select(list(call), sa.select(*call.values()))


def _told(after: Any) -> Any:
    event = {
        "tenant_id": after.c.tenant_id,
        "id": given("event_id", _UUID),
        "at": given("now", OUTBOX.c.at.type),
        "actor": given("actor", TEXT),
        "action": _text(AuditAction.UPDATED),
        "entity_type": _text(INTEGRATION_SCHEMA.name),
        "entity_id": after.c.id,
        "revision": after.c.revision,
    }
    changed = sa.select(*event.values()).where(after.c.changed)
    return sa.insert(OUTBOX).from_select(list(event), changed)


_AFTER = _counted(RELATION.is_one(), _I.health == _BECOMES).cte("after")
RECORD_CALL = compiled(
    sa.select(
        _AFTER.c.call_count, _AFTER.c.health, _AFTER.c.consecutive_failures, sa.false()
    ).add_cte(_logged(_AFTER).cte("logged"))
)
"""A call that leaves the health as it is, as most do; of another one, nothing is done.

One step for whoever records at the same time: each waits for the row, and then counts on.
"""

# The row as it is once it is locked, so that a change of health is told once: what an UPDATE
# returns is only what it became.
_BEFORE = (
    sa.select(INTEGRATIONS.c.id, _I.health)
    .where(RELATION.is_one())
    .with_for_update(key_share=True)
    .cte("before")
)
_CHANGED = (
    _counted(RELATION.is_tenants(), _I.id == _BEFORE.c.id)
    .returning((_I.health != _BEFORE.c.health).label("changed"))
    .cte("after")
)
RECORD_CHANGE = compiled(
    sa.select(
        _CHANGED.c.call_count,
        _CHANGED.c.health,
        _CHANGED.c.consecutive_failures,
        _CHANGED.c.changed,
    ).add_cte(_logged(_CHANGED).cte("logged"), _told(_CHANGED).cte("told"))
)
"""Any call: where the health changes, the outbox has it. A third dearer than the other."""

COUNTS = compiled(
    sa.select(_I.call_count, _I.failure_count, _I.consecutive_failures, _I.latency_total_ms).where(
        RELATION.is_one()
    )
)
"""What a call that wasn't recorded must know to say why."""

CREDENTIALS = compiled(sa.select(_I.credentials).where(RELATION.is_one()))

_LIMIT = sa.bindparam("limit", type_=sa.BigInteger())
_LOG = INTEGRATION_CALLS.c
_KEY = (_LOG.integration_id, _LOG.sequence)
_IS_OLD = (CALLS.is_tenants(), _LOG.at < sa.bindparam("before", type_=_LOG.at.type))
_OLD = (
    sa.select(*_KEY)
    .where(*_IS_OLD)
    .order_by(_LOG.at)
    .limit(_LIMIT)
    .with_for_update(skip_locked=True)  # what another is just removing is theirs
    .cte("old")
)
OLD_CALLS = compiled(sa.select(sa.func.count()).select_from(INTEGRATION_CALLS).where(*_IS_OLD))
PURGE_CALLS = compiled(
    sa.delete(INTEGRATION_CALLS).where(CALLS.is_tenants(), sa.tuple_(*_KEY).in_(sa.select(*_OLD.c)))
)

_PREFIX = sa.bindparam("prefix", type_=TEXT)
STALE_CREDENTIALS = compiled(
    sa.select(_I.id, _I.credentials)
    .where(
        RELATION.is_tenants(),
        _I.credentials.is_not(None),
        sa.not_(sa.func.starts_with(_I.credentials, _PREFIX)),
        sa.func.coalesce(_I.id > sa.cast(sa.bindparam("after"), _UUID), sa.true()),
    )
    .order_by(_I.id)
    .limit(_LIMIT)
)
"""Those under another key than the active one, in a tenant's order of ids."""

_TEXTS = postgresql.ARRAY(TEXT)
_NEW = (
    sa.func.unnest(
        given("ids", postgresql.ARRAY(_UUID)), given("stood", _TEXTS), given("sealed", _TEXTS)
    )
    .table_valued(sa.column("id", _UUID), sa.column("stood", TEXT), sa.column("sealed", TEXT))
    .render_derived("anew")
)
SEAL_ANEW = compiled(
    sa.update(INTEGRATIONS)
    .values(credentials=_NEW.c.sealed)
    .where(RELATION.is_tenants(), _I.id == _NEW.c.id, _I.credentials == _NEW.c.stood)
)
"""Compare-and-set: what was changed meanwhile is sealed already, or goes its own way."""
