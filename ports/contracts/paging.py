"""Pages by number, pages by cursor, and streams: complete, in order, and each entry once."""

import base64
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by
from ports.contracts.queries import orders
from ports.contracts.repository import distinct
from ports.contracts.subjects import Entity, Subject
from ports.errors import InvalidQueryError
from ports.paging import MAX_OFFSET, MAX_PAGE_SIZE, CursorPage, Order, Pagination
from ports.repository import Repository
from ports.stores import TenantScope

CHANCE = st.sampled_from([False, True])


async def scanned(
    repository: Repository[Entity], order: Any = None, limit: int = 2, criteria: Any = None
) -> list[Entity]:
    """Everything, read page after page."""
    items: list[Entity] = []
    after: str | None = None
    while True:
        page = await repository.scan(criteria, order, after, limit)
        assert len(page.items) <= limit
        items.extend(page.items)
        if page.next is None:
            return items
        assert len(page.items) == limit
        after = page.next


@given(data=st.data())
@examples(0.25)
@contract
async def test_every_way_of_reading_gives_the_same_order(
    scope: TenantScope, subject: Subject, data: st.DataObject
) -> None:
    """Pages by number or cursor and streams follow `Order.sorted`: by value, nulls last, by id."""
    repository = subject.of(scope)
    entities = await repository.create_many(data.draw(distinct(subject, scope, 7)))
    order = data.draw(orders(subject.schema))
    size = data.draw(st.integers(1, 4))
    expected = exact(Order.of(order, subject.schema).sorted(entities))
    assert exact([entity async for entity in repository.stream(None, order)]) == expected
    assert exact(await scanned(repository, order, size)) == expected
    numbered: list[Entity] = []
    for number in range(1, len(entities) // size + 2):
        page = await repository.list(None, Pagination(number, size), order)
        assert (page.total, page.page, page.page_size) == (len(entities), number, size)
        assert page.has_previous == (number > 1)
        assert page.has_next == (len(entities) > number * size)
        numbered += page.items
    assert exact(numbered) == expected


@contract
async def test_nulls_come_last_in_either_direction(scope: TenantScope, subject: Subject) -> None:
    """And entries that are equal in the order go by their id, in its direction."""
    repository = subject.of(scope)
    name, (first, second, third, last) = subject.ranked
    made = [await repository.create(subject.draft(f"like {n}")) for n in range(7)]
    await repository.delete_where(None)
    values = [third, None, second, third, None, last, first]
    for entity, value in zip(made, values, strict=True):
        await repository.create(attrs.evolve(entity, **{name: value}))
    places = {entity.id: n for n, entity in enumerate(made)}
    for order, expected in (
        (name, [6, 2, 0, 3, 5, 1, 4]),
        (f"-{name}", [5, 3, 0, 2, 6, 4, 1]),
        ([name, "-id"], [6, 2, 3, 0, 5, 4, 1]),
        ("-id", [6, 5, 4, 3, 2, 1, 0]),
        (None, [0, 1, 2, 3, 4, 5, 6]),
    ):
        for found in (
            await scanned(repository, order, 1),
            await scanned(repository, order, 3),
            (await repository.list(None, None, order)).items,
        ):
            assert [places[entity.id] for entity in found] == expected, order


@contract
async def test_text_is_ordered_by_code_point(scope: TenantScope, subject: Subject) -> None:
    """Not by a language's rules, and not by UTF-16 units."""
    repository = subject.of(scope)
    remarks = ["\U0001f600", "\uffff", "b", "\u00e9", "B", "_", "a b", "ab", "a\u0301", "10", "9"]
    for remark in remarks:
        made = await repository.create(subject.draft(remark))
        await repository.patch(made.id, **subject.remark_to(remark))
    for order, expected in (
        (subject.remark, sorted(remarks)),
        (f"-{subject.remark}", sorted(remarks, reverse=True)),
    ):
        found = await scanned(repository, order, 3)
        assert [getattr(entity, subject.remark) for entity in found] == expected


@contract
async def test_a_page_is_cut_after_sorting_and_filtering(
    scope: TenantScope, subject: Subject
) -> None:
    """The first page holds the first matches of all, not the matches of the first page."""
    repository = subject.of(scope)
    for n in (3, 1, 4, 0, 5, 2):
        made = await repository.create(subject.draft(f"label {n}"))
        note = "even" if n % 2 == 0 else "odd"
        await repository.patch(made.id, **subject.remark_to(f"{n}"), **subject.note_to(note))
    even = {subject.note: "even"}
    by_remark = f"-{subject.remark}"
    first = await repository.list(even, Pagination(1, 2), by_remark)
    second = await repository.list(even, Pagination(2, 2), by_remark)
    assert [getattr(entity, subject.remark) for entity in first.items] == ["4", "2"]
    assert [getattr(entity, subject.remark) for entity in second.items] == ["0"]
    assert (first.total, first.has_next, second.total, second.has_next) == (3, True, 3, False)
    searched = await repository.scan(even, by_remark, None, 2)
    assert [getattr(entity, subject.remark) for entity in searched.items] == ["4", "2"]


@contract
async def test_a_page_beyond_the_end_is_empty(scope: TenantScope, subject: Subject) -> None:
    """It still tells the total, unless that wasn't asked for."""
    repository = subject.of(scope)
    await repository.create_many(subject.draft(f"label {n}") for n in range(4))
    beyond = await repository.list(None, Pagination(4, 2))
    assert (beyond.items, beyond.total, beyond.has_next, beyond.has_previous) == (
        (),
        4,
        False,
        True,
    )
    page = await repository.list(None, Pagination(2, 2, with_total=False))
    assert (len(page.items), page.total, page.has_next) == (2, None, False)
    page = await repository.list(None, Pagination(1, 2, with_total=False))
    assert (len(page.items), page.total, page.has_next) == (2, None, True)
    empty = await repository.list({subject.note: "no such note"})
    assert (empty.items, empty.total, empty.has_next, empty.page) == ((), 0, False, 1)


@contract
async def test_pages_have_fifty_entries_unless_asked(scope: TenantScope, subject: Subject) -> None:
    """And up to a thousand; nothing is cut without a word."""
    repository = subject.of(scope)
    await repository.create_many(subject.draft(f"label {n}") for n in range(1_001))
    page = await repository.list()
    assert (len(page.items), page.total, page.has_next) == (50, 1_001, True)
    assert len((await repository.scan()).items) == 50
    large = await repository.list(None, Pagination(1, MAX_PAGE_SIZE))
    assert (len(large.items), large.total, large.has_next) == (1_000, 1_001, True)
    scan = await repository.scan(limit=MAX_PAGE_SIZE)
    assert len(scan.items) == 1_000
    assert scan.next is not None
    assert len((await repository.scan(None, None, scan.next)).items) == 1
    ids = [entity.id async for entity in repository.stream()]
    assert ids == sorted(ids)
    assert len(ids) == 1_001


@pytest.mark.parametrize("wrong", [0, -1, 1_001, 1.0, True, "10", None], ids=repr)
@contract
async def test_a_limit_without_meaning_is_refused(
    scope: TenantScope, subject: Subject, wrong: Any
) -> None:
    """Neither zero for none nor more than a thousand."""
    assert isinstance(await raised_by(subject.of(scope).scan(limit=wrong)), InvalidQueryError)
    with pytest.raises(InvalidQueryError):
        Pagination(1, wrong)


@contract
async def test_a_page_by_number_may_not_lie_deep(scope: TenantScope, subject: Subject) -> None:
    """It may begin at entry 10 000 and no further; pages count from one."""
    deepest = Pagination(MAX_OFFSET // 10 + 1, 10)
    assert (await subject.of(scope).list(None, deepest)).items == ()
    for page, size in ((MAX_OFFSET // 10 + 2, 10), (0, 10), (-1, 10), (2**70, 1)):
        with pytest.raises(InvalidQueryError):
            Pagination(page, size)
    with pytest.raises(InvalidQueryError):
        Pagination("1")  # type: ignore[arg-type]  # what is refused


@contract
async def test_a_cursor_belongs_to_its_query(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """Another tenant's, other criteria's or another order's is refused."""
    repository, other = subject.of(scope), subject.of(backend.fresh())
    for place in (repository, other):
        await place.create_many(subject.draft(f"label {n}") for n in range(4))
    cursor = (await repository.scan(None, subject.remark, None, 2)).next
    assert cursor is not None
    assert len((await repository.scan(None, subject.remark, cursor, 2)).items) == 2
    assert len((await repository.scan(None, [subject.remark], cursor, 3)).items) == 2
    wrong = [
        other.scan(None, subject.remark, cursor),
        repository.scan(None, f"-{subject.remark}", cursor),
        repository.scan(None, [subject.remark, "-id"], cursor),
        repository.scan(None, None, cursor),
        repository.scan({subject.note: None}, subject.remark, cursor),
        repository.scan({"not": {"or": []}}, subject.remark, cursor),
    ]
    for call in wrong:
        assert isinstance(await raised_by(call), InvalidQueryError)


@contract
async def test_an_altered_cursor_is_refused(scope: TenantScope, subject: Subject) -> None:
    """Whichever character is changed, added or left out."""
    repository = subject.of(scope)
    await repository.create_many(subject.draft(f"label {n}") for n in range(3))
    cursor = (await repository.scan(None, "-created_at", None, 1)).next
    assert cursor is not None
    altered: list[Any] = [
        cursor[:place] + ("A" if sign != "A" else "B") + cursor[place + 1 :]
        for place, sign in enumerate(cursor)
    ]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    altered += [cursor[:-1] + sign for sign in letters if sign != cursor[-1]]
    altered += [cursor[:-1], cursor + "A", cursor + "=", cursor + "\n", cursor[1:], "", "x", "é"]
    altered += [base64.urlsafe_b64encode(b"[1]").decode(), " " + cursor, 7, b"x", ["x"]]
    for wrong in altered:
        error = await raised_by(repository.scan(None, "-created_at", wrong))
        assert isinstance(error, InvalidQueryError), wrong


@given(data=st.data())
@examples(0.2)
@contract
async def test_every_entry_comes_once_whatever_comes_and_goes(
    scope: TenantScope, subject: Subject, data: st.DataObject
) -> None:
    """What is there throughout a scan comes exactly once, at its place; nothing comes twice."""
    repository = subject.of(scope)
    entities: list[Entity] = data.draw(distinct(subject, scope, 10))
    here = data.draw(st.integers(0, len(entities)))
    await repository.create_many(entities[:here])
    present, coming = list(entities[:here]), list(entities[here:])
    throughout = {entity.id for entity in present}
    order = data.draw(orders(subject.schema))
    limit = data.draw(st.integers(1, 3))
    read: list[Entity] = []
    page = await repository.scan(None, order, None, limit)
    read += page.items
    while page.next is not None:
        if data.draw(CHANCE) and coming:
            present.append(await repository.create(coming.pop()))
        if data.draw(CHANCE) and present:
            gone = present.pop(data.draw(st.integers(0, len(present) - 1)))
            await repository.delete(gone.id)
            throughout.discard(gone.id)
        page = await repository.scan(None, order, page.next, limit)
        read += page.items
    ids = [entity.id for entity in read]
    assert len(ids) == len(set(ids))
    assert throughout <= set(ids)
    assert exact(read) == exact(Order.of(order, subject.schema).sorted(read))


@contract
async def test_entries_inserted_before_the_cursor_shift_nothing(
    backend: Backend, subject: Subject
) -> None:
    """Nor do deleted ones, the cursor's own entry included."""
    here, there = map(subject.of, backend.rivals())
    made = [await here.create(subject.draft(f"label {n}")) for n in range(6)]
    first: CursorPage[Entity] = await here.scan(None, "-id", None, 2)
    assert [entity.id for entity in first.items] == [made[5].id, made[4].id]
    backend.clock.advance(seconds=1)  # ids of two generators are ordered by their times only
    await there.create(subject.draft("newer"))
    assert await there.delete(made[4].id)
    assert await there.delete(made[5].id)
    second = await here.scan(None, "-id", first.next, 2)
    assert [entity.id for entity in second.items] == [made[3].id, made[2].id]
    await there.delete(made[1].id)
    third = await here.scan(None, "-id", second.next, 2)
    assert [entity.id for entity in third.items] == [made[0].id]
    assert third.next is None


@contract
async def test_a_stream_goes_on_while_others_write(backend: Backend, subject: Subject) -> None:
    """It reads in batches, holds nothing between them, and may be left early."""
    here, there = map(subject.of, backend.rivals())
    made = await here.create_many(subject.draft(f"label {n}") for n in range(1_200))
    read: list[Any] = []
    async for entity in here.stream():
        if not read:
            backend.clock.advance(seconds=1)
            await there.delete(made[-1].id)
            await there.create(subject.draft("late"))
        read.append(entity.id)
    assert read[:1_199] == [entity.id for entity in made[:-1]]
    assert len(set(read)) == len(read)
    abandoned = here.stream()
    assert (await anext(abandoned)).id == made[0].id
    assert await there.delete_where(None) == 1_200
    assert await here.count() == 0
