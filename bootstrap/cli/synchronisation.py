"""`dialogbase sync`: execution states are written into their contexts."""

import asyncio
from typing import Annotated

from cyclopts import Parameter

from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.platform import open as open_platform
from bootstrap.settings import Settings, SettingsError
from domain.errors import Fault
from ports.write_behind import Synchronised


def sync(
    *, once: Annotated[bool, Parameter(negative=())] = False, common: Common = DEFAULTS
) -> int:
    """Write execution states that were changed into their contexts, until SIGINT or SIGTERM.

    Any number of these share the work, also with services that do it themselves; one that is killed
    loses nothing. Needs DIALOGBASE_SYNCHRONISE=true, as do the services. With --json it prints
    {"written": 0, "waiting": 0} at its end.

    Parameters
    ----------
    once
        Write all that is to be written now, and end. The exit code is 1 if something has to wait:
        for a conversation that isn't there yet, or a store that is away.
    """
    settings = common.settings()
    if not settings.synchronise:
        raise SettingsError([Fault("DIALOGBASE_SYNCHRONISE", "must be true to synchronise")])
    done = options.run(_synchronised(settings, once))
    if common.json:
        options.print_json({"written": done.written, "waiting": done.waiting})
    else:
        options.output().print(f"{done.written} written, {done.waiting} waiting")
    return options.NOT_WELL if once and done.waiting else options.OK


async def _synchronised(settings: Settings, once: bool) -> Synchronised:
    async with open_platform(settings) as platform:
        synchroniser = platform.synchroniser()
        if once:
            return await synchroniser.once()
        told = asyncio.Event()
        options.once_told(told.set)
        async with synchroniser.running():
            await told.wait()
        return synchroniser.done
