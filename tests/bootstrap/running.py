"""Tests that are coroutines."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any


def run(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that pytest can call, of one that must be awaited."""

    @wraps(test)
    def runner(*args: object, **kwargs: object) -> None:
        asyncio.run(test(*args, **kwargs))

    return runner
