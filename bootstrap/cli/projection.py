"""`dialogbase project`: executions that were recorded are counted in the figures of their flows."""

import asyncio
from typing import Annotated

import attrs
from cyclopts import Parameter

from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common
from bootstrap.platform import open as open_platform
from bootstrap.settings import Settings
from ports.flow_projection import Projected


def project(
    *, once: Annotated[bool, Parameter(negative=())] = False, common: Common = DEFAULTS
) -> int:
    """Count executions of flows in their daily figures, each once, until SIGINT or SIGTERM.

    Any number of these share the work, also with services that do it themselves; one that is killed
    loses nothing, and what it had taken is taken again after half a minute. With --json it prints
    {"counted": 0, "known": 0, "waiting": 0, "dropped": 0, "left": 0} at its end: `known` had been
    counted before, `waiting` times one had to be left for later, since its flow isn't there,
    `dropped` waited for a week, and `left` are those that aren't counted yet.

    Parameters
    ----------
    once
        Count all that is due now, and end. The exit code is 1 if some are left: those that wait,
        and what others have taken.
    """
    done, left = options.run(_projected(common.settings(), once))
    if common.json:
        options.print_json({**attrs.asdict(done), "left": left})
    else:
        told = f"{done.counted} counted, {done.waiting} waiting, {done.dropped} dropped"
        options.output().print(f"{told}; {left} left")
    return options.NOT_WELL if once and left else options.OK


async def _projected(settings: Settings, once: bool) -> tuple[Projected, int]:
    async with open_platform(settings) as platform:
        projector = platform.projector()
        if once:
            await projector.once()
        else:
            told = asyncio.Event()
            options.once_told(told.set)
            async with projector.running():
                await told.wait()
        return projector.done, (await platform.maintenance.analytics.uncounted()).number
