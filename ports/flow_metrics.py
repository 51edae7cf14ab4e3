"""The daily figures of flows: what their store promises."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Final
from uuid import UUID

import attrs

from domain.errors import Fault, ValidationError, key_step
from domain.flows import Flow, FlowDailyMetrics, MetricIncrements, total_of
from domain.rules import argument, day, identifier
from ports.errors import EntityNotFoundError, IdempotencyKeyReusedError
from ports.repository import Repository

MAX_KEYED: Final = 1_000
"""Increments with keys in one call."""

KEYS_KEPT: Final = timedelta(days=30)
"""How long an idempotency key is known at least, where nothing else is said to the sweep."""

_FIGURES: Final = "FlowDailyMetrics"
_KEY: Final = identifier(255)


@attrs.frozen(kw_only=True)
class KeyedIncrements:
    """What is added once; `digest` stands for it when its key comes again."""

    key: str
    digest: str
    increments: MetricIncrements


@attrs.frozen(kw_only=True)
class AddedOnce:
    """What became of increments with keys: `added` now, or their keys stand for others. Of any that
    is in neither, the key stands for the same. `figures`: the day's afterwards, if any was added.
    """

    figures: FlowDailyMetrics | None
    added: frozenset[str]
    reused: frozenset[str] = frozenset()


@attrs.frozen(kw_only=True)
class MetricsRecorded:
    """What became of increments, by their keys: `added` now; `known`, added before; `reused`, not
    added, since other increments or another day came with that key before.
    """

    added: frozenset[str]
    known: frozenset[str]
    reused: frozenset[str]


class FlowMetrics(Repository[Flow]):
    """The part of `FlowRepository` that counts what becomes of flows, day by day."""

    async def record_metrics(
        self,
        id: UUID,
        metric_date: date,
        increments: MetricIncrements,
        key: str | None = None,
    ) -> FlowDailyMetrics:
        """Add to the flow's figures of a day, in UTC; the figures afterwards. Atomic, none is lost.

        With an idempotency key (1 to 255 characters, of this flow) the same call again changes
        nothing and returns the figures as they stand; so one of which the outcome is unknown can be
        repeated until it succeeds, by several at once, too. A key is known for as long as the flow
        is there, but at least `KEYS_KEPT` (30 days; a sweep may be told otherwise).

        One round trip, three for a repetition.

        Raises:
            EntityNotFoundError: if there is no such flow.
            ValidationError: if a sum would leave its bounds; nothing is added then.
            IdempotencyKeyReusedError: if the key stands for other increments, or another day.
        """
        if not isinstance(increments, MetricIncrements):
            raise ValidationError(_FIGURES, [Fault("", "takes MetricIncrements")])
        checked_date = _day("metric_date", metric_date)
        flow, now = self.schema.check_id(id), self._context.clock.now()
        if key is None:
            await self._admit()
            return await self._add_metrics(flow, checked_date, increments, now)
        once = _keyed(argument(_FIGURES, "key", key, _KEY), increments)
        await self._admit()
        done = await self._add_once(flow, checked_date, [once], now)
        if done.reused:
            raise IdempotencyKeyReusedError(self.schema.name, flow)
        if done.figures is not None:
            return done.figures
        for standing in await self._metrics(flow, checked_date, checked_date):
            return standing
        raise EntityNotFoundError(self.schema.name, flow)

    async def record_many_metrics(
        self, id: UUID, metric_date: date, increments: Mapping[str, MetricIncrements]
    ) -> MetricsRecorded:
        """Add at most 1 000 increments to the flow's figures of a day, each once by its key.

        All that are new are added together or not at all; else as `record_metrics` with a key of
        each, but that a key which stands for something else is told, and hinders no other. One
        round trip, two if some aren't new.

        Raises:
            EntityNotFoundError: if there is no such flow.
            ValidationError: if a sum would leave its bounds, the sum of what is new included;
                nothing is added then.
        """
        once = [_keyed(kept, each) for kept, each in _increments(increments).items()]
        checked_date = _day("metric_date", metric_date)
        flow, now = self.schema.check_id(id), self._context.clock.now()
        if not once:
            return MetricsRecorded(added=frozenset(), known=frozenset(), reused=frozenset())
        await self._admit()
        done = await self._add_once(flow, checked_date, once, now)
        known = frozenset(each.key for each in once) - done.added - done.reused
        return MetricsRecorded(added=done.added, known=known, reused=done.reused)

    async def get_metrics(self, id: UUID, start: date, end: date) -> tuple[FlowDailyMetrics, ...]:
        """The figures of the days from `start` to `end`, both included, that have any; in order."""
        return tuple(
            await self._metrics(self.schema.check_id(id), _day("start", start), _day("end", end))
        )

    async def refresh_statistics(self, id: UUID, start: date, end: date) -> Flow:
        """Work out `success_rate` and `avg_completion_time_ms` from the figures of some days.

        Two round trips. Without executions, or completions, they become None.

        Raises:
            EntityNotFoundError: if there is no such flow.
        """
        total = total_of(metrics.totals for metrics in await self.get_metrics(id, start, end))
        done = total.completions
        return await self.patch(
            id,
            success_rate=min(done / total.executions, 1.0) if total.executions else None,
            avg_completion_time_ms=min(total.total_duration_ms / done, 1e15) if done else None,
        )

    @abstractmethod
    async def _add_metrics(
        self, id: UUID, metric_date: date, increments: MetricIncrements, now: datetime
    ) -> FlowDailyMetrics: ...

    @abstractmethod
    async def _add_once(
        self, id: UUID, metric_date: date, increments: Sequence[KeyedIncrements], now: datetime
    ) -> AddedOnce:
        """One or more, no two of one key, each in the same atomic step as its key."""

    @abstractmethod
    async def _metrics(self, id: UUID, start: date, end: date) -> Sequence[FlowDailyMetrics]: ...


def _increments(candidate: object) -> dict[str, MetricIncrements]:
    if not isinstance(candidate, Mapping):
        raise ValidationError(_FIGURES, [Fault("", "takes MetricIncrements by key")])
    if len(candidate) > MAX_KEYED:
        raise ValidationError(_FIGURES, [Fault("", f"takes at most {MAX_KEYED} at once")])
    faults: list[Fault] = []
    for key, each in candidate.items():
        if not isinstance(each, MetricIncrements):
            faults.append(Fault(key_step(key), "must be MetricIncrements"))
        try:
            _KEY(key)
        except ValueError as error:
            faults.append(Fault(key_step(key), f"as a key {error}"))
    if faults:
        raise ValidationError(_FIGURES, faults)
    return dict(candidate)


def _keyed(key: str, increments: MetricIncrements) -> KeyedIncrements:
    """With a digest (BLAKE2b, RFC 7693, 128 bits) of what isn't 0, which what a later version adds
    is.
    """
    told = {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in vars(increments).items()
        if value
    }
    encoded = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    digest = blake2b(encoded, digest_size=16).hexdigest()
    return KeyedIncrements(key=key, digest=digest, increments=increments)


def _day(name: str, candidate: object) -> date:
    try:
        return day(candidate)
    except ValueError as error:
        raise ValidationError(_FIGURES, [Fault(name, str(error))]) from None
