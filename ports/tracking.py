"""Execution states that are tracked: what of them was changed and isn't synchronised yet.

This is what `ports.synchronisation` asks of a store of execution states. Users don't meet it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import attrs

from domain.executions import LONGEST_TTL, ExecutionState
from domain.identity import TenantId
from ports.executions import ExecutionStore

NOTED_FOR: Final = LONGEST_TTL + timedelta(days=1)
"""How long a note is kept that nobody comes for: until nothing that was synchronised before it can
be restored any more, since that has expired."""

BURIED_FOR: Final = timedelta(hours=1)
"""How long it is remembered of a state that it ended, once that is synchronised: long enough for
whoever read the context before to be through with it."""

Due: TypeAlias = tuple[TenantId, str]
"""A conversation that is to be synchronised: whose, and which."""


@attrs.frozen(kw_only=True)
class Note:
    """What was changed last of a conversation's state and isn't synchronised yet.

    `revision` is that of the state, or one more if it was deleted (`ended`). A state that expired
    leaves its note as it is.
    """

    life: int
    revision: int
    ended: bool = False


@attrs.frozen(kw_only=True)
class Seen:
    """What the store has of a conversation, all at one moment, `now` by its clock.

    `fence`: the greatest fencing token that wrote, remembered until `fenced_until`. `buried`: a
    state of it ended less than `BURIED_FOR` ago.
    """

    now: datetime
    state: ExecutionState | None
    life: int
    """Of the state; 0 if there is none."""

    note: Note | None
    fence: int | None = None
    fenced_until: datetime | None = None
    buried: bool = False

    @property
    def known(self) -> bool:
        """Whether the store knows what became of the state, so that nothing is to be restored."""
        return self.state is not None or self.note is not None


class TrackedExecutions(ExecutionStore):
    """Execution states of which every change leaves a note, in the same atomic step.

    A note is kept where the state is kept, so that one is lost with the other. It stays until it is
    settled, also when the state expires; it says that what any other store has of the conversation
    may be out of date. Every state has a `life`: a number, greater than that of any state of the
    conversation before it that the store knows of, and at least the time of its beginning in
    milliseconds.
    """

    @abstractmethod
    async def seen(self, id: str) -> Seen:
        """What there is of a conversation. One round trip."""

    @abstractmethod
    async def begin(
        self, state: ExecutionState, fence: int | None, above: int
    ) -> ExecutionState | None:
        """As `_insert`, with a life greater than `above`."""

    @abstractmethod
    async def settle(self, id: str, note: Note) -> bool:
        """Forget a note if it still stands. One of a state that ended is remembered as `buried`."""

    @abstractmethod
    async def revive(
        self,
        id: str,
        state: ExecutionState | None,
        life: int,
        fence: int | None,
        fenced_until: datetime | None,
    ) -> None:
        """Store a state exactly as it is, times and revision included, unless it has expired, there
        is another, or the store knows what became of it (a note, or it is buried). The fencing
        token counts, until its time, if it is greater than the one remembered.

        If there is a state of the same life at a smaller revision, that is raised above this one's,
        and noted: the greatest revision that anyone claimed is never handed out twice.
        """

    @abstractmethod
    async def lift(self, id: str, life: int, revision: int) -> None:
        """Raise the state's revision to the next one after `revision`, and note it, if it is of
        that life and not as far yet. Nothing else is changed.
        """


@attrs.frozen(kw_only=True)
class SynchronisationBacklog:
    """What is in the queue: `waiting` conversations, of which the first has been due since `oldest`
    by the store's clock, `late` by so much; None and 0 if none of them is due yet.
    """

    waiting: int = 0
    oldest: datetime | None = None
    late: timedelta = timedelta()


class Unsynchronised(ABC):
    """The conversations whose states have notes, of all tenants: what workers share.

    Which ones have a note is told by the notes alone. That a note was made is hinted at in a queue,
    some moments after it, so that it is found at once: hints may be lost when their writer, a
    worker or the queue's server ends abruptly, and are made again by a sweep over all notes.
    """

    @abstractmethod
    async def take(self, limit: int) -> Sequence[Due]:
        """Some that are due, those first that have been for longest; taken out of the queue."""

    @abstractmethod
    async def put(self, due: Iterable[Due], *, after: timedelta = timedelta()) -> None:
        """Put them in the queue, to be due after a while; one that is due earlier stays so."""

    @abstractmethod
    async def sweep(self, every: timedelta) -> int | None:
        """Put every conversation that has a note in the queue; how many there were. None if it was
        done less than `every` ago, by whomever; nothing is too early for 0. Reads the name of every
        key there is.
        """

    @abstractmethod
    async def backlog(self) -> SynchronisationBacklog:
        """How many are in the queue, and since when; one round trip. What is due for long is taken
        by nobody; where hints were lost, there may be more than that.
        """
