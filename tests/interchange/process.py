"""An import in a process of its own, which kills itself after so many records."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import bootstrap
from bootstrap.interchange.tenant import import_tenant


async def killed(folder: Path, most: int) -> None:
    """As the environment says, until it is at an end."""

    def kill(done: int, total: int) -> None:
        if done > most:
            os.kill(os.getpid(), signal.SIGKILL)

    async with bootstrap.open() as platform:
        await import_tenant(platform, folder, progress=kill)


if __name__ == "__main__":
    asyncio.run(killed(Path(sys.argv[1]), int(sys.argv[2])))
