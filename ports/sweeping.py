"""The sweep: whatever has been kept for long enough goes, in all stores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from random import uniform
from typing import Any, Final, Literal, Protocol, TypeAlias

import attrs

from domain.durations import MILLISECOND, duration
from domain.frozen import FrozenDict
from domain.retention import Retention, SweepReport, Swept
from domain.rules import argument, instant
from ports.batches import check_total
from ports.errors import RepositoryError, UnsupportedOperationError
from ports.logs import Log
from ports.observation import UNOBSERVED, Rounds
from ports.stores import (
    AnalyticsMaintenance,
    AuthoringMaintenance,
    DialogueMaintenance,
    RuntimeMaintenance,
)
from ports.time import Clock

HOURLY: Final = timedelta(hours=1)
_SECOND: Final = timedelta(seconds=1)
_CLOCKS_DIFFER: Final = timedelta(hours=1)
"""By less than this, those of who records and who counts."""
_LOG: Final = Log("sweeping")

Progress: TypeAlias = Callable[[Swept, int | None], None]
"""Told of each kind as it begins, with None, and when it is done, with how many it were."""


class Sweepable(Protocol):
    """The maintenance of each group of data."""

    @property
    def authoring(self) -> AuthoringMaintenance:
        """Of calls and the audit trail, among others."""

    @property
    def dialogue(self) -> DialogueMaintenance:
        """Of conversations."""

    @property
    def runtime(self) -> RuntimeMaintenance:
        """Of what expires by itself, its tombstones aside."""

    @property
    def analytics(self) -> AnalyticsMaintenance:
        """Of events."""


@attrs.frozen
class _Rule:
    """Whose a kind is, and how it is swept up to a time and a limit. What isn't `told` before is
    housekeeping, and nobody's data.
    """

    parts: Sequence[Literal["authoring", "dialogue", "runtime", "analytics"]]
    sweep: Callable[[Any, datetime, int | None], Awaitable[int]]
    told: bool = True


RULES: Final[Mapping[Swept, _Rule]] = {
    Swept.IDLE_CONVERSATIONS: _Rule(
        ["dialogue"], lambda part, until, limit: part.close_idle(until, limit=limit)
    ),
    Swept.EXPIRED_CONVERSATIONS: _Rule(
        ["dialogue"], lambda part, until, limit: part.purge_expired(until, limit=limit)
    ),
    Swept.ENDED_CONVERSATIONS: _Rule(
        ["dialogue"], lambda part, until, limit: part.purge_ended(until, limit=limit)
    ),
    Swept.INTEGRATION_CALLS: _Rule(
        ["authoring"], lambda part, until, limit: part.purge_calls(until, limit=limit)
    ),
    Swept.AUDIT_ENTRIES: _Rule(
        ["authoring"], lambda part, until, limit: part.purge_audit(until, limit=limit)
    ),
    Swept.ANALYTICS_EVENTS: _Rule(
        ["analytics"], lambda part, until, limit: part.purge(until, limit=limit)
    ),
    Swept.METRIC_KEYS: _Rule(
        ["authoring"],
        lambda part, until, limit: part.purge_metric_keys(until, limit=limit),
        told=False,
    ),
    Swept.TOMBSTONES: _Rule(
        ["authoring", "dialogue", "runtime", "analytics"],
        lambda part, until, limit: part.tombstones.purge(until, limit=limit),
        told=False,
    ),
}
"""A new kind of thing joins the sweep by a row here, a member of `Swept` and, if it has no time of
its own, a duration of `Retention`."""


class Sweeper:
    """Sweeps by a policy. Safe to run beside others, here and elsewhere: what one of them takes the
    others don't count, and what is changed so that it stays, before it is its turn, stays. `rounds`
    is told of each sweep, and of how many of each kind went.
    """

    def __init__(
        self,
        stores: Sweepable,
        retention: Retention,
        clock: Clock,
        *,
        rounds: Rounds = UNOBSERVED,
    ) -> None:
        self._rounds = rounds
        self._stores = stores
        self._retention = retention
        self._clock = clock

    async def once(
        self,
        now: datetime | None = None,
        *,
        limit: int | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> SweepReport:
        """Sweep each kind that the policy doesn't keep for ever, and say how many went.

        `now`: the time that it is done as of, the clock's unless given. At most `limit` of each
        kind in each store. A `dry_run` counts what would go, keys and tombstones aside, and changes
        nothing; a sweep may find more, since one that is timed out by it has ended.

        In batches, in constant memory. Interrupted, whatever went is gone, and it may be called
        again. What a store raises is told in the report, and the kinds after it are swept all the
        same.

        Raises:
            ValidationError, InvalidQueryError: for a time or limit that is none.
        """
        at = argument("sweep", "now", self._clock.now() if now is None else now, instant)
        check_total(limit)
        if dry_run:
            return await self._swept(at, limit, dry_run, progress)
        with self._rounds.begun("sweep") as seen:
            report = await self._swept(at, limit, dry_run, progress)
            for kind, count in report.counts.items():
                seen.count(kind.value, count)
            for error in report.failures.values():
                seen.failed(error)
            return report

    async def _swept(
        self, at: datetime, limit: int | None, dry_run: bool, progress: Progress | None
    ) -> SweepReport:
        counts: dict[Swept, int] = {}
        failures: dict[Swept, str] = {}
        limited: list[Swept] = []
        for kind, rule in RULES.items():
            until = self._retention.until(kind, at)
            if until is None or (dry_run and not rule.told):
                continue
            if progress is not None:
                progress(kind, None)
            swept: list[int] = []
            for name in rule.parts:
                part = getattr(self._stores, name)
                try:
                    if kind is Swept.METRIC_KEYS:
                        until = await self._no_longer_needed(until)
                    done = part.due(kind, until) if dry_run else rule.sweep(part, until, limit)
                    swept.append(await done)
                except UnsupportedOperationError:
                    continue  # this store has nothing of the kind
                except RepositoryError as error:
                    failures[kind] = type(error).__name__
                    _LOG.warning(
                        "a sweep failed, and is tried again the next time",
                        kind=kind.value,
                        error=type(error).__name__,
                    )
            if not swept:
                continue
            if limit is not None and max(swept) >= limit:
                limited.append(kind)
            counts[kind] = min(sum(swept), limit) if dry_run and limit else sum(swept)
            if progress is not None:
                progress(kind, counts[kind])
        return SweepReport(
            at=at,
            dry_run=dry_run,
            counts=FrozenDict(counts),
            failures=FrozenDict(failures),
            limited=tuple(limited),
        )

    async def _no_longer_needed(self, until: datetime) -> datetime:
        """Keys from before then nobody comes with: an execution that isn't counted yet may have
        been added under one, since it was recorded, by a projector that was killed.
        """
        try:
            oldest = (await self._stores.analytics.uncounted()).oldest
        except UnsupportedOperationError:
            return until  # then nothing is projected
        return until if oldest is None else min(until, oldest - _CLOCKS_DIFFER)

    @asynccontextmanager
    async def running(self, every: timedelta = HOURLY) -> AsyncIterator[None]:
        """Sweeps for the block, in a task of its own: at once, and then again and again, each time
        after a rest of `every`, give or take a quarter, so that processes don't keep step.

        Whatever a store raises is logged and tried again the next time. At the block's end the task
        is ended, and what was being swept is left to the next sweep.

        Raises:
            ValidationError: for a rest that isn't between a millisecond and thirty days.
        """
        rest: timedelta = argument("sweep", "every", every, _EVERY)
        task = asyncio.create_task(self._again_and_again(rest))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self, every: timedelta = HOURLY) -> None:
        """Sweeps until it is cancelled; as `running`."""
        async with self.running(every):
            await asyncio.Event().wait()

    async def _again_and_again(self, rest: timedelta) -> None:
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001  # whatever it is, this task goes on
                _LOG.warning("sweeping failed", error=type(error).__name__)
            await asyncio.sleep(rest / _SECOND * uniform(0.75, 1.25))


_EVERY: Final = duration(MILLISECOND, timedelta(days=30))
