"""What every command takes, and how it answers."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import attrs
import orjson
from cyclopts import Parameter
from rich.console import Console

from bootstrap.settings import Profile, Settings

T = TypeVar("T")

OK: Final = 0
NOT_WELL: Final = 1
"""Something was refused, isn't as it should be, or failed."""

MISUSED: Final = 2
"""The command or the settings are wrong."""

INTERRUPTED: Final = 130


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Common:
    """Options of every command."""

    profile: Annotated[
        Profile | None,
        Parameter(
            help="memory: nothing is kept; embedded: private servers in --data; servers: by "
            "DIALOGBASE_POSTGRES_URL and its like. By default servers if such a variable is set, "
            "and embedded otherwise."
        ),
    ] = None

    data: Annotated[
        Path | None,
        Parameter(help="The embedded servers' folder; by default .dialogbase."),
    ] = None

    json: Annotated[bool, Parameter(negative=(), help="Print one JSON document, for programs.")] = (
        False
    )

    def settings(self) -> Settings:
        """The settings that these options and the environment make.

        Raises:
            SettingsError: with all that is wrong.
        """
        return Settings.from_environment(profile=self.profile, data=self.data)


DEFAULTS: Final = Common()


def print_json(document: object) -> None:
    """One line on standard output, in UTF-8 whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(orjson.dumps(document) + b"\n")
    sys.stdout.buffer.flush()


def output() -> Console:
    """For people, on standard output. Piped, it is as wide as the reader is used to."""
    return _console(stderr=False)


def messages() -> Console:
    """For what isn't the answer: progress and errors, on standard error."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 100)


def run(command: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end; SIGINT cancels it, so that all it holds is released."""
    return asyncio.run(command)
