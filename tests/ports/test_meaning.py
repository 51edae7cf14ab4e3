"""What criteria mean: null, laws of logic, and each operator by the others."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.text import fold
from ports.criteria import Criteria
from ports.schema import Kind
from tests.ports.queries import (
    FEW,
    FEW_TEXTS,
    IDS,
    KINDS,
    ORDERED,
    SCALARS,
    SCHEMA,
    Sample,
    condition,
    criteria,
    operands,
    samples,
    takes,
    where,
)

NULLABLE = [name for name, field in SCHEMA.fields.items() if field.nullable]
EMPTY = Sample(id=IDS[0])
CONDITIONS = [
    (name, operator)
    for name in NULLABLE
    for operator in KINDS
    if takes(SCHEMA.fields[name], operator)
]


def of_kinds(kinds: set[Kind]) -> list[str]:
    """The nullable fields of these kinds."""
    return [name for name in NULLABLE if SCHEMA.fields[name].kind in kinds]


@pytest.mark.parametrize(("name", "operator"), CONDITIONS)
@settings(max_examples=10)  # for each of them
@given(data=st.data())
def test_only_is_null_finds_a_field_without_a_value(
    name: str, operator: str, data: st.DataObject
) -> None:
    """`ne`, `not_in` and `all_of` nothing included."""
    operand = data.draw(operands(SCHEMA.fields[name], operator))
    asks_for_null = (operator == "is_null" and operand) or (
        operator in ("is_not_null", "exists") and not operand
    )
    assert condition(name, operator)(operand).matches(EMPTY) is bool(asks_for_null)


@given(criteria, criteria, samples)
def test_the_laws_of_logic_hold(one: Criteria, other: Criteria, sample: Sample) -> None:
    """De Morgan's, double negation, commuting, absorbing."""
    both, either = one & other, one | other
    assert both.matches(sample) is (one.matches(sample) and other.matches(sample))
    assert either.matches(sample) is (one.matches(sample) or other.matches(sample))
    assert (~both).matches(sample) is (~one | ~other).matches(sample)
    assert (~either).matches(sample) is (~one & ~other).matches(sample)
    assert (~~one).matches(sample) is one.matches(sample)
    assert (one & (one | other)).matches(sample) is one.matches(sample)
    assert (where.everything & one).matches(sample) is one.matches(sample)
    assert (one | ~one).matches(sample)
    assert not (one & ~one).matches(sample)


@pytest.mark.parametrize("name", of_kinds(SCALARS))
@given(sample=samples, data=st.data())
def test_equality_and_membership_agree(name: str, sample: Sample, data: st.DataObject) -> None:
    """A list is a choice of values; what isn't null is equal or not."""
    operands = data.draw(st.lists(FEW[SCHEMA.fields[name].kind], min_size=1, max_size=3))
    value, field = getattr(sample, name), where(name)
    held = field.is_not_null().matches(sample)
    assert held is (value is not None)
    assert field.eq(operands[0]).matches(sample) is (value == operands[0])
    assert field.ne(operands[0]).matches(sample) is (held and value != operands[0])
    assert field.in_(operands).matches(sample) is any(
        field.eq(operand).matches(sample) for operand in operands
    )
    assert field.not_in(operands).matches(sample) is all(
        field.ne(operand).matches(sample) for operand in operands
    )
    assert not field.in_([]).matches(sample)
    assert field.not_in([]).matches(sample) is held


@pytest.mark.parametrize("name", of_kinds(ORDERED))
@given(sample=samples, data=st.data())
def test_values_that_are_not_null_are_less_equal_or_greater(
    name: str, sample: Sample, data: st.DataObject
) -> None:
    """Exactly one of the three."""
    operand = data.draw(FEW[SCHEMA.fields[name].kind])
    field = where(name)
    less, same, more = (asked(operand).matches(sample) for asked in (field.lt, field.eq, field.gt))
    assert less + same + more == field.is_not_null().matches(sample)
    assert field.lte(operand).matches(sample) is (less or same)
    assert field.gte(operand).matches(sample) is (more or same)


@given(samples, FEW_TEXTS)
def test_text_compares_by_code_point(sample: Sample, operand: str) -> None:
    """As the bytes of its UTF-8 do: no locale."""
    if sample.text is not None:
        assert where("text").lt(operand).matches(sample) is (
            sample.text.encode() < operand.encode()
        )


@given(samples, FEW_TEXTS)
def test_parts_of_a_text_are_literal(sample: Sample, operand: str) -> None:
    """`%`, `_`, `\\`, `$` and `.` have no meaning."""
    text, folded = sample.text, sample.folded
    found = text is not None and operand in text
    assert where("text").contains(operand).matches(sample) is found
    assert where("text").like(operand) == where("text").contains(operand)
    starts = text is not None and text[: len(operand)] == operand
    assert where("text").startswith(operand).matches(sample) is starts
    folds = folded is not None and fold(operand) in fold(folded)
    assert where("folded").icontains(operand).matches(sample) is folds
    assert where("folded").ilike(operand) == where("folded").icontains(operand)


@given(samples, st.lists(FEW_TEXTS, max_size=3))
def test_lists_hold_some_or_all(sample: Sample, operands: list[str]) -> None:
    """Of nothing, some is never held and all always is."""
    held, field = sample.texts, where("texts")
    if held is None:
        return
    assert field.any_of(operands).matches(sample) is bool(set(operands) & set(held))
    assert field.all_of(operands).matches(sample) is (set(operands) <= set(held))
    assert field.size(len(held)).matches(sample)
    assert not field.size(len(held) + 1).matches(sample)
    for operand in operands:
        assert field.contains(operand).matches(sample) is (operand in held)


@given(samples, st.text("aAﬁ e\u0301ß\u00a0", max_size=6))
def test_a_search_finds_every_term_in_some_searchable_field(sample: Sample, text: str) -> None:
    """Folded, anywhere in the text; none but `folded` and `texts` are searched."""
    fields = [sample.folded or "", *(sample.texts or ())]
    expected = all(any(term in fold(field) for field in fields) for term in fold(text).split())
    assert where.search(text).matches(sample) is expected


@pytest.mark.parametrize(
    ("value", "operand", "found"),
    [
        ("Straße", "STRASSE", True),
        ("ﬁne", "FI", True),
        ("ＦＵＬＬ", "full", True),
        ("Café", "CAFE\u0301", True),
        ("Café", "cafe", False),
        ("100%", "0%", True),
        ("100", "0%", False),
        ("ΟΔΟΣ", "οδος", True),
    ],
)
def test_folding_by_example(value: str, operand: str, found: bool) -> None:
    """A letter with a mark is one letter, however it is written."""
    sample = Sample(id=IDS[0], folded=value)
    assert where("folded").icontains(operand).matches(sample) is found
    assert where.search(operand).matches(sample) is found


@given(samples, FEW[Kind.INSTANT], FEW[Kind.INSTANT])
def test_a_range_has_its_start_and_lacks_its_end(sample: Sample, start: Any, end: Any) -> None:
    """So that ranges that meet share nothing."""
    inside = where("instant").date_range(start, end).matches(sample)
    assert inside is (sample.instant is not None and start <= sample.instant < end)
    assert where("instant").date_range(start).matches(sample) is (
        where("instant").gte(start).matches(sample)
    )
