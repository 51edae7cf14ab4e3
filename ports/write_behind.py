"""Writing behind: execution states are written into their contexts some moments after they changed.

Any number of synchronisers, in any number of processes, share the work by a queue in the hot store.

**The lag.** A change that was acknowledged is in the context after at most `interval`, half of it
again, and the time that it takes to write what was due before it. That counts from the hint which
the writer sends up to 20 ms after the change. Hints are lost if the writer is killed before it
sends one, a synchroniser between taking one and writing the context, or the queue's server with all
that it has; but never the notes that lie beside the states: a sweep over these finds them within
two `sweep`s. So when the hot store loses everything, what it loses is what was changed within the
lag, or, where something else had ended abruptly before, within two `sweep`s of it.

While a context can't be written (its store is away), its state keeps its note and is tried again
every `sweep`; so is one of a conversation that has no context and doesn't exist. What was taken
together with the former isn't tried at all, but after `interval`: to wait for a store that doesn't
answer once for each would take for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final, TypeAlias

import attrs
from attrs import field

from domain.durations import MILLISECOND, duration
from domain.identity import TenantId
from domain.rules import Value, rule, whole
from ports.background import steps_taken
from ports.errors import AWAY, RepositoryError
from ports.logs import Log
from ports.observation import UNOBSERVED, Rounds
from ports.synchronisation import SynchronisedExecutions
from ports.together import together
from ports.tracking import Due, Unsynchronised

_SECOND: Final = timedelta(seconds=1)
_ROUND: Final = 256
"""How many are taken from the queue at a time."""

_LOG: Final = Log("synchronisation")

Of: TypeAlias = Callable[[TenantId], SynchronisedExecutions]
"""The execution states of a tenant."""


@attrs.frozen(kw_only=True, slots=False)
class SynchronisationOptions(Value):
    """`interval`: how long a synchroniser that finds nothing due rests, give or take half of it:
    changes of one conversation within it are written once. `sweep`: how often all notes are gone
    through, whichever synchroniser does it. `at_once`: how many conversations are written together.

    Raises:
        ValidationError: for a value that is none.
    """

    interval: timedelta = field(
        default=_SECOND, metadata=rule(duration(MILLISECOND, timedelta(minutes=1)))
    )
    sweep: timedelta = field(
        default=timedelta(seconds=30), metadata=rule(duration(MILLISECOND, timedelta(hours=1)))
    )
    at_once: int = field(default=8, metadata=rule(whole(1, 64)))


DEFAULT_OPTIONS: Final = SynchronisationOptions()


@attrs.frozen(kw_only=True)
class Synchronised:
    """What was done: `written` conversations were brought up to date, `waiting` times one couldn't
    be, and is tried again later.
    """

    written: int = 0
    waiting: int = 0


class Synchroniser:
    """Writes states into their contexts. Safe to run beside others, here and elsewhere. `rounds` is
    told of each time that something is taken from the queue, and that a sweep finds something.
    """

    def __init__(
        self,
        unsynchronised: Unsynchronised,
        of: Of,
        *,
        options: SynchronisationOptions = DEFAULT_OPTIONS,
        rounds: Rounds = UNOBSERVED,
    ) -> None:
        self._rounds = rounds
        self._queue = unsynchronised
        self._of = of
        self._options = options
        self._written = 0
        self._waiting = 0

    @property
    def done(self) -> Synchronised:
        """What this synchroniser has done so far."""
        return Synchronised(written=self._written, waiting=self._waiting)

    async def once(self) -> Synchronised:
        """All that has a note now, hinted at or not. It comes to its end however much is changed
        meanwhile.

        Raises:
            What the hot store raises; what was written by then stays so.
        """
        before = self.done
        await self._queue.sweep(timedelta())
        await self._all_due()
        return Synchronised(
            written=self._written - before.written, waiting=self._waiting - before.waiting
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes in tasks of its own for the block.

        Whatever the stores raise meanwhile is logged, and tried again after a while. At the block's
        end what was taken is brought to its end, and what is due by then written, unless the block
        is left by an exception or cancelled.
        """
        rounds, sweeps = (self._round, self._options.interval), (self._sweep, self._options.sweep)
        async with steps_taken(_LOG, "synchronising failed", rounds, sweeps):
            yield
        with suppress(RepositoryError):
            await self._all_due()

    async def run(self) -> None:
        """Writes until it is cancelled; as `running`."""
        async with self.running():
            await asyncio.Event().wait()

    async def _sweep(self) -> bool:
        found = await self._queue.sweep(self._options.sweep)
        if found:
            backlog = await self._queue.backlog()
            with self._rounds.begun("synchronisation_sweep") as seen:
                seen.count("found", found)
                if backlog.oldest is not None:
                    seen.since(backlog.oldest)
        return False

    async def _all_due(self) -> None:
        """As many as are in the queue now: what comes into it meanwhile is behind them."""
        left = (await self._queue.backlog()).waiting
        while left > 0 and (taken := await self._round(min(left, _ROUND))):
            left -= taken

    async def _round(self, most: int = _ROUND) -> int:
        """Some of what is due; how many there were, or 0 if a store is away."""
        due = await self._queue.take(most)
        if not due:
            return 0
        with self._rounds.begun("synchronisation") as seen:
            taken = _Taken()
            await together((self._one(one, taken) for one in due), at_once=self._options.at_once)
            if waiting := len(taken.waiting) + len(taken.untried):
                self._waiting += waiting
                await self._queue.put(taken.waiting, after=self._options.sweep)
                await self._queue.put(taken.untried, after=self._options.interval)
                seen.count("waiting", waiting)
            self._written += len(due) - waiting
            seen.count("written", len(due) - waiting)
        return 0 if taken.away else len(due)

    async def _one(self, due: Due, taken: "_Taken") -> None:
        tenant, id = due
        if taken.away:
            taken.untried.append(due)
            return
        try:
            if await self._of(tenant).synchronise(id):
                return
        except RepositoryError as error:
            # Neither name: whose conversation it is, isn't for logs.
            _LOG.warning("an execution state waits", error=type(error).__name__)
            taken.away = taken.away or isinstance(error, AWAY)
        taken.waiting.append(due)


@attrs.define
class _Taken:
    """What became of some that were taken: all others were written."""

    waiting: list[Due] = attrs.field(factory=list)
    untried: list[Due] = attrs.field(factory=list)
    away: bool = False
    """Whether a store didn't answer."""
