"""Analytics events as the domain admits them, and events and queries that meet each other."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.analytics import MAX_DIMENSION, AnalyticsEvent
from domain.conversations import Channel
from domain.identity import EntryDraft
from domain.metric_queries import Aggregation, Granularity, MetricQuery
from ports.contracts.strategies import INTEGERS, identifiers, text

AWKWARD: Final = ("a", "a.b", "a%2Eb", "$a", "$where", "0", ".", "%", "é", "dimensions.a", "_id")
"""Names of dimensions and measures that some store takes for something of its own."""

_TIMES = st.integers(0, 46 * 365 * 86_400_000).map(
    # What is much older has expired.
    lambda passed: datetime(1980, 1, 1, tzinfo=UTC) + timedelta(milliseconds=passed)
)
_FLOATS = st.sampled_from([0.0, -0.0, 0.1, 1.5, -2.25, 5e-324, 1e290, -1e290, 2.0**53]) | (
    st.floats(-1e290, 1e290)
)
NUMBERS: Final = INTEGERS | st.integers(-5, 5) | _FLOATS


def _perhaps(found: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.none() | found


def drafts() -> SearchStrategy[EntryDraft[AnalyticsEvent]]:
    """Drafts of any event that the domain admits."""
    names = identifiers(100) | st.sampled_from(AWKWARD)
    return st.builds(
        AnalyticsEvent.draft,
        identifiers(100),
        at=_perhaps(_TIMES),
        flow_id=_perhaps(st.uuids()),
        conversation_id=_perhaps(identifiers(128)),
        user_id=_perhaps(identifiers(256)),
        channel=_perhaps(st.sampled_from(Channel)),
        dimensions=st.dictionaries(names, text(MAX_DIMENSION), max_size=4),
        measures=st.dictionaries(names, NUMBERS, max_size=4),
    )


_TYPES: Final = ("turn", "error")
_FLOWS: Final = (UUID(int=1), UUID(int=2))
_NAMES: Final = ("a", "a.b", "$a")
_VALUES: Final = ("x", "y", "", "$x")
_KEYS: Final = ("type", "flow_id", "conversation_id", "user_id", "channel")


def alike(start: datetime, length: timedelta) -> SearchStrategy[EntryDraft[AnalyticsEvent]]:
    """Drafts of few kinds within a range, so that queries find several together."""
    last = length // timedelta(minutes=1)
    minutes = st.integers(0, last) | st.sampled_from([0, last])
    near = st.sampled_from([timedelta(), -timedelta(milliseconds=1)])
    return st.builds(
        AnalyticsEvent.draft,
        st.sampled_from(_TYPES),
        at=st.builds(lambda after, off: start + timedelta(minutes=after) + off, minutes, near),
        flow_id=_perhaps(st.sampled_from(_FLOWS)),
        conversation_id=_perhaps(st.sampled_from(["c", "d"])),
        user_id=_perhaps(st.sampled_from(["ada", "bob"])),
        channel=_perhaps(st.sampled_from([Channel.WEB, Channel.SMS])),
        dimensions=st.dictionaries(st.sampled_from(_NAMES), st.sampled_from(_VALUES)),
        measures=st.dictionaries(st.sampled_from(_NAMES), NUMBERS),
    )


def queries(
    zone: str, start: datetime, length: timedelta, units: Sequence[Granularity]
) -> SearchStrategy[MetricQuery]:
    """Queries of such events."""
    keys = st.sampled_from([*_KEYS, *(f"dimensions.{name}" for name in _NAMES)])
    filters = {
        "type": st.sampled_from(_TYPES),
        "flow_id": st.sampled_from([*_FLOWS, None]),
        "user_id": st.sampled_from(["ada", "eve", None]),
        "channel": st.sampled_from([Channel.WEB, "sms", None]),
        **{f"dimensions.{name}": st.sampled_from([*_VALUES, None]) for name in _NAMES},
    }
    wanted = {key: one | st.lists(one, max_size=4) for key, one in filters.items()}
    where = st.lists(st.sampled_from(list(filters)), max_size=2, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({key: wanted[key] for key in chosen})
    )
    begin = st.integers(0, length // timedelta(minutes=2)).map(
        lambda after: start + timedelta(minutes=after, milliseconds=1)
    )
    names = st.sampled_from(_NAMES)

    def built(given: dict[str, Any]) -> MetricQuery:
        if given["aggregation"] is not Aggregation.COUNT and given["measure"] is None:
            given["measure"] = "a"
        return MetricQuery(**given)

    return st.fixed_dictionaries(
        {
            "start": st.just(start) | begin,
            "end": st.just(start + length),
            "aggregation": st.sampled_from(Aggregation),
            "measure": _perhaps(names),
            "group_by": st.lists(keys, max_size=3, unique=True),
            "granularity": st.sampled_from(units),
            "zone": st.just(zone),
            "where": where,
            "having": st.lists(names, max_size=1),
            "fill_missing": st.booleans(),
        }
    ).map(built)
