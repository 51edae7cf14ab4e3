"""What criteria find: exactly what their meaning in `ports.criteria` says, in every store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ports.capabilities import Capability
from ports.contracts.harness import Backend, contract, examples, raised_by_each
from ports.contracts.queries import criteria, orders
from ports.contracts.repository import distinct
from ports.contracts.strategies import HOSTILE
from ports.contracts.subjects import Entity, Subject
from ports.criteria import Criteria, CriteriaLike
from ports.errors import InvalidQueryError, UnsupportedOperationError
from ports.paging import Order, Pagination
from ports.repository import Repository
from ports.schema import Kind, SearchBy
from ports.stores import TenantScope


async def holding(
    scope: TenantScope, subject: Subject, stored: Sequence[Any], name: str | None = None
) -> Repository[Entity]:
    """The repository, with an entity for each of these notes, or values of another field."""
    field = subject.note if name is None else name
    if None in stored and not subject.schema.fields[field].nullable:
        pytest.skip(f"the {field} of a {subject.name} can't be None")
    repository = subject.of(scope)
    await repository.create_many(
        subject.entity(scope.tenant, n, **{field: value}) for n, value in enumerate(stored)
    )
    return repository


async def notes(
    subject: Subject, repository: Repository[Entity], wanted: CriteriaLike
) -> list[str | None]:
    """The notes of what is found, in the order in which they were given."""
    found = [subject.note_of(entity) async for entity in repository.stream(wanted)]
    assert len(found) == await repository.count(wanted)
    return found


@given(data=st.data())
@examples(0.4)
@contract
async def test_a_store_finds_exactly_what_the_criteria_mean(
    backend: Backend, scope: TenantScope, subject: Subject, data: st.DataObject
) -> None:
    """Any criteria over any entities, in any order: the same as `matches` and `Order.sorted`."""
    repository = subject.of(scope)
    entities = await repository.create_many(data.draw(distinct(subject, scope, 6)))
    regex = Capability.REGEX in backend.capabilities(subject.group)
    asked = criteria(subject.schema, entities, regex=regex)
    for wanted in data.draw(st.lists(asked, min_size=3, max_size=6)):
        order = data.draw(orders(subject.schema))
        matching = [entity for entity in entities if wanted.matches(entity)]
        expected = [e.id for e in Order.of(order, subject.schema).sorted(matching)]
        page = await repository.list(wanted, Pagination(page_size=100), order)
        assert [entity.id for entity in page.items] == expected
        assert await repository.count(wanted) == len(expected)


@contract
async def test_a_comparison_with_null_is_false(scope: TenantScope, subject: Subject) -> None:
    """`ne` and `not_in` included: only `is_null` finds what has no value."""
    repository = await holding(scope, subject, ["a", None, "b"])
    note = repository.where(subject.note)
    expected: list[tuple[Criteria, list[str | None]]] = [
        (note.eq("a"), ["a"]),
        (note.ne("a"), ["b"]),
        (note.in_(["a", "x"]), ["a"]),
        (note.not_in(["a", "x"]), ["b"]),
        (note.not_in([]), ["a", "b"]),
        (note.gte(""), ["a", "b"]),
        (note.lt("z"), ["a", "b"]),
        (note.contains(""), ["a", "b"]),
        (note.icontains(""), ["a", "b"]),
        (note.startswith(""), ["a", "b"]),
        (note.is_null(), [None]),
        (note.is_not_null(), ["a", "b"]),
        (note.exists(), ["a", "b"]),
        (note.exists(False), [None]),
        (note.is_null(False), ["a", "b"]),
    ]
    for wanted, found in expected:
        assert await notes(subject, repository, wanted) == found, wanted


@contract
async def test_a_negated_comparison_finds_nulls(scope: TenantScope, subject: Subject) -> None:
    """What is false of null is true when negated: two values, not three."""
    repository = await holding(scope, subject, ["a", None, "b"])
    note = repository.where(subject.note)
    assert await notes(subject, repository, ~note.eq("a")) == [None, "b"]
    assert await notes(subject, repository, ~note.ne("a")) == ["a", None]
    assert await notes(subject, repository, ~note.in_([])) == ["a", None, "b"]
    assert await notes(subject, repository, ~note.not_in(["a"])) == ["a", None]
    assert await notes(subject, repository, ~note.icontains("A")) == [None, "b"]
    assert await notes(subject, repository, ~(note.gt("a") | note.lt("a"))) == ["a", None]
    assert await notes(subject, repository, ~~note.eq("a")) == ["a"]


@contract
async def test_one_of_nothing_finds_nothing(scope: TenantScope, subject: Subject) -> None:
    """An empty list is no missing filter, whatever the field."""
    repository = await holding(scope, subject, ["a", "b"])
    empty: list[dict[str, Any]] = [{"or": []}]
    for field in subject.schema.fields.values():
        listed = {"operator": "any_of", "value": []} if field.kind is Kind.TEXTS else []
        empty.append({field.name: listed})
    for wanted in empty:
        assert await notes(subject, repository, wanted) == []
        assert await repository.delete_where(wanted) == 0
    unrestricted: list[CriteriaLike] = [None, {}, {"and": []}]
    for everything in unrestricted:
        assert await repository.count(everything) == 2


@pytest.mark.parametrize("sign", [*"%_\\'\"$.*?[]^|", "\\%", "%%", "--", "\n", "\u202e"], ids=ascii)
@contract
async def test_like_takes_its_text_literally(
    scope: TenantScope, subject: Subject, sign: str
) -> None:
    """No character means anything but itself."""
    repository = await holding(scope, subject, [f"a{sign}b", "axb", "ab", sign, "", "axxb"])
    note = repository.where(subject.note)
    for wanted in (note.like(sign), note.contains(sign), note.ilike(sign)):
        assert await notes(subject, repository, wanted) == [f"a{sign}b", sign]
    for wanted in (note.like(f"a{sign}"), note.ilike(f"A{sign}"), note.startswith(f"a{sign}")):
        assert await notes(subject, repository, wanted) == [f"a{sign}b"]
    assert await notes(subject, repository, note.startswith(sign)) == [sign]


@contract
async def test_hostile_text_is_found_as_it_is(scope: TenantScope, subject: Subject) -> None:
    """As an operand of every operator for text, it finds what equals or holds it, and no more."""
    repository = await holding(scope, subject, HOSTILE)
    note = repository.where(subject.note)
    for sample in HOSTILE:
        assert await notes(subject, repository, note.eq(sample)) == [sample]
        assert await notes(subject, repository, note.in_([sample, "other"])) == [sample]
        assert await notes(subject, repository, note.contains(sample)) == [
            x for x in HOSTILE if sample in x
        ]
        assert await notes(subject, repository, note.ne(sample)) == [
            x for x in HOSTILE if sample != x
        ]
        assert await notes(subject, repository, note.gt(sample)) == [
            x for x in HOSTILE if x > sample
        ]
        assert (
            await notes(subject, repository, {subject.note: sample, subject.remark: sample}) == []
        )


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("Welcome", "WELCOME"),
        ("Straße", "STRASSE"),
        ("STRASSE", "straße"),
        ("gro\u1e9e", "gross"),
        ("\ufb01n", "FIN"),
        ("o\ufb03ce", "OFFICE"),
        ("ΣΑΣ", "σας"),
        ("ας", "ΑΣ"),
        ("\uff21\uff42\uff43", "abc"),
        ("\u212a", "k"),
        ("\u017f", "S"),
        ("caf\u00e9", "CAFE\u0301"),
        ("cafe\u0301", "CAF\u00c9"),
        ("\u0130", "i\u0307"),
        ("\u01c4", "\u01c6"),
        ("\u2460", "1"),
        ("\u1e9b\u0323", "\u1e69"),
        ("\U00010400", "\U00010428"),
        ("Äpfel", "äPFEL"),
    ],
    ids=ascii,
)
@contract
async def test_ilike_folds_all_of_unicode(
    scope: TenantScope, subject: Subject, stored: str, asked: str
) -> None:
    """Texts that are alike but for case and form find each other, in part and in searches too."""
    repository = await holding(scope, subject, [stored, f"before {stored} after", "other"])
    found = [stored, f"before {stored} after"]
    note = repository.where(subject.note)
    assert await notes(subject, repository, note.ilike(asked)) == found
    assert await notes(subject, repository, note.icontains(asked)) == found
    if subject.note in subject.schema.searchable:
        assert await notes(subject, repository, repository.where.search(asked)) == found
    assert await notes(subject, repository, note.like(asked)) == []


@contract
async def test_what_differs_after_folding_is_not_found(
    scope: TenantScope, subject: Subject
) -> None:
    """Accents and the dotless i make a difference; case does without folding."""
    repository = await holding(scope, subject, ["ı", "é", "Wel"])
    note = repository.where(subject.note)
    assert await notes(subject, repository, note.ilike("I")) == []
    assert await notes(subject, repository, note.ilike("e")) == ["Wel"]
    assert await notes(subject, repository, note.like("wel")) == []
    assert await notes(subject, repository, note.startswith("wel")) == []
    assert await notes(subject, repository, note.eq("WEL")) == []
    assert await notes(subject, repository, note.eq("e\u0301")) == []


@contract
async def test_text_compares_by_code_point(scope: TenantScope, subject: Subject) -> None:
    """Not by a language's rules, and not by UTF-16 units."""
    sorted_notes = ["", "\t", " ", "A", "B", "Z", "_", "a", "aa", "b", "é", "\uffff", "😀"]
    repository = await holding(scope, subject, sorted_notes)
    on = repository.where(subject.note)
    for n, note in enumerate(sorted_notes):
        assert await notes(subject, repository, on.lt(note)) == sorted_notes[:n]
        assert await notes(subject, repository, on.gte(note)) == sorted_notes[n:]


@contract
async def test_whatever_its_kind_a_value_is_compared_as_what_it_is(
    scope: TenantScope, subject: Subject
) -> None:
    """Integers at their bounds, times in any zone, ids and members as text, flags."""
    noon = datetime(2024, 1, 1, 12, tzinfo=UTC)
    (made,) = await subject.of(scope).create_many(
        [subject.entity(scope.tenant, 1, created_at=noon)]
    )
    repository = subject.of(scope)
    on = repository.where("created_at")
    true: list[Criteria] = [
        on.eq("2024-01-01T13:00:00+01:00"),
        on.eq(noon.replace(microsecond=999)),
        on.in_([noon, "0001-01-01T00:00:00Z"]),
        on.gt("0001-01-01T00:00:00Z"),
        on.lte("9999-12-31T23:59:59.999999Z"),
        on.date_range("2024-01-01T12:00:00Z", None),
        repository.where("id").eq(str(made.id)),
        repository.where("id").gte(made.id),
        repository.where("id").not_in([subject.ids.new()]),
    ]
    for field in subject.schema.fields.values():
        value, of_kind = getattr(made, field.name), repository.where(field.name)
        if field.kind is Kind.INTEGER:
            true += [of_kind.eq(value), of_kind.lte(2**63 - 1), of_kind.gt(-(2**63))]
        elif field.members is not None:
            others = [member for member in field.members if member is not value]
            true += [of_kind.eq(value.value), of_kind.not_in(others), ~of_kind.eq(others[0])]
        elif field.kind is Kind.BOOLEAN:
            true += [of_kind.eq(value), of_kind.ne(not value)]
    for wanted in true:
        assert wanted.matches(made), wanted
        assert await repository.count(wanted) == 1, wanted
        assert await repository.count(~wanted) == 0, wanted


@contract
async def test_a_date_range_ends_before_its_end(scope: TenantScope, subject: Subject) -> None:
    """It begins at its start, and either may be left out."""
    day = datetime(2024, 1, 2, tzinfo=UTC)
    repository = await holding(scope, subject, [day], "created_at")
    on = repository.where("created_at")
    assert await repository.count(on.date_range(day, day.replace(microsecond=1000))) == 1
    assert await repository.count(on.date_range(day, day)) == 0
    assert await repository.count(on.date_range(None, day)) == 0
    assert await repository.count(on.date_range(end=day.replace(microsecond=1000))) == 1
    document = {"created_at": {"operator": "date_range", "value": {"start": day.isoformat()}}}
    assert await repository.count(document) == 1


@contract
async def test_lists_are_asked_for_their_items(scope: TenantScope, subject: Subject) -> None:
    """Whole items, not parts of them; repeated items count for the size alone."""
    name = subject.field(Kind.TEXTS).name
    lists: list[tuple[str, ...]] = [(), ("a",), ("a", "b"), ("ab",), ("a", "a"), ("%", '"', "{}")]
    repository = await holding(scope, subject, lists, name)
    on = repository.where(name)
    expected: list[tuple[Criteria, list[int]]] = [
        (on.contains("a"), [1, 2, 4]),
        (on.any_of(["a", "ab"]), [1, 2, 3, 4]),
        (on.any_of([]), []),
        (on.all_of(["a", "b"]), [2]),
        (on.all_of(["a", "a"]), [1, 2, 4]),
        (on.all_of([]), [0, 1, 2, 3, 4, 5]),
        (on.contains("%"), [5]),
        (on.any_of(['"', "x"]), [5]),
        (on.size(0), [0]),
        (on.size(2), [2, 4]),
        (on.is_null(), []),
        (on.contains("A"), []),
    ]
    for wanted, found in expected:
        ids = [entity.id async for entity in repository.stream(wanted)]
        assert ids == [subject.ids.nth(n) for n in found], wanted


@contract
async def test_a_search_by_words_finds_how_they_begin(scope: TenantScope, subject: Subject) -> None:
    """Every term begins a word, in any order; where there are no spaces, two signs are one."""
    if subject.schema.search_by is not SearchBy.WORDS:
        pytest.skip(f"a {subject.name} is searched by parts")
    stored = ["Opening hours, please", "it's open_ended", "我想订酒店", "hours 100% 😀", None]
    repository = await holding(scope, subject, stored)
    for text, found in (
        ("open", [0, 1]),
        ("HOUR open", [0]),
        ("pen", []),
        ("ended s", [1]),
        ("hours,hours", [0, 3]),
        ("酒店", [2]),
        ("店", [2]),
        ("想酒", []),
        ("想订酒", [2]),
        ("10", [3]),
        ("00", []),
        ("😀", [3]),
        (" \n", [0, 1, 2, 3, 4]),
    ):
        wanted = repository.where.search(text)
        assert await notes(subject, repository, wanted) == [stored[n] for n in found], text
    with pytest.raises(InvalidQueryError):
        repository.where.search("?!")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("^a.c$", ["abc", "a.c"]),
        ("a\\.c", ["a.c"]),
        ("^$", [""]),
        ("b|^$", ["abc", "", "line\nabc"]),
        ("\\d+", ["x12"]),
        ("^\\w{3}$", ["ABC", "abc", "x12"]),
        ("[^a-z\\n]", ["a.c", "x12", "ABC", "é😀"]),
        ("^.{2}$", ["é😀"]),
        ("\\s", ["line\nabc"]),
        ("^abc$", ["abc"]),
        ("(?:a|A)(b|B)", ["abc", "ABC", "line\nabc"]),
        ("😀$", ["é😀"]),
    ],
    ids=ascii,
)
@contract(needs=Capability.REGEX)
async def test_a_regex_is_found_anywhere_in_the_text(
    scope: TenantScope, subject: Subject, pattern: str, found: list[str]
) -> None:
    """Anchors are the text's, not a line's; classes are ASCII; `.` is no line feed."""
    stored = ["abc", "a.c", "", "x12", "ABC", "é😀", "line\nabc"]
    repository = await holding(scope, subject, [*stored, None])
    wanted = repository.where(subject.note).regex(pattern)
    assert sorted(map(str, await notes(subject, repository, wanted))) == sorted(found)


@contract
async def test_an_undeclared_regex_is_refused(
    backend: Backend, scope: TenantScope, subject: Subject
) -> None:
    """A store without regular expressions says so; one with them does not."""
    repository = subject.of(scope)
    wanted = repository.where(subject.note).regex("a")
    declared = Capability.REGEX in backend.capabilities(subject.group)
    for error in await raised_by_each(
        repository.count(wanted), repository.list(wanted), repository.delete_where(wanted)
    ):
        assert error is None if declared else isinstance(error, UnsupportedOperationError)
