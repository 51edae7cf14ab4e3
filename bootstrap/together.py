"""Waiting for several things at once."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def together(awaited: Iterable[Awaitable[T]]) -> list[T]:
    """The results of all, in their order. Nothing is left running, however it ends.

    Raises:
        The error of the first of them that failed, once all have ended.
    """
    results: list[T] = []
    for result in await asyncio.gather(*awaited, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results
