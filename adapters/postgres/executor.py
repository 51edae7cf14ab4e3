"""Where statements run: each by itself on a pool's connection, or within a unit's transaction."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Row: TypeAlias = Sequence[Any]
Arguments: TypeAlias = Sequence[Any]
Batches: TypeAlias = "Callable[[], Iterable[Arguments]]"
"""Makes the arguments of each batch, anew for every attempt to send them."""
Last: TypeAlias = Callable[[], Awaitable[None]]
"""What is asked before something is committed."""


class Executor(ABC):
    """Runs statements within the deadline, and raises what a port may raise.

    Beside that: `errors.ConstraintBroken` and `errors.Undecodable`, for the repository.

    `in_snapshot`: statements see one state of the database, whatever others commit meanwhile. Only
    unique keys are checked against what is there, so what was deleted may be added beside it.
    """

    in_snapshot: bool = False

    @abstractmethod
    async def read(self, sql: str, arguments: Arguments) -> list[Row]:
        """The rows of a statement that changes nothing; repeated if the connection broke."""

    @abstractmethod
    async def write(self, sql: str, arguments: Arguments) -> list[Row]:
        """The rows that a statement returns which may change something."""

    @abstractmethod
    async def affect(self, sql: str, arguments: Arguments) -> int:
        """How many rows a statement changed."""

    @abstractmethod
    async def pour(self, sql: str, batches: Batches, rows: int, last: Last) -> None:
        """Run a statement with each batch of arguments, of so many `rows` in all: everything or
        nothing. A batch is made while the one before is under way; the deadline grows with the
        rows. `last` is asked at the end, and nothing is kept if it raises.
        """

    @abstractmethod
    async def atomically(self, body: "Callable[[Executor], Awaitable[T]]") -> T:
        """What `body` does happens together or not at all; it may be run several times.

        Each statement sees what others have committed by then (READ COMMITTED), unless it is part
        of a unit of work, whose snapshot it shares.
        """

    @abstractmethod
    def doom(self) -> None:
        """A writing operation failed: within a unit of work, nothing can follow it."""


_SECONDS_PER_ROW = 0.002


def pouring_deadline(deadline: float, rows: int) -> float:
    """Seconds that adding so many rows in bulk may take."""
    return deadline + rows * _SECONDS_PER_ROW


def affected(tag: str) -> int:
    """The number of rows in a command tag, such as `UPDATE 3`."""
    return int(tag.rpartition(" ")[2])
