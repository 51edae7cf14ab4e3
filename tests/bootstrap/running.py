"""Tests that are coroutines, and commands that answer in JSON."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from bootstrap.cli import call


def run(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that pytest can call, of one that must be awaited."""

    @wraps(test)
    def runner(*args: object, **kwargs: object) -> None:
        asyncio.run(test(*args, **kwargs))

    return runner


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """The exit code and the JSON document that a command prints."""
    code = call([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)
