"""Work in the background: steps that are taken again and again, whatever is raised meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from random import uniform
from typing import Final, TypeAlias

from ports.logs import Log

_SECOND: Final = timedelta(seconds=1)
_LONGEST: Final = 5.0
"""Seconds between two attempts at a step that fails."""

Step: TypeAlias = Callable[[], Awaitable[int]]
"""Does a part of what there is to do; 0 or False if it found nothing."""
Rest: TypeAlias = Callable[[], Awaitable[None]]
"""Returns when there may be something to do."""


@asynccontextmanager
async def steps_taken(log: Log, failed: str, *steps: tuple[Step, timedelta]) -> AsyncIterator[None]:
    """Take each step again and again for the block, in a task of its own, as `steadily`; after one
    that found nothing it rests for so long, give or take half, so that processes don't keep step.

    At the block's end steps that were begun are brought to their end, unless the block is left by
    an exception or cancelled.
    """
    stopping = asyncio.Event()

    def rested(rest: timedelta) -> Rest:
        return lambda: within(stopping, rest / _SECOND * uniform(0.5, 1.5))

    tasks = [
        asyncio.create_task(steadily(step, rested(rest), stopping, log, failed))
        for step, rest in steps
    ]
    try:
        yield
        stopping.set()
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def steadily(step: Step, rest: Rest, stopping: asyncio.Event, log: Log, failed: str) -> None:
    """One step after the other until `stopping`, with a rest after those that found nothing.

    What one raises is logged as `failed`, by its class; it is tried again after 0.1 s or less, and
    later the more often it fails, by 5 s at the most.
    """
    failures = 0
    while not stopping.is_set():
        try:
            busy = await step()
        except Exception as error:  # noqa: BLE001  # whatever it is, this task goes on
            pause = min(0.1 * 2**failures, _LONGEST) * uniform(0.5, 1)
            failures = min(failures + 1, 10)
            log.warning(
                f"{failed}, and goes on after a while",
                error=type(error).__name__,
                seconds=round(pause, 1),
            )
            await within(stopping, pause)
            continue
        failures = 0
        if not busy:
            await rest()


async def within(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, or for so long."""
    # Not by `wait_for`, which forgets a cancellation that comes at the moment of the event or
    # the timeout (Python 3.11, https://github.com/python/cpython/issues/86296).
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
