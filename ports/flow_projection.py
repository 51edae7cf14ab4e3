"""Counting executions: what is recorded of flows' executions reaches their daily figures once.

An execution that has ended is recorded once, as an analytics event under its own id
(`Analytics.record_executions`), with the mark that it isn't counted yet, in the same atomic step.
Some moments later a projector adds it to its flow's figures of the day on which it ended, in UTC,
and takes the mark away. Any number of projectors, in any number of processes, share the work.

**Exactly once.** What is added carries a key made of the execution's id, in one step with it
(`FlowMetrics.record_many_metrics`): so whoever is killed after it added and before it took the mark
away, or does what another is doing, adds nothing twice; and what was recorded keeps its mark until
it was added. A key must be known for as long as its execution is marked: keys are forgotten only
if they came before anything that is uncounted was recorded, whatever the policy says
(`Sweeper`); don't let `purge_metric_keys` go further.

**The lag.** An execution that was acknowledged is counted after at most `interval`, half of it
again, and the time that it takes to count what was due before it; plus, where clocks of recorders
and projectors differ, by as much. What a projector had taken when it was killed is taken again
after `lease`.

**Those that wait.** One whose flow isn't there (yet, or any more), whose day's figures would leave
their bounds, or whose event can't be read, hinders no other: it is tried again after `retry`, and
then the less often the longer it has been waiting. It is told (`Projected.waiting`, and
`AnalyticsMaintenance.uncounted`). After `give_up` it is counted no more, which is told and logged:
its event stays.

**What is never counted.** What has expired, or was erased with its user or tenant, before it was
counted, and what a restored export has: the figures that belong to it are restored by themselves
(so let a projector come to its end before you export). What was counted stays so when its event
goes: figures tell nothing of users, and neither do the keys, which are digests.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Final, TypeAlias
from uuid import UUID

import attrs
from attrs import field

from domain.analytics import AnalyticsEvent
from domain.durations import MILLISECOND, duration
from domain.errors import ValidationError
from domain.flow_executions import FlowExecution
from domain.flows import MetricIncrements
from domain.identity import TenantId
from domain.rules import Value, checked, rule, whole
from ports.background import steps_taken
from ports.errors import AWAY, EntityNotFoundError, ErasedError, RepositoryError
from ports.flow_metrics import FlowMetrics
from ports.logs import Log
from ports.observation import UNOBSERVED, Round, Rounds
from ports.time import Clock
from ports.together import together

_SECOND: Final = timedelta(seconds=1)
_ROUND: Final = 500
"""How many are taken at a time."""

_LOG: Final = Log("projection")

Of: TypeAlias = Callable[[TenantId], FlowMetrics]
"""The flows of a tenant."""


@attrs.frozen(kw_only=True)
class UncountedExecution:
    """An event that isn't counted yet, recorded at `since`; None instead of it if what is stored
    can't be read.
    """

    tenant: TenantId
    id: str
    since: datetime
    event: AnalyticsEvent | None


@attrs.frozen(kw_only=True)
class Uncounted:
    """How many executions aren't counted yet, those that wait for a flow included, and when the
    `oldest` of them was recorded.
    """

    number: int
    oldest: datetime | None


class ExecutionQueue(ABC):
    """The executions of all tenants that aren't counted yet: what projectors share.

    Which they are is told by the marks of their events alone. All are found by index, whatever else
    was recorded.
    """

    @abstractmethod
    async def take(
        self, now: datetime, until: datetime, limit: int
    ) -> Sequence[UncountedExecution]:
        """Some that are due at `now`, those first that have been for longest; they aren't due again
        before `until`. Of two who take at the same time, both may be given the same.
        """

    @abstractmethod
    async def settle(self, executions: Iterable[UncountedExecution]) -> None:
        """They are counted, or never will be. One that is gone is no error, and what was recorded
        since then under its id isn't counted yet.
        """

    @abstractmethod
    async def postpone(self, executions: Iterable[UncountedExecution], until: datetime) -> None:
        """They are due at that time, and not before, unless they are settled."""

    @abstractmethod
    async def uncounted(self, tenant: TenantId | None = None) -> Uncounted:
        """How many there are, due or not; of a tenant, if one is named."""


@attrs.frozen(kw_only=True, slots=False)
class ProjectionOptions(Value):
    """`interval`: how long a projector that finds nothing due rests, give or take half of it.
    `lease`: after how long what a projector took is another's to take. `retry` and `give_up`: see
    the module. `at_once`: how many flows' days are added to together.

    Raises:
        ValidationError: for a value that is none.
    """

    interval: timedelta = field(
        default=_SECOND, metadata=rule(duration(MILLISECOND, timedelta(hours=1)))
    )
    lease: timedelta = field(
        default=timedelta(seconds=30), metadata=rule(duration(MILLISECOND, timedelta(hours=1)))
    )
    retry: timedelta = field(
        default=timedelta(minutes=1), metadata=rule(duration(MILLISECOND, timedelta(days=1)))
    )
    give_up: timedelta = field(
        default=timedelta(days=7), metadata=rule(duration(MILLISECOND, timedelta(days=30)))
    )
    at_once: int = field(default=4, metadata=rule(whole(1, 64)))


DEFAULT_OPTIONS: Final = ProjectionOptions()


@attrs.frozen(kw_only=True)
class Projected:
    """What was done: `counted` executions were added, `known` had been added before, `waiting`
    times one had to be left for later, and `dropped` are counted no more.
    """

    counted: int = 0
    known: int = 0
    waiting: int = 0
    dropped: int = 0

    def __add__(self, other: "Projected") -> "Projected":
        return Projected(
            counted=self.counted + other.counted,
            known=self.known + other.known,
            waiting=self.waiting + other.waiting,
            dropped=self.dropped + other.dropped,
        )


@attrs.define
class _Outcome:
    """What became of some that were taken."""

    settled: list[UncountedExecution] = attrs.field(factory=list)
    added: int = 0
    waiting: list[UncountedExecution] = attrs.field(factory=list)
    dropped: list[UncountedExecution] = attrs.field(factory=list)
    failed: list[UncountedExecution] = attrs.field(factory=list)
    failure: RepositoryError | None = None


class FlowProjector:
    """Counts executions. Safe to run beside others, here and elsewhere. `rounds` is told of each
    time that some are taken."""

    def __init__(
        self,
        queue: ExecutionQueue,
        of: Of,
        clock: Clock,
        *,
        options: ProjectionOptions = DEFAULT_OPTIONS,
        rounds: Rounds = UNOBSERVED,
    ) -> None:
        self._rounds = rounds
        self._queue = queue
        self._of = of
        self._clock = clock
        self._options = options
        self._done = Projected()

    @property
    def done(self) -> Projected:
        """What this projector has done so far."""
        return self._done

    async def once(self) -> Projected:
        """All that is due by now; what others have taken, or has to wait, is not. It comes to its
        end however much is recorded meanwhile.

        Raises:
            What the stores raise; what was counted by then stays so.
        """
        done, due = Projected(), self._now()
        while (some := await self._round(due)) is not None:
            done += some
        return done

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Counts in a task of its own for the block.

        Whatever the stores raise meanwhile is logged, and tried again after a while. At the block's
        end what was taken is brought to its end, and what is due by then counted, unless the block
        is left by an exception or cancelled.
        """
        rounds = self._one_round, self._options.interval
        async with steps_taken(_LOG, "counting executions failed", rounds):
            yield
        with suppress(RepositoryError):
            await self.once()

    async def run(self) -> None:
        """Counts until it is cancelled; as `running`."""
        async with self.running():
            await asyncio.Event().wait()

    async def _one_round(self) -> bool:
        return await self._round() is not None

    def _now(self) -> datetime:
        now: datetime = checked(AnalyticsEvent, "at", self._clock.now())
        return now

    async def _round(self, due: datetime | None = None) -> Projected | None:
        """Some of what is due by now, or was by then; None if nothing was."""
        now = self._now()
        if due is not None:
            now = max(now, due)  # should the clock be put back, what was put off isn't due again
        taken = await self._queue.take(due or now, now + self._options.lease, _ROUND)
        if not taken:
            return None
        with self._rounds.begun("projection") as seen:
            seen.since(min(one.since for one in taken))
            return await self._counted(taken, now, seen)

    async def _counted(
        self, taken: Sequence[UncountedExecution], now: datetime, seen: Round
    ) -> Projected:
        outcome = _Outcome()
        days = _by_day(taken, outcome)
        await together(
            (self._count(*day, some, outcome) for day, some in days.items()),
            at_once=self._options.at_once,
        )
        late = now - self._options.give_up
        outcome.dropped += [one for one in outcome.waiting if one.since <= late]
        outcome.waiting = [one for one in outcome.waiting if one.since > late]
        done = Projected(
            counted=outcome.added,
            known=len(outcome.settled) - outcome.added,
            waiting=len(outcome.waiting),
            dropped=len(outcome.dropped),
        )
        if outcome.dropped:
            # Neither name: whose executions they are, isn't for logs.
            _LOG.warning("executions can't be counted, and are left out", number=done.dropped)
        await self._queue.settle([*outcome.settled, *outcome.dropped])
        self._done += done
        for what, number in attrs.asdict(done).items():
            seen.count(what, number)
        for until, some in _by_time(outcome.waiting, now, self._options.retry).items():
            await self._queue.postpone(some, until)
        if outcome.failure is not None:
            await self._queue.postpone(outcome.failed, now)
            raise outcome.failure
        return done

    async def _count(
        self,
        tenant: TenantId,
        flow: UUID,
        day: date,
        some: Mapping[str, tuple[UncountedExecution, MetricIncrements]],
        outcome: _Outcome,
    ) -> None:
        given = {key: increments for key, (_, increments) in some.items()}
        every = [one for one, _ in some.values()]
        if isinstance(outcome.failure, AWAY):
            # To wait for a store that doesn't answer once for each day would take for ever.
            outcome.failed += every
            return
        try:
            recorded = await self._of(tenant).record_many_metrics(flow, day, given)
        except EntityNotFoundError:
            outcome.waiting += every
        except ErasedError:
            outcome.dropped += every
        except ValidationError:
            if len(some) == 1:
                outcome.waiting += every
                return
            for key, alone in some.items():
                await self._count(tenant, flow, day, {key: alone}, outcome)
        except RepositoryError as error:
            outcome.failed += every
            if not isinstance(outcome.failure, AWAY):
                outcome.failure = error
        else:
            outcome.added += len(recorded.added)
            for key, (one, _) in some.items():
                (outcome.waiting if key in recorded.reused else outcome.settled).append(one)


_Days: TypeAlias = dict[
    tuple[TenantId, UUID, date], dict[str, tuple[UncountedExecution, MetricIncrements]]
]


def _by_day(taken: Iterable[UncountedExecution], outcome: _Outcome) -> _Days:
    """What is added to which flow's day; what can't be, waits."""
    days: _Days = {}
    for one in taken:
        try:
            execution = None if one.event is None else FlowExecution.of(one.event)
        except ValidationError:
            execution = None
        if execution is None:
            outcome.waiting.append(one)
            continue
        day = days.setdefault((one.tenant, execution.flow_id, execution.day), {})
        day[_key(one.id)] = (one, execution.increments)
    return days


def _key(id: str) -> str:
    """The key of an execution: whoever adds by keys of their own has others. Of its id a digest
    (BLAKE2b, RFC 7693, 128 bits), which says nothing of a user once the event is erased.
    """
    return f"execution:{blake2b(id.encode(), digest_size=16).hexdigest()}"


def _by_time(
    waiting: Iterable[UncountedExecution], now: datetime, retry: timedelta
) -> dict[datetime, list[UncountedExecution]]:
    """When each that waits is to be tried again, as few times as will do."""
    times: dict[datetime, list[UncountedExecution]] = {}
    for one in waiting:
        pause = retry
        while pause < (now - one.since) / 4:
            pause *= 2
        times.setdefault(now + pause, []).append(one)
    return times
