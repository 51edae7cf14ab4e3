"""PostgreSQL, looked at by connections of its own."""

from collections.abc import AsyncIterator

from adapters.postgres.inspection import Inspection, inspect
from adapters.postgres.pool import UNPREPARED, PoolOptions
from adapters.postgres.store import PostgresStore
from adapters.system import SystemClock, Uuid7Generator
from bootstrap.health.findings import WARNING, Check
from bootstrap.health.lags import erasures, outbox
from bootstrap.health.schemas import clock, migrations, schema
from bootstrap.keys import KEY_FILE
from bootstrap.settings import Settings

NAME = "postgres"


async def ready(url: str, settings: Settings, deadline: float) -> AsyncIterator[Check]:
    """Whether it can be used."""
    seen = await inspect(url, SystemClock().now(), deadline=deadline, compare=False)
    for check in _usable(seen):
        yield check


async def looked_at(url: str, settings: Settings, deadline: float) -> AsyncIterator[Check]:
    """Everything."""
    now = SystemClock().now()
    seen = await inspect(url, now, deadline=deadline)
    for check in _usable(seen):
        yield check
    for check in schema(
        NAME, seen, "columns, indexes, constraints, policies and rights as declared"
    ):
        yield check
    yield clock(NAME, seen.clock_skew)
    yield _keys(settings)
    if seen.migrations.pending or seen.read_only:
        return
    yield _row_security(seen)
    options = PoolOptions(deadline=deadline, max_size=2, statement_cache_size=UNPREPARED)
    ticking = SystemClock()
    store = await PostgresStore.open(
        url, clock=ticking, ids=Uuid7Generator(ticking), options=options
    )
    try:
        maintenance = store.maintenance()
        yield await outbox(NAME, maintenance.outbox, now)
        yield await erasures(NAME, now, maintenance)
    finally:
        await store.close()


def _usable(seen: Inspection) -> list[Check]:
    takes = "takes writes"
    if seen.read_only:
        takes = "takes no writes: default_transaction_read_only is on"
    if seen.standby:
        takes = "a standby, which takes no writes"
    return [
        Check(NAME, "answers", True, f"PostgreSQL {seen.server_version}"),
        migrations(NAME, seen.migrations),
        Check(NAME, "primary", not seen.read_only, takes),
        Check(NAME, "encoding", seen.encoding == "UTF8", seen.encoding),
    ]


def _keys(settings: Settings) -> Check:
    """By what credentials are encrypted. Without keys, they are refused: no integration has any."""
    if settings.encryption_keys is not None:
        ids = list(settings.encryption_keys.reveal())
        found = f"{settings.encryption_key or ids[0]} encrypts; there are {', '.join(ids)}"
    elif settings.profile == "embedded":
        found = f"in {settings.data / KEY_FILE}"
        if not (settings.data / KEY_FILE).exists():
            found += ", made when it is needed"
    else:
        found = "none: credentials are refused; dialogbase keys generate makes one"
    return Check(NAME, "encryption keys", True, found, WARNING)


def _row_security(seen: Inspection) -> Check:
    """Whether row-level security stands between tenants for the role that the service connects by.
    What it is on each table is part of the schema."""
    standing = seen.standing
    role = f"the role {standing.role}"
    if standing.bypasses:
        why = "one with BYPASSRLS"
        if standing.superuser:
            why = "a superuser"
        elif standing.defines:
            why = "a member of dialogbase_definer"
        found = (
            f"inert: {role} is {why}, whom it doesn't bind; let services connect by a login of "
            "their own: CREATE ROLE … LOGIN PASSWORD … IN ROLE dialogbase_app"
        )
        return Check(NAME, "row security", False, found, WARNING)
    found = f"binds {role} on {seen.protected} tables"
    if standing.owns:
        found += ", which it owns: it is bound as well, but could turn that off"
    return Check(NAME, "row security", True, found, WARNING)
