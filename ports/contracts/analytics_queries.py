"""Figures of analytics events: exactly what the events say, whatever is asked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.analytics import AnalyticsEvent
from domain.identity import EntryDraft
from domain.metric_queries import Aggregation, Granularity, MetricQuery, MetricSeries
from ports.buckets import MAX_POINTS
from ports.contracts.event_strategies import AWKWARD, NUMBERS, alike, queries
from ports.contracts.harness import Backend, contract, examples, raised_by
from ports.contracts.metric_model import check, check_value
from ports.errors import InvalidQueryError
from ports.stores import TenantScope

START = datetime(2026, 3, 28, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
UNITS = [Granularity.NONE, Granularity.HOUR, Granularity.DAY, Granularity.MONTH]


def event(value: Any = None, **fields: Any) -> EntryDraft[AnalyticsEvent]:
    """An event with a value as its measure `n`, if there is one."""
    measures = {} if value is None else {"n": value}
    return AnalyticsEvent.draft("turn", **{"at": START, "measures": measures, **fields})


async def asked(scope: TenantScope, **query: Any) -> tuple[MetricSeries, ...]:
    """The series of a query of two hours."""
    wanted = {"start": START, "end": START + 2 * HOUR, **query}
    return (await scope.analytics.query(MetricQuery.over(**wanted))).series


@given(data=st.data(), zone=st.sampled_from(["UTC", "Europe/Vienna", "Asia/Kathmandu"]))
@contract
async def test_any_query_answers_what_the_events_say(
    scope: TenantScope, data: st.DataObject, zone: str
) -> None:
    """As the reference model does, event by event, over a day on which clocks change."""
    length = 8 * HOUR
    given = data.draw(st.lists(alike(START, length), max_size=25))
    recorded = await scope.analytics.record_many(given)
    events = [
        draft.placed(at=START, new_id=id, tenant_id=scope.tenant)
        for draft, id in zip(given, recorded.ids, strict=True)
    ]
    asking = st.lists(queries(zone, START, length, UNITS), min_size=2, max_size=4)
    for query in data.draw(asking):
        check(query, events, await scope.analytics.query(query))


@given(values=st.lists(NUMBERS, min_size=1, max_size=30))
@examples(0.5)
@contract
async def test_figures_of_any_numbers_are_what_they_are_defined_to_be(
    scope: TenantScope, values: list[int | float]
) -> None:
    """Integers beyond what a float holds, sums beyond 64 bits, floats that cancel each other."""
    await scope.analytics.record_many(map(event, values))
    for aggregation in Aggregation:
        (series,) = await asked(scope, aggregation=aggregation, measure="n")
        (point,) = series.points
        assert point.count == len(values)
        check_value(aggregation, point.value, values)


@contract
async def test_percentiles_are_by_nearest_rank(scope: TenantScope) -> None:
    """Of n values in order that at place n p / 100, rounded up; never one between two."""
    for size, p50, p95, p99 in ((1, 1, 1, 1), (2, 1, 2, 2), (19, 10, 19, 19), (20, 10, 19, 20)):
        fields = {"dimensions": {"size": f"{size}"}}
        await scope.analytics.record_many(event(n, **fields) for n in range(size, 0, -1))
        for aggregation, expected in (("p50", p50), ("p95", p95), ("p99", p99)):
            where = {"dimensions.size": f"{size}"}
            (series,) = await asked(scope, aggregation=aggregation, measure="n", where=where)
            assert [point.value for point in series.points] == [expected], (size, aggregation)
    await scope.analytics.record_many(event(n, user_id="h") for n in range(200, 0, -1))
    for aggregation, expected in (("p50", 100), ("p95", 190), ("p99", 198)):
        (series,) = await asked(scope, aggregation=aggregation, measure="n", where={"user_id": "h"})
        assert series.points[0].value == expected


@contract
async def test_with_a_measure_only_events_that_have_it_are_looked_at(scope: TenantScope) -> None:
    """Even to be counted; a further one may be demanded."""
    await scope.analytics.record_many(
        [event(), event(0), event(4), event(measures={"n": 2, "m": 1}), event(measures={"m": 1})]
    )
    for query, value, count in (
        ({}, 5, 5),
        ({"measure": "n"}, 3, 3),
        ({"measure": "n", "aggregation": "avg"}, 2.0, 3),
        ({"measure": "n", "aggregation": "min", "having": ["m"]}, 2, 1),
        ({"having": ["m", "n"]}, 1, 1),
    ):
        ((point,),) = [series.points for series in await asked(scope, **query)]
        assert (point.value, point.count) == (value, count), query
    assert (await asked(scope, measure="none"))[0].points == ()
    assert await asked(scope, measure="none", group_by=["type"]) == ()


@contract
async def test_names_and_values_are_taken_to_the_letter(scope: TenantScope) -> None:
    """However like a path, an operator or an escape they look."""
    for place, name in enumerate(AWKWARD):
        given = [event(dimensions={name: name}, measures={name: n}) for n in (place, place + 1)]
        await scope.analytics.record_many(given)
    for place, name in enumerate(AWKWARD):
        key = f"dimensions.{name}"
        for where in ({}, {key: name}, {key: ["?", name]}):
            series = await asked(
                scope, aggregation="sum", measure=name, group_by=[key], where=where
            )
            assert [(dict(each.group), each.points[0].value) for each in series] == [
                ({key: name}, 2 * place + 1)
            ], name
        assert (await asked(scope, where={key: [None]}))[0].points[0].count == 2 * (
            len(AWKWARD) - 1
        )


@pytest.mark.parametrize("fill", [False, True])
@contract
async def test_a_gap_is_filled_if_that_is_asked_for(scope: TenantScope, fill: bool) -> None:
    """In every series that there is, with nothing or zero; without groups there is always one."""
    await scope.analytics.record_many(
        [event(3, user_id="ada"), event(5, user_id="bob", at=START + HOUR)]
    )
    nothing: dict[str, Any] = {"count": 0, "sum": 0}
    for aggregation in Aggregation:
        query: dict[str, Any] = {
            "aggregation": aggregation,
            "measure": "n",
            "granularity": "hour",
            "fill_missing": fill,
        }
        gap = [nothing.get(aggregation)] if fill else []
        ada, bob = (1, 1) if aggregation is Aggregation.COUNT else (3, 5)
        series = await asked(scope, group_by=["user_id"], **query)
        values = [[point.value for point in each.points] for each in series]
        assert values == [[ada, *gap], [*gap, bob]]
        (alone,) = await asked(scope, where={"user_id": "eve"}, **query)
        assert [point.value for point in alone.points] == gap * 2
        assert await asked(scope, where={"user_id": "eve"}, group_by=["user_id"], **query) == ()


@contract
async def test_groups_come_in_order(scope: TenantScope) -> None:
    """By code point, key after key, and those without last."""
    names = ["b", "a", "Z", "é", "\U0001f600", "\uffff", "", "aa", None]
    await scope.analytics.record_many(
        event(user_id=user, dimensions={} if name is None else {"name": name})
        for name in names
        for user in ("x", None)
    )
    series = await asked(scope, group_by=["dimensions.name", "user_id"])
    ordered = [*sorted(name for name in names if name is not None), None]
    expected = [(name, user) for name in ordered for user in ("x", None)]
    assert [tuple(each.group.values()) for each in series] == expected


@contract
async def test_a_range_of_too_many_buckets_is_refused(scope: TenantScope) -> None:
    """Whether there are events in them or not; as many as may be are given."""
    day, end = timedelta(days=1), START + 4 * HOUR
    for unit, start, until in (
        ("day", end - MAX_POINTS * day, end + day),
        ("minute", START, START + MAX_POINTS * HOUR / 60 + HOUR / 3_600),
        ("minute", START, datetime(9999, 1, 1, tzinfo=UTC)),
    ):
        error = await raised_by(asked(scope, granularity=unit, start=start, end=until))
        assert isinstance(error, InvalidQueryError), unit
    longest = {"granularity": "day", "start": end - MAX_POINTS * day, "end": end}
    (series,) = await asked(scope, fill_missing=True, **longest)
    assert len(series.points) == MAX_POINTS


@contract
async def test_too_many_groups_are_refused(scope: TenantScope) -> None:
    """Or what they are filled with; as many as may be are given."""
    await scope.analytics.record_many(event(user_id=f"u{n}") for n in range(MAX_POINTS))
    users: dict[str, Any] = {"group_by": ["user_id"]}
    assert len(await asked(scope, **users)) == MAX_POINTS
    few = {"where": {"user_id": [f"u{n}" for n in range(500)]}, "granularity": "hour"}
    filled = await asked(scope, **users, **few, fill_missing=True, end=START + 20 * HOUR)
    assert sum(len(series.points) for series in filled) == MAX_POINTS
    too_long = asked(scope, **users, **few, fill_missing=True, end=START + 21 * HOUR)
    assert isinstance(await raised_by(too_long), InvalidQueryError)
    await scope.analytics.record(event(user_id="one more"))
    assert isinstance(await raised_by(asked(scope, **users)), InvalidQueryError)


@contract
async def test_what_is_recorded_is_counted_at_once_everywhere(backend: Backend) -> None:
    """By the other instance, in every figure after the acknowledgement."""
    one, two = backend.rivals()
    for number in range(1, 6):
        await (one, two)[number % 2].analytics.record(event(number))
        for scope in (one, two):
            (series,) = await asked(scope, aggregation="sum", measure="n")
            assert series.points[0].value == number * (number + 1) // 2
