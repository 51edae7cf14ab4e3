"""What a worker computes, by what for."""

from typing import Any, Final

IDLE: Final = "idle"
OTHER: Final = "event loop, and what isn't told apart"
TURN: Final = "the turn: its messages and its event, made and checked"

_STEPS: Final = (
    ("ports/sessions.py", "", "session"),
    ("ports/rate_limits.py", "", "rate limit"),
    ("ports/executions.py", "", "execution state"),
    ("ports/append_log.py", "append", "append"),
    ("ports/analytics.py", "", "analytics"),
    ("examples/chat_api/flows.py", "", "flow"),
    ("examples/chat_api/engine.py", "", "flow"),
    ("examples/chat_api/places.py", "", "execution state"),
)
"""Files, functions in them ("": any), and the step that begins there: the outermost counts."""

_PLACES: Final = (
    ("selectors.py", IDLE),
    ("adapters/redis/", "connections to Redis"),
    ("/redis/", "connections to Redis"),
    ("/hiredis", "connections to Redis"),
    ("adapters/mongo/", "connections to MongoDB"),
    ("/motor/", "connections to MongoDB"),
    ("/pymongo/", "connections to MongoDB"),
    ("/bson/", "connections to MongoDB"),
    ("adapters/postgres/", "connections to PostgreSQL"),
    ("/asyncpg/", "connections to PostgreSQL"),
    ("examples/chat_api/turns.py", TURN),
    ("examples/chat_api/events.py", TURN),
    ("domain/", TURN),
    ("examples/chat_api/", "HTTP"),
    ("bootstrap/fastapi/", "HTTP"),
    ("/fastapi/", "HTTP"),
    ("/starlette/", "HTTP"),
    ("/pydantic", "HTTP"),
    ("/uvicorn/", "HTTP"),
    ("/h11/", "HTTP"),
    ("/httptools/", "HTTP"),
    ("bootstrap/", "background"),
    ("ports/", "background"),
)
"""Of what is in no step: by the innermost file that is known."""


def shares(root: Any) -> dict[str, float]:
    """Seconds of pyinstrument's frames by step, or by place."""
    summed: dict[str, float] = {}

    def add(frame: Any, step: str | None, place: str) -> None:
        file, function = str(frame.file_path or ""), str(frame.function or "")
        if step is None:
            step = next(
                (
                    name
                    for path, only, name in _STEPS
                    if file.endswith(path) and only in ("", function)
                ),
                None,
            )
        place = next((name for part, name in _PLACES if part in file), place)
        inner = 0.0
        for child in frame.children:
            inner += child.time
            add(child, step, place)
        told = IDLE if place == IDLE else step or place
        summed[told] = summed.get(told, 0.0) + max(frame.time - inner, 0.0)

    add(root, None, OTHER)
    return summed
