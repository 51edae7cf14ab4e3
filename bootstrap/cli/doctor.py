"""`dialogbase doctor`: whether the chosen stores are as they should be."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import attrs
from rich import box
from rich.table import Table
from rich.text import Text

from adapters.system import SystemClock, Uuid7Generator
from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.container import server_urls
from bootstrap.keys import KEY_FILE
from bootstrap.settings import Settings
from ports.errors import RepositoryError
from ports.outbox import Backlog

if TYPE_CHECKING:
    from adapters.postgres.inspection import Inspection as PostgresInspection
    from adapters.redis.inspection import Inspection as RedisInspection
    from adapters.redis.inspection import NodeSeen

MAX_CLOCK_SKEW_SECONDS: Final = 2.0
"""More than a round trip takes and clocks that are kept in time differ."""

LATE: Final = timedelta(minutes=5)
"""For how long nothing waits in an outbox whose dispatchers and consumers work."""


@attrs.frozen
class Check:
    """One thing that was looked at: what was found, and whether that is well."""

    store: str
    subject: str
    well: bool
    found: str


def doctor(*, common: Common = DEFAULTS) -> int:
    """Look at the chosen stores: do they answer, which version are they, are all migrations there
    and nothing else, do indexes and constraints stand as declared, are the clocks together; for
    PostgreSQL, does row-level security bind the role that services connect by, how much waits in
    the outbox and since when, and are there keys for credentials; and for Redis, is its cluster
    well, may it forget what hasn't expired, has every key its expiry.

    Changes nothing. The exit code is 1 if anything isn't well.
    """
    checks = options.run(_doctor(common))
    well = all(check.well for check in checks)
    if common.json:
        options.print_json({"well": well, "checks": [attrs.asdict(check) for check in checks]})
    else:
        _tell(checks)
    return options.OK if well else options.NOT_WELL


async def _doctor(common: Common) -> list[Check]:
    settings = common.settings()
    checks: list[Check] = []
    if "memory" in vars(settings.stores).values():
        checks.append(Check("memory", "answers", True, "in this process; nothing is kept"))
    if settings.servers_needed:
        async with server_urls(settings) as urls:
            if "postgres" in settings.servers_needed:
                checks += await _postgres(urls.postgres, settings)
            if "mongo" in settings.servers_needed:
                checks += await _mongo(urls.mongo, settings)
            if "redis" in settings.servers_needed:
                checks += await _redis(urls.valkey, settings.deadline_seconds)
    return checks


async def _postgres(url: str, settings: Settings) -> list[Check]:
    # Imported here, so that whoever has no PostgreSQL needs no driver.
    from adapters.postgres.inspection import inspect

    now, deadline = SystemClock().now(), settings.deadline_seconds
    try:
        seen = await inspect(url, now, deadline=deadline)
        backlog = None if seen.migrations.pending else await _backlog(url, deadline)
    except RepositoryError as error:
        return [Check("postgres", "answers", False, str(error))]
    encoding = Check("postgres", "encoding", seen.encoding == "UTF8", seen.encoding)
    told = "columns, indexes, constraints, policies and rights as declared"
    checks = [*_seen("postgres", f"PostgreSQL {seen.server_version}", seen, told), encoding]
    checks.append(_keys(settings))
    return checks if backlog is None else [*checks, _row_security(seen), _outbox(backlog, now)]


async def _backlog(url: str, deadline: float) -> Backlog:
    from adapters.postgres.pool import PoolOptions
    from adapters.postgres.store import PostgresStore

    clock = SystemClock()
    options = PoolOptions(deadline=deadline)
    store = await PostgresStore.open(url, clock=clock, ids=Uuid7Generator(clock), options=options)
    try:
        return await store.maintenance().outbox.backlog()
    finally:
        await store.close()


def _outbox(backlog: Backlog, now: datetime) -> Check:
    """Whether changes are told: nobody dispatches, or a consumer takes nothing, if they wait."""
    waits = [("a dispatcher", backlog.undistributed, backlog.oldest, "")]
    for one in backlog.consumers:
        refused = f", refused {one.attempts} times ({one.last_error})" if one.failing else ""
        waits.append((one.name, one.waiting, one.oldest, refused))
    told = [
        f"{count} for {whom}, since {oldest:%Y-%m-%d %H:%M:%S}Z{refused}"
        for whom, count, oldest, refused in waits
        if oldest is not None
    ]
    late = any(oldest is not None and now - oldest > LATE for _, _, oldest, _ in waits)
    found = "; ".join(told) or "nothing waits"
    return Check("postgres", "outbox", not late, f"{found}: who dispatches?" if late else found)


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
    return Check("postgres", "encryption keys", True, found)


def _row_security(seen: "PostgresInspection") -> Check:
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
        return Check("postgres", "row security", False, found)
    found = f"binds {role} on {seen.protected} tables"
    if standing.owns:
        found += ", which it owns: it is bound as well, but could turn that off"
    return Check("postgres", "row security", True, found)


async def _mongo(url: str, settings: Settings) -> list[Check]:
    # Imported here, so that whoever has no MongoDB needs no driver.
    from adapters.mongo.inspection import inspect
    from adapters.mongo.migrations import connected

    deadline, retention = settings.deadline_seconds, settings.analytics_retention
    try:
        seen = await inspect(url, SystemClock().now(), retention=retention, deadline=deadline)
        async with connected(url, deadline) as server:
            hello = await server.command({"hello": 1})
    except RepositoryError as error:
        return [Check("mongo", "answers", False, str(error))]
    told = "collections, indexes and validators as declared"
    checks = _seen("mongo", f"MongoDB {seen.server_version}", seen, told)
    name = "of a sharded cluster" if hello.get("msg") == "isdbgrid" else hello.get("setName")
    found = name or "none: it has no transactions then; start it with --replSet, and initiate it"
    return [*checks, Check("mongo", "replica set", name is not None, found)]


async def _redis(url: str, deadline: float) -> list[Check]:
    # Imported here, so that whoever has no Redis needs no driver.
    from adapters.redis.inspection import OLDEST, inspect

    try:
        seen = await inspect(url, SystemClock().now(), deadline=deadline)
    except RepositoryError as error:
        return [Check("redis", "answers", False, str(error))]
    nodes = seen.nodes
    servers = ", ".join(sorted({f"{node.product} {node.version}" for node in nodes}))
    old = any(node.redis_version < OLDEST for node in nodes)
    needs = f"; it must be {'.'.join(map(str, OLDEST))} or later" if old else ""
    if seen.cluster_state is None:
        alone, mode = True, "one server"
    else:
        alone, mode = seen.cluster_state == "ok", f"a cluster of {len(nodes)} primaries"
        mode += f", its state is {seen.cluster_state}"
    appending = sum(node.appends for node in nodes)
    kept = "an append-only file" if appending == len(nodes) else "snapshots at most"
    if 0 < appending < len(nodes):
        kept = f"an append-only file on {appending} of {len(nodes)} nodes"
    return [
        Check("redis", "answers", True, servers),
        Check("redis", "version", not old, f"has what Redis {_oldest(nodes)} has{needs}"),
        Check("redis", "mode", alone, mode),
        _clock("redis", seen.clock_skew),
        _eviction(nodes),
        Check("redis", "persistence", True, kept),
        _expiry(seen),
    ]


def _oldest(nodes: "Sequence[NodeSeen]") -> str:
    return ".".join(map(str, min(node.redis_version for node in nodes)))


def _eviction(nodes: "Sequence[NodeSeen]") -> Check:
    """Whether what hasn't expired may be gone. It was promised: who lost a lock that was evicted
    shares it with somebody else, and a limit that was evicted allows everything once more. A full
    server that evicts nothing refuses to write instead, and that is told.
    """
    if evicting := {node.eviction for node in nodes if node.evicts}:
        found = (
            f"{', '.join(sorted(evicting))}: when memory is full, sessions, locks and limits are "
            "lost without a word; set maxmemory-policy to noeviction"
        )
        return Check("redis", "eviction", False, found)
    unlimited = any(node.memory_limit == 0 for node in nodes)
    found = "none: memory has no limit" if unlimited else "none: a full server refuses to write"
    return Check("redis", "eviction", True, found)


def _expiry(seen: "RedisInspection") -> Check:
    if seen.without_expiry:
        kinds = ", ".join(f"{n} of {kind!r}" for kind, n in sorted(seen.without_expiry.items()))
        found = f"{kinds} have none ({seen.sampled} looked at)"
        return Check("redis", "expiry", False, found)
    return Check("redis", "expiry", True, f"every key has one ({seen.sampled} looked at)")


class _Migrations(Protocol):
    @property
    def current(self) -> str | None: ...
    @property
    def pending(self) -> tuple[str, ...]: ...


class _Difference(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def expected(self) -> str | None: ...
    @property
    def actual(self) -> str | None: ...


class _Inspection(Protocol):
    """What every store's inspection tells."""

    @property
    def clock_skew(self) -> float: ...
    @property
    def migrations(self) -> _Migrations: ...
    @property
    def differences(self) -> Sequence[_Difference]: ...


def _seen(store: str, server: str, seen: _Inspection, as_declared: str) -> list[Check]:
    checks = [Check(store, "answers", True, server)]
    pending = seen.migrations.pending
    lacks = f"lacks {', '.join(pending)}: run dialogbase migrate"
    found = lacks if pending else f"at {seen.migrations.current}"
    checks.append(Check(store, "migrations", not pending, found))
    if seen.differences or not pending:
        found = "; ".join(map(_difference, seen.differences)) or as_declared
        checks.append(Check(store, "schema", not seen.differences, found))
    return [*checks, _clock(store, seen.clock_skew)]


def _clock(store: str, skew: float) -> Check:
    together = abs(skew) <= MAX_CLOCK_SKEW_SECONDS
    return Check(store, "clock", together, f"{skew:+.3f} s against this machine's")


def _difference(found: _Difference) -> str:
    if found.actual is None:
        return f"{found.name} is missing"
    if found.expected is None:
        return f"{found.name} is {found.actual} and not ours"
    return f"{found.name} is {found.actual}, not {found.expected}"


def _tell(checks: list[Check]) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in ("", "store", "looked at", "found"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        mark = Text("ok", style="green") if check.well else Text("NOT WELL", style="bold red")
        table.add_row(mark, check.store, check.subject, Text(check.found))
    options.output().print(table)
