"""Flows in use: what is counted, what is found, and the most recently used."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import attrs
import pytest

from domain.errors import ValidationError
from domain.flows import Flow, FlowStatus
from ports.contracts.exact import exact
from ports.contracts.flows import active_flow, flow_in, new_flow
from ports.contracts.harness import Backend, contract, raised_by, raised_by_each
from ports.errors import (
    InvalidQueryError,
)
from ports.paging import Pagination
from ports.stores import TenantScope


@contract
async def test_active_flows_come_most_recently_used_first(
    backend: Backend, scope: TenantScope
) -> None:
    """Those that were never used come last; others than active ones don't come."""
    flows = scope.flows
    made = [await active_flow(flows, f"flow {n}") for n in range(5)]
    await new_flow(flows, "draft")
    for place, n in enumerate((3, 0, 4)):
        await flows.increment_usage(made[n].id, at=backend.clock.now() + timedelta(hours=place))
    await flows.increment_usage((await flow_in(flows, FlowStatus.INACTIVE)).id)
    expected = [made[n].id for n in (4, 0, 3, 2, 1)]
    assert [flow.id for flow in await flows.get_active()] == expected
    assert [flow.id for flow in await flows.get_active(2)] == expected[:2]
    assert await flows.get_active(1000)
    for limit in (0, 1001, -1):
        assert isinstance(await raised_by(flows.get_active(limit)), InvalidQueryError)


@contract
async def test_uses_are_counted(backend: Backend, scope: TenantScope) -> None:
    """Neither the revision nor the time of change moves; the latest use is kept."""
    flows = scope.flows
    made = await new_flow(flows)
    now = backend.clock.advance(hours=1)
    assert await flows.increment_usage(made.id) == 1
    used = attrs.evolve(made, usage_count=1, last_used_at=now)
    assert exact(await flows.require(made.id)) == exact(used)
    assert await flows.increment_usage(made.id, 41, at=now - timedelta(days=1)) == 42
    assert (await flows.require(made.id)).last_used_at == now
    later = datetime(2099, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)
    assert await flows.increment_usage(made.id, 10**6, at=later) == 10**6 + 42
    assert exact(await flows.require(made.id)) == exact(
        attrs.evolve(made, usage_count=10**6 + 42, last_used_at=later)
    )
    assert (await flows.update(made)).usage_count == 10**6 + 42


@contract
async def test_a_use_beyond_all_bounds_is_refused(scope: TenantScope) -> None:
    """A count that 64 bits can't hold, and a time without a zone; nothing is counted."""
    flows = scope.flows
    made = await new_flow(flows)
    full = await flows.create(attrs.evolve(made, id=uuid4(), name="full", usage_count=2**63 - 2))
    assert await flows.increment_usage(full.id) == 2**63 - 1
    wrong: Any = "2024-01-01"
    for error in await raised_by_each(
        flows.increment_usage(full.id),
        flows.increment_usage(made.id, at=datetime(2024, 1, 1)),  # noqa: DTZ001  # what is refused
        flows.increment_usage(made.id, at=wrong),
    ):
        assert isinstance(error, ValidationError)
    assert (await flows.require(full.id)).usage_count == 2**63 - 1
    assert exact(await flows.require(made.id)) == exact(made)


@pytest.mark.parametrize("amount", [0, -1, 10**6 + 1, 1.0, True, "1", None], ids=repr)
@contract
async def test_an_amount_without_meaning_is_refused(scope: TenantScope, amount: Any) -> None:
    """Nothing is counted."""
    flows = scope.flows
    made = await new_flow(flows)
    assert isinstance(await raised_by(flows.increment_usage(made.id, amount)), ValidationError)
    assert exact(await flows.require(made.id)) == exact(made)


@contract
async def test_a_search_finds_every_word_anywhere(backend: Backend, scope: TenantScope) -> None:
    """In name, description, category or tags, as parts of words too, ignoring case and form."""
    flows = scope.flows
    texts: dict[str, dict[str, Any]] = {
        "Welcome": {"description": "Says HELLO to customers"},
        "Billing": {"category": "Straße", "tags": ["hello", "VIP"]},
        "Fi\ufb01": {"description": "100% of a_b"},
        "other": {"tags": ["welcome%"], "description": "x y"},
    }
    for name, fields in texts.items():
        backend.clock.advance(seconds=1)
        await flows.create(Flow.draft(name=name, **fields))
    for text, found in (
        ("hello", ["Billing", "Welcome"]),
        ("HELLO welcome", ["Welcome"]),
        ("elco", ["other", "Welcome"]),
        ("STRASSE", ["Billing"]),
        ("vip  billing\thello", ["Billing"]),
        ("fifi", ["Fi\ufb01"]),
        ("%", ["other", "Fi\ufb01"]),
        ("100% a_b", ["Fi\ufb01"]),
        ("a%b", []),
        ("welcome x", ["other"]),
        ("lobilling", []),
        ("", ["other", "Fi\ufb01", "Billing", "Welcome"]),
        (" \n\t ", ["other", "Fi\ufb01", "Billing", "Welcome"]),
        ("hellovip", []),
    ):
        page = await flows.search(text)
        assert [flow.name for flow in page.items] == found, text
        assert page.total == len(found)


@contract
async def test_a_search_is_narrowed_before_it_is_cut(scope: TenantScope) -> None:
    """Statuses and tags count into pages and totals; an empty list of statuses finds nothing."""
    flows = scope.flows
    for n in range(6):
        tags = ["even"] if n % 2 == 0 else ["odd", "even"]
        flow = await new_flow(flows, f"flow {n}", tags=tags)
        if n < 3:
            await flows.publish(flow.id)
    page = await flows.search("flow", ["active"], ["even"], Pagination(1, 2))
    assert ([flow.name for flow in page.items], page.total, page.has_next) == (
        ["flow 2", "flow 1"],
        3,
        True,
    )
    page = await flows.search("flow", ["active", "draft"], ["odd", "even"])
    assert [flow.name for flow in page.items] == ["flow 5", "flow 3", "flow 1"]
    assert (await flows.search("flow", [])).total == 0
    assert (await flows.search("flow", None, [])).total == 6
    assert (await flows.search("", [FlowStatus.DRAFT])).total == 3
    assert (await flows.search("flow", pagination=Pagination(2, 4))).total == 6
    wrong: Any = "no such status"
    assert isinstance(await raised_by(flows.search("", [wrong])), InvalidQueryError)


@contract
async def test_a_search_follows_every_change(scope: TenantScope) -> None:
    """What was edited, patched or deleted is found by what it holds now."""
    flows = scope.flows
    made = await new_flow(flows, "before", tags=["old"])
    await flows.update(made.edited(name="after", tags=("new",)))
    assert (await flows.search("before")).total == (await flows.search("old")).total == 0
    assert (await flows.search("after new")).total == 1
    await flows.patch(made.id, name="later", tags=["Newer"], description="Über")
    assert (await flows.search("after")).total == 0
    assert (await flows.search("later newer über")).total == 1
    assert await flows.count(flows.where("name").ilike("LATER")) == 1
    await flows.update_where(None, description=None)
    assert (await flows.search("über")).total == 0
    await flows.delete(made.id)
    assert (await flows.search("later")).total == 0
