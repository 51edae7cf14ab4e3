"""How the library logs: events with named values, by the standard library's loggers.

They are called `dialogbase.operations`, `dialogbase.outbox`, `dialogbase.synchronisation`,
`dialogbase.projection` and `dialogbase.sweeping`, and are silent until the service gives them, or
the root logger, a handler.
A record's message is for people; for programs, it has the event and each value as attributes of
their own (`extra`), as structlog's `ExtraAdder` and formatters for JSON expect them. Never a
payload, a key, an id or the text of an error: its class alone. What is logged is raised, or tried
again, all the same.
"""

import logging
from contextlib import suppress
from typing import Final, TypeAlias

LOGGER: Final = logging.getLogger("dialogbase")
"""Above all of them."""

LOGGER.addHandler(logging.NullHandler())

Logged: TypeAlias = str | int | float


class Log:
    """What one part of the library logs."""

    def __init__(self, part: str) -> None:
        self._logger = logging.getLogger(f"{LOGGER.name}.{part}")

    def info(self, event: str, **values: Logged) -> None:
        """Something that is in order, and that somebody may want to know."""
        self._log(logging.INFO, event, values)

    def warning(self, event: str, **values: Logged) -> None:
        """Something that somebody ought to look at if it goes on."""
        self._log(logging.WARNING, event, values)

    def _log(self, level: int, event: str, values: dict[str, Logged]) -> None:
        if self._logger.isEnabledFor(level):
            named = " ".join(f"{name}=%({name})s" for name in values)
            # A mapping is what the message is formatted by; an empty one would be dropped.
            text, filled = (f"{event}: {named}", (values,)) if values else (event, ())
            told = {"event": event, **values}
            # A filter of the service's that raises is no failure of what is told about.
            with suppress(Exception):
                self._logger.log(level, text, *filled, extra=told, stacklevel=3)
