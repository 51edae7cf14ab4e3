"""All rows by name, and the run of some of them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import (
    mapping,
    memory,
    memory_authoring,
    memory_log,
    memory_runtime,
    observing,
)
from benchmarks.figures import Figure, documents
from benchmarks.mongo import mapping as documents_mapping
from benchmarks.plot import draw
from benchmarks.report import show
from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.server import server

Local = Callable[[Scale], Awaitable[list[Figure]]]
Remote = Callable[[Any, Scale], Awaitable[list[Figure]]]

LOCAL: Mapping[str, Local] = {
    "mapping": mapping.rows,
    "mongo-mapping": documents_mapping.rows,
    "memory": memory.rows,
    "memory-authoring": memory_authoring.rows,
    "memory-log": memory_log.rows,
    "memory-runtime": memory_runtime.rows,
    "observed": observing.rows,
}
POSTGRES = (
    *("noise", "get", "list", "insert", "compare-and-set", "unit", "bulk"),
    *("audited", "row-security", "integration-calls", "experiments", "sealing", "dispatch"),
    *("paging", "stream"),
)
CACHED = ("flow-cache",)
"""On PostgreSQL and Redis together."""
MONGO = (
    *("mongo-noise", "mongo-get", "mongo-list", "mongo-history", "mongo-insert"),
    *("mongo-compare-and-set", "mongo-append", "mongo-import", "mongo-bulk"),
    *("mongo-analytics", "mongo-paging", "mongo-stream"),
)
"""On each driver."""
REDIS = ("redis-noise", "redis-sessions", "redis-limits", "redis-cache", "redis-locks")
SERVICES = ("chat-api",)
"""On servers of their own, all of them, as a service has them."""
NAMES = (*POSTGRES, *CACHED, *MONGO, *REDIS, *SERVICES, *LOCAL)
_FILE_WIDTH = 150
_ON_MANY_ROWS = frozenset({"paging", "stream", "mongo-paging", "mongo-stream"})


class UnknownRowsError(LookupError):
    """A name that no row has."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(f"no rows called {', '.join(sorted(names))}; there are {', '.join(NAMES)}")


def run(
    *,
    quick: bool = False,
    only: Sequence[str] = (),
    url: str | None = None,
    mongo_url: str | None = None,
    redis_url: str | None = None,
    json_to: str | Path | None = None,
    plot_to: str | Path | None = None,
    console: Console | None = None,
    scale: Scale | None = None,
) -> list[Figure]:
    """Measure, print the table, and write JSON and plot where asked; returns the figures.

    `url` names a PostgreSQL server, by a role there that may create databases and roles;
    `mongo_url` a replica set of MongoDB, `redis_url` a Redis or Valkey server. Of what isn't named,
    a private server is started.
    `json_to` may be `-` for standard output; the table then goes to standard error.

    Raises:
        UnknownRowsError: for a name in `only` that no row has.
    """
    if unknown := set(only) - set(NAMES):
        raise UnknownRowsError(unknown)
    if console is None:
        console = Console(stderr=str(json_to) == "-")
        if not console.is_terminal:
            console.width = _FILE_WIDTH
    size = scale if scale is not None else QUICK if quick else FULL
    urls = {"postgres": url, "mongo": mongo_url, "redis": redis_url}
    figures = asyncio.run(_measured(size, only or NAMES, urls, console))
    show(figures, console)
    if json_to is not None:
        text = json.dumps(documents(figures), indent=2, ensure_ascii=False)
        if str(json_to) == "-":
            print(text)
        else:
            Path(json_to).write_text(text + "\n", encoding="utf-8")
    if plot_to is not None:
        draw(figures, Path(plot_to))
        console.print(f"Plot: {plot_to}")
    return figures


async def _measured(
    scale: Scale,
    names: Collection[str],
    urls: Mapping[str, str | None],
    console: Console,
) -> list[Figure]:
    figures: list[Figure] = []
    with console.status("starting") as status:
        if on_postgres := [name for name in POSTGRES if name in names]:
            figures += await _on_postgres(scale, on_postgres, urls["postgres"], status.update)
        if any(name in names for name in CACHED):
            figures += await _on_both(scale, urls, status.update)
        if on_mongo := [name for name in MONGO if name in names]:
            figures += await _on_mongo(scale, on_mongo, urls["mongo"], status.update)
        if on_redis := [name for name in REDIS if name in names]:
            figures += await _on_redis(scale, on_redis, urls["redis"], status.update)
        if any(name in names for name in SERVICES):
            status.update("measuring chat-api")
            figures += await _as_services(scale)
        for name, rows in LOCAL.items():
            if name in names:
                status.update(f"measuring {name}")
                figures += await rows(scale)
    return figures


async def _on_postgres(
    scale: Scale, names: Sequence[str], url: str | None, tell: Callable[[str], None]
) -> list[Figure]:
    # Imported here, so that the other rows need neither server nor drivers nor the peer.
    from benchmarks import (
        auditing,
        bulk,
        calling,
        dispatching,
        experimenting,
        paging,
        reading,
        row_security,
        sealing,
        units,
        writing,
    )
    from benchmarks.database import database

    remote: Mapping[str, Remote] = {
        "noise": reading.noise,
        "get": reading.single,
        "list": reading.lists,
        "insert": writing.insert,
        "compare-and-set": writing.replace,
        "unit": units.rows,
        "bulk": bulk.rows,
        "audited": auditing.rows,
        "row-security": row_security.rows,
        "integration-calls": calling.rows,
        "experiments": experimenting.rows,
        "sealing": sealing.rows,
        "dispatch": dispatching.rows,
        "paging": paging.pages,
        "stream": paging.streams,
    }
    figures: list[Figure] = []
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(server("postgres", url, scale))
        for filled in (False, True):
            chosen = [name for name in names if (name in _ON_MANY_ROWS) is filled]
            if not chosen:
                continue
            async with database(address) as place:
                if filled:
                    tell(f"storing {scale.many_rows} rows")
                    await paging.fill(place, scale.many_rows)
                for name in chosen:
                    tell(f"measuring {name}")
                    figures += await remote[name](place, scale)
    return figures


async def _on_both(
    scale: Scale, urls: Mapping[str, str | None], tell: Callable[[str], None]
) -> list[Figure]:
    from benchmarks import flow_cache
    from benchmarks.database import database

    async with (
        server("postgres", urls["postgres"], scale) as address,
        server("valkey", urls["redis"], scale) as redis_address,
        database(address) as place,
    ):
        tell("measuring flow-cache")
        return await flow_cache.rows(place, redis_address, scale)


async def _as_services(scale: Scale) -> list[Figure]:
    from benchmarks import chat_api

    return await chat_api.rows(scale)


async def _on_mongo(
    scale: Scale, names: Sequence[str], url: str | None, tell: Callable[[str], None]
) -> list[Figure]:
    from benchmarks.mongo import appending, counting, paging, reading, writing
    from benchmarks.mongo.place import DRIVERS, database

    remote: Mapping[str, Remote] = {
        "mongo-noise": reading.noise,
        "mongo-get": reading.single,
        "mongo-list": reading.lists,
        "mongo-history": reading.histories,
        "mongo-insert": writing.insert,
        "mongo-compare-and-set": writing.replace,
        "mongo-append": appending.appends,
        "mongo-import": appending.imports,
        "mongo-bulk": writing.bulk,
        "mongo-analytics": counting.rows,
        "mongo-paging": paging.pages,
        "mongo-stream": paging.streams,
    }
    figures: list[Figure] = []
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(server("mongo", url, scale))
        for filled in (False, True):
            chosen = [name for name in names if (name in _ON_MANY_ROWS) is filled]
            if not chosen:
                continue
            async with database(address) as places:
                if filled:
                    tell(f"storing {scale.many_rows} messages")
                    await paging.fill(places, scale.many_rows)
                for driver in DRIVERS:
                    for name in chosen:
                        tell(f"measuring {name} on {driver}")
                        figures += await remote[name](places[driver], scale)
    return figures


async def _on_redis(
    scale: Scale, names: Sequence[str], url: str | None, tell: Callable[[str], None]
) -> list[Figure]:
    from benchmarks.redis import caching, limiting, locking, sessions
    from benchmarks.redis.place import open_place

    remote: Mapping[str, Remote] = {
        "redis-noise": sessions.noise,
        "redis-sessions": sessions.rows,
        "redis-limits": limiting.rows,
        "redis-cache": caching.rows,
        "redis-locks": locking.rows,
    }
    figures: list[Figure] = []
    async with server("valkey", url, scale) as address, open_place(address) as place:
        for name in names:
            tell(f"measuring {name}")
            figures += await remote[name](place, scale)
    return figures
