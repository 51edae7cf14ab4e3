"""How criteria are written: as JSON, in bounds, and within the subset of regular expressions."""

from datetime import date
from typing import Any

import attrs
import pytest

from domain.flows import Flow
from ports.contracts.harness import contract, raised_by, raised_by_each
from ports.criteria import And, Criteria, parse
from ports.errors import InvalidQueryError
from ports.flows import FLOW_SCHEMA, FlowRepository
from ports.stores import TenantScope


async def names(flows: FlowRepository, wanted: Any) -> list[str]:
    """The names of what is found."""
    return [flow.name async for flow in flows.stream(wanted, "name")]


def _condition(operator: str, value: object) -> dict[str, object]:
    return {"operator": operator, "value": value}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({}, ["bye", "hi", "welcome"]),
        ({"name": "hi"}, ["hi"]),
        ({"name": ["hi", "bye", "?"]}, ["bye", "hi"]),
        ({"category": None}, ["hi"]),
        ({"category": "greeting", "name": _condition("startswith", "w")}, ["welcome"]),
        ({"name": _condition("ilike", "WEL")}, ["welcome"]),
        ({"name": _condition("icontains", "E")}, ["bye", "welcome"]),
        ({"name": _condition("like", "e")}, ["bye", "welcome"]),
        ({"name": _condition("contains", "elc")}, ["welcome"]),
        ({"name": _condition("eq", "hi")}, ["hi"]),
        ({"name": _condition("ne", "hi")}, ["bye", "welcome"]),
        ({"name": _condition("gt", "hi")}, ["welcome"]),
        ({"name": _condition("gte", "hi")}, ["hi", "welcome"]),
        ({"name": _condition("lt", "hi")}, ["bye"]),
        ({"name": _condition("lte", "hi")}, ["bye", "hi"]),
        ({"name": _condition("in", ["hi"])}, ["hi"]),
        ({"name": _condition("not_in", ["hi"])}, ["bye", "welcome"]),
        ({"category": {"operator": "is_null"}}, ["hi"]),
        ({"category": {"operator": "is_not_null"}}, ["bye", "welcome"]),
        ({"category": {"operator": "exists"}}, ["bye", "welcome"]),
        ({"category": _condition("exists", False)}, ["hi"]),
        ({"tags": _condition("size", 2)}, ["welcome"]),
        ({"tags": _condition("any_of", ["a", "b"])}, ["hi", "welcome"]),
        ({"tags": _condition("all_of", ["a", "b"])}, ["welcome"]),
        ({"tags": _condition("contains", "b")}, ["welcome"]),
        ({"or": [{"name": "hi"}, {"name": "bye"}]}, ["bye", "hi"]),
        ({"not": {"name": "hi"}}, ["bye", "welcome"]),
        ({"not": {"category": "greeting"}}, ["bye", "hi"]),
        ({"and": [{"name": ["hi", "bye"]}, {"not": {"name": "hi"}}]}, ["bye"]),
        ({"name": ["hi", "bye"], "or": [{"tags": _condition("size", 1)}]}, ["hi"]),
        ({"not": {"or": []}}, ["bye", "hi", "welcome"]),
        ({"not": {"and": []}}, []),
    ],
    ids=lambda value: ascii(value)[:50] if isinstance(value, dict) else "",
)
@contract
async def test_json_is_read_as_criteria(
    scope: TenantScope, document: dict[str, Any], found: list[str]
) -> None:
    """A value means `eq`, a list `in`, a null `is_null`; operators stand in objects."""
    flows = scope.flows
    await flows.create_many(
        [
            Flow.draft(name="welcome", category="greeting", tags=["a", "b"]),
            Flow.draft(name="hi", tags=["a"]),
            Flow.draft(name="bye", category="farewell"),
        ]
    )
    assert await names(flows, document) == found
    assert await names(flows, parse(document, FLOW_SCHEMA)) == found
    assert await flows.count(document) == len(found)


MALFORMED: tuple[Any, ...] = (
    {"no_such_field": 1},
    {"nmae": "typing error"},
    {"tenant_id": "other"},
    {"definition": {"operator": "eq", "value": {}}},
    {"$where": "1"},
    {"name.x": "a"},
    {"name; --": "a"},
    {7: "a"},
    {"name": {"operator": "$ne", "value": "a"}},
    {"name": {"$ne": "a"}},
    {"name": {"operator": "eq"}},
    {"name": {"operator": "eq", "value": None}},
    {"name": {"operator": "eq", "value": "a", "extra": 1}},
    {"name": {"operator": ["eq"], "value": "a"}},
    {"name": {"operator": "size", "value": 1}},
    {"name": {"operator": "any_of", "value": ["a"]}},
    {"name": {"operator": "date_range", "value": {"start": "2024-01-01"}}},
    {"name": 7},
    {"name": True},
    {"name": "a\x00"},
    {"name": "\ud800"},
    {"name": ["a", 7]},
    {"name": {"operator": "in", "value": "abc"}},
    {"name": {"operator": "in", "value": {"a": 1}}},
    {"name": {"operator": "is_null", "value": "yes"}},
    {"version": {"operator": "ilike", "value": "1"}},
    {"status": "no such status"},
    {"status": {"operator": "gt", "value": "draft"}},
    {"is_default": 1},
    {"is_default": "true"},
    {"usage_count": 1.5},
    {"usage_count": 2**63},
    {"usage_count": True},
    {"usage_count": "1"},
    {"success_rate": float("nan")},
    {"success_rate": "0.5"},
    {"id": "not a uuid"},
    {"id": 7},
    {"created_at": "yesterday"},
    {"created_at": "2024-01-01T00:00:00"},
    {"created_at": date(2024, 1, 1)},
    {"last_used_at": {"operator": "date_range", "value": {}}},
    {"last_used_at": {"operator": "date_range", "value": {"from": "2024-01-01T00:00:00Z"}}},
    {"tags": "a"},
    {"tags": ["a"]},
    {"tags": {"operator": "size", "value": -1}},
    {"tags": {"operator": "size", "value": "1"}},
    {"tags": {"operator": "any_of", "value": "a"}},
    {"and": {"name": "a"}},
    {"or": "name"},
    {"or": [None]},
    {"not": [{"name": "a"}]},
    "name = 'a'",
    ["name"],
    7,
)


@pytest.mark.parametrize("document", MALFORMED, ids=lambda document: ascii(document)[:60])
@contract
async def test_criteria_without_meaning_are_refused(scope: TenantScope, document: Any) -> None:
    """Unknown fields, operators and operands are errors: never ignored, and nothing is changed."""
    flows = scope.flows
    made = await flows.create(Flow.draft(name="a"))
    calls = [
        flows.count(document),
        flows.list(document),
        flows.scan(document),
        flows.summaries(document),
        anext(flows.stream(document)),
        flows.update_where(document, description="x"),
        flows.delete_where(document),
    ]
    for error in await raised_by_each(*calls):
        assert isinstance(error, InvalidQueryError)
    assert await flows.require(made.id) == made


@pytest.mark.parametrize(
    "pattern",
    [
        "(a)\\1",
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        "(?i)a",
        "(?P<n>a)",
        "(a+)+",
        "(a*)*",
        "((a|b?)c)*",
        "a**",
        "a*?",
        "a++",
        "*a",
        "a{65}",
        "a{2,1}",
        "a{",
        "a*b*c*",
        "[",
        "[]",
        "[z-a]",
        "(",
        ")",
        "a|",
        "",
        "\\b",
        "\\p{L}",
        "\\",
        "[[:alpha:]]",
        "^*",
        "a" * 257,
        "a\x00",
        "\ud800",
        7,
        None,
    ],
    ids=lambda pattern: ascii(pattern)[:20],
)
@contract
async def test_a_regex_outside_the_subset_is_refused(scope: TenantScope, pattern: Any) -> None:
    """Nothing that engines read differently, or can't bound, reaches one."""
    flows = scope.flows
    with pytest.raises(InvalidQueryError):
        flows.where("name").regex(pattern)
    with pytest.raises(InvalidQueryError):
        await flows.count({"name": {"operator": "regex", "value": pattern}})


@contract
async def test_ten_thousand_operands_are_taken_and_no_more(scope: TenantScope) -> None:
    """The bound is an error, not a cut."""
    flows = scope.flows
    await flows.create(Flow.draft(name="9999"))
    many = [str(n) for n in range(10_000)]
    assert await flows.count({"name": many}) == 1
    assert await flows.count(flows.where("name").not_in(many)) == 0
    assert await flows.count(flows.where("tags").any_of(many)) == 0
    assert isinstance(await raised_by(flows.count({"name": [*many, "x"]})), InvalidQueryError)


@contract
async def test_criteria_are_bounded(scope: TenantScope) -> None:
    """The largest that may be built can be asked; a larger or deeper one can't be built."""
    flows = scope.flows
    await flows.create(Flow.draft(name="n1"))
    one = [flows.where("name").eq(f"n{n}") | flows.where("name").eq("x") for n in range(166)]
    assert await flows.count(And.of(FLOW_SCHEMA, *one)) == 0
    ways: Criteria = flows.where("name").eq("n1")
    for n in range(300):
        ways |= flows.where("name").eq(f"x{n}")
    assert await flows.count(ways) == 1
    with pytest.raises(InvalidQueryError):
        And.of(FLOW_SCHEMA, *one, *one[:100])
    deep: dict[str, Any] = {"name": "n1"}
    for _ in range(18):
        deep = {"not": deep}
    assert await flows.count(deep) == 1
    for _ in range(3_000):
        deep = {"not": deep}
    assert isinstance(await raised_by(flows.count(deep)), InvalidQueryError)


@contract
async def test_criteria_of_another_entity_are_refused(scope: TenantScope) -> None:
    """Neither asked nor mixed."""
    flows = scope.flows
    other = attrs.evolve(FLOW_SCHEMA, name="other", fields=FLOW_SCHEMA.fields.values())
    foreign = parse({"name": "x"}, other)
    assert isinstance(await raised_by(flows.count(foreign)), InvalidQueryError)
    with pytest.raises(InvalidQueryError):
        flows.where("name").eq("x") & foreign


@pytest.mark.parametrize(
    "order",
    ["no_such_field", "-tenant_id", "--name", "", "tags", "definition", ["name", "-name"], [7], 7],
    ids=repr,
)
@contract
async def test_an_order_without_meaning_is_refused(scope: TenantScope, order: Any) -> None:
    """Unknown, unsortable and repeated fields are errors, never ignored."""
    flows = scope.flows
    for error in await raised_by_each(
        flows.list(None, None, order),
        flows.scan(None, order),
        flows.summaries(None, order),
        anext(flows.stream(None, order)),
    ):
        assert isinstance(error, InvalidQueryError)


@contract
async def test_a_search_is_bounded(scope: TenantScope) -> None:
    """Twenty words and a thousand characters; NUL and lone surrogates are refused."""
    flows = scope.flows
    await flows.create(Flow.draft(name="a"))
    assert (await flows.search(" ".join("a" * 20))).total == 1
    assert (await flows.search("a " * 500)).total == 1
    wrong: list[Any] = [" ".join(map(str, range(21))), "a" * 1001, "\x00", "\ud800", None, 7]
    for text in wrong:
        assert isinstance(await raised_by(flows.search(text)), InvalidQueryError)
