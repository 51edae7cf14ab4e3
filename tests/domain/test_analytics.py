"""Analytics events and queries: what the domain admits, and what it says of the rest."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.analytics import AnalyticsEvent
from domain.conversations import Channel
from domain.errors import ValidationError
from domain.metric_queries import Aggregation, Granularity, MetricQuery

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=1)


def faults(made: Any, *args: Any, **fields: Any) -> list[str]:
    """The paths of what is wrong."""
    with pytest.raises(ValidationError) as told:
        made(*args, **fields)
    return [fault.path for fault in told.value.faults]


def test_an_event_reports_every_fault_at_once() -> None:
    """Named where it is; a value is never repeated."""
    found = faults(
        AnalyticsEvent.draft,
        "",
        at=datetime(1969, 12, 31, tzinfo=UTC),
        flow_id="text",
        channel="pigeon",
        dimensions={"a": 1, "": "x", "b\n": "x", "long": "x" * 257},
        measures={"a": True, "b": float("nan"), "c": 2**63, "d": 1e300, "e": "1"},
    )
    assert found == [
        "at",
        "type",
        "flow_id",
        "channel",
        "dimensions.a",
        'dimensions[""]',
        'dimensions["b\\n"]',
        "dimensions.long",
        *(f"measures.{name}" for name in "abcde"),
    ]


def test_an_event_has_at_most_so_many_names() -> None:
    """Twenty of each kind."""
    names = [f"n{number}" for number in range(21)]
    AnalyticsEvent.draft("turn", dimensions=dict.fromkeys(names[:20], ""))
    assert faults(AnalyticsEvent.draft, "turn", dimensions=dict.fromkeys(names, "")) == [
        "dimensions"
    ]
    assert faults(AnalyticsEvent.draft, "turn", measures=dict.fromkeys(names, 1)) == ["measures"]
    assert faults(AnalyticsEvent.draft, "turn", measures=[1]) == ["measures"]


def test_what_an_event_holds_can_not_change() -> None:
    """Neither through it nor through what it was made of."""
    given = {"a": 1}
    made = AnalyticsEvent.draft("turn", measures=given).provisional
    given["a"] = 2
    assert made.measures == {"a": 1}
    with pytest.raises(TypeError):
        made.measures["a"] = 3


def test_a_query_takes_what_an_api_has() -> None:
    """Texts for members, ids and channels; a value or a list of them."""
    query = MetricQuery.over(
        START,
        END,
        aggregation="p95",
        measure="n",
        granularity="hour",
        group_by=["type", "dimensions.a.b"],
        where={"channel": "web", "flow_id": [str(UUID(int=1)), None], "dimensions.x": "y"},
    )
    assert query.aggregation is Aggregation.P95
    assert query.granularity is Granularity.HOUR
    assert query.where == {
        "channel": (Channel.WEB,),
        "flow_id": (UUID(int=1), None),
        "dimensions.x": ("y",),
    }
    assert hash(query) == hash(MetricQuery(**vars(query)))


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"aggregation": "median"}, "aggregation"),
        ({"aggregation": "sum"}, "measure"),
        ({"granularity": "year"}, "granularity"),
        ({"zone": "../etc/passwd"}, "zone"),
        ({"group_by": ["country"]}, "group_by[0]"),
        ({"group_by": ["type", "type"]}, "group_by"),
        ({"group_by": ["dimensions."]}, "group_by[0]"),
        ({"group_by": [f"dimensions.{n}" for n in range(6)]}, "group_by"),
        ({"where": {"tenant_id": "other"}}, "where.tenant_id"),
        ({"where": {"type": None}}, "where.type"),
        ({"where": {"type": {"$ne": 1}}}, "where.type"),
        ({"where": {"channel": ["web", "pigeon"]}}, "where.channel[1]"),
        ({"where": {"flow_id": "text"}}, "where.flow_id"),
        ({"where": {"dimensions.a": 1}}, 'where["dimensions.a"]'),
        ({"where": {"type": ["x"] * 1_001}}, "where.type"),
        ({"where": [1]}, "where"),
        ({"having": [""]}, "having[0]"),
        ({"fill_missing": 1}, "fill_missing"),
        ({"start": END}, "end"),
        ({"start": START.replace(tzinfo=None)}, "start"),
        ({"end": datetime(9999, 2, 1, tzinfo=UTC)}, "end"),
    ],
)
def test_a_query_that_means_nothing_is_refused(fields: dict[str, Any], path: str) -> None:
    """Where it is wrong is named."""
    assert faults(MetricQuery.over, **{"start": START, "end": END, **fields}) == [path]
