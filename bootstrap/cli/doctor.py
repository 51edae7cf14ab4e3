"""`dialogbase doctor`: whether the chosen stores are as they should be."""

import bootstrap
from bootstrap.cli import options
from bootstrap.cli.options import DEFAULTS, Common


def doctor(*, common: Common = DEFAULTS) -> int:
    """Check the chosen stores."""
    return options.run(_doctor(common))


async def _doctor(common: Common) -> int:
    async with bootstrap.open(common.settings()) as platform:
        await platform.check()
    return 0
