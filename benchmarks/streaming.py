"""Figures of memory: what is held at most while any number of entities streams by."""

import resource
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.scale import Scale

GOAL = 1.2
_MEBIBYTE = 1024 * 1024
Stream = Callable[[], AsyncIterator[Any]]


async def memory_of(stream: Stream, name: str, scale: Scale) -> list[Figure]:
    """What memory is held at most while ten times as many stream by; and all there are."""
    few, many = scale.streamed
    async for _ in stream():  # what is made once and kept is made now
        break
    peaks = [await _peak(stream, count) for count in (few, many)]
    before, most = await _resident_through(stream)
    return [
        Figure(
            name=f"{name} {many} rows: peak of Python's memory",
            against=f"streaming {few}",
            ratio=peaks[1] / peaks[0],
            goal=GOAL,
            unit="memory",
            ours=f"{peaks[1] / _MEBIBYTE:.2f} MiB",
            theirs=f"{peaks[0] / _MEBIBYTE:.2f} MiB",
        ),
        Figure(
            name=f"{name} {scale.many_rows} rows: peak of the process's memory",
            against="before it",
            ratio=most / before,
            goal=GOAL,
            unit="memory",
            ours=f"{most / _MEBIBYTE:.0f} MiB",
            theirs=f"{before / _MEBIBYTE:.0f} MiB",
        ),
    ]


async def _peak(stream: Stream, count: int) -> int:
    seen = 0
    tracemalloc.start()
    try:
        async for _ in stream():
            seen += 1
            if seen == count:
                break
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def _resident_through(stream: Stream) -> tuple[int, int]:
    """The process's memory before all is streamed, and the most that it was meanwhile."""
    before = most = _resident()
    seen = 0
    async for _ in stream():
        seen += 1
        if seen % 5_000 == 0:
            most = max(most, _resident())
    return before, most


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
