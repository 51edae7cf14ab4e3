"""A worker of the chat API, as it is measured.

    python -m benchmarks.chat_api.service <file descriptor> [profiled]

It is the example, with two things more: limits that never refuse, and beside posting a message the
same endpoint without any data: same request, same answer. Profiled, it samples its stack each
five milliseconds between `/profile/begin` and `/profile/end`, and sums up how long each step takes.
"""

import socket
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from benchmarks.chat_api.stages import shares
from bootstrap.fastapi import RequiredIdempotencyKey, Scope
from domain.decisions import RateLimitDecision
from domain.identity import NO_TIME
from domain.messages import ContentType, Direction
from domain.rates import RateRule, gcra
from examples.chat_api.app import create_app
from examples.chat_api.asking import ConversationId
from examples.chat_api.flows import Flows
from examples.chat_api.shapes import MessageShape, TurnShape, Write
from ports.analytics import Analytics
from ports.append_log import AppendLog
from ports.executions import ExecutionStore
from ports.rate_limits import RateLimiter
from ports.sessions import SessionStore

_ANY: Final = gcra(1_000_000, timedelta(seconds=1), burst=1_000_000)
STEPS: Final[tuple[tuple[str, type, str], ...]] = (
    ("session", SessionStore, "get"),
    ("rate limit", RateLimiter, "acquire"),
    ("execution state: read", ExecutionStore, "get"),
    ("flow", Flows, "definition"),
    ("append", AppendLog, "append"),
    ("execution state: write", ExecutionStore, "save"),
    ("analytics", Analytics, "record_many"),
)


def _timed(taken: dict[str, float], name: str, step: Callable[..., Awaitable[Any]]) -> Any:
    @wraps(step)
    async def timed(*given: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        try:
            return await step(*given, **named)
        finally:
            taken[name] = taken.get(name, 0.0) + time.perf_counter() - begun

    return timed


def _observed(app: FastAPI) -> None:
    from pyinstrument import Profiler

    taken: dict[str, float] = {}
    profiler = Profiler(interval=0.005, async_mode="disabled")
    for name, kind, method in STEPS:
        setattr(kind, method, _timed(taken, name, getattr(kind, method)))

    @app.post("/profile/begin")
    async def begin() -> None:
        taken.clear()
        profiler.start()

    @app.post("/profile/end")
    async def end() -> dict[str, dict[str, float]]:
        session = profiler.stop()
        frame = session.root_frame()
        return {"steps": taken, "computing": {} if frame is None else shares(frame)}


def main() -> None:
    """Serve until it is told to end."""
    app = create_app()
    acquire = RateLimiter.acquire

    async def acquired(
        limiter: RateLimiter, key: str, _: RateRule, cost: int = 1
    ) -> RateLimitDecision:
        return await acquire(limiter, key, _ANY, cost)

    # Not FastAPI's `dependency_overrides`, by which it works out the dependencies at each request.
    RateLimiter.acquire = acquired  # type: ignore[assignment, method-assign]  # of this process

    @app.post("/floor/{conversation_id}/messages", status_code=201)
    async def floor(
        conversation_id: ConversationId, body: Write, scope: Scope, key: RequiredIdempotencyKey
    ) -> TurnShape:
        said = MessageShape.model_construct(
            id=key,
            sequence=1,
            direction=Direction.INBOUND,
            type=ContentType.TEXT,
            text=body.text,
            choices=[],
            at=NO_TIME,
        )
        return TurnShape.model_construct(message=said, replies=[said])

    if "profiled" in sys.argv[2:]:
        _observed(app)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_keep_alive=600)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
