"""Analytics events are listed in order of time, page by page, and restored as they were."""

from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.analytics import AnalyticsEvent
from domain.conversations import Channel
from domain.errors import ValidationError
from domain.identity import EntryDraft
from ports.analytics import EVENT_SCHEMA, MAX_RECORD
from ports.contracts.analytics import ALWAYS, MILLISECOND, START, counted, turn
from ports.contracts.event_strategies import alike, drafts
from ports.contracts.exact import exact
from ports.contracts.harness import RETENTION, Backend, contract, examples, raised_by
from ports.criteria import coerce
from ports.errors import InvalidQueryError, TenantMismatchError
from ports.paging import Order
from ports.stores import TenantScope

CRITERIA: tuple[dict[str, Any], ...] = (
    {},
    {"type": "turn"},
    {"type": ["turn", "other"], "user_id": "ada"},
    {"flow_id": str(UUID(int=1))},
    {"user_id": None},
    {"channel": "web"},
    {"not": {"channel": "web"}},
    {"conversation_id": {"operator": "startswith", "value": "c"}},
    {"at": {"operator": "gte", "value": (START + timedelta(minutes=3)).isoformat()}},
    {"id": {"operator": "gt", "value": "c"}},
)


async def listed(
    scope: TenantScope, criteria: Any = None, order: str = "at"
) -> list[AnalyticsEvent]:
    """Every event that a stream gives."""
    return [event async for event in scope.analytics.stream(criteria, order)]


async def paged(
    scope: TenantScope, limit: int, criteria: Any = None, order: str = "at"
) -> list[AnalyticsEvent]:
    """The same, page by page."""
    found: list[AnalyticsEvent] = []
    after: str | None = None
    while True:
        page = await scope.analytics.scan(criteria, order, after, limit)
        found += page.items
        assert len(page.items) == limit or page.next is None
        if page.next is None:
            return found
        after = page.next


@given(
    given=st.lists(alike(START, timedelta(minutes=6)), max_size=12),
    asked=st.sampled_from(CRITERIA),
    order=st.sampled_from(["at", "-at", "id", "-id"]),
    limit=st.integers(1, 5),
)
@examples(0.5)
@contract
async def test_events_are_listed_as_criteria_and_order_say(
    scope: TenantScope,
    given: list[EntryDraft[AnalyticsEvent]],
    asked: dict[str, Any],
    order: str,
    limit: int,
) -> None:
    """All that match and no other, in a stream and page by page alike."""
    ids = (await scope.analytics.record_many(given)).ids
    held = [await scope.analytics.get_by_id(id) for id in ids]
    there = [event for event in held if event is not None]
    matches = coerce(asked, EVENT_SCHEMA).matches
    expected = Order.of(order, EVENT_SCHEMA).sorted(list(filter(matches, there)))
    assert exact(await listed(scope, asked, order)) == exact(expected)
    assert exact(await paged(scope, limit, asked, order)) == exact(expected)


@contract
async def test_events_come_in_order_of_time_and_those_of_one_time_by_id(
    scope: TenantScope,
) -> None:
    """However many are of one time, and whichever was recorded first; the latest first, if asked
    for.
    """
    times = [START + n * MILLISECOND for n in (2, 0, 1)]
    given = [turn(f"e{n:04}", at=times[n % 3]) for n in range(1_500)]
    await scope.analytics.record_many(given[750:])
    await scope.analytics.record_many(given[:750])
    expected = sorted(
        (draft.provisional for draft in given), key=lambda event: (event.at, event.id)
    )
    ids = [event.id for event in expected]
    assert [event.id for event in await listed(scope)] == ids
    assert [event.id for event in await paged(scope, 400)] == ids
    assert [event.id for event in await paged(scope, 400, None, "-at")] == ids[::-1]


@contract
async def test_what_comes_and_goes_between_pages_moves_nothing_else(scope: TenantScope) -> None:
    """Each that was there throughout is seen once."""
    await scope.analytics.record_many(
        turn(f"e{n}", at=START + n * MILLISECOND, user_id=f"u{n % 2}") for n in range(10)
    )
    first = await scope.analytics.scan(limit=5)
    await scope.analytics.delete_for_user("u0")
    late = [turn("early", at=START - MILLISECOND), turn("late", at=START + 20 * MILLISECOND)]
    await scope.analytics.record_many(late)
    rest = await scope.analytics.scan(limit=50, after=first.next)
    assert [event.id for event in first.items] == [f"e{n}" for n in range(5)]
    assert [event.id for event in rest.items] == ["e5", "e7", "e9", "late"]


@contract
async def test_what_can_not_be_listed_is_refused(backend: Backend, scope: TenantScope) -> None:
    """Unknown fields, dimensions, other orders, limits, and cursors that are for something else."""
    await scope.analytics.record_many(turn(f"e{n}") for n in range(3))
    page = await scope.analytics.scan(limit=1)
    scan: Any = scope.analytics.scan
    wrong: tuple[dict[str, Any], ...] = (
        {"criteria": {"tenant_id": "t"}},
        {"criteria": {"dimensions.a": "x"}},
        {"criteria": {"channel": "SECRET"}},
        {"criteria": {"at": "SECRET"}},
        {"order": "type"},
        {"order": "measures"},
        {"order": ["at", "-id"]},
        {"order": ["-at", "id"]},
        {"limit": 0},
        {"limit": 1_001},
        {"limit": None},
        {"after": "SECRET"},
        {"after": page.next, "order": "-at"},
        {"after": page.next, "criteria": {"type": "turn"}},
    )
    for asked in wrong:
        error = await raised_by(scan(**asked))
        assert isinstance(error, InvalidQueryError), asked
        assert "SECRET" not in str(error)
    error = await raised_by(backend.fresh().analytics.scan(after=page.next))
    assert isinstance(error, InvalidQueryError)


@contract
async def test_another_tenants_events_are_not_listed(backend: Backend) -> None:
    """Nor restored into a scope that isn't theirs."""
    mine, theirs = backend.fresh(), backend.fresh()
    await theirs.analytics.record_many([turn("a"), turn("b")])
    events = await listed(theirs)
    assert len(events) == 2
    assert await listed(mine) == await paged(mine, 1) == []
    error = await raised_by(mine.analytics.restore(events))
    assert isinstance(error, TenantMismatchError)
    assert await counted(mine) == 0


@contract(still=True)
async def test_what_has_expired_is_not_listed(backend: Backend, scope: TenantScope) -> None:
    """At the moment at which it does, also between two pages; restored, it is told and not kept."""
    edge = backend.clock.kept - RETENTION
    given = [turn("last", at=edge + MILLISECOND), turn("next", at=edge + 60 * MILLISECOND)]
    await scope.analytics.record_many([*given, turn("now")])
    events = await listed(scope)
    page = await scope.analytics.scan(None, "-at", limit=1)
    backend.clock.advance(milliseconds=1)
    assert [event.id for event in await listed(scope)] == ["next", "now"]
    rest = await scope.analytics.scan(None, "-at", page.next)
    assert ([event.id for event in rest.items], rest.next) == (["next"], None)
    told = await scope.analytics.restore(events)
    assert (told.expired, set(told.known)) == (("last",), {"next", "now"})


@given(given=st.lists(drafts(), min_size=1, max_size=4))
@examples(0.5)
@contract
async def test_restored_events_are_equal(
    backend: Backend, given: list[EntryDraft[AnalyticsEvent]]
) -> None:
    """In every part; again, nothing is changed, and what is there under such an id stays."""
    scope = backend.fresh()
    await scope.analytics.record_many(given)
    events = await listed(scope, None, "id")
    assert await scope.analytics.delete_for_user("nobody") == 0
    told = await scope.analytics.restore(events)
    assert (set(told.known), told.added) == ({event.id for event in events}, 0)
    store = backend.instances[1].analytics
    assert store is not None
    await store.maintenance().erase_tenant(scope.tenant)
    assert await listed(scope) == []
    told = await scope.analytics.restore(events)
    assert (told.ids, told.known, told.added) == (
        tuple(event.id for event in events),
        (),
        len(events),
    )
    assert exact(await listed(scope, None, "id")) == exact(events)


@contract
async def test_what_is_no_event_is_not_restored(backend: Backend, scope: TenantScope) -> None:
    """Nor too many at once, nor anything beside it; a time in the future is as good as another."""
    later: datetime = backend.clock.kept + timedelta(days=400)
    (event,) = [turn("a", at=later).placed(at=START, new_id="", tenant_id=scope.tenant)]
    restore: Any = scope.analytics.restore
    wrong: tuple[Any, ...] = ([event, turn("b")], [event, None], event, None)
    for each in (*wrong, [event] * (MAX_RECORD + 1)):
        assert isinstance(await raised_by(restore(each)), ValidationError), type(each)
    assert await counted(scope) == 0
    assert (await restore([event, event])).known == ("a",)
    assert (await listed(scope)) == [event]
    assert await counted(scope, where={"channel": [None, Channel.WEB]}) == 1
    assert ALWAYS[0] < event.at < ALWAYS[1]
    assert (await restore([])).ids == ()
    assert [attrgetter("id")(each) for each in await listed(scope, {"id": "a"})] == ["a"]
