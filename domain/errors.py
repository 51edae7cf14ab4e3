"""What the domain refuses, and how it says so."""

from collections.abc import Iterable
from typing import Self

import attrs


@attrs.frozen
class Fault:
    """One thing wrong with a value: where it is (a path such as `states.ask.timeout`) and why."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def under(self, prefix: str) -> Self:
        """The same fault seen from a value that holds this one under `prefix`."""
        if not self.path:
            return attrs.evolve(self, path=prefix)
        joint = "" if self.path.startswith("[") else "."
        return attrs.evolve(self, path=f"{prefix}{joint}{self.path}")


class ValidationError(ValueError):
    """A value that the domain does not admit. `faults` holds everything that was wrong with it.

    Messages name paths, rules and limits and never the offending content, so that an error can be
    logged without leaking what a user wrote.
    """

    def __init__(self, subject: str, faults: Iterable[Fault]) -> None:
        self.subject = subject
        self.faults = tuple(faults)
        super().__init__(f"{subject}: " + "; ".join(map(str, self.faults)))

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
