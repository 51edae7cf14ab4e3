"""What every command takes, and how it answers."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import attrs
import orjson
from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from bootstrap.settings import LogForm, Profile, Settings

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
        """The settings that these options and the environment make. If they say so, what the
        library logs is written from now on.

        Raises:
            SettingsError: with all that is wrong.
        """
        made = Settings.from_environment(profile=self.profile, data=self.data)
        if made.log is not None:
            _listen(made.log)
        return made


def _listen(form: LogForm) -> None:
    # Imported here, so that whoever doesn't ask for it needs no structlog.
    from bootstrap.logs import listen

    if logging.root.manager.disable:
        logging.disable(logging.NOTSET)
        logging.getLogger().addHandler(logging.NullHandler())  # what other libraries log
        listen(form)


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
    return _Console(stderr=stderr, highlight=False, width=None if stream.isatty() else 100)


_STEERING: Final = (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F))
_SHOWN: Final = {code: ascii(chr(code))[1:-1] for code in (*_STEERING, *range(0x2066, 0x206A))}


class _Console(Console):
    """Shows what would steer a terminal, or turn text around: names and reasons are others'."""

    def render_str(self, text: str, **more: Any) -> Text:  # as rich has it, whatever it takes
        return super().render_str(text.translate(_SHOWN), **more)


def once_told(end: Callable[[], object]) -> None:
    """From now on, SIGINT and SIGTERM call this, and do nothing else."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)


def run(command: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end; SIGINT cancels it, so that all it holds is released."""
    return asyncio.run(command)
