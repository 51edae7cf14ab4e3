"""The table of a flow's statuses."""

from itertools import product

import pytest

from domain.errors import TransitionNotAllowedError
from domain.flows import FLOW_LIFECYCLE, FlowStatus

ALLOWED = {
    ("draft", "testing"),
    ("draft", "active"),
    ("draft", "archived"),
    ("testing", "draft"),
    ("testing", "active"),
    ("testing", "archived"),
    ("active", "inactive"),
    ("active", "archived"),
    ("inactive", "testing"),
    ("inactive", "active"),
    ("inactive", "archived"),
    ("archived", "draft"),
}
PAIRS = list(product(FlowStatus, repeat=2))


@pytest.mark.parametrize(("current", "target"), PAIRS)
def test_a_status_follows_only_where_the_table_says_so(
    current: FlowStatus, target: FlowStatus
) -> None:
    """All twenty-five pairs; staying is always allowed."""
    allowed = current is target or (current.value, target.value) in ALLOWED
    assert FLOW_LIFECYCLE.allows(current, target) is allowed
    if allowed:
        FLOW_LIFECYCLE.check(current, target)
    else:
        with pytest.raises(TransitionNotAllowedError, match=f"{current.value}.*{target.value}"):
            FLOW_LIFECYCLE.check(current, target)


@pytest.mark.parametrize("target", list(FlowStatus))
def test_what_may_come_before_a_status_is_the_table_read_backwards(target: FlowStatus) -> None:
    """The status itself included."""
    expected = {current for current, to in PAIRS if to is target} & {
        current for current in FlowStatus if FLOW_LIFECYCLE.allows(current, target)
    }
    assert FLOW_LIFECYCLE.before(target) == expected
    assert target in FLOW_LIFECYCLE.before(target)


def test_the_table_covers_every_status() -> None:
    """None was forgotten, and every one can be left."""
    assert set(FLOW_LIFECYCLE.table) == set(FlowStatus)
    assert all(FLOW_LIFECYCLE.table.values())
