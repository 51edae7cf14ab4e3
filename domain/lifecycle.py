"""Tables of allowed status transitions."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from attrs import frozen

from domain.errors import TransitionNotAllowedError

S = TypeVar("S", bound=StrEnum)


@frozen
class Lifecycle(Generic[S]):
    """Which status may follow which. Staying in a status is always allowed."""

    subject: str
    table: Mapping[S, frozenset[S]]

    def check(self, current: S, target: S) -> None:
        """Refuse what the table doesn't hold.

        Raises:
            TransitionNotAllowedError: naming both statuses.
        """
        if not self.allows(current, target):
            raise TransitionNotAllowedError(self.subject, current.value, target.value)

    def allows(self, current: S, target: S) -> bool:
        """Whether `target` may follow `current`."""
        return target is current or target in self.table[current]

    def before(self, target: S) -> frozenset[S]:
        """Every status from which `target` may be reached in one step, itself included."""
        return frozenset(status for status in self.table if self.allows(status, target))
