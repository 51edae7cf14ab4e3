"""Numbers, times, enumerations, lists: the rules of single fields."""

import math
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import IntEnum
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationError
from domain.flows import Flow, FlowStatus
from domain.rules import (
    checked,
    day,
    flag,
    instant,
    number,
    one_of,
    optional,
    sequence,
    text,
    uuid,
    whole,
)
from tests.domain.values import AT, FINITE, INSTANTS

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)).map(
    timezone
)


class Level(IntEnum):
    """An integer with a name."""

    HIGH = 3


class Loose(datetime):
    """Some library's own kind of time."""


class Nowhere(tzinfo):
    """A zone that doesn't know its offset."""

    def utcoffset(self, when: datetime | None) -> None:
        return None

    dst = tzname = utcoffset


@given(INSTANTS.flatmap(lambda at: st.tuples(st.just(at), ZONES)))
def test_a_time_is_kept_in_utc_and_whole_milliseconds(given: tuple[datetime, timezone]) -> None:
    """The same moment from any zone; what is finer is cut off, never rounded up."""
    at, zone = given
    try:
        shown = at.astimezone(zone)
    except OverflowError:
        shown = at
    kept = instant(shown)
    assert timedelta() <= at - kept < timedelta(milliseconds=1)
    assert kept.microsecond % 1000 == 0
    assert (kept.tzinfo, type(kept)) == (UTC, datetime)
    assert instant(kept) == kept


@pytest.mark.parametrize(
    "value", [AT.replace(tzinfo=None), AT.replace(tzinfo=Nowhere())], ids=["naive", "odd"]
)
def test_a_time_without_a_zone_is_refused(value: datetime) -> None:
    """Whoever wrote it knew which zone was meant; nobody else does."""
    with pytest.raises(ValueError, match="time zone"):
        instant(value)


def test_the_repeated_hour_is_told_apart_by_its_fold() -> None:
    """When clocks go back, 02:30 comes twice, and both are kept as what they are."""
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    second = first.replace(fold=1)
    assert instant(second) - instant(first) == timedelta(hours=1)
    assert (instant(first).fold, instant(second).fold) == (0, 0)
    assert instant(AT.replace(fold=1)).fold == 0


def test_the_first_and_last_moment_of_the_calendar_are_admitted() -> None:
    """From year 1 to year 9999, in UTC."""
    assert instant(datetime.min.replace(tzinfo=UTC)) == datetime(1, 1, 1, tzinfo=UTC)
    last = instant(datetime.max.replace(tzinfo=UTC))
    assert last == datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    ],
)
def test_a_moment_beyond_the_calendar_in_utc_is_refused(value: datetime) -> None:
    """As bad input, not as an overflow."""
    with pytest.raises(ValueError, match="years 1 to 9999"):
        instant(value)


def test_a_time_of_a_subclass_is_kept_as_a_plain_one() -> None:
    """Its other behaviour (finer fractions, say) stays outside."""
    kept = instant(Loose(2026, 3, 29, 0, 59, 59, 123_456, tzinfo=UTC))
    assert (type(kept), kept) == (datetime, AT)


@pytest.mark.parametrize("value", [None, 0, 1.5, "2026-01-01T00:00:00Z", date(2026, 1, 1)])
def test_what_is_not_a_time_is_refused(value: object) -> None:
    """Texts and numbers included: their zone and unit would be a guess."""
    with pytest.raises(ValueError, match="must be a datetime"):
        instant(value)


@pytest.mark.parametrize("value", [None, AT, "2026-01-01", 20260101])
def test_a_day_is_a_date_and_not_a_time(value: object) -> None:
    """A time's day depends on the zone, so it is refused."""
    assert day(date(2026, 1, 1)) == date(2026, 1, 1)
    with pytest.raises(ValueError, match="must be a date"):
        day(value)


@given(st.integers(-(2**70), 2**70))
def test_an_integer_is_admitted_within_its_bounds_only(value: int) -> None:
    """By default from 0 to the largest that 64 bits hold."""
    if 0 <= value < 2**63:
        assert whole()(value) == value
    else:
        with pytest.raises(ValueError, match="must lie between"):
            whole()(value)


@pytest.mark.parametrize(("minimum", "maximum"), [(0, 1000), (100, 30_000), (1, 3600)])
def test_both_bounds_belong_to_what_is_admitted(minimum: int, maximum: int) -> None:
    """One beyond either is refused."""
    limited = whole(minimum, maximum)
    assert [limited(minimum), limited(maximum)] == [minimum, maximum]
    for outside in (minimum - 1, maximum + 1):
        with pytest.raises(ValueError, match="must lie between"):
            limited(outside)


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, 1j, math.nan])
def test_what_is_not_an_integer_is_refused(value: object) -> None:
    """True and 1.0 included."""
    with pytest.raises(ValueError, match="must be an integer"):
        whole()(value)


def test_an_integer_of_a_subclass_is_kept_as_a_plain_one() -> None:
    """Such as a member of an enumeration."""
    kept = whole()(Level.HIGH)
    assert (type(kept), kept) == (int, 3)


@given(FINITE)
def test_every_finite_float_is_kept_exactly(value: float) -> None:
    """The sign of zero included."""
    kept = number()(value)
    assert (kept, math.copysign(1, kept)) == (value, math.copysign(1, value))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_what_is_not_finite_is_refused(value: float) -> None:
    """Integers too large for a float included."""
    with pytest.raises(ValueError, match="finite"):
        number()(value)


@pytest.mark.parametrize("value", [True, "1.0", None, 1j])
def test_what_is_not_a_number_is_refused(value: object) -> None:
    """True included."""
    with pytest.raises(ValueError, match="must be a number"):
        number()(value)


@pytest.mark.parametrize("value", [-0.1, 1.0000000000000002, 2])
def test_a_number_beyond_its_bounds_is_refused(value: float) -> None:
    """Also by the smallest step."""
    assert [number(0, 1)(bound) for bound in (0, 1)] == [0.0, 1.0]
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        number(0, 1)(value)


@pytest.mark.parametrize("value", [0, 1, None, "true", []])
def test_a_flag_is_true_or_false(value: object) -> None:
    """Nothing else is taken for it."""
    assert [flag(True), flag(False)] == [True, False]
    with pytest.raises(ValueError, match="true or false"):
        flag(value)


def test_a_uuid_is_not_its_text() -> None:
    """Only criteria take an id as text."""
    value = uuid4()
    assert uuid(value) is value
    for other in (str(value), value.bytes, value.int, None):
        with pytest.raises(ValueError, match="must be a UUID"):
            uuid(other)


def nested(depth: int) -> list[Any]:
    """A list in a list, and so on."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", ["", "Active", None, 1, [], {}, nested(5000), "active\n"])
def test_only_members_and_their_values_are_of_an_enumeration(value: object) -> None:
    """Whatever else is refused with the list of what there is, and isn't quoted."""
    rule = one_of(FlowStatus)
    assert [rule("active"), rule(FlowStatus.ACTIVE)] == [FlowStatus.ACTIVE] * 2
    with pytest.raises(ValueError, match=r"^must be one of draft, testing, active, inac"):
        rule(value)


def test_a_list_is_kept_as_a_tuple_and_names_each_faulty_item() -> None:
    """All of them at once, by index."""
    rule = sequence(text(3), 4)
    assert rule(["a", "b"]) == ("a", "b")
    with pytest.raises(ValidationError) as caught:
        rule(["a", 1, "long", "b"])
    assert [fault.path for fault in caught.value.faults] == ["[1]", "[2]"]


@pytest.mark.parametrize("value", ["abc", {"a"}, {"a": 1}, None, iter(["a"]), list("abcde")])
def test_other_collections_and_longer_lists_are_refused(value: object) -> None:
    """Text is not a list of its letters."""
    with pytest.raises(ValueError, match=r"must be a list|at most 4 items"):
        sequence(text(3), 4)(value)


def test_what_may_be_absent_may_be_none() -> None:
    """And otherwise obeys its rule."""
    assert optional(whole())(None) is None
    with pytest.raises(ValueError, match="integer"):
        optional(whole())("")


def test_one_field_can_be_checked_alone() -> None:
    """As a patch does; the fault is named as at construction."""
    assert checked(Flow, "tags", ["a"]) == ("a",)
    with pytest.raises(ValidationError, match=r"^Flow: tags\[0\]: must be text$"):
        checked(Flow, "tags", [UUID(int=1)])
