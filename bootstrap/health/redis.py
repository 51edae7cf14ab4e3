"""Redis or Valkey, looked at by connections of its own."""

from collections.abc import AsyncIterator, Sequence

from adapters.redis import inspection
from adapters.redis.client import RedisOptions
from adapters.redis.inspection import Inspection, NodeSeen, inspect
from adapters.redis.store import RedisStore
from adapters.system import SystemClock
from bootstrap.health.findings import WARNING, Check
from bootstrap.health.lags import erasures, synchronisation
from bootstrap.health.schemas import clock
from bootstrap.settings import Settings

NAME = "redis"


async def ready(url: str, settings: Settings, deadline: float) -> AsyncIterator[Check]:
    """Whether it can be used."""
    seen = await inspect(url, SystemClock().now(), deadline=deadline, sample=0)
    for check in _usable(seen):
        yield check


async def looked_at(url: str, settings: Settings, deadline: float) -> AsyncIterator[Check]:
    """Everything."""
    now = SystemClock().now()
    seen = await inspect(url, now, deadline=deadline)
    for check in _usable(seen):
        yield check
    yield clock(NAME, seen.clock_skew)
    yield _eviction(seen.nodes)
    yield _persistence(seen.nodes)
    yield _expiry(seen)
    if any(not check.well for check in _usable(seen)):
        return
    store = await RedisStore.open(url, options=RedisOptions(deadline=deadline))
    try:
        maintenance = store.maintenance()
        if settings.synchronise:
            yield await synchronisation(NAME, maintenance.unsynchronised)
        yield await erasures(NAME, now, maintenance)
    finally:
        await store.close()


def _usable(seen: Inspection) -> list[Check]:
    nodes, oldest = seen.nodes, inspection.OLDEST
    servers = ", ".join(sorted({f"{node.product} {node.version}" for node in nodes}))
    version = min(node.redis_version for node in nodes)
    needs = f"; it must be {_dotted(oldest)} or later" if version < oldest else ""
    if seen.cluster_state is None:
        alone, mode = True, "one server"
        if any(node.follows for node in nodes):
            alone, mode = False, "a replica, which takes no writes"
    else:
        alone, mode = seen.cluster_state == "ok", f"a cluster of {len(nodes)} primaries"
        mode += f", its state is {seen.cluster_state}"
    return [
        Check(NAME, "answers", True, servers),
        Check(NAME, "version", not needs, f"has what Redis {_dotted(version)} has{needs}"),
        Check(NAME, "mode", alone, mode),
    ]


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _persistence(nodes: Sequence[NodeSeen]) -> Check:
    appending = sum(node.appends for node in nodes)
    kept = "an append-only file" if appending == len(nodes) else "snapshots at most"
    if 0 < appending < len(nodes):
        kept = f"an append-only file on {appending} of {len(nodes)} nodes"
    return Check(NAME, "persistence", True, kept, WARNING)


def _eviction(nodes: Sequence[NodeSeen]) -> Check:
    """Whether what hasn't expired may be gone. It was promised: who lost a lock that was evicted
    shares it with somebody else, and a limit that was evicted allows everything once more. A full
    server that evicts nothing refuses to write instead, and that is told.
    """
    if evicting := {node.eviction for node in nodes if node.evicts}:
        found = (
            f"{', '.join(sorted(evicting))}: when memory is full, sessions, locks and limits are "
            "lost without a word; set maxmemory-policy to noeviction"
        )
        return Check(NAME, "eviction", False, found, WARNING)
    unlimited = any(node.memory_limit == 0 for node in nodes)
    found = "none: memory has no limit" if unlimited else "none: a full server refuses to write"
    return Check(NAME, "eviction", True, found, WARNING)


def _expiry(seen: Inspection) -> Check:
    if seen.without_expiry:
        kinds = ", ".join(f"{n} of {kind!r}" for kind, n in sorted(seen.without_expiry.items()))
        found = f"{kinds} have none ({seen.sampled} looked at)"
        return Check(NAME, "expiry", False, found, WARNING)
    return Check(NAME, "expiry", True, f"every key has one ({seen.sampled} looked at)", WARNING)
