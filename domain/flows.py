"""Conversation flows, their kept versions and their daily figures."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from attrs import evolve, field, fields_dict, frozen

from domain.definitions import FlowDefinition
from domain.documents import EMPTY, JsonObject
from domain.errors import Fault, ValidationError, key_step
from domain.flow_rates import FlowRates
from domain.frozen import FrozenDict
from domain.identity import NIL, REVISION, TENANT, USER, Draft, TenantId, UserId
from domain.lifecycle import Lifecycle
from domain.rules import (
    Value,
    checked,
    day,
    flag,
    instance,
    instant,
    json_object,
    number,
    one_of,
    optional,
    restored,
    rule,
    sequence,
    text,
    uuid,
    whole,
)

FIRST_VERSION = "1.0"


class FlowStatus(StrEnum):
    """Where a flow is in its life."""

    DRAFT = "draft"
    TESTING = "testing"
    ACTIVE = "active"
    INACTIVE = "inactive"
    ARCHIVED = "archived"


_S = FlowStatus
FLOW_LIFECYCLE = Lifecycle(
    "Flow",
    {
        _S.DRAFT: frozenset({_S.TESTING, _S.ACTIVE, _S.ARCHIVED}),
        _S.TESTING: frozenset({_S.DRAFT, _S.ACTIVE, _S.ARCHIVED}),
        _S.ACTIVE: frozenset({_S.INACTIVE, _S.ARCHIVED}),
        _S.INACTIVE: frozenset({_S.TESTING, _S.ACTIVE, _S.ARCHIVED}),
        _S.ARCHIVED: frozenset({_S.DRAFT}),
    },
)


class ChangeType(StrEnum):
    """How large a change of a flow is; decides which part of the version is raised."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"
    HOTFIX = "hotfix"


_NAME = text(255, min_length=1)
_VERSION = text(50, min_length=1)
_NUMBERS = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?(?:\.([0-9]{1,9}))?")


def next_version(version: str, change: ChangeType) -> str:
    """The version after `version`, which has one to three numbers: major, minor, patch.

    A minor change makes 1.4 of 1.3; a patch or hotfix makes 1.3.1 of 1.3.

    Raises:
        ValidationError: if `version` isn't of that form, so that the caller must name the next.
    """
    found = _NUMBERS.fullmatch(version)
    if not found:
        raise ValidationError(
            "Flow", [Fault("version", "has no successor: it is not one to three numbers with dots")]
        )
    change = checked(FlowVersion, "change_type", change)
    major, minor, patch = (int(part or 0) for part in found.groups())
    if change is ChangeType.MAJOR:
        return f"{major + 1}.0"
    if change is ChangeType.MINOR:
        return f"{major}.{minor + 1}"
    return f"{major}.{minor}.{patch + 1}"


@frozen(kw_only=True, slots=False)
class Flow(Value):
    """A conversation flow (ConversationFlow). Unique by tenant, name and version.

    `usage_count` and `last_used_at` are counted by the store: an update leaves them as they stand
    and counting raises neither revision nor `updated_at`, so a busy flow can still be edited.
    """

    id: UUID = field(metadata=rule(uuid))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    name: str = field(metadata=rule(_NAME))
    version: str = field(default=FIRST_VERSION, metadata=rule(_VERSION))
    description: str | None = field(default=None, metadata=rule(optional(text(10_000))))
    definition: FlowDefinition = field(
        factory=FlowDefinition, metadata=rule(instance(FlowDefinition))
    )
    status: FlowStatus = field(default=FlowStatus.DRAFT, metadata=rule(one_of(FlowStatus)))
    is_default: bool = field(default=False, metadata=rule(flag))
    trigger_conditions: JsonObject = field(default=EMPTY, metadata=rule(json_object))
    fallback_flow_id: UUID | None = field(default=None, metadata=rule(optional(uuid)))
    tags: tuple[str, ...] = field(default=(), metadata=rule(sequence(text(50, min_length=1), 50)))
    category: str | None = field(default=None, metadata=rule(optional(text(100, min_length=1))))
    usage_count: int = field(default=0, metadata=rule(whole()))
    success_rate: float | None = field(default=None, metadata=rule(optional(number(0, 1))))
    avg_completion_time_ms: float | None = field(
        default=None, metadata=rule(optional(number(0, 1e15)))
    )
    last_used_at: datetime | None = field(default=None, metadata=rule(optional(instant)))
    published_at: datetime | None = field(default=None, metadata=rule(optional(instant)))
    published_by: UserId | None = field(default=None, metadata=rule(optional(USER)))
    created_by: UserId | None = field(default=None, metadata=rule(optional(USER)))
    updated_by: UserId | None = field(default=None, metadata=rule(optional(USER)))
    created_at: datetime = field(metadata=rule(instant))
    updated_at: datetime = field(metadata=rule(instant))
    revision: int = field(default=1, metadata=rule(REVISION))

    def _cross_faults(self) -> Iterable[Fault]:
        if self.is_default and self.status is not FlowStatus.ACTIVE:
            yield Fault("is_default", "only an active flow can be the default")
        if self.status is FlowStatus.ACTIVE:
            for fault in self.definition.faults:
                yield fault.under("definition")

    @classmethod
    def draft(
        cls,
        *,
        name: str,
        definition: FlowDefinition | None = None,
        version: str = FIRST_VERSION,
        description: str | None = None,
        trigger_conditions: Mapping[str, object] = EMPTY,
        fallback_flow_id: UUID | None = None,
        tags: Sequence[str] = (),
        category: str | None = None,
        created_by: str | None = None,
        id: UUID | None = None,
    ) -> "Draft[Flow]":
        """A new flow in status draft, for `create`. Its definition may be incomplete.

        Raises:
            ValidationError: naming every faulty field.
        """
        author = None if created_by is None else UserId(created_by)
        return Draft(
            cls(
                id=NIL if id is None else id,
                name=name,
                version=version,
                description=description,
                definition=FlowDefinition() if definition is None else definition,
                trigger_conditions=trigger_conditions,  # type: ignore[arg-type]  # its rule makes it one
                fallback_flow_id=fallback_flow_id,
                tags=tags,  # type: ignore[arg-type]  # its rule makes a tuple of it
                category=category,
                created_by=author,
                updated_by=author,
                **Draft.PROVISIONAL,
            ),
            id,
        )

    def edited(self, *, by: str | None = None, **changes: Any) -> Self:
        """This flow with some of `Flow.EDITABLE` changed.

        Raises:
            ValidationError: for a field that isn't editable, or a value that isn't admitted.
        """
        if wrong := [name for name in changes if name not in EDITABLE]:
            raise ValidationError(
                "Flow", [Fault(key_step(name), "can't be edited") for name in wrong]
            )
        return evolve(self, **changes, **_editor(by))

    def publish(self, *, by: str | None = None, at: datetime) -> Self:
        """Active from now on. Publishing an active flow again renews time and publisher.

        Raises:
            ValidationError: if the definition has faults; all of them are named.
            TransitionNotAllowedError: from archived.
        """
        FLOW_LIFECYCLE.check(self.status, FlowStatus.ACTIVE)
        editor = _editor(by)
        return evolve(
            self,
            status=FlowStatus.ACTIVE,
            published_at=at,
            published_by=editor.get("updated_by"),
            **editor,
        )

    def moved_to(self, status: FlowStatus, *, by: str | None = None) -> Self:
        """This flow in another status. Leaving active ends being the default.

        Raises:
            TransitionNotAllowedError: if the table of transitions doesn't hold it.
        """
        status = checked(type(self), "status", status)
        FLOW_LIFECYCLE.check(self.status, status)
        stays_default = self.is_default and status is FlowStatus.ACTIVE
        return evolve(self, status=status, is_default=stays_default, **_editor(by))

    def archive(self, *, by: str | None = None) -> Self:
        """Out of use; no longer the default."""
        return self.moved_to(FlowStatus.ARCHIVED, by=by)

    def restore(self, *, by: str | None = None) -> Self:
        """Back from the archive, as a draft.

        Raises:
            ValidationError: if it isn't archived.
        """
        if self.status is not FlowStatus.ARCHIVED:
            raise ValidationError("Flow", [Fault("status", "only an archived flow is restored")])
        return self.moved_to(FlowStatus.DRAFT, by=by)

    def as_default(self, is_default: bool = True) -> Self:
        """Marked as the tenant's default, or not.

        Raises:
            ValidationError: if it isn't active.
        """
        return evolve(self, is_default=is_default)

    def at_version(
        self, version: str, definition: FlowDefinition, *, by: str | None = None
    ) -> Self:
        """This flow with another version's definition."""
        return evolve(self, version=version, definition=definition, **_editor(by))


EDITABLE = frozenset(
    {
        "name",
        "version",
        "description",
        "definition",
        "trigger_conditions",
        "fallback_flow_id",
        "tags",
        "category",
        "success_rate",
        "avg_completion_time_ms",
    }
)


def _editor(by: str | None) -> dict[str, Any]:
    return {} if by is None else {"updated_by": UserId(by)}


@frozen(kw_only=True, slots=False)
class FlowVersion(Value):
    """A definition kept for ever under a version of its flow. Unique by flow and version."""

    id: UUID = field(metadata=rule(uuid))
    tenant_id: TenantId = field(metadata=rule(TENANT))
    flow_id: UUID = field(metadata=rule(uuid))
    version: str = field(metadata=rule(_VERSION))
    definition: FlowDefinition = field(metadata=rule(instance(FlowDefinition)))
    change_description: str = field(default="", metadata=rule(text(2_000)))
    change_type: ChangeType = field(default=ChangeType.MINOR, metadata=rule(one_of(ChangeType)))
    created_by: UserId | None = field(default=None, metadata=rule(optional(USER)))
    created_at: datetime = field(metadata=rule(instant))


_COUNT = whole(0, 2**53)
_FIGURE_NAME = text(100, min_length=1)
_FIGURE = number(-1e15, 1e15)


def _figures(candidate: object) -> FrozenDict[str, float]:
    if not isinstance(candidate, Mapping):
        raise ValueError("must be figures by name")
    if len(candidate) > 100:
        raise ValueError("must be at most 100 figures")
    kept: dict[str, float] = {}
    faults: list[Fault] = []
    for name, amount in candidate.items():
        try:
            # Without the sign of a zero, which sums of figures keep or lose as they are written.
            kept[_FIGURE_NAME(name)] = _FIGURE(amount) + 0.0
        except ValueError as error:
            faults.append(Fault(key_step(name), str(error)))
    if faults:
        raise ValidationError("figures", faults)
    return FrozenDict.holding(kept)


@frozen(kw_only=True, slots=False)
class MetricIncrements(Value):
    """What is added to a flow's figures of one day. Times are milliseconds.

    `satisfaction_total` is a sum of scores and may have fractions; `custom_metrics` are added up
    by name.
    """

    executions: int = field(default=0, metadata=rule(_COUNT))
    completions: int = field(default=0, metadata=rule(_COUNT))
    errors: int = field(default=0, metadata=rule(_COUNT))
    abandonments: int = field(default=0, metadata=rule(_COUNT))
    escalations: int = field(default=0, metadata=rule(_COUNT))
    total_duration_ms: int = field(default=0, metadata=rule(_COUNT))
    response_time_total_ms: int = field(default=0, metadata=rule(_COUNT))
    response_time_count: int = field(default=0, metadata=rule(_COUNT))
    satisfaction_total: float = field(default=0.0, metadata=rule(number(0, 1e15)))
    satisfaction_count: int = field(default=0, metadata=rule(_COUNT))
    cache_hits: int = field(default=0, metadata=rule(_COUNT))
    cache_lookups: int = field(default=0, metadata=rule(_COUNT))
    custom_metrics: Mapping[str, float] = field(factory=FrozenDict, metadata=rule(_figures))


COUNTERS = tuple(name for name in fields_dict(MetricIncrements) if name != "custom_metrics")


@frozen(kw_only=True, slots=False)
class FlowDailyMetrics(FlowRates, Value):
    """A flow's figures of one day (FlowAnalytics), in UTC. Unique by flow and date.

    Only sums are kept; rates and averages are derived.
    """

    tenant_id: TenantId = field(metadata=rule(TENANT))
    flow_id: UUID = field(metadata=rule(uuid))
    metric_date: date = field(metadata=rule(day))
    totals: MetricIncrements = field(
        factory=MetricIncrements, metadata=rule(instance(MetricIncrements))
    )
    created_at: datetime = field(metadata=rule(instant))
    updated_at: datetime = field(metadata=rule(instant))
    revision: int = field(default=1, metadata=rule(REVISION))


def total_of(figures: Iterable[MetricIncrements]) -> MetricIncrements:
    """All together; of any number of days, so that the bounds of a day's don't hold for it."""
    counted: dict[str, Any] = dict(vars(MetricIncrements()))
    custom: dict[str, float] = {}
    for each in figures:
        for name in COUNTERS:
            counted[name] += getattr(each, name)
        for name, amount in each.custom_metrics.items():
            custom[name] = custom.get(name, 0.0) + amount
    return restored(MetricIncrements, {**counted, "custom_metrics": FrozenDict.holding(custom)})


def summed(*increments: MetricIncrements) -> MetricIncrements:
    """All together, as one day's.

    Raises:
        ValidationError: if a sum leaves its bounds.
    """
    return MetricIncrements(**vars(total_of(increments)))
