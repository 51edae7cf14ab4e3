"""Where calendar windows begin, in zones whose clocks do odd things."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.rates import CalendarUnit, calendar_window
from ports.calendars import EPOCH, boundaries, known_boundaries, window_end

MICROSECOND = timedelta(microseconds=1)
ODD = [
    *("UTC", "Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"),
    *("America/Havana", "Africa/Cairo", "Asia/Kathmandu", "America/Nuuk", "Africa/Casablanca"),
]


def micro(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """A time in UTC, in microseconds since the epoch."""
    return (datetime(year, month, day, hour, minute, tzinfo=UTC) - EPOCH) // MICROSECOND


TIMES = st.integers(micro(1975, 1, 1), micro(2037, 1, 1))


def test_a_day_that_begins_at_one_begins_there() -> None:
    """In Brazil, clocks were put forward at midnight: there was none."""
    rule = calendar_window(1, "day", "America/Sao_Paulo")
    assert window_end(rule, micro(2018, 11, 4, 2, 59)) == micro(2018, 11, 4, 3)
    assert window_end(rule, micro(2018, 11, 4, 3)) == micro(2018, 11, 5, 2)


def test_a_day_that_never_was_is_no_window() -> None:
    """Samoa left out the 30th of December 2011."""
    rule = calendar_window(1, "day", "Pacific/Apia")
    assert window_end(rule, micro(2011, 12, 30, 9, 59)) == micro(2011, 12, 30, 10)
    assert window_end(rule, micro(2011, 12, 30, 10)) == micro(2011, 12, 31, 10)


def test_a_day_that_begins_twice_is_one_window() -> None:
    """In Cuba, clocks are put back from one o'clock to midnight."""
    rule = calendar_window(1, "day", "America/Havana")
    assert window_end(rule, micro(2025, 11, 2, 3, 59)) == micro(2025, 11, 2, 4)
    assert window_end(rule, micro(2025, 11, 2, 5, 30)) == micro(2025, 11, 3, 5)


def test_hours_follow_clocks_that_move_by_half_an_hour() -> None:
    """On Lord Howe Island, one hour is half as long, and another half as long again."""
    rule = calendar_window(1, "hour", "Australia/Lord_Howe")
    ends = {
        micro(2025, 4, 5, 14, 31): micro(2025, 4, 5, 15, 30),
        micro(2025, 4, 5, 13, 31): micro(2025, 4, 5, 14),
        micro(2025, 4, 5, 15, 31): micro(2025, 4, 5, 16, 30),
        micro(2025, 10, 4, 14, 31): micro(2025, 10, 4, 15, 30),
        micro(2025, 10, 4, 15, 31): micro(2025, 10, 4, 16),
    }
    assert {at: window_end(rule, at) for at in ends} == ends


@pytest.mark.parametrize("zone", ODD)
@given(unit=st.sampled_from(CalendarUnit), at=TIMES)
def test_every_time_lies_within_its_boundaries(zone: str, unit: CalendarUnit, at: int) -> None:
    """With a window before it and two after; no window is empty or much too long."""
    found = boundaries(calendar_window(1, unit, zone), at)
    assert found[1] <= at < found[-3]
    hours = {"hour": 1, "day": 24, "week": 168, "month": 744, "year": 8_784}[unit]
    for begin, end in pairwise(found):
        assert 0 < end - begin <= (hours + 25 * (hours > 1) + 1) * 3_600 * 10**6


@pytest.mark.parametrize("zone", ODD)
@given(unit=st.sampled_from(CalendarUnit), at=TIMES, steps=st.integers(1, 6))
def test_whoever_asks_gets_the_same_boundaries(
    zone: str, unit: CalendarUnit, at: int, steps: int
) -> None:
    """From one window to the next, none is told in two ways."""
    rule = calendar_window(1, unit, zone)
    walked = [at]
    for _ in range(steps):
        walked.append(window_end(rule, walked[-1]))
        other = calendar_window(2, unit, zone)
        boundaries(other, walked[-1] - 1)
        assert window_end(other, walked[-1] - 1) == walked[-1]


def test_what_was_asked_last_is_known() -> None:
    """So that a store's client needn't ask anybody what time it is."""
    rule = calendar_window(1, "day", "Europe/Andorra")
    assert known_boundaries(rule) == ()
    found = boundaries(rule, micro(2026, 1, 1))
    assert known_boundaries(rule) is found
    assert boundaries(rule, micro(2026, 1, 2)) is found


def test_rules_that_differ_in_their_limit_alone_have_the_same_windows() -> None:
    """However many tenants there are, each with a quota of its own, nothing is computed twice."""
    found = boundaries(calendar_window(1, "week", "Asia/Tokyo"), micro(2030, 1, 1))
    for limit in range(2, 20_000):
        assert known_boundaries(calendar_window(limit, "week", "Asia/Tokyo")) is found
