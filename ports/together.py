"""Waiting for several things at once."""

import asyncio
from collections.abc import Awaitable, Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


async def together(awaited: Iterable[Awaitable[T]], *, at_once: int | None = None) -> list[T]:
    """The results of all, in their order. Nothing is left running, however it ends.

    With `at_once`, so many at a time, taken from `awaited` as their turn comes: after a failure no
    other begins.

    Raises:
        The error of the first of them that failed, once all that had begun have ended.
    """
    results: list[T] = []
    waiting = iter(awaited)
    while some := list(islice(waiting, at_once)):
        for result in await asyncio.gather(*some, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            results.append(result)
    return results
