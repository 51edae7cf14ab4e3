"""Orders: total, nulls last, and the same for everyone."""

from collections.abc import Callable
from functools import cmp_to_key, partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ports.errors import InvalidQueryError
from ports.paging import Order, SortKey
from ports.schema import Kind
from tests.ports.queries import OTHER_SCHEMA, SCHEMA, SORTABLE, Sample, orders, samples

DISTINCT = st.lists(samples, unique_by=lambda sample: sample.id, max_size=5)


def compared(order: Order, one: Sample, other: Sample) -> int:
    """The order as one would write it by hand, field by field."""
    for key in order.keys:
        left, right = getattr(one, key.field.name), getattr(other, key.field.name)
        if left == right:
            continue
        if left is None or right is None:
            return 1 if left is None else -1
        if isinstance(left, str):
            left, right = str(left).encode(), str(right).encode()
        return (1 if left > right else -1) * (-1 if key.descending else 1)
    return 0


@given(DISTINCT, orders, st.randoms(use_true_random=False))
@example([], [], None)
def test_entities_stand_in_the_order_that_its_definition_says(
    entities: list[Sample], names: list[str], shuffle: Any
) -> None:
    """Text by code point, members by value, UUIDs by bytes, nulls last in either direction."""
    order = Order.of(names, SCHEMA)
    by_hand: Callable[[Sample, Sample], int] = partial(compared, order)
    expected = sorted(entities, key=cmp_to_key(by_hand))
    if shuffle is not None:
        shuffle.shuffle(entities)
    assert order.sorted(entities) == expected


@given(orders)
def test_an_order_is_total(names: list[str]) -> None:
    """It ends with the id, which goes the way of the field before it."""
    order = Order.of(names, SCHEMA)
    assert [key.field.name for key in order.keys].count("id") == 1
    assert order.keys[-1].field.name == "id"
    wanted = [name for name in names if name.removeprefix("-") == "id"]
    if not wanted and names:
        assert order.keys[-1].descending is names[-1].startswith("-")
    assert str(order).split(",")[: len(order.keys) - 1] == names[: len(order.keys) - 1]


@given(orders)
def test_an_order_reads_back_from_its_text(names: list[str]) -> None:
    """Which is how cursors are bound to it."""
    order = Order.of(names, SCHEMA)
    assert Order.of(str(order).split(","), SCHEMA) == order
    assert Order.of(order, SCHEMA) == order
    assert Order.of(tuple(names), SCHEMA) == order


def test_one_name_or_nothing_is_an_order() -> None:
    """Nothing means by id."""
    assert str(Order.of(None, SCHEMA)) == str(Order.of([], SCHEMA)) == "id"
    assert str(Order.of("text", SCHEMA)) == "text,id"
    assert str(Order.of("-text", SCHEMA)) == "-text,-id"
    assert str(Order.of("-id", SCHEMA)) == "-id"
    assert str(Order.of(["id", "text"], SCHEMA)) == "id"


def test_an_order_made_by_hand_is_made_total() -> None:
    """So that none that isn't reaches a store."""
    text = SortKey(SCHEMA.field("text"), descending=True)
    assert str(Order.of(Order((text,)), SCHEMA)) == "-text,-id"
    assert str(Order.of(Order(()), SCHEMA)) == "id"


@pytest.mark.parametrize(
    "given",
    [
        *("", "-", "--text", "nonsense", "text,number", "TEXT", " text", "-boolean", "texts"),
        *(["text", "text"], ["text", "-text"], ["id", "-id"], [None], [["text"]], [b"text"]),
        *(1, 0, True, False, b"text", {"text": -1}, {"text"}, iter(["text"]), object()),
        Order.of("text", OTHER_SCHEMA),
        Order((SortKey(SCHEMA.field("boolean")),)),
        Order((SortKey(SCHEMA.field("text")), SortKey(SCHEMA.field("text")))),
    ],
)
def test_an_unknown_unsortable_or_repeated_field_is_refused(given: Any) -> None:
    """And what isn't an order; never ignored."""
    with pytest.raises(InvalidQueryError):
        Order.of(given, SCHEMA)


def test_what_has_no_order_cannot_be_sorted_by() -> None:
    """Booleans and lists stay out; all else may be declared sortable."""
    kinds = {SCHEMA.fields[name].kind for name in SORTABLE}
    assert kinds == set(Kind) - {Kind.BOOLEAN, Kind.TEXTS}


@given(samples, orders)
def test_a_position_is_what_the_order_looks_at(sample: Sample, names: list[str]) -> None:
    """One value a key."""
    order = Order.of(names, SCHEMA)
    assert order.position(sample) == tuple(getattr(sample, key.field.name) for key in order.keys)
