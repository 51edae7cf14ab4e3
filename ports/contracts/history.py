"""A conversation's history: pages both ways, its end, all of it; whatever comes meanwhile."""

from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.messages import Message
from ports.contracts.dialogues import begun, gap_free, log_of, numbers, said, say, texts
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by_each
from ports.errors import InvalidQueryError
from ports.stores import TenantScope

LENGTH = 12
LARGEST = 2**63 - 1


def page_of(
    length: int, after: int | None, before: int | None, limit: int
) -> tuple[list[int], bool]:
    """What a page of a log of that length holds, and whether more follow: the definition."""
    found = [
        number
        for number in range(1, length + 1)
        if (after is None or number > after) and (before is None or number < before)
    ]
    kept = found[-limit:] if after is None and before is not None else found[:limit]
    return kept, len(found) > limit


_PLACES = st.none() | st.integers(0, LENGTH + 3) | st.sampled_from([LARGEST])


@given(
    asked=st.lists(
        st.tuples(_PLACES, _PLACES, st.integers(1, LENGTH + 2) | st.just(1_000)),
        min_size=5,
        max_size=10,
    )
)
@examples(0.3)
@contract
async def test_any_page_holds_what_its_numbers_say(
    scope: TenantScope, asked: Sequence[tuple[int | None, int | None, int]]
) -> None:
    """After one, before another, between them, from the beginning; and whether more follow."""
    talk = await begun(scope)
    await say(scope, talk, *["x"] * LENGTH)
    for after, before, limit in asked:
        page = await scope.messages.history(talk.id, after=after, before=before, limit=limit)
        expected, has_more = page_of(LENGTH, after, before, limit)
        assert (numbers(page.items), page.has_more) == (expected, has_more)


@contract
async def test_a_log_is_read_from_its_beginning_to_its_end(scope: TenantScope) -> None:
    """Page by page, each after the last one's end; the last says that nothing follows."""
    talk = await begun(scope)
    await say(scope, talk, *["x"] * LENGTH)
    place, seen, ends = 0, list[int](), list[bool]()
    while not ends or ends[-1]:
        page = await scope.messages.history(talk.id, after=place, limit=4)
        seen += numbers(page.items)
        ends.append(page.has_more)
        place = seen[-1]
    assert seen == list(range(1, LENGTH + 1))
    assert ends == [True, True, False]


@contract
async def test_a_log_is_read_from_its_end_to_its_beginning(scope: TenantScope) -> None:
    """Page by page, each before the last one's beginning, each by ascending sequence."""
    talk = await begun(scope)
    await say(scope, talk, *["x"] * LENGTH)
    place, seen, ends = LENGTH + 1, list[int](), list[bool]()
    while not ends or ends[-1]:
        page = await scope.messages.history(talk.id, before=place, limit=5)
        seen = numbers(page.items) + seen
        ends.append(page.has_more)
        place = seen[0]
    assert seen == list(range(1, LENGTH + 1))
    assert ends == [True, True, False]


@contract
async def test_a_page_has_fifty_entries_unless_asked(scope: TenantScope) -> None:
    """From the beginning; `latest` gives the last fifty, by ascending sequence."""
    talk = await begun(scope)
    await say(scope, talk, *["x"] * 60)
    page = await scope.messages.history(talk.id)
    assert (numbers(page.items), page.has_more) == (list(range(1, 51)), True)
    assert numbers(await scope.messages.latest(talk.id)) == list(range(11, 61))


@contract
async def test_the_latest_entries_come_by_ascending_sequence(scope: TenantScope) -> None:
    """As many as asked for, or all if there are fewer; each as it was appended."""
    talk = await begun(scope)
    assert await scope.messages.latest(talk.id, 3) == ()
    appended = await say(scope, talk, "a", "b", "c", "d")
    for n in (1, 3, 4, 1_000):
        assert exact(await scope.messages.latest(talk.id, n)) == exact(appended[-n:])


@pytest.mark.parametrize("limit", [0, -1, 1_001, 1.0, True, "1", None], ids=repr)
@contract
async def test_a_limit_without_meaning_is_refused(scope: TenantScope, limit: Any) -> None:
    """Of pages and of the latest: nothing is cut without a word."""
    talk = await begun(scope)
    for error in await raised_by_each(
        scope.messages.history(talk.id, limit=limit),
        scope.messages.history(talk.id, before=3, limit=limit),
        scope.messages.latest(talk.id, limit),
    ):
        assert isinstance(error, InvalidQueryError)


@pytest.mark.parametrize("place", [-1, True, 1.0, "1", 2**63, b"1"], ids=repr)
@contract
async def test_a_place_without_meaning_is_refused(scope: TenantScope, place: Any) -> None:
    """Before, after, and where a stream begins."""
    talk = await begun(scope)

    async def streamed() -> None:
        async for _ in scope.messages.stream_history(talk.id, after=place):
            raise AssertionError("nothing was said")

    for error in await raised_by_each(
        scope.messages.history(talk.id, after=place),
        scope.messages.history(talk.id, before=place),
        scope.messages.history(talk.id, after=1, before=place),
        streamed(),
    ):
        assert isinstance(error, InvalidQueryError)


@contract
async def test_a_log_without_owner_is_empty(backend: Backend, scope: TenantScope) -> None:
    """As another tenant's is; no error, in whatever way it is read."""
    theirs = backend.fresh()
    talk = await begun(theirs)
    await say(theirs, talk, "theirs")
    for id in ("nobody's", talk.id):
        for named in ({}, {"after": 0}, {"before": 9}, {"after": 0, "before": 9}):
            page = await scope.messages.history(id, **named)
            assert (page.items, page.has_more) == ((), False)
        assert await scope.messages.latest(id) == ()
        assert [message async for message in scope.messages.stream_history(id)] == []


@contract
async def test_logs_of_one_name_in_two_tenants_are_strangers(backend: Backend) -> None:
    """Each tenant reads what it appended itself, whatever the ids are."""
    one, two = backend.fresh(), backend.fresh()
    for id in ("same", "a:b", "$id", f"{one.tenant}:x"):
        for scope in (one, two):
            talk = await begun(scope, id)
            await say(scope, talk, *[f"{scope.tenant} {id}"] * (2 if scope is one else 3))
        for scope, count in ((one, 2), (two, 3)):
            expected = [f"{scope.tenant} {id}"] * count
            assert texts((await scope.messages.history(id)).items) == expected
            assert texts(await scope.messages.latest(id)) == expected
            assert texts([m async for m in scope.messages.stream_history(id)]) == expected


@contract
async def test_logs_whose_names_are_alike_are_strangers(scope: TenantScope) -> None:
    """In case, form or by a part in common."""
    ids = ["a", "A", "a ", "a:", "a:1", "ä", "a\u0308", "ａ", "ß", "ss", "%", "_", "a%", "1", "01"]
    talks = [await begun(scope, id) for id in ids]
    for talk in talks:
        await say(scope, talk, talk.id)
    for talk in talks:
        assert texts(await log_of(scope, talk)) == [talk.id]
        assert await scope.messages.count({"conversation_id": talk.id}) == 1


@contract
async def test_what_is_appended_while_pages_are_read_shifts_nothing(backend: Backend) -> None:
    """Nothing is skipped or read twice, in either direction; forwards, what is new comes last."""
    here, there = backend.rivals()
    talk = await begun(here)
    await say(here, talk, *["x"] * 9)
    forwards, backwards = list[Message](), list[Message]()
    for round in range(20):
        page = await there.messages.history(talk.id, after=len(forwards), limit=2)
        forwards += page.items
        place = backwards[0].sequence if backwards else 10
        earlier = await there.messages.history(talk.id, before=place, limit=2)
        backwards = [*earlier.items, *backwards]
        if round < 7:
            await say(here, talk, "new")
    assert gap_free(forwards)
    assert len(forwards) == 16
    assert gap_free(backwards)
    assert len(backwards) == 9


@contract
async def test_thousands_are_streamed_in_order(scope: TenantScope) -> None:
    """Each once; from any place on."""
    talk = await begun(scope)
    for start in (0, 1_000, 2_000):
        await say(scope, talk, *(f"{n}" for n in range(start, start + 1_000)))
    await say(scope, talk, "last")
    seen = await log_of(scope, talk)
    assert gap_free(seen)
    assert texts(seen) == [*(f"{n}" for n in range(3_000)), "last"]
    later = [m.sequence async for m in scope.messages.stream_history(talk.id, after=2_498)]
    assert later == list(range(2_499, 3_002))


@contract
async def test_a_stream_also_gives_what_is_appended_before_its_end(scope: TenantScope) -> None:
    """If it is there when the end is reached: so nobody has to ask once more at once."""
    talk = await begun(scope)
    await say(scope, talk, *["x"] * 500)
    seen: list[Message] = []
    async for message in scope.messages.stream_history(talk.id):
        seen.append(message)
        if message.sequence == 500:
            await say(scope, talk, "meanwhile")
    assert gap_free(seen)
    assert len(seen) == 501


@contract
async def test_redacted_entries_keep_their_place(scope: TenantScope) -> None:
    """Without their content; every page is as full as before."""
    talk = await begun(scope)
    appended = await say(scope, talk, "a", "b", "c", "d")
    redacted = await scope.messages.redact(appended[1].id)
    expected = [appended[0], redacted, *appended[2:]]
    page = await scope.messages.history(talk.id, limit=3)
    assert exact(page.items) == exact(tuple(expected[:3]))
    assert exact(await scope.messages.latest(talk.id, 3)) == exact(tuple(expected[1:]))
    assert exact(await log_of(scope, talk)) == exact(expected)


@contract
async def test_the_order_is_that_of_the_appends_whatever_the_times_are(
    backend: Backend, scope: TenantScope
) -> None:
    """A caller may know that something was said earlier, or later; its number doesn't change."""
    talk = await begun(scope)
    now = backend.clock.kept
    times = [now.replace(year=year) for year in (2030, 1999, 2027, 1999)]
    drafts = [draft for time in times for draft in said("x", at=time)]
    await scope.messages.append(talk.id, drafts)
    assert [message.at for message in await log_of(scope, talk)] == times
    page = await scope.messages.history(talk.id, before=4, limit=2)
    assert [message.at.year for message in page.items] == [1999, 2027]


@contract
async def test_a_log_that_was_deleted_is_empty(scope: TenantScope) -> None:
    """At once, in every way of reading; an unknown one is no other case."""
    talk = await begun(scope)
    (stored,) = await say(scope, talk, "a")
    await scope.conversations.delete(talk.id)
    assert (await scope.messages.history(talk.id)).items == ()
    assert await scope.messages.latest(talk.id) == ()
    assert await log_of(scope, talk) == []
    assert await scope.messages.get_by_id(stored.id) is None


@pytest.mark.parametrize("head", [10**9, LARGEST])
@contract
async def test_a_log_that_lacks_its_end_is_read_at_once(scope: TenantScope, head: int) -> None:
    """However far its owner's head is: what isn't restored yet takes no time to be missed."""
    begun_there = await begun(scope)
    talk = await scope.conversations.create(
        attrs.evolve(begun_there, id="restored", last_sequence=head)
    )
    entry = (await say(scope, begun_there, "x"))[0]
    entries = [
        attrs.evolve(entry, id=f"{number}", conversation_id=talk.id, sequence=number)
        for number in (1, 2, 3)
    ]
    await scope.messages.restore(entries)
    assert numbers(await scope.messages.latest(talk.id, 2)) == [2, 3]
    assert numbers(await log_of(scope, talk)) == [1, 2, 3]
    after = await scope.messages.history(talk.id, after=1, limit=1)
    assert (numbers(after.items), after.has_more) == ([2], True)
    before = await scope.messages.history(talk.id, before=head, limit=2)
    assert (numbers(before.items), before.has_more) == ([2, 3], True)
