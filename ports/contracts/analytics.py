"""Analytics events: recorded once each, kept for their time, gone when asked for."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import attrs
from hypothesis import given
from hypothesis import strategies as st

from domain.analytics import AnalyticsEvent
from domain.errors import ValidationError
from domain.identity import EntryDraft
from domain.messages import Message
from domain.metric_queries import MetricQuery
from ports.analytics import MAX_RECORD
from ports.contracts.event_strategies import drafts
from ports.contracts.exact import exact
from ports.contracts.harness import RETENTION, Backend, contract, race, raised_by
from ports.errors import InvalidQueryError
from ports.stores import TenantScope

START = datetime(2025, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


async def counted(scope: TenantScope, **asked: Any) -> int:
    """How many of a tenant's events there are."""
    (series,) = (await scope.analytics.query(MetricQuery.over(*ALWAYS, **asked))).series
    return sum(point.count for point in series.points)


def turn(id: str | None = None, **fields: Any) -> EntryDraft[AnalyticsEvent]:
    """An event."""
    return AnalyticsEvent.draft("turn", **{"at": START, "id": id, **fields})


@given(given=st.lists(drafts(), min_size=1, max_size=4))
@contract
async def test_an_event_is_stored_as_it_was_drafted(
    backend: Backend, scope: TenantScope, given: list[EntryDraft[AnalyticsEvent]]
) -> None:
    """In every part, whatever the domain admits."""
    recorded = await scope.analytics.record_many(given)
    assert (recorded.added, recorded.known, recorded.expired) == (len(given), (), ())
    for draft, id in zip(given, recorded.ids, strict=True):
        expected = attrs.evolve(
            draft.provisional,
            id=id,
            tenant_id=scope.tenant,
            at=draft.provisional.at if draft.has_time else backend.clock.kept,
        )
        assert exact(await scope.analytics.get_by_id(id)) == exact(expected)


@contract
async def test_what_is_recorded_again_changes_nothing_and_is_told(backend: Backend) -> None:
    """In a later call, whichever instance takes it; what is new among it is recorded."""
    one, two = backend.rivals()
    first = await one.analytics.record_many(turn(f"e{n}") for n in range(3))
    assert (first.ids, first.added) == (("e0", "e1", "e2"), 3)
    again = await two.analytics.record_many(
        [turn("e1", measures={"n": 7}), turn("e3"), turn(), turn("e0")]
    )
    assert (set(again.known), again.added, len(again.ids)) == ({"e0", "e1"}, 2, 4)
    assert (await one.analytics.record(turn("e3", user_id="eve"))).known == ("e3",)
    assert await counted(one) == 5
    assert await counted(one, measure="n") == 0


@contract
async def test_of_two_with_one_id_the_first_is_taken(scope: TenantScope) -> None:
    """Of one call; the other is told."""
    recorded = await scope.analytics.record_many(
        [turn("a", user_id="ada"), turn("b"), turn("a", user_id="eve")]
    )
    assert (recorded.ids, recorded.known, recorded.added) == (("a", "b", "a"), ("a",), 2)
    kept = await scope.analytics.get_by_id("a")
    assert kept is not None
    assert kept.user_id == "ada"
    assert await counted(scope) == 2


@contract
async def test_whoever_records_one_event_at_the_same_time_it_counts_once(
    backend: Backend,
) -> None:
    """A retry that meets the call it repeats."""
    rivals = backend.rivals()
    batch = [turn(f"e{n}") for n in range(50)]
    told = await race(*(rivals[n % 2].analytics.record_many(batch) for n in range(6)))
    added = 0
    for each in told:
        assert not isinstance(each, BaseException)
        added += each.added
    assert added == await counted(rivals[0]) == 50


@contract
async def test_an_event_gets_what_it_lacks(backend: Backend, scope: TenantScope) -> None:
    """The time at which it is recorded, and an id, in order of time."""
    now = backend.clock.advance(minutes=1)
    given = [AnalyticsEvent.draft("turn"), AnalyticsEvent.draft("turn")]
    ids = (await scope.analytics.record_many(given)).ids
    for id in ids:
        kept = await scope.analytics.get_by_id(id)
        assert kept is not None
        assert kept.at == now
    assert list(ids) == sorted(set(ids))


@contract
async def test_what_is_wrong_is_refused_and_nothing_recorded(
    backend: Backend, scope: TenantScope
) -> None:
    """A time too far in the future, what is no draft of an event, too many at once."""
    now = backend.clock.kept
    record: Any = scope.analytics.record_many
    ahead = timedelta(days=1)
    wrong: list[Any] = [
        [turn("a"), turn("b", at=now + ahead + MILLISECOND)],
        [turn("a"), Message.draft("hello")],
        [turn("a"), None],
        [turn("a"), turn("a").provisional],
        turn("a"),
        None,
        (turn() for _ in count()),
        [turn()] * (MAX_RECORD + 1),
    ]
    for each in wrong:
        assert isinstance(await raised_by(record(each)), ValidationError), each
    assert await counted(scope) == 0
    assert (await record([])).ids == ()
    assert (await record([turn("a", at=now + ahead)])).added == 1
    for id in (None, "", 7, "\n"):
        lookup: Any = scope.analytics.get_by_id
        assert isinstance(await raised_by(lookup(id)), ValidationError), id
    query: Any = scope.analytics.query
    wrong = [None, {}, "turn"]
    for nothing in wrong:
        assert isinstance(await raised_by(query(nothing)), InvalidQueryError), nothing


@contract
async def test_as_many_as_may_be_are_recorded_at_once(scope: TenantScope) -> None:
    """And again, when the answer was lost."""
    batch = [turn(f"e{n}") for n in range(MAX_RECORD)]
    assert (await scope.analytics.record_many(batch[: MAX_RECORD // 3])).added == MAX_RECORD // 3
    told = await scope.analytics.record_many(batch)
    assert (len(told.known), len(told.ids)) == (MAX_RECORD // 3, MAX_RECORD)
    assert await counted(scope) == MAX_RECORD


@contract(still=True)
async def test_what_has_expired_is_absent_from_everything(
    backend: Backend, scope: TenantScope
) -> None:
    """At the moment at which it does; recorded then, it is told and not kept."""
    edge = backend.clock.kept - RETENTION
    given = [turn("gone", at=edge), turn("last", at=edge + MILLISECOND), turn("next", at=edge)]
    told = await scope.analytics.record_many([*given, turn("late", at=edge + 60 * MILLISECOND)])
    assert (told.expired, told.added) == (("gone", "next"), 2)
    assert await scope.analytics.get_by_id("gone") is None
    assert await counted(scope) == 2
    backend.clock.advance(milliseconds=1)
    assert await scope.analytics.get_by_id("last") is None
    assert await scope.analytics.get_by_id("late") is not None
    assert await counted(scope) == await counted(scope, granularity="month") == 1
    before = MetricQuery.over(ALWAYS[0], edge, fill_missing=True)
    ((point,),) = [series.points for series in (await scope.analytics.query(before)).series]
    assert (point.value, point.count) == (0, 0)
    assert (await scope.analytics.record(turn("late"))).known == ("late",)


@contract
async def test_a_users_events_can_be_deleted(backend: Backend, scope: TenantScope) -> None:
    """All of them, however many, and no one else's; their ids are free again."""
    other = backend.fresh()
    await scope.analytics.record_many(turn(f"a{n}", user_id="ada") for n in range(1_100))
    others = [turn("b", user_id="bob"), turn("n"), turn("A", user_id="Ada")]
    await scope.analytics.record_many(others)
    await other.analytics.record(turn("a0", user_id="ada"))
    assert await scope.analytics.delete_for_user("ada") == 1_100
    assert await scope.analytics.delete_for_user("ada") == 0
    assert (await counted(scope), await counted(other)) == (3, 1)
    assert (await scope.analytics.record(turn("a1"))).added == 1
    delete: Any = scope.analytics.delete_for_user
    for wrong in (None, "", "a\n", 7):
        assert isinstance(await raised_by(delete(wrong)), ValidationError), wrong


@contract
async def test_another_tenants_events_do_not_exist(backend: Backend) -> None:
    """Neither by id nor in a figure; the same id is recorded in both."""
    mine, theirs = backend.fresh(), backend.fresh()
    await theirs.analytics.record_many([turn("same", user_id="ada"), turn("other")])
    assert await mine.analytics.get_by_id("same") is None
    assert await counted(mine) == 0
    assert (await mine.analytics.record(turn("same"))).added == 1
    assert await mine.analytics.delete_for_user("ada") == 0
    assert (await counted(mine), await counted(theirs)) == (1, 2)


@contract
async def test_tenants_whose_names_join_alike_count_apart(backend: Backend) -> None:
    """`a:b` and `c` is not `a` and `b:c`; case, dots and prefixes make another tenant."""
    ids = ("b:c", "c", "b", "!", "!c", '"', "a!")
    base = backend.tenant("A")[:40]
    names = [base, f"{base}:b", f"{base}:b:c", f"{base}.b", f"{base}_b", base.lower(), base[:-1]]
    scopes = [backend.scope(name) for name in names]
    for place, scope in enumerate(scopes):
        draft = [turn(id, dimensions={"place": f"{place}"}, flow_id=uuid4()) for id in ids]
        assert (await scope.analytics.record_many(draft)).added == len(ids)
    for place, scope in enumerate(scopes):
        query = MetricQuery.over(*ALWAYS, group_by=["dimensions.place"])
        (series,) = (await scope.analytics.query(query)).series
        assert dict(series.group) == {"dimensions.place": f"{place}"}
        assert series.points[0].count == len(ids)


@contract
async def test_an_error_tells_nothing_of_what_was_given(scope: TenantScope) -> None:
    """Names are shown, values never."""
    record: Any = scope.analytics.record_many
    query: Any = scope.analytics.query
    error = await raised_by(record([turn("SECRET", at=datetime(2099, 1, 1, tzinfo=UTC))]))
    for each in (error, await raised_by(record("SECRET")), await raised_by(query("SECRET"))):
        assert each is not None
        assert "SECRET" not in f"{each}{each!r}{each.__cause__}"
