"""The memory adapter of flows' figures and of executions to be counted, and who counts them, broken
in one way each.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, ClassVar
from uuid import UUID

import attrs

from adapters.memory import MemoryAnalyticsStore, MemoryAuthoringStore
from adapters.memory.analytics import MemoryAnalytics, MemoryExecutionQueue
from adapters.memory.flows import METRIC_KEYS, MemoryFlowRepository, MetricKey
from domain.analytics import AnalyticsEvent
from domain.flows import MetricIncrements, summed
from domain.identity import TenantId
from ports.analytics import Analytics
from ports.contracts.harness import RETENTION, Backend, Group, Instance, Opened
from ports.errors import EntityNotFoundError
from ports.flow_metrics import AddedOnce, FlowMetrics, KeyedIncrements
from ports.flow_projection import (
    ExecutionQueue,
    FlowProjector,
    Projected,
    UncountedExecution,
)
from ports.stores import AnalyticsMaintenance

_NUMBERS = count()


class AddsAndThenKeeps(MemoryFlowRepository):
    """Looks whether keys are known, adds, and keeps them: three steps."""

    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        reading = self._session.reading()
        new = [each for each in increments if reading.get(METRIC_KEYS, (id, each.key)) is None]
        await asyncio.sleep(0)
        total = MetricIncrements()
        for each in new:
            total = summed(total, each.increments)
        figures = await self._add_metrics(id, metric_date, total, now) if new else None
        with self._session.writing() as transaction:
            for each in new:
                made = MetricKey(id, each.key, metric_date, each.digest, now)
                transaction.replace(METRIC_KEYS, made)
        return AddedOnce(figures=figures, added=frozenset(each.key for each in new))


class KeepsAndThenAdds(MemoryFlowRepository):
    """Keeps the keys, and adds in a step of its own."""

    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        total, added = MetricIncrements(), set[str]()
        with self._session.writing() as transaction:
            if transaction.get(self._name, id) is None:
                raise EntityNotFoundError(self._name, id)
            for each in increments:
                if transaction.get(METRIC_KEYS, (id, each.key)) is None:
                    made = MetricKey(id, each.key, metric_date, each.digest, now)
                    transaction.insert(METRIC_KEYS, made)
                    added.add(each.key)
        for each in increments:
            total = summed(total, each.increments) if each.key in added else total
        figures = await self._add_metrics(id, metric_date, total, now) if added else None
        return AddedOnce(figures=figures, added=frozenset(added))


class LooksAtNoContent(MemoryFlowRepository):
    """Takes whatever comes with a known key for a repetition."""

    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        done = await super()._add_once(id, metric_date, increments, now)
        return attrs.evolve(done, reused=frozenset())


class LooksAtNoDay(MemoryFlowRepository):
    """Takes the same increments of another day for a repetition."""

    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        reading = self._session.reading()
        known = [
            each
            for each in increments
            if getattr(reading.get(METRIC_KEYS, (id, each.key)), "digest", None) == each.digest
        ]
        left = [each for each in increments if each not in known]
        return await super()._add_once(id, metric_date, left, now)


class RefusesTheWholeBatch(MemoryFlowRepository):
    """One key that stands for something else keeps all the others out."""

    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        reading = self._session.reading()
        for each in increments:
            known = reading.get(METRIC_KEYS, (id, each.key))
            if known is not None and known.digest != each.digest:
                every = frozenset(each.key for each in increments)
                return AddedOnce(figures=None, added=frozenset(), reused=every)
        return await super()._add_once(id, metric_date, increments, now)


class FoldsKeys(MemoryFlowRepository):
    """Takes keys for alike that aren't."""

    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        folded = [attrs.evolve(each, key=each.key.strip().lower()) for each in increments]
        return await super()._add_once(id, metric_date, folded, now)


class KeysOutliveTheirFlow(MemoryFlowRepository):
    """Knows them still when a flow is deleted."""

    known: ClassVar[set[tuple[UUID, str]]] = set()

    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        if self._session.reading().get(self._name, id) is None:
            raise EntityNotFoundError(self._name, id)
        new = [each for each in increments if (id, each.key) not in self.known]
        self.known.update((id, each.key) for each in new)
        return await super()._add_once(id, metric_date, new, now)


class SoundProjection:
    """As it should be; what is broken overrides a part of it."""

    queue: ClassVar[type[MemoryExecutionQueue]] = MemoryExecutionQueue
    analytics: ClassVar[type[MemoryAnalytics]] = MemoryAnalytics
    projector: ClassVar[type[FlowProjector]] = FlowProjector


class MarksBeforeItAdds(SoundProjection):
    """Takes the mark away as it takes an execution."""

    class Hasty(MemoryExecutionQueue):
        """The queue."""

        async def take(
            self, now: datetime, until: datetime, limit: int
        ) -> Sequence[UncountedExecution]:
            taken = await super().take(now, until, limit)
            await self.settle(taken)
            return taken

    queue = Hasty


class AddsWithoutKeys(SoundProjection):
    """Trusts that nobody is killed."""

    class Trusting(FlowProjector):
        """Who counts."""

        async def _count(self, tenant: Any, flow: Any, day: Any, some: Any, outcome: Any) -> None:
            flows: FlowMetrics = getattr(self._of(tenant), "_flows", self._of(tenant))

            class Keyless:
                async def record_many_metrics(self, id: Any, day: Any, given: Any) -> Any:
                    return await flows.record_many_metrics(
                        id, day, {f"{key} {next(_NUMBERS)}": each for key, each in given.items()}
                    )

            adding: Any = self._of(tenant)
            adding._flows = Keyless()
            kept, self._of = self._of, lambda _: adding
            try:
                await super()._count(tenant, flow, day, some, outcome)
            finally:
                self._of = kept

    projector = Trusting


class TakesWhatIsTaken(SoundProjection):
    """Gives what one works on to whoever asks."""

    class Open(MemoryExecutionQueue):
        """The queue."""

        async def postpone(self, executions: Iterable[UncountedExecution], until: datetime) -> None:
            return

    queue = Open


class ForgetsWhatItTook(SoundProjection):
    """Gives what one took who died to nobody else."""

    class Final(MemoryExecutionQueue):
        """The queue."""

        async def take(
            self, now: datetime, until: datetime, limit: int
        ) -> Sequence[UncountedExecution]:
            taken = await super().take(now, until, limit)
            await self.postpone(taken, datetime.max.replace(tzinfo=now.tzinfo))
            return taken

    queue = Final


class NeverSettles(SoundProjection):
    """Counts the same again and again, to no effect."""

    class Restless(MemoryExecutionQueue):
        """The queue."""

        async def settle(self, executions: Iterable[UncountedExecution]) -> None:
            return

    queue = Restless


class SettlesWhateverHasTheId(SoundProjection):
    """Takes the mark of what was recorded since then."""

    class Forgetful(MemoryExecutionQueue):
        """The queue."""

        async def settle(self, executions: Iterable[UncountedExecution]) -> None:
            for one in executions:
                self._tenants[one.tenant].marks.pop(one.id, None)

    queue = Forgetful


class StopsAtAFlowThatIsNotThere(SoundProjection):
    """Goes on when there is one."""

    class Strict(FlowProjector):
        """Who counts."""

        async def _count(self, tenant: Any, flow: Any, day: Any, some: Any, outcome: Any) -> None:
            await super()._count(tenant, flow, day, some, outcome)
            if outcome.waiting:
                raise EntityNotFoundError("flow", flow)

    projector = Strict


class NeverGivesUp(SoundProjection):
    """Tries again for ever what can't be counted."""

    class Patient(FlowProjector):
        """Who counts."""

        async def once(self) -> Projected:
            self._options = attrs.evolve(self._options)
            vars(self._options)["give_up"] = timedelta(days=10_000)
            return await super().once()

    projector = Patient


class GoesOnWhileMoreComes(SoundProjection):
    """Ends when there is nothing any more."""

    class Thorough(FlowProjector):
        """Who counts."""

        async def once(self) -> Projected:
            done = Projected()
            while (some := await self._round()) is not None:
                done += some
            return done

    projector = Thorough


class CountsInTheDayOfCounting(SoundProjection):
    """Adds to today's figures."""

    class Punctual(FlowProjector):
        """Who counts."""

        async def _count(self, tenant: Any, flow: Any, day: Any, some: Any, outcome: Any) -> None:
            await super()._count(tenant, flow, self._clock.now().date(), some, outcome)

    projector = Punctual


class CountsWhatIsRestored(SoundProjection):
    """Takes a restored execution for one that just ended."""

    class Eager(MemoryAnalytics):
        """Events."""

        async def _restore(self, events: Sequence[AnalyticsEvent]) -> Sequence[str]:
            return await self._record(events)

    analytics = Eager


class CountsEverybodysUncounted(SoundProjection):
    """Tells how many are uncounted, whenever they ended."""

    class Coarse(MemoryAnalytics):
        """Events."""

        async def _uncounted(self, flow_id: UUID, start: datetime, end: datetime) -> int:
            return len(self._events.marks)

    analytics = Coarse


def projecting(broken: type[SoundProjection]) -> Backend:
    """Two instances in memory, of which one part is broken; its projector takes the place of ours
    in the contracts (see `test_broken_figures`)."""

    class Store(MemoryAnalyticsStore):
        def repositories(self, tenant: TenantId) -> Analytics:
            made: Any = super().repositories(tenant)
            return broken.analytics(made._context, made._retention, made._events)

        def maintenance(self) -> AnalyticsMaintenance:
            made = super().maintenance()
            kind = type(made)

            class Maintained(kind):  # type: ignore[misc,valid-type]  # whichever it is
                @property
                def executions(self) -> ExecutionQueue:
                    return broken.queue(self._tenants)

            made.__class__ = Maintained
            return made

    class BrokenBackend(Backend):
        name: ClassVar[str] = broken.__name__
        offers: ClassVar[frozenset[Group]] = frozenset({Group.AUTHORING, Group.ANALYTICS})

        def __init__(self) -> None:
            super().__init__()
            self._authoring = MemoryAuthoringStore(clock=self.clock, secrets=self.keys)
            self._analytics = Store(clock=self.clock, retention=RETENTION)

        @asynccontextmanager
        async def stores(self) -> AsyncIterator[Sequence[Opened]]:
            yield [
                Instance(authoring=self._authoring.sibling(), analytics=self._analytics.sibling())
                for _ in range(2)
            ]

    return BrokenBackend()
