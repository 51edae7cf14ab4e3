"""`dialogbase up` and `dialogbase migrate`."""

import asyncio
import contextlib
import signal
import sys
from typing import Final

from rich.markup import escape

from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.container import server_urls
from bootstrap.embedded import KINDS, ServerKind, servers
from bootstrap.settings import Settings, SettingsError
from domain.errors import Fault

_VARIABLES: Final[dict[ServerKind, str]] = {
    "postgres": "DIALOGBASE_POSTGRES_URL",
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
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    return options.OK


async def _serve(kinds: tuple[ServerKind, ...], settings: Settings, common: Common) -> None:
    async with servers(kinds, data=settings.data) as urls:
        by_kind = {kind: urls.by_kind[kind] for kind in KINDS if kind in kinds}
        if "postgres" in by_kind:
            await _migrate_postgres(by_kind["postgres"])
        if common.json:
            options.print_json(by_kind)
        else:
            console = options.output()
            for kind, url in by_kind.items():
                console.print(f"export {_VARIABLES[kind]}={escape(url)}", soft_wrap=True)
            options.messages().print(
                f"[dim]Serving from {escape(str(settings.data))}; Ctrl-C ends it.[/]",
                soft_wrap=True,
            )
        sys.stdout.flush()
        await asyncio.Event().wait()


def migrate(*, common: Common = DEFAULTS) -> int:
    """Bring the chosen stores' schemas up to date. Safe to run anywhere, any number of times.

    Those who run it at the same time wait for each other. The embedded profile does it by itself.
    """
    applied = options.run(_migrate(common))
    if common.json:
        options.print_json({"applied": applied})
    else:
        done = f"{len(applied)} applied: {', '.join(applied)}" if applied else "nothing to do"
        options.output().print(f"migrations: {escape(done)}", soft_wrap=True)
    return options.OK


async def _migrate(common: Common) -> list[str]:
    settings = common.settings()
    applied: list[str] = []
    if "postgres" in settings.servers_needed:
        async with server_urls(settings) as urls:
            applied += await _migrate_postgres(urls.postgres)
    return applied


async def _migrate_postgres(url: str) -> list[str]:
    # Imported here, so that the other commands need no driver.
    from adapters.postgres.migrations import migrate as migrate_postgres

    return list((await migrate_postgres(url)).pending)
