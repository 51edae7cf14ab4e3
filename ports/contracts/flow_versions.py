"""Flows' kept versions and daily figures."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.definitions import FlowDefinition
from domain.errors import ValidationError
from domain.flows import (
    ChangeType,
    Flow,
    FlowDailyMetrics,
    FlowVersion,
    MetricIncrements,
    summed,
)
from domain.identity import UserId
from ports.contracts.exact import exact
from ports.contracts.flows import INVALID, VALID, active_flow, new_flow
from ports.contracts.harness import Backend, contract, examples, raised_by
from ports.contracts.strategies import definitions, increments, text
from ports.errors import DuplicateEntityError, EntityNotFoundError, InvalidQueryError
from ports.stores import TenantScope

OTHER = FlowDefinition.external({"say": "goodbye"})
DAY = date(2024, 2, 29)


@contract
async def test_a_new_version_is_kept_and_so_is_the_one_it_leaves(
    backend: Backend, scope: TenantScope
) -> None:
    """The flow gets the next version and the definition, one revision on."""
    flows = scope.flows
    made = await new_flow(flows, created_by="eve")
    now = backend.clock.advance(hours=1)
    version = await flows.create_version(
        made.id, definition=OTHER, change_description="better", by="ada"
    )
    expected = FlowVersion(
        id=version.id,
        tenant_id=scope.tenant,
        flow_id=made.id,
        version="1.1",
        definition=OTHER,
        change_description="better",
        change_type=ChangeType.MINOR,
        created_by=UserId("ada"),
        created_at=now,
    )
    assert exact(version) == exact(expected)
    left, kept = await flows.get_versions(made.id)
    assert exact(kept) == exact(version)
    assert (left.version, exact(left.definition)) == ("1.0", exact(made.definition))
    assert exact(await flows.get_version(made.id, "1.0")) == exact(left)
    changed = attrs.evolve(made.at_version("1.1", OTHER, by="ada"), updated_at=now, revision=2)
    assert exact(await flows.require(made.id)) == exact(changed)


@pytest.mark.parametrize(
    ("start", "change", "following"),
    [
        ("1.0", "major", "2.0"),
        ("1.3", ChangeType.MINOR, "1.4"),
        ("1.3", "patch", "1.3.1"),
        ("1.3.9", "hotfix", "1.3.10"),
        ("7", "minor", "7.1"),
    ],
)
@contract
async def test_versions_are_numbered_by_the_size_of_the_change(
    scope: TenantScope, start: str, change: Any, following: str
) -> None:
    """Major, minor, patch and hotfix raise their own part."""
    flows = scope.flows
    made = await new_flow(flows, version=start)
    version = await flows.create_version(made.id, change_type=change)
    assert (version.version, version.change_type) == (following, change)
    assert exact(version.definition) == exact(made.definition)


@contract
async def test_versions_come_oldest_first_and_each_once(
    backend: Backend, scope: TenantScope
) -> None:
    """The version that is left is kept only if it wasn't yet."""
    flows = scope.flows
    made = await new_flow(flows)
    for name in ("2.0", "1.5", "spring", "\u202e%"):
        backend.clock.advance(seconds=1)
        await flows.create_version(made.id, version=name)
    kept = await flows.get_versions(made.id)
    assert [version.version for version in kept] == ["1.0", "2.0", "1.5", "spring", "\u202e%"]
    assert await flows.get_versions(uuid4()) == ()
    assert await flows.get_version(made.id, "9.9") is None
    assert await flows.get_version(uuid4(), "1.0") is None
    wrong: Any = 7
    assert isinstance(await raised_by(flows.get_version(made.id, wrong)), InvalidQueryError)


@contract
async def test_a_kept_version_is_never_replaced(scope: TenantScope) -> None:
    """Its name is taken for ever; nothing is changed by trying."""
    flows = scope.flows
    made = await new_flow(flows)
    await flows.create_version(made.id, version="2.0")
    before = await flows.require(made.id)
    for name in ("1.0", "2.0"):
        error = await raised_by(flows.create_version(made.id, version=name, definition=OTHER))
        assert isinstance(error, DuplicateEntityError)
        assert error.entity_type == "flow version"
        assert error.key == ("flow_id", "version")
    assert exact(await flows.require(made.id)) == exact(before)
    kept = await flows.get_versions(made.id)
    assert [(one.version, exact(one.definition)) for one in kept] == [
        ("1.0", exact(VALID)),
        ("2.0", exact(VALID)),
    ]


@contract
async def test_a_version_of_another_flow_of_the_name_is_taken(scope: TenantScope) -> None:
    """Name and version are unique together, so neither flow nor kept versions change."""
    flows = scope.flows
    made = await new_flow(flows, "name")
    await new_flow(flows, "name", version="1.1")
    error = await raised_by(flows.create_version(made.id))
    assert isinstance(error, DuplicateEntityError)
    assert (error.entity_type, error.key) == ("flow", ("name", "version"))
    assert exact(await flows.require(made.id)) == exact(made)
    assert await flows.get_versions(made.id) == ()


@contract
async def test_an_active_flow_gets_only_valid_definitions(scope: TenantScope) -> None:
    """A draft may get any; what is refused leaves nothing."""
    flows = scope.flows
    draft, active = await new_flow(flows, "draft"), await active_flow(flows, "active")
    assert (await flows.create_version(draft.id, definition=INVALID)).definition == INVALID
    error = await raised_by(flows.create_version(active.id, definition=INVALID))
    assert isinstance(error, ValidationError)
    assert await flows.get_versions(active.id) == ()
    assert exact(await flows.require(active.id)) == exact(active)
    await flows.patch(draft.id, name="x")
    for arguments in ({"version": ""}, {"version": "1" * 51}, {"change_type": "no such"}):
        wrong: dict[str, Any] = arguments
        assert isinstance(await raised_by(flows.create_version(draft.id, **wrong)), ValidationError)


@contract
async def test_a_version_without_numbers_has_no_successor(scope: TenantScope) -> None:
    """The caller must name the next one."""
    flows = scope.flows
    made = await new_flow(flows, version="spring")
    assert isinstance(await raised_by(flows.create_version(made.id)), ValidationError)
    assert (await flows.create_version(made.id, version="summer")).version == "summer"


@given(version=text(50, 1), definition=definitions(), description=text(2_000))
@examples(0.15)
@contract
async def test_a_kept_version_comes_back_equal(
    scope: TenantScope, version: str, definition: FlowDefinition, description: str
) -> None:
    """Every definition, version and description that the domain admits."""
    flows = scope.flows
    made = await new_flow(flows, version="first of all")
    kept = await flows.create_version(
        made.id, version=version, definition=definition, change_description=description
    )
    assert exact(await flows.get_version(made.id, version)) == exact(kept)
    assert exact(kept.definition) == exact(definition)
    assert exact((await flows.require(made.id)).definition) == exact(definition)


@contract
async def test_rollback_gives_version_and_definition_back(
    backend: Backend, scope: TenantScope
) -> None:
    """No version is lost by it, and one can go forward again."""
    flows = scope.flows
    made = await new_flow(flows)
    await flows.create_version(made.id, definition=OTHER)
    now = backend.clock.advance(hours=1)
    back = await flows.rollback_to(made.id, "1.0", by="ada")
    assert exact(back) == exact(
        attrs.evolve(made, updated_by=UserId("ada"), updated_at=now, revision=3)
    )
    assert exact(await flows.require(made.id)) == exact(back)
    assert [version.version for version in await flows.get_versions(made.id)] == ["1.0", "1.1"]
    assert exact((await flows.rollback_to(made.id, "1.1")).definition) == exact(OTHER)


@contract
async def test_rollback_says_what_is_missing(scope: TenantScope) -> None:
    """The flow, or the version of it; or that another flow of the name has it."""
    flows = scope.flows
    made = await new_flow(flows)
    error = await raised_by(flows.rollback_to(made.id, "9.9"))
    assert isinstance(error, EntityNotFoundError)
    assert (error.entity_type, error.entity_id) == ("flow version", "9.9")
    await flows.create_version(made.id)
    await new_flow(flows, version="1.0")
    taken = await raised_by(flows.rollback_to(made.id, "1.0"))
    assert isinstance(taken, DuplicateEntityError)
    assert taken.key == ("name", "version")
    assert (await flows.require(made.id)).version == "1.1"


@contract
async def test_what_belongs_to_a_flow_goes_with_it(scope: TenantScope) -> None:
    """Versions and figures; and a flow of the same id later begins without any."""
    flows = scope.flows
    made, other = await new_flow(flows), await new_flow(flows, "other")
    for flow in (made, other):
        await flows.create_version(flow.id)
        await flows.record_metrics(flow.id, DAY, MetricIncrements(executions=1))
    assert await flows.delete(made.id)
    for _ in range(2):
        assert await flows.get_versions(made.id) == ()
        assert await flows.get_metrics(made.id, DAY, DAY) == ()
        await flows.create(Flow.draft(name="again", id=made.id, version="1.1"))
        assert await flows.delete_where({"name": "again"}) == 1
    assert len(await flows.get_versions(other.id)) == 2
    assert len(await flows.get_metrics(other.id, DAY, DAY)) == 1


@given(steps=st.lists(increments(), min_size=1, max_size=4))
@examples(0.2)
@contract
async def test_figures_add_up(
    backend: Backend, scope: TenantScope, steps: list[MetricIncrements]
) -> None:
    """Each call returns the sums so far; names of custom figures add up one by one."""
    flows = scope.flows
    made = await new_flow(flows)
    total, created = MetricIncrements(), backend.clock.kept
    for revision, step in enumerate(steps, 1):
        total = summed(total, step)
        figures = await flows.record_metrics(made.id, DAY, step)
        assert exact(figures) == exact(
            FlowDailyMetrics(
                tenant_id=scope.tenant,
                flow_id=made.id,
                metric_date=DAY,
                totals=total,
                created_at=created,
                updated_at=backend.clock.kept,
                revision=revision,
            )
        )
        backend.clock.advance(seconds=1)
    assert exact(await flows.get_metrics(made.id, DAY, DAY)) == exact((figures,))
    assert exact(await flows.require(made.id)) == exact(made)


@contract
async def test_a_figure_of_zero_has_no_sign(scope: TenantScope) -> None:
    """Neither as it came nor summed, whatever a store makes of -0.0 on its way."""
    flow = await scope.flows.create(Flow.draft(name="a"))
    for _ in range(2):
        increments = MetricIncrements(custom_metrics={"balance": -0.0})
        figures = await scope.flows.record_metrics(flow.id, date(2026, 3, 1), increments)
        assert str(figures.totals.custom_metrics["balance"]) == "0.0"


@contract
async def test_figures_are_read_by_days_both_included(scope: TenantScope) -> None:
    """In order, only of days that have any; the first and last day of all can be asked for."""
    flows = scope.flows
    made = await new_flow(flows)
    for offset in (3, 0, 1):
        day = DAY + timedelta(days=offset)
        await flows.record_metrics(made.id, day, MetricIncrements(executions=offset))
    step = timedelta(days=1)

    async def days(start: date, end: date) -> list[int]:
        found = await flows.get_metrics(made.id, start, end)
        return [(figures.metric_date - DAY).days for figures in found]

    assert await days(DAY, DAY + 3 * step) == [0, 1, 3]
    assert await days(DAY + step, DAY + 2 * step) == [1]
    assert await days(date.min, date.max) == [0, 1, 3]
    assert await days(DAY + step, DAY) == []
    for last in (date.min, date.max):
        await flows.record_metrics(made.id, last, MetricIncrements(errors=1))
        assert (await flows.get_metrics(made.id, last, last))[0].metric_date == last
    assert await flows.get_metrics(uuid4(), date.min, date.max) == ()


@contract
async def test_figures_without_meaning_are_refused(backend: Backend, scope: TenantScope) -> None:
    """No flow, no day, no figures, or a sum beyond its bounds; nothing is added."""
    flows = scope.flows
    made = await new_flow(flows)
    much = MetricIncrements(executions=2**53, custom_metrics={"a": 1e15})
    await flows.record_metrics(made.id, DAY, much)
    before = await flows.get_metrics(made.id, DAY, DAY)
    one = MetricIncrements(executions=1)
    wrong: list[tuple[Any, Any]] = [
        (DAY, {"executions": 1}),
        (DAY, None),
        ("2024-02-29", one),
        (backend.clock.now(), one),
        (DAY, one),
        (DAY, MetricIncrements(errors=1, custom_metrics={"a": 1e15})),
    ]
    for day, figures in wrong:
        error = await raised_by(flows.record_metrics(made.id, day, figures))
        assert isinstance(error, ValidationError), figures
    unknown = await raised_by(flows.record_metrics(uuid4(), DAY, one))
    assert isinstance(unknown, EntityNotFoundError)
    assert isinstance(
        await raised_by(flows.get_metrics(made.id, wrong[2][0], DAY)), ValidationError
    )
    assert exact(await flows.get_metrics(made.id, DAY, DAY)) == exact(before)


@contract
async def test_statistics_are_worked_out_from_figures(scope: TenantScope) -> None:
    """Of the days asked for only; None where there is nothing to divide by."""
    flows = scope.flows
    made = await new_flow(flows)
    good = MetricIncrements(executions=4, completions=3, total_duration_ms=600)
    await flows.record_metrics(made.id, DAY, good)
    await flows.record_metrics(made.id, DAY + timedelta(days=1), MetricIncrements(executions=2))
    refreshed = await flows.refresh_statistics(made.id, DAY, DAY + timedelta(days=1))
    assert (refreshed.success_rate, refreshed.avg_completion_time_ms) == (0.5, 200.0)
    assert exact(await flows.require(made.id)) == exact(refreshed)
    later = DAY + timedelta(days=1)
    refreshed = await flows.refresh_statistics(made.id, later, later)
    assert (refreshed.success_rate, refreshed.avg_completion_time_ms) == (0.0, None)
    refreshed = await flows.refresh_statistics(made.id, date.min, date.min)
    assert (refreshed.success_rate, refreshed.avg_completion_time_ms) == (None, None)
    error = await raised_by(flows.refresh_statistics(uuid4(), DAY, DAY))
    assert isinstance(error, EntityNotFoundError)
