"""What is measured of the chat API, and how its time is told apart. No time is asserted."""

import asyncio

import attrs
import pytest

from benchmarks import Scale
from benchmarks.chat_api import rows
from benchmarks.chat_api.load import Level
from benchmarks.chat_api.stages import IDLE, OTHER, shares

TINY = Scale(rounds=2, durable=False)


@attrs.frozen
class _Frame:
    file_path: str
    time: float
    function: str = "some"
    children: "tuple[_Frame, ...]" = ()


def test_a_level_tells_how_long_which_part_took_at_most() -> None:
    """The last of them all, if it is asked for."""
    level = Level(10.0, [0.001 * number for number in range(100, 0, -1)])
    assert [round(level.percentile(share), 3) for share in (0.5, 0.95, 0.99, 1.0)] == [
        0.051,
        0.096,
        0.1,
        0.1,
    ]
    assert level.told == "10/s 51/96/100 ms"


def test_what_is_computed_is_summed_up_by_the_outermost_step_and_else_by_place() -> None:
    """Idle is idle, wherever it waits."""
    store = _Frame("/x/adapters/redis/client.py", 1.0)
    session = _Frame("/x/ports/sessions.py", 3.0, children=(store,))
    handler = _Frame("/x/fastapi/routing.py", 5.0, children=(session,))
    waiting = _Frame("/lib/selectors.py", 2.0)
    root = _Frame("/lib/asyncio/base_events.py", 10.0, children=(handler, store, waiting))
    assert shares(root) == {
        "session": 3.0,
        "HTTP": 2.0,
        "connections to Redis": 1.0,
        IDLE: 2.0,
        OTHER: 2.0,
    }


def test_the_service_is_measured_and_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    """On servers and workers of its own, which are gone afterwards."""
    monkeypatch.setattr("benchmarks.chat_api.runs.WORKERS", (1,))
    monkeypatch.setattr("benchmarks.chat_api.runs.CONNECTIONS", (2,))
    names = [figure.name for figure in asyncio.run(rows(TINY))]
    assert names[0] == "chat-api: post a message, 1 worker, 2 connections"
    assert {"chat-api: waiting for append", "chat-api: computing HTTP"} <= set(names)
    assert {"chat-api: processor of worker", "chat-api: processor of mongod"} <= set(names)
