"""Criteria from plain JSON: read as documented, or refused; never anything else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ports.criteria import And, Not, Or, parse
from ports.errors import InvalidQueryError
from tests.domain.values import JSON_DOCUMENTS, JSON_VALUES, texts
from tests.ports.queries import KINDS, SCHEMA, Sample, samples, where

KEYS = st.sampled_from([*SCHEMA.fields, "and", "or", "not", "operator", "value", "$where"]) | texts(
    0, 5
)
NEARLY = st.fixed_dictionaries(
    {"operator": st.sampled_from([*KINDS, "$gt", "IN", ""]) | JSON_VALUES},
    optional={"value": JSON_VALUES, "valeu": JSON_VALUES},
)
HOSTILE = st.recursive(
    JSON_VALUES | NEARLY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(HOSTILE | JSON_DOCUMENTS | st.dictionaries(KEYS, HOSTILE), samples)
def test_any_document_is_read_or_refused(document: Any, sample: Sample) -> None:
    """Nothing but InvalidQueryError leaves the parser; what it reads can be asked."""
    try:
        made = parse(document, SCHEMA)
    except InvalidQueryError as error:
        said = str(error)
    else:
        said = str(made.matches(sample))
    assert said.isprintable()
    assert len(said) < 600


def deep(around: Any, levels: int = 900) -> Any:
    """A document nested deeper than any sender means it."""
    value: Any = {"text": "a"}
    for _ in range(levels):
        value = around(value)
    return value


@pytest.mark.parametrize(
    "document",
    [
        deep(lambda inner: {"not": inner}),
        deep(lambda inner: {"and": [inner]}),
        deep(lambda inner: {"or": [inner, inner]}, 60),
        {"text": deep(lambda inner: [inner])},
        {"text": deep(lambda inner: {"operator": inner})},
        {"text": {"operator": deep(lambda inner: [inner]), "value": 1}},
        {"text": {"operator": "eq", "value": deep(lambda inner: [inner])}},
        {"colour": {"operator": "eq", "value": deep(lambda inner: [inner])}},
        {"colour": [deep(lambda inner: [inner])]},
        {"instant": {"operator": "date_range", "value": deep(lambda inner: {"start": inner})}},
        {"or": [{"integer": n} for n in range(20_000)]},
        {"and": [{"or": [{"integer": n}, {"text": "a"}]} for n in range(200)]},
        {"integer": list(range(10_001))},
        {"text": "x" * 10_000_000},
        {"x" * 10_000_000: 1},
        {"text": {"operator": "x" * 10_000_000}},
        {"text": {"operator": "eq", "value": "a", "x" * 10_000_000: 1}},
        {"instant": {"operator": "date_range", "value": {"x" * 10_000_000: 1}}},
        {"text": {"operator": "eq", "value": {"$ne": None}}},
        {"$or": [{"text": "a"}]},
        {"text": {"$regex": ".*"}},
        {"tenant_id": "other"},
        {"text": {"operator": "__class__", "value": 1}},
        {"text": {"operator": "_made", "value": 1}},
        {"__class__": "x"},
        {"and": {"text": "a"}},
        {"or": "text"},
        {"not": [{"text": "a"}]},
        {"not": None},
        {1: "a"},
        {None: "a"},
        {("text",): "a"},
        {"text": {}},
        {"text": {"value": "a"}},
        {"text": {"operator": "eq"}},
        {"text": {"operator": None, "value": "a"}},
        {"text": {"operator": ["eq"], "value": "a"}},
    ],
    ids=range(37),
)
def test_hostile_documents_are_refused(document: Any) -> None:
    """Deep, wide, long, or written for another engine."""
    with pytest.raises(InvalidQueryError) as caught:
        parse(document, SCHEMA)
    assert len(str(caught.value)) < 600


def test_a_document_reads_as_it_looks() -> None:
    """Every entry must hold; a bare value is `eq`, a list `in`, null `is_null`."""
    document = json.loads(
        """{"text": "a", "integer": [1, 2], "number": null, "boolean": {"operator": "exists"},
            "folded": {"operator": "ilike", "value": "WEL"}}"""
    )
    assert parse(document, SCHEMA) == (
        where("text").eq("a")
        & where("integer").in_([1, 2])
        & where("number").is_null()
        & where("boolean").is_not_null()
        & where("folded").icontains("wel")
    )


def test_and_or_and_not_nest() -> None:
    """To any depth that a person writes."""
    document = {
        "or": [{"text": "a"}, {"not": {"text": "b", "integer": 1}}, {"and": [{"integer": 2}]}]
    }
    one, two = where("text").eq("a"), where("text").eq("b") & where("integer").eq(1)
    assert parse(document, SCHEMA) == Or.of(
        SCHEMA, one, ~two, And.of(SCHEMA, where("integer").eq(2))
    )
    assert isinstance(parse({"not": {}}, SCHEMA), Not)


def test_nineteen_negations_are_read_and_twenty_are_not() -> None:
    """A criteria has twenty levels, the condition included."""
    parse(deep(lambda inner: {"not": inner}, 19), SCHEMA)
    with pytest.raises(InvalidQueryError, match=r"nested too deeply|20 levels"):
        parse(deep(lambda inner: {"not": inner}, 20), SCHEMA)


@pytest.mark.parametrize("document", [None, [], "text", 1, True, b"{}", [{"text": "a"}]])
def test_a_criteria_is_an_object(document: object) -> None:
    """Nothing else is read as one."""
    with pytest.raises(InvalidQueryError, match="must be an object"):
        parse(document, SCHEMA)


@given(samples)
def test_no_conditions_are_all_met_and_none_of_none_is(sample: Sample) -> None:
    """The empty conjunction holds, the empty alternative doesn't."""
    assert parse({}, SCHEMA).matches(sample)
    assert parse({"and": []}, SCHEMA).matches(sample)
    assert not parse({"or": []}, SCHEMA).matches(sample)
    assert not parse({"integer": []}, SCHEMA).matches(sample)
