"""`dialogbase up` and `dialogbase migrate`."""

import asyncio
import contextlib
import sys
from collections.abc import Collection
from typing import Final

from rich.markup import escape

from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.container import server_urls
from bootstrap.embedded import KINDS, ServerKind, ServerUrls, servers
from bootstrap.settings import Settings, SettingsError
from domain.errors import Fault

_VARIABLES: Final = {
    "postgres": "DIALOGBASE_POSTGRES_URL",
    "postgres_owner": "DIALOGBASE_POSTGRES_OWNER_URL",
    "mongo": "DIALOGBASE_MONGO_URL",
    "valkey": "DIALOGBASE_REDIS_URL",
}


def up(*kinds: ServerKind, common: Common = DEFAULTS) -> int:
    """Run the embedded servers in the foreground until SIGINT or SIGTERM, and print their URLs.

    Other processes can use them meanwhile, by URL or by naming the same --data.

    Parameters
    ----------
    kinds
        Which ones; all of them by default.
    """
    settings = common.settings()
    if common.profile not in (None, "embedded"):
        raise SettingsError([Fault("--profile", "up is for embedded servers only")])
    return options.run(_up(kinds or KINDS, settings, common))


async def _up(kinds: tuple[ServerKind, ...], settings: Settings, common: Common) -> int:
    serving = asyncio.create_task(_serve(kinds, settings, common))
    options.once_told(serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    return options.OK


async def _serve(kinds: tuple[ServerKind, ...], settings: Settings, common: Common) -> None:
    async with servers(kinds, data=settings.data) as urls:
        await _migrated(settings, urls, kinds)
        named: dict[str, str] = {kind: urls.by_kind[kind] for kind in KINDS if kind in kinds}
        named |= {f"{kind}_owner": url for kind, url in urls.owners.items()}
        if common.json:
            options.print_json(named)
        else:
            console = options.output()
            for name, url in named.items():
                console.print(f"export {_VARIABLES[name]}={escape(url)}", soft_wrap=True)
            options.messages().print(
                f"[dim]Serving from {escape(str(settings.data))}; Ctrl-C ends it.[/]",
                soft_wrap=True,
            )
        sys.stdout.flush()
        await asyncio.Event().wait()


def migrate(*, common: Common = DEFAULTS) -> int:
    """Bring the chosen stores' schemas up to date. Safe to run anywhere, any number of times.

    Those who run it at the same time wait for each other. The embedded profile does it by itself.
    Redis has no schema: there is never anything to do. With --json it prints
    {"applied": {"postgres": ["…"], "mongo": ["…"], "redis": []}}.
    """
    applied = options.run(_migrate(common))
    if common.json:
        options.print_json({"applied": applied})
        return options.OK
    for server, names in applied.items():
        done = f"{len(names)} applied: {', '.join(names)}" if names else "nothing to do"
        options.output().print(f"{server}: {escape(done)}", soft_wrap=True)
    if not applied:
        options.output().print("memory: nothing to do")
    return options.OK


async def _migrate(common: Common) -> dict[str, list[str]]:
    settings = common.settings()
    if not settings.servers_needed:
        return {}
    async with server_urls(settings) as urls:
        return await _migrated(settings, urls, settings.servers_needed)


async def _migrated(
    settings: Settings, urls: ServerUrls, wanted: Collection[str]
) -> dict[str, list[str]]:
    """What was applied, by the server's name."""
    # Imported here, so that the other commands need no driver.
    applied: dict[str, list[str]] = {}
    if "postgres" in wanted:
        from adapters.postgres.migrations import migrate as migrate_postgres

        applied["postgres"] = list((await migrate_postgres(urls.postgres_owner)).pending)
    if "mongo" in wanted:
        from adapters.mongo.migrations import migrate as migrate_mongo

        before = await migrate_mongo(urls.mongo, retention=settings.analytics_retention)
        applied["mongo"] = list(before.pending)
    if "redis" in wanted:
        applied["redis"] = []  # what is in it expires, and its keys name the version of their form
    return applied
