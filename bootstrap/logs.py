"""What the library logs, as lines of text or JSON: for the command, and for services that have no
logging of their own. Both by structlog (`dialogbase[observability]`).

A service that has handlers of its own needs nothing of this, or `formatter` for one of them. What
was bound by `structlog.contextvars`, such as a request's id, is in every line.
"""

import logging
from typing import Final, Literal, TypeAlias

import structlog

from ports.logs import LOGGER

Form: TypeAlias = Literal["text", "json"]

_SHARED: Final[list[structlog.typing.Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def formatter(form: Form) -> logging.Formatter:
    """For a handler of the standard library's: an event and its values in one line."""
    ending: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta
    ]
    if form == "json":
        ending.append(structlog.processors.JSONRenderer())
    else:
        ending.append(structlog.dev.ConsoleRenderer(colors=False))
    return structlog.stdlib.ProcessorFormatter(processors=ending, foreign_pre_chain=_SHARED)


def listen(form: Form, level: int = logging.INFO) -> logging.Handler:
    """Write what the library logs from now on to standard error. Its handler, to be removed from
    `ports.logs.LOGGER`, or changed.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(level)
    return handler
