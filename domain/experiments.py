"""Experiments (A/B tests): their variants and life, and which unit gets which variant."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from attrs import evolve, field, frozen

from domain.bucketing import BUCKETS, Purpose, chosen, drawn, within
from domain.documents import EMPTY, JsonObject
from domain.errors import Fault, TransitionNotAllowedError, ValidationError, key_step
from domain.identity import NIL, REVISION, TENANT, Draft, TenantId
from domain.lifecycle import Lifecycle
from domain.rules import (
    Value,
    bounded_json,
    flag,
    identifier,
    instance,
    instant,
    number,
    one_of,
    optional,
    rule,
    sequence,
    text,
    uuid,
    whole,
)

MAX_VARIANTS = 20
MAX_METRICS = 50


class ExperimentStatus(StrEnum):
    """Where an experiment is in its life."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing can follow it, and nothing more is recorded."""
        return self in (ExperimentStatus.COMPLETED, ExperimentStatus.CANCELLED)


_S = ExperimentStatus
EXPERIMENT_LIFECYCLE = Lifecycle(
    "Experiment",
    {
        _S.DRAFT: frozenset({_S.RUNNING, _S.CANCELLED}),
        _S.RUNNING: frozenset({_S.PAUSED, _S.COMPLETED, _S.CANCELLED}),
        _S.PAUSED: frozenset({_S.RUNNING, _S.COMPLETED, _S.CANCELLED}),
        _S.COMPLETED: frozenset(),
        _S.CANCELLED: frozenset(),
    },
)

UNIT = identifier(256)
"""Who or what is assigned: a user, a conversation, a device. It fits a `UserId`."""

VARIANT_NAME = text(100, min_length=1)
METRIC_NAME = identifier(100)
OUTCOME_VALUE = number(-1e15, 1e15)


@frozen(kw_only=True, slots=False)
class Variant(Value):
    """One of the ways that an experiment compares.

    `weight`: its share of the units that take part, in basis points (10 000 are all).
    `flow_version`: the version of the flow that its units get; `modifications`: what is different
    for them. What either means is up to whoever runs the flow.
    """

    name: str = field(metadata=rule(VARIANT_NAME))
    weight: int = field(metadata=rule(whole(0, BUCKETS)))
    flow_version: str | None = field(default=None, metadata=rule(optional(text(50, min_length=1))))
    modifications: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(64 * 1024)))
    is_control: bool = field(default=False, metadata=rule(flag))


@frozen(kw_only=True)
class Allocation:
    """All of an experiment that decides which unit gets which variant.

    A unit has two independent draws (`domain.bucketing`), one for the traffic and one for the
    variant: a larger traffic share lets in more units, and those that were in keep their variants.
    Variants lie one after the other, so other weights shift the borders between them. That is for
    units that nobody assigned yet: what was assigned is stored, and comes before what is worked out
    here.
    """

    tenant_id: TenantId
    experiment_id: UUID
    revision: int
    status: ExperimentStatus
    salt: str
    traffic_share: float
    weights: tuple[tuple[str, int], ...]
    starts_at: datetime | None
    ends_at: datetime | None

    def is_open(self, at: datetime) -> bool:
        """Whether units are assigned at that time: it runs, has begun and hasn't ended."""
        return (
            self.status is ExperimentStatus.RUNNING
            and (self.starts_at is None or self.starts_at <= at)
            and (self.ends_at is None or at < self.ends_at)
        )

    def variant_for(self, unit: str) -> str | None:
        """The variant that the unit would get, or None if it isn't part of the traffic."""
        if not within(self._drawn(Purpose.TRAFFIC, unit), self.traffic_share):
            return None
        return chosen(self._drawn(Purpose.VARIANT, unit), self.weights)

    def _drawn(self, purpose: Purpose, unit: str) -> int:
        return drawn(self.tenant_id, self.experiment_id, self.salt, purpose, unit)


@frozen(kw_only=True, slots=False)
class Experiment(Value):
    """Variants of a flow that are compared by what becomes of those who get them.

    Unique by tenant and name. Its variants' weights sum up to 10 000, and exactly one of them is
    the control. `flow_id` may name any flow and isn't checked. `metrics`: what outcomes are
    recorded of. `salt` shuffles the units: another one, another distribution. From `starts_at`
    (inclusive) to `ends_at` (exclusive) units are assigned while it runs; None is no bound.
    `traffic_share`: the share of all units that take part. `metadata`: whatever its authors keep
    with it.
    """

    id: UUID = field(metadata=rule(uuid))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    name: str = field(metadata=rule(text(255, min_length=1)))
    description: str | None = field(default=None, metadata=rule(optional(text(10_000))))
    status: ExperimentStatus = field(
        default=ExperimentStatus.DRAFT, metadata=rule(one_of(ExperimentStatus))
    )
    hypothesis: str | None = field(default=None, metadata=rule(optional(text(10_000))))
    flow_id: UUID | None = field(default=None, metadata=rule(optional(uuid)))
    variants: tuple[Variant, ...] = field(metadata=rule(sequence(instance(Variant), MAX_VARIANTS)))
    metrics: tuple[str, ...] = field(default=(), metadata=rule(sequence(METRIC_NAME, MAX_METRICS)))
    salt: str = field(default="", metadata=rule(text(100)))
    starts_at: datetime | None = field(default=None, metadata=rule(optional(instant)))
    ends_at: datetime | None = field(default=None, metadata=rule(optional(instant)))
    traffic_share: float = field(default=1.0, metadata=rule(number(0, 1)))
    metadata: JsonObject = field(default=EMPTY, metadata=rule(bounded_json(1024 * 1024)))
    created_at: datetime = field(metadata=rule(instant))
    updated_at: datetime = field(metadata=rule(instant))
    revision: int = field(default=1, metadata=rule(REVISION))

    def _cross_faults(self) -> Iterable[Fault]:
        names = [variant.name for variant in self.variants]
        if len(names) < 2:
            yield Fault("variants", "must be at least two")
        if len(set(names)) < len(names):
            yield Fault("variants", "must have different names")
        if sum(variant.weight for variant in self.variants) != BUCKETS:
            yield Fault("variants", f"must have weights that sum up to {BUCKETS}")
        if sum(variant.is_control for variant in self.variants) != 1:
            yield Fault("variants", "must have exactly one control")
        if len(set(self.metrics)) < len(self.metrics):
            yield Fault("metrics", "must have different names")
        if self.starts_at and self.ends_at and self.ends_at < self.starts_at:
            yield Fault("ends_at", "must not be before starts_at")

    @classmethod
    def draft(
        cls,
        *,
        name: str,
        variants: Sequence[Variant],
        description: str | None = None,
        hypothesis: str | None = None,
        flow_id: UUID | None = None,
        metrics: Sequence[str] = (),
        salt: str = "",
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        traffic_share: float = 1.0,
        metadata: Mapping[str, object] = EMPTY,
        id: UUID | None = None,
    ) -> "Draft[Experiment]":
        """A new experiment in status draft, for `create`.

        Raises:
            ValidationError: naming every faulty field.
        """
        return Draft(
            cls(
                id=NIL if id is None else id,
                name=name,
                variants=variants,  # type: ignore[arg-type]  # its rule makes a tuple of it
                description=description,
                hypothesis=hypothesis,
                flow_id=flow_id,
                metrics=metrics,  # type: ignore[arg-type]  # its rule makes a tuple of it
                salt=salt,
                starts_at=starts_at,
                ends_at=ends_at,
                traffic_share=traffic_share,
                metadata=metadata,  # type: ignore[arg-type]  # its rule makes it one
                **Draft.PROVISIONAL,
            ),
            id,
        )

    @property
    def control(self) -> Variant:
        """What the other variants are compared with."""
        return next(variant for variant in self.variants if variant.is_control)

    @property
    def allocation(self) -> Allocation:
        """What decides which unit gets which variant."""
        return Allocation(
            tenant_id=self.tenant_id,
            experiment_id=self.id,
            revision=self.revision,
            status=self.status,
            salt=self.salt,
            traffic_share=self.traffic_share,
            weights=tuple((variant.name, variant.weight) for variant in self.variants),
            starts_at=self.starts_at,
            ends_at=self.ends_at,
        )

    def edited(self, **changes: Any) -> Self:
        """This experiment with some of its fields changed, as far as its status allows.

        A draft's: all but id, status and what stores give. Once it was started, whoever was
        assigned must find what was promised: of the variants only the weights may change, metrics
        are only added, and salt, flow and start stay. Once it is over: name, description,
        hypothesis and metadata only.

        Raises:
            ValidationError: for a field that can't be edited (now), or a value that isn't admitted.
        """
        allowed = _EDITABLE[self.status]
        if wrong := [name for name in changes if name not in allowed]:
            raise ValidationError(
                "Experiment", [Fault(key_step(name), self._fixed(name)) for name in wrong]
            )
        changed = evolve(self, **changes)
        if self.status is not ExperimentStatus.DRAFT:
            faults = []
            if _meaning(changed.variants) != _meaning(self.variants):
                faults.append(Fault("variants", "can't change once started, but for their weights"))
            if not set(self.metrics) <= set(changed.metrics):
                faults.append(Fault("metrics", "can only be added once started"))
            if faults:
                raise ValidationError("Experiment", faults)
        return changed

    def _fixed(self, name: str) -> str:
        if name in _EDITABLE[ExperimentStatus.DRAFT]:
            return f"can't be edited: the experiment is {self.status.value}"
        return "can't be edited"

    def start(self, *, at: datetime) -> Self:
        """Running from now on, or from `starts_at` if that is later; it is set if it wasn't.

        Raises:
            ValidationError: if it is no draft, or `ends_at` has passed.
        """
        if self.status is not ExperimentStatus.DRAFT:
            raise ValidationError("Experiment", [Fault("status", "only a draft is started")])
        if self.ends_at is not None and self.ends_at <= at:
            raise ValidationError("Experiment", [Fault("ends_at", "has passed")])
        return evolve(
            self,
            status=ExperimentStatus.RUNNING,
            starts_at=at if self.starts_at is None else self.starts_at,
        )

    def pause(self) -> Self:
        """Nobody more is assigned until it is resumed; who was, stays, and outcomes count on.

        Raises:
            TransitionNotAllowedError: if it isn't running.
        """
        return self._moved(ExperimentStatus.PAUSED)

    def resume(self) -> Self:
        """Running again.

        Raises:
            ValidationError: if it isn't paused.
        """
        if self.status is not ExperimentStatus.PAUSED:
            raise ValidationError("Experiment", [Fault("status", "only a paused one is resumed")])
        return self._moved(ExperimentStatus.RUNNING)

    def complete(self, *, at: datetime) -> Self:
        """Over: nobody more is assigned, and no outcome counts. `ends_at` is now, unless it has
        passed already.

        Raises:
            TransitionNotAllowedError: if it was never started, or is over.
        """
        return self._ended(ExperimentStatus.COMPLETED, at)

    def cancel(self, *, at: datetime) -> Self:
        """Over, without a result that should be relied upon; otherwise as `complete`.

        Raises:
            TransitionNotAllowedError: if it is over.
        """
        return self._ended(ExperimentStatus.CANCELLED, at)

    def _ended(self, status: ExperimentStatus, at: datetime) -> Self:
        moved = self._moved(status)
        if self.ends_at is not None and self.ends_at <= at:
            return moved
        # One that is given up before its planned start ends there: it never was open.
        return evolve(moved, ends_at=at if self.starts_at is None else max(at, self.starts_at))

    def _moved(self, status: ExperimentStatus) -> Self:
        if self.status is status:
            raise TransitionNotAllowedError("Experiment", self.status.value, status.value)
        EXPERIMENT_LIFECYCLE.check(self.status, status)
        return evolve(self, status=status)


def _meaning(variants: Iterable[Variant]) -> list[Variant]:
    return [evolve(variant, weight=0) for variant in variants]


_ALWAYS = frozenset({"name", "description", "hypothesis", "metadata"})
_STARTED = _ALWAYS | {"variants", "metrics", "ends_at", "traffic_share"}
_EDITABLE = {
    ExperimentStatus.DRAFT: _STARTED | {"flow_id", "salt", "starts_at"},
    ExperimentStatus.RUNNING: _STARTED,
    ExperimentStatus.PAUSED: _STARTED,
    ExperimentStatus.COMPLETED: _ALWAYS,
    ExperimentStatus.CANCELLED: _ALWAYS,
}
