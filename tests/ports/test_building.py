"""Building criteria: what can be asked of which field, with which operands."""

import itertools
import math
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ports.criteria import And, Comparison, Criteria, Operator, Or, Where, coerce, parse
from ports.criteria.build import MAX_OPERANDS, MAX_SEARCH_TERMS
from ports.criteria.nodes import MAX_DEPTH, MAX_NODES
from ports.errors import InvalidQueryError
from ports.flows import FLOW_SCHEMA
from ports.schema import EntitySchema, FieldSchema, Kind
from tests.ports.queries import (
    AT,
    FEW,
    IDS,
    KINDS,
    OTHER_SCHEMA,
    SCHEMA,
    Colour,
    Sample,
    condition,
    criteria,
    operands,
    takes,
    where,
)

WRONG: dict[Kind, list[object]] = {
    Kind.TEXT: [None, 1, b"a", ["a"], "a\0", "\ud800", "x" * 1_000_001],
    Kind.ENUM: [None, "purple", "RED", 1, [], {"red"}],
    Kind.INTEGER: [None, "1", 1.0, True, 2**63, math.nan],
    Kind.NUMBER: [None, "1", True, math.nan, math.inf, 10**400, 1j],
    Kind.BOOLEAN: [None, 0, 1, "true"],
    Kind.UUID: [None, 1, "id", "", str(IDS[0])[:-1], IDS[0].bytes],
    Kind.INSTANT: [None, 0, "now", "2026-01-01", "2026-01-01T00:00:00", AT.replace(tzinfo=None)],
    Kind.DATE: [None, 0, "today", "2026-02-30", AT, "2026-01-01T00:00:00Z"],
    Kind.TEXTS: [None, 1, ["a"], "a\0"],
}
EVERY_CASE = [
    pytest.param(schema, field, operator, id=f"{schema.name}.{field.name}-{operator}")
    for schema in (SCHEMA, FLOW_SCHEMA)
    for field in schema.fields.values()
    for operator in KINDS
]


@pytest.mark.parametrize(("schema", "field", "operator"), EVERY_CASE)
@settings(max_examples=10)  # four hundred cases
@given(data=st.data())
def test_an_operator_is_accepted_by_the_kinds_that_have_it_and_by_no_other(
    schema: EntitySchema[Any], field: FieldSchema, operator: str, data: st.DataObject
) -> None:
    """In Python and in JSON alike, for every field and operator."""
    operand = data.draw(operands(field, operator)) if field.kind is not Kind.ENUM else None
    if field.kind is Kind.ENUM:
        assert field.members is not None
        member = data.draw(st.sampled_from(list(field.members)))
        operand = [member] if operator in ("in", "not_in") else member
        operand = True if operator in ("is_null", "is_not_null", "exists") else operand
    method = operator + "_" if operator == "in" else operator
    document = {field.name: {"operator": operator, "value": operand}}
    if takes(field, operator):
        built = getattr(Where(schema)(field.name), method)(operand)
        assert parse(document, schema) == built
        assert isinstance(built, Comparison | And)
    else:
        with pytest.raises(InvalidQueryError, match=rf"^{field.name}: .* can't be asked of"):
            getattr(Where(schema)(field.name), method)(operand)
        with pytest.raises(InvalidQueryError, match=rf"^{field.name}: "):
            parse(document, schema)


def test_the_table_of_operators_is_complete() -> None:
    """Every operator that JSON may name is in it."""
    for operator in KINDS:
        with pytest.raises(InvalidQueryError) as caught:
            parse({"text": {"operator": operator, "value": object()}}, SCHEMA)
        assert "unknown operator" not in str(caught.value)
    assert {each.value for each in Operator} <= set(KINDS)


@pytest.mark.parametrize(
    ("name", "operator"),
    [(f.name, op) for f in SCHEMA.fields.values() for op in KINDS if takes(f, op)],
)
def test_an_operand_of_the_wrong_type_is_refused(name: str, operator: str) -> None:
    """Never turned into something else, never passed on."""
    wrong: list[object] = list(WRONG[SCHEMA.fields[name].kind])
    if operator in ("in", "not_in", "any_of", "all_of"):
        wrong = [[each] for each in wrong] + [None, "abc", b"abc", 1, {"a": 1}]
    elif operator in ("is_null", "is_not_null", "exists"):
        wrong = [None, 0, 1, "true", []]
    elif operator == "size":
        wrong = [None, -1, 1.0, True, "1", 2**31]
    elif operator == "regex":
        wrong = [None, 1, "(", "a**"]
    elif operator == "date_range":
        wrong = [None, {}, {"start": None}, {"from": AT}, "now", {"start": "now"}, {1: 2}, []]
    for operand in wrong:
        with pytest.raises(InvalidQueryError):
            condition(name, operator)(operand)


def test_ids_times_and_members_may_be_given_as_text() -> None:
    """As an HTTP API receives them."""
    value, at, day = uuid4(), AT + timedelta(hours=1), date(2026, 3, 29)
    assert where("uuid").eq(str(value)) == where("uuid").eq(value)
    assert where("instant").gt("2026-03-29T03:00:00+02:00") == where("instant").gt(at)
    assert where("instant").gt("2026-03-29T01:00:00.000999Z") == where("instant").gt(at)
    assert where("day").lt("2026-03-29") == where("day").lt(day)
    assert where("colour").eq("red") == where("colour").eq(Colour.RED)


@pytest.mark.parametrize("name", ["uuid", "instant", "day", "integer", "colour", "number"])
@pytest.mark.parametrize("secret", ["hunter2" * 100, ["hunter2"], "hunter2\0", {"hunter2": 1}])
def test_a_refused_operand_is_not_repeated(name: str, secret: object) -> None:
    """A message names the field and the rule; what users write may be secret, or long."""
    with pytest.raises(InvalidQueryError, match=f"^{name}: the operand") as caught:
        where(name).eq(secret)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["nonsense", "", "id ", "ID", "$where", "a" * 10**6, None, 1, []])
def test_an_unknown_field_is_refused(name: Any) -> None:
    """With the list of what there is; never ignored."""
    with pytest.raises(InvalidQueryError, match=r"sample has no field .*; it has boolean, colour"):
        where(name)
    with pytest.raises(InvalidQueryError) as caught:
        where(name)
    assert len(str(caught.value)) < 300


def test_at_most_ten_thousand_operands_are_taken() -> None:
    """Of an endless source, no more are read."""
    assert isinstance(where("integer").in_(range(MAX_OPERANDS)), Comparison)
    for operand in (range(MAX_OPERANDS + 1), itertools.count()):
        with pytest.raises(InvalidQueryError, match="at most 10000 operands"):
            where("integer").in_(operand)


@pytest.mark.parametrize("make", [list, tuple, set, frozenset, iter, Counter])
def test_operands_come_in_any_collection_but_a_mapping(make: Callable[[Any], Any]) -> None:
    """A mapping's values would be ignored."""
    if make is Counter:
        with pytest.raises(InvalidQueryError, match="must be a list"):
            where("integer").in_(make([1]))
    else:
        assert where("integer").in_(make([1])) == where("integer").in_([1])


def test_a_range_names_its_ends_once() -> None:
    """In JSON as an object, in Python as two arguments."""
    later = AT + timedelta(1)
    ends = where("instant").date_range(AT, later)
    assert ends == where("instant").gte(AT) & where("instant").lt(later)
    assert ends == where("instant").date_range({"start": AT, "end": later})
    with pytest.raises(InvalidQueryError):
        where("instant").date_range({"start": AT}, later)
    with pytest.raises(InvalidQueryError, match="needs a start or an end"):
        where("instant").date_range()


@pytest.mark.parametrize("other", [None, True, {}, {"text": "a"}, "text", where])
def test_criteria_combine_with_criteria_only(other: Any) -> None:
    """JSON must be parsed first."""
    for combine in (Criteria.__and__, Criteria.__or__):
        with pytest.raises(InvalidQueryError, match="criteria combine with criteria"):
            combine(where.everything, other)


def test_criteria_on_different_entities_do_not_mix() -> None:
    """Nor does a repository take another's."""
    foreign = Where(OTHER_SCHEMA)("text").eq("a")
    with pytest.raises(InvalidQueryError, match="sample and other don't mix"):
        where("text").eq("a") & foreign
    with pytest.raises(InvalidQueryError, match="criteria on other don't fit sample"):
        coerce(foreign, SCHEMA)


def test_a_repository_takes_criteria_json_or_nothing() -> None:
    """Nothing means everything."""
    built = where("text").eq("a")
    assert coerce(built, SCHEMA) is built
    assert coerce({"text": "a"}, SCHEMA) == built
    assert coerce(None, SCHEMA) == coerce({}, SCHEMA) == where.everything
    others: list[Any] = [[], "text", 1, True]
    for other in others:
        with pytest.raises(InvalidQueryError, match="must be an object"):
            coerce(other, SCHEMA)


def chained(count: int, combine: Callable[[Criteria, Criteria], Criteria]) -> Criteria:
    """Many conditions, one after the other."""
    made = where("integer").eq(0)
    for n in range(1, count):
        made = combine(made, where("integer").eq(n))
    return made


@pytest.mark.parametrize("combine", [Criteria.__and__, Criteria.__or__])
def test_criteria_have_at_most_five_hundred_conditions(
    combine: Callable[[Criteria, Criteria], Criteria],
) -> None:
    """A chain of one kind is as flat as it can be; the node that joins them counts."""
    widest = chained(MAX_NODES - 1, combine)
    assert isinstance(widest, And | Or)
    assert len(widest.terms) == MAX_NODES - 1
    with pytest.raises(InvalidQueryError, match="at most 500 conditions"):
        combine(widest, where("integer").eq(0))


def test_criteria_are_at_most_twenty_levels_deep() -> None:
    """However the levels are made."""
    made = where("integer").eq(0)
    for n in range(MAX_DEPTH - 1):
        made = where("integer").eq(n) & made if n % 2 else where("integer").eq(n) | made
    with pytest.raises(InvalidQueryError, match="20 levels"):
        made | (made & where("integer").eq(0))
    with pytest.raises(InvalidQueryError, match="20 levels"):
        _ = ~made


@pytest.mark.parametrize("text", [None, 1, b"a", "a\0", "\ud800", "a" * 1001])
def test_a_search_is_text_of_bounded_length(text: Any) -> None:
    """A thousand characters."""
    where.search("a" * 1000)
    with pytest.raises(InvalidQueryError, match="a search is text"):
        where.search(text)


def test_a_search_has_at_most_twenty_different_terms() -> None:
    """A term that stands twice counts once."""
    where.search(" ".join(map(str, range(MAX_SEARCH_TERMS))) + " 1 2 3")
    with pytest.raises(InvalidQueryError, match="at most 20 terms"):
        where.search(" ".join(map(str, range(MAX_SEARCH_TERMS + 1))))


@given(criteria)
def test_criteria_are_values(made: Criteria) -> None:
    """Hashable, equal to themselves, frozen, and walked whole."""
    assert len({made, made}) == 1
    nodes = list(made.walk())
    assert nodes[0] is made
    assert len(nodes) == 1 + sum(len(list(part.walk())) for part in made.parts)
    with pytest.raises(AttributeError):
        made.schema = OTHER_SCHEMA  # type: ignore[misc]  # that is the point


def test_every_kind_has_operands_to_draw() -> None:
    """So that no table above has a gap."""
    assert set(FEW) == set(WRONG) == set(Kind)
    assert {field.kind for field in SCHEMA.fields.values()} == set(Kind)
    assert {field.name for field in SCHEMA.fields.values()} <= set(Sample.__annotations__)
