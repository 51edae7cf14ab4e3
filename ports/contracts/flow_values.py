"""Values of flows: figures, texts, and what summaries and searches make of them."""

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from domain.definitions import FlowDefinition
from domain.errors import ValidationError
from domain.flows import Flow, FlowStatus
from domain.rules import checked
from ports.contracts.exact import exact
from ports.contracts.harness import contract, raised_by, raised_by_each
from ports.contracts.strategies import HOSTILE
from ports.criteria import Criteria
from ports.errors import InvalidQueryError
from ports.flows import FlowSummary
from ports.stores import TenantScope

REFUSED: dict[str, dict[str, Any]] = {
    "half an emoji": {"name": "\ud83d"},
    "no name": {"name": ""},
    "256 characters": {"name": "x" * 256},
    "10 001 characters": {"description": "x" * 10_001},
    "a rate above one": {"success_rate": 1.0000000000000002},
    "a rate that is NaN": {"success_rate": float("nan")},
    "a rate that is true": {"success_rate": True},
    "text for an id": {"fallback_flow_id": "00000000-0000-0000-0000-000000000000"},
    "a control character": {"updated_by": "a\x85"},
}

ADMITTED: dict[str, dict[str, Any]] = {
    "255 characters beyond the BMP": {"name": "😀" * 255},
    "10 000 characters": {"description": "\U0010ffff" * 10_000},
    "50 tags alike": {"tags": ["😀" * 50] * 50},
    **{f"text {n}": {"name": sample} for n, sample in enumerate(HOSTILE)},
}


@pytest.mark.parametrize("case", REFUSED)
@contract
async def test_what_a_flow_does_not_admit_changes_nothing(scope: TenantScope, case: str) -> None:
    """The error names the field and keeps the value to itself."""
    flows, changes = scope.flows, REFUSED[case]
    made = await flows.create(Flow.draft(name="flow"))
    for error in await raised_by_each(
        flows.patch(made.id, **changes),
        flows.update_where(None, **changes),
        flows.modify(made.id, lambda flow: flow.edited(**changes)),
    ):
        assert isinstance(error, ValidationError)
        assert len(str(error)) < 1_000
    assert exact(await flows.require(made.id)) == exact(made)


@pytest.mark.parametrize("case", ADMITTED)
@contract
async def test_what_a_flow_admits_comes_back_equal(scope: TenantScope, case: str) -> None:
    """By a patch, and in a flow drafted with it."""
    flows, changes = scope.flows, ADMITTED[case]
    made = await flows.create(Flow.draft(name="flow"))
    await flows.patch(made.id, **changes)
    drafted: dict[str, Any] = {"name": "other", "version": "2.0", **changes}
    created = await flows.create(Flow.draft(**drafted))
    for stored in (await flows.require(made.id), await flows.require(created.id)):
        for name, value in changes.items():
            assert exact(getattr(stored, name)) == exact(checked(Flow, name, value))


@contract
async def test_numbers_times_and_flags_compare_as_values(scope: TenantScope) -> None:
    """Whole or fractional, at the bounds, in any zone, ids and members as text too."""
    flows = scope.flows
    base = await flows.create(Flow.draft(name="n", definition=FlowDefinition.external({})))
    await flows.patch(base.id, success_rate=0.1, avg_completion_time_ms=3)
    await flows.increment_usage(base.id, at=datetime(2024, 1, 1, 12, tzinfo=UTC))
    where = flows.where
    true: list[Criteria] = [
        where("success_rate").eq(0.1),
        where("success_rate").lt(0.1 + 2e-17),
        where("avg_completion_time_ms").eq(3),
        where("avg_completion_time_ms").in_([3.0, 1e300]),
        where("avg_completion_time_ms").gt(-1e308),
        where("usage_count").lte(2**63 - 1),
        where("usage_count").gt(-(2**63)),
        where("last_used_at").eq("2024-01-01T13:00:00+01:00"),
        where("last_used_at").eq(datetime(2024, 1, 1, 12, 0, 0, 999, tzinfo=UTC)),
        where("last_used_at").date_range("2024-01-01T12:00:00Z", None),
        where("id").eq(str(base.id)),
        where("id").gte(base.id),
        where("status").eq("draft"),
        where("status").not_in([FlowStatus.ACTIVE]),
        where("is_default").eq(False),
    ]
    for wanted in true:
        assert wanted.matches(await flows.require(base.id)), wanted
        assert await flows.count(wanted) == 1, wanted
        assert await flows.count(~wanted) == 0, wanted


@contract
async def test_summaries_are_pages_of_flows_without_definitions(scope: TenantScope) -> None:
    """They follow the same criteria, orders and cursors, and hold what the flows hold."""
    flows = scope.flows
    for n in range(5):
        await flows.create(
            Flow.draft(name=f"flow {n}", tags=["t"] * n, category=None if n else "c")
        )
    wanted = {"name": {"operator": "ne", "value": "flow 3"}}
    expected = [flow async for flow in flows.stream(wanted, "-name")]
    page = await flows.summaries(wanted, "-name", None, 3)
    rest = await flows.summaries(wanted, "-name", page.next, 3)
    assert rest.next is None
    summaries = [*page.items, *rest.items]
    assert len(page.items) == 3
    shown = [field.name for field in attrs.fields(FlowSummary)]
    assert {"id", "name", "status", "tags", "revision"} < set(shown)
    for summary, flow in zip(summaries, expected, strict=True):
        for name in shown:
            assert exact(getattr(summary, name)) == exact(getattr(flow, name)), name
    assert isinstance(await raised_by(flows.summaries(limit=0)), InvalidQueryError)
    for wrong in ({"no_such_field": 1}, {"tags": "a"}):
        assert isinstance(await raised_by(flows.summaries(wrong)), InvalidQueryError)
    for order in ("no_such_field", "tags", ["name", "-name"]):
        assert isinstance(await raised_by(flows.summaries(None, order)), InvalidQueryError)


@contract
async def test_a_search_for_flows_is_bounded(scope: TenantScope) -> None:
    """Twenty words and a thousand characters; NUL and lone surrogates are refused."""
    flows = scope.flows
    await flows.create(Flow.draft(name="a"))
    assert (await flows.search(" ".join("a" * 20))).total == 1
    assert (await flows.search("a " * 500)).total == 1
    wrong: list[Any] = [" ".join(map(str, range(21))), "a" * 1001, "\x00", "\ud800", None, 7]
    for text in wrong:
        assert isinstance(await raised_by(flows.search(text)), InvalidQueryError)
