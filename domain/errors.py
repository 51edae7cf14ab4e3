"""What the domain refuses, and how it says so."""

import json
import re
from collections.abc import Iterable
from typing import Self

import attrs

SHOWN_FAULTS = 50
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]{0,99}")


def key_step(key: object) -> str:
    """A key as a step of a path: `name`, or `["…"]`, escaped, where that could be misread.

    It is cut at 100 characters and can always be printed.
    """
    if not isinstance(key, str):
        return "[?]"
    return key if _PLAIN_KEY.fullmatch(key) else f"[{json.dumps(key[:100])}]"


def joined(path: str, step: str) -> str:
    """A path and the next step on it."""
    return f"{path}.{step}" if path and step and not step.startswith("[") else path + step


@attrs.frozen
class Fault:
    """One thing wrong with a value: where it is (a path such as `states.ask.timeout`) and why."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def under(self, prefix: str) -> Self:
        """The same fault seen from a value that holds this one under `prefix`."""
        return attrs.evolve(self, path=joined(prefix, self.path))


class ValidationError(ValueError):
    """A value that the domain does not admit. `faults` holds everything that was wrong with it.

    Messages name paths, rules and limits and never the offending content (identifiers excepted:
    keys, names of states, statuses), so that an error can be logged without leaking what a user
    wrote. The text shows the first `SHOWN_FAULTS`.
    """

    def __init__(self, subject: str, faults: Iterable[Fault]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        shown = [str(fault) for fault in self.faults[:SHOWN_FAULTS]]
        if more := len(self.faults) - len(shown):
            shown.append(f"and {more} more")
        super().__init__(f"{subject}: " + "; ".join(shown))

    def __reduce__(self) -> tuple[type[Self], tuple[str, tuple[Fault, ...]]]:
        return type(self), (self.subject, self.faults)


class TransitionNotAllowedError(ValidationError):
    """A change of status that the entity's table of transitions does not hold."""

    def __init__(self, subject: str, current: str, target: str) -> None:
        self.current = current
        self.target = target
        super().__init__(subject, [Fault("status", f"cannot go from {current!r} to {target!r}")])

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str]]:  # type: ignore[override]  # other arguments
        return type(self), (self.subject, self.current, self.target)
