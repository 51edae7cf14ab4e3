"""Pages by number, and cursors."""

import base64
import itertools
import string
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identity import TenantId
from ports.criteria import Criteria
from ports.errors import InvalidQueryError
from ports.paging import (
    MAX_OFFSET,
    MAX_PAGE_SIZE,
    Order,
    PaginatedResult,
    Pagination,
    Position,
    check_limit,
    decode_cursor,
    encode_cursor,
)
from tests.ports.queries import SCHEMA, SORTABLE, TENANT, Sample, criteria, orders, samples, where

ALPHABET = string.ascii_letters + string.digits + "-_"
EVERYTHING = where.everything
BY_ALL = Order.of(SORTABLE[1:], SCHEMA)


@given(st.integers(-5, 10**6), st.integers(-5, 1200))
def test_a_page_has_a_number_a_size_and_no_more_than_ten_thousand_entries_before_it(
    page: int, size: int
) -> None:
    """Anything else is refused, since nothing is cut without a word."""
    if page >= 1 and 1 <= size <= MAX_PAGE_SIZE and (page - 1) * size <= MAX_OFFSET:
        assert Pagination(page, size).offset == (page - 1) * size
    else:
        with pytest.raises(InvalidQueryError):
            Pagination(page, size)


def test_the_deepest_page_is_admitted_and_the_next_is_not() -> None:
    """The error says what to use in its place."""
    assert Pagination(11, 1000).offset == MAX_OFFSET
    with pytest.raises(InvalidQueryError, match="use scan"):
        Pagination(12, 1000)


@pytest.mark.parametrize("value", [None, 0, -1, 1001, 1.0, "1", True, [1]])
def test_a_limit_is_an_integer_from_one_to_a_thousand(value: Any) -> None:
    """For pages and scans alike."""
    assert [check_limit(limit) for limit in (1, 1000)] == [1, 1000]
    for refused in (lambda: check_limit(value), lambda: Pagination(page_size=value)):
        with pytest.raises(InvalidQueryError, match=r"limit|integers"):
            refused()


def test_the_first_page_has_nothing_before_it() -> None:
    """Every other has."""
    for page in (1, 2):
        result = PaginatedResult[int](items=(), total=0, page=page, page_size=1, has_next=False)
        assert result.has_previous is (page == 2)


@given(samples, orders, criteria)
def test_a_cursor_stands_for_a_position(sample: Sample, names: list[str], wanted: Criteria) -> None:
    """Of every kind of value, nulls included, with its type."""
    order = Order.of(names, SCHEMA)
    position = order.position(sample)
    cursor = encode_cursor(TENANT, wanted, order, position)
    read = decode_cursor(cursor, TENANT, wanted, order)
    assert read == position
    assert [*map(type, read)] == [*map(type, position)]
    assert repr(read) == repr(position)
    assert set(cursor) <= set(ALPHABET)


@given(samples, orders, orders, criteria, criteria)
def test_a_cursor_belongs_to_its_query_alone(
    sample: Sample, names: list[str], others: list[str], one: Criteria, other: Criteria
) -> None:
    """Another tenant's, another criteria's and another order's are refused."""
    order, another = Order.of(names, SCHEMA), Order.of(others, SCHEMA)
    cursor = encode_cursor(TENANT, one, order, order.position(sample))
    foreign = [(TenantId("other"), one, order)]
    if repr(one) != repr(other):
        foreign.append((TENANT, other, order))
    if str(order) != str(another):
        foreign.append((TENANT, one, another))
    for query in foreign:
        with pytest.raises(InvalidQueryError, match="doesn't belong to this query"):
            decode_cursor(cursor, *query)


def test_where_one_part_ends_and_the_next_begins_is_bound_too() -> None:
    """A tenant's name can't borrow letters from what follows it."""
    order = Order.of(None, SCHEMA)
    cursor = encode_cursor(TenantId("a"), EVERYTHING, order, (uuid4(),))
    for tenant in ("as", "asample", "", "a\0"):
        with pytest.raises(InvalidQueryError):
            decode_cursor(cursor, TenantId(tenant), EVERYTHING, order)


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_cursor_with_one_character_altered_is_refused(length: int) -> None:
    """Any one: replaced, left out, doubled or added; whatever bits are left over at its end."""
    order = Order.of("text", SCHEMA)
    position = ("x" * length, uuid4())
    cursor = encode_cursor(TENANT, EVERYTHING, order, position)
    for at in range(len(cursor) + 1):
        before, sign, after = cursor[:at], cursor[at : at + 1], cursor[at + 1 :]
        replaced = [before + other + after for other in ALPHABET + "+/= \né" if other != sign]
        added = [before + other + sign + after for other in "A-=+ \n"]
        left_out = [before + after] if sign else []
        for altered in itertools.chain(replaced, added, left_out):
            with pytest.raises(InvalidQueryError):
                decode_cursor(altered, TENANT, EVERYTHING, order)
    assert decode_cursor(cursor, TENANT, EVERYTHING, order) == position


@given(
    st.none() | st.integers() | st.binary() | st.text() | st.text(ALPHABET) | st.lists(st.text())
)
def test_junk_is_no_cursor(junk: object) -> None:
    """And is refused as bad input, never otherwise."""
    with pytest.raises(InvalidQueryError, match="doesn't belong to this query"):
        decode_cursor(junk, TENANT, EVERYTHING, BY_ALL)


@given(st.binary(max_size=64))
def test_bytes_that_were_encoded_properly_are_no_cursor_either(junk: bytes) -> None:
    """Nor are long ones."""
    encoded = base64.urlsafe_b64encode(junk).decode().rstrip("=")
    for cursor in (encoded, encoded * 1000):
        with pytest.raises(InvalidQueryError):
            decode_cursor(cursor, TENANT, EVERYTHING, BY_ALL)


def nested(levels: int) -> list[Any]:
    """A list in a list, and so on."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "position",
    [
        (),
        ("text",),
        ("text", uuid4(), uuid4()),
        (1, uuid4()),
        ("text", None),
        ("text", "no id"),
        ("a\0", uuid4()),
        (["text"], uuid4()),
        ({"$gt": ""}, uuid4()),
        (nested(700), uuid4()),
    ],
    ids=range(10),
)
def test_a_forged_cursor_is_refused_as_an_altered_one_is(position: Position) -> None:
    """How cursors are made is no secret: what one holds is checked as an operand is."""
    order = Order.of("text", SCHEMA)
    cursor = encode_cursor(TENANT, EVERYTHING, order, position)
    with pytest.raises(InvalidQueryError, match="doesn't belong to this query"):
        decode_cursor(cursor, TENANT, EVERYTHING, order)


def test_a_cursor_tells_nothing_in_its_error() -> None:
    """It may hold a name that a user gave."""
    order = Order.of("text", SCHEMA)
    cursor = encode_cursor(TENANT, EVERYTHING, order, ("hunter2", "no id"))
    with pytest.raises(InvalidQueryError) as caught:
        decode_cursor(cursor, TENANT, EVERYTHING, order)
    assert "hunter2" not in str(caught.value)
    assert cursor not in str(caught.value)
