"""A process that dispatches: `python -m tests.postgres.dispatch_worker URL CONSUMER FILE`.

Its consumer notes in the file what it is given, `begin ENTITY REVISION…`, and what it has taken,
`end ENTITY REVISION…`; the lines of several such processes follow each other as they were written.
With a further argument, the store's deadline in seconds, it never gets beyond the former.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import timedelta

from domain.outbox import ChangeEvent
from ports.dispatch import DispatchOptions
from ports.outbox import Consumer
from tests.postgres.opening import store

TIMEOUT = timedelta(milliseconds=500)


class Scribe(Consumer):
    """Writes down what it is given."""

    def __init__(self, name: str, path: str, *, hang: bool = False) -> None:
        self._name = name
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._hang = hang

    @property
    def name(self) -> str:
        return self._name

    async def consume(self, events: Sequence[ChangeEvent]) -> None:
        revisions = " ".join(str(event.revision) for event in events)
        said = f"{events[0].entity_id} {revisions}\n"
        os.write(self._file, f"begin {said}".encode())
        if self._hang:
            await asyncio.Event().wait()
        await asyncio.sleep(0.001)
        os.write(self._file, f"end {said}".encode())


async def dispatched(url: str, name: str, path: str, deadline: str = "") -> None:
    """Until somebody ends it."""
    options = DispatchOptions(interval=timedelta(milliseconds=10), timeout=TIMEOUT, batch=3)
    scribe = Scribe(name, path, hang=bool(deadline))
    async with store(url, deadline=float(deadline or 10)) as opened:
        await opened.maintenance().dispatcher([scribe], options=options).run()


if __name__ == "__main__":
    asyncio.run(dispatched(*sys.argv[1:]))
