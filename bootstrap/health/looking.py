"""Everything that can be looked at, or as much of it as tells whether requests can be answered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Literal, TypeAlias

from bootstrap.container import server_urls
from bootstrap.health.findings import WARNING, Check, Health
from bootstrap.settings import Settings
from ports.errors import RepositoryError

Extent: TypeAlias = Literal["readiness"]
Look: TypeAlias = Callable[[str, Settings, float], AsyncIterator[Check]]

_GRACE: Final = 0.5
"""Seconds that connections to a server which doesn't answer get to be ended."""


async def checks(
    settings: Settings, *, only: Extent | None = None, within: float | None = None
) -> Health:
    """Look at the stores that the settings choose, by connections of its own; changes nothing.

    All servers at once, and no longer than `within` seconds for any (None: a call's deadline), so
    that one which hangs is told as one that doesn't answer, with what was found by then. (Servers
    of the profile `embedded` are started before that, if nobody runs them.)

    With `only="readiness"`: whether servers answer, have their migrations and are of the kind that
    they have to be; nothing that takes long. Otherwise also whether their schema is as declared,
    clocks, row-level security, keys and their expiry, retention, and what waits for somebody in the
    background.

    Raises:
        EmbeddedServerError: if an embedded server can't be had.
    """
    seconds = settings.deadline_seconds if within is None else within
    found: list[Check] = []
    if "memory" in vars(settings.stores).values():
        found.append(Check("memory", "answers", True, "in this process; nothing is kept", WARNING))
    if settings.servers_needed:
        async with server_urls(settings) as urls:
            asked: list[tuple[str, str, Look]] = []
            # Imported here, so that whoever doesn't choose a server needs no driver for it.
            if "postgres" in settings.servers_needed:
                from bootstrap.health import postgres

                look = postgres.ready if only else postgres.looked_at
                asked.append((postgres.NAME, urls.postgres, look))
            if "mongo" in settings.servers_needed:
                from bootstrap.health import mongo

                asked.append((mongo.NAME, urls.mongo, mongo.ready if only else mongo.looked_at))
            if "redis" in settings.servers_needed:
                from bootstrap.health import redis

                asked.append((redis.NAME, urls.valkey, redis.ready if only else redis.looked_at))
            for each in await asyncio.gather(
                *(
                    _bounded(name, look(url, settings, seconds), seconds)
                    for name, url, look in asked
                )
            ):
                found += each
    return Health(tuple(found))


async def _bounded(store: str, looking: AsyncIterator[Check], within: float) -> list[Check]:
    """What is found in time; and if that isn't all, that it doesn't answer."""
    found: list[Check] = []

    async def look() -> None:
        async for check in looking:
            found.append(check)

    task = asyncio.create_task(look())
    try:
        await asyncio.wait([task], timeout=within)
    finally:
        # What it has opened is closed then; by force, if the server doesn't take part in that.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=_GRACE)
    if task.cancelled():
        failure = f"no answer within {within:g} s"
    elif isinstance(error := task.exception(), RepositoryError):
        failure = str(error)
    elif error is not None:
        raise error
    else:
        return found
    others = [check for check in found if check.subject != "answers"]
    return [Check(store, "answers", False, failure), *others]
