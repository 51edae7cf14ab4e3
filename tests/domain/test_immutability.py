"""Entities can't change, all the way down."""

from collections.abc import Iterator
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import attrs
from attrs.exceptions import FrozenInstanceError
from hypothesis import given

from domain.definitions import FlowDefinition
from domain.documents import JsonArray, JsonObject
from domain.flows import Flow, FlowDailyMetrics, FlowVersion, MetricIncrements
from domain.frozen import FrozenDict
from domain.identity import TenantId
from tests.domain.values import AT, DAYS, DEFINITIONS, FLOWS, INCREMENTS

CONTAINERS = {tuple, frozenset, FrozenDict, JsonObject, JsonArray}
ATOMS = {type(None), bool, int, float, str, UUID, date, datetime}


def reachable(value: Any) -> Iterator[Any]:
    """A value and all that it holds."""
    yield value
    if attrs.has(type(value)):
        inner: Any = [getattr(value, each.name) for each in attrs.fields(type(value))]
    elif isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = value
    else:
        inner = ()
    for each in inner:
        yield from reachable(each)


def _frozen(value: Any) -> bool:
    name = attrs.fields(type(value))[0].name
    try:
        setattr(value, name, getattr(value, name))
    except FrozenInstanceError:
        return True
    return False


def mutable_parts(value: Any) -> list[Any]:
    """What a caller could change."""
    return [
        part
        for part in reachable(value)
        if type(part) not in CONTAINERS | ATOMS
        and not isinstance(part, Enum)
        and not (attrs.has(type(part)) and _frozen(part))
    ]


@given(FLOWS)
def test_nothing_in_a_flow_can_be_changed(flow: Flow) -> None:
    """No list, dict or set of the ordinary kind is in it, at any depth."""
    assert mutable_parts(flow) == []


@given(FLOWS, DEFINITIONS)
def test_nothing_in_a_changed_flow_can_be_changed(flow: Flow, definition: FlowDefinition) -> None:
    """Whatever mutable things the change was made with."""
    config: dict[str, Any] = {"list": [{"a": [1]}]}
    changed = flow.moved_to(flow.status).edited(
        tags=["a"], trigger_conditions=config, description="new"
    )
    assert mutable_parts(changed) == []
    config["list"].append(2)
    assert changed.trigger_conditions == {"list": [{"a": [1]}]}
    version = FlowVersion(
        id=uuid4(),
        tenant_id=flow.tenant_id,
        flow_id=flow.id,
        version="1",
        definition=definition,
        created_at=AT,
    )
    assert mutable_parts(version) == []


@given(INCREMENTS, DAYS)
def test_nothing_in_daily_figures_can_be_changed(totals: MetricIncrements, day: date) -> None:
    """The figures of one's own included."""
    made = FlowDailyMetrics(
        tenant_id=TenantId("t"),
        flow_id=uuid4(),
        metric_date=day,
        totals=totals,
        created_at=AT,
        updated_at=AT,
    )
    assert mutable_parts(made) == []


@given(DEFINITIONS)
def test_states_are_kept_apart_from_the_dict_they_came_in(definition: FlowDefinition) -> None:
    """A later change to it shows nowhere."""
    given_states = dict(definition.states)
    made = attrs.evolve(definition, states=given_states)
    given_states.clear()
    assert made == definition
    assert mutable_parts(made) == []


def test_the_walk_finds_what_is_mutable() -> None:
    """So that the tests above can fail."""

    @attrs.define
    class Loose:
        value: object

    assert mutable_parts((1, [2], {"a": {3}})) == [[2], {"a": {3}}, {3}]
    assert mutable_parts(Loose(None)) == [Loose(None)]
