"""A process of the service, on a socket that its parent listens on.

    python -m tests.examples.chat_api.worker <file descriptor> [before|after]

With the last argument, it is killed as it appends messages: before they are, or right after.
"""

import os
import signal
import socket
import sys
from datetime import timedelta
from typing import Any

import uvicorn

from bootstrap.fastapi import rate_limited
from domain.rates import fixed_window
from examples.chat_api.app import create_app
from examples.chat_api.asking import tenant
from ports.append_log import AppendLog

TEN = fixed_window(10, timedelta(days=1))


def _dying(moment: str) -> None:
    append = AppendLog.append

    async def dying(self: Any, log: str, /, drafts: Any, **options: Any) -> Any:
        answering = options.get("idempotency_key") is not None
        if answering and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        appended = await append(self, log, drafts, **options)
        if answering:
            os.kill(os.getpid(), signal.SIGKILL)
        return appended

    AppendLog.append = dying  # type: ignore[method-assign]  # of this process alone


def main() -> None:
    """Serve until it is ended."""
    if len(sys.argv) > 2:
        _dying(sys.argv[2])
    app = create_app()

    @app.get("/ten", dependencies=[rate_limited("ten", TEN, key=tenant)])
    async def ten() -> None:
        """Something that a tenant may do ten times a day."""

    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
