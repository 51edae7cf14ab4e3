"""What criteria find: exactly what their meaning in `ports.criteria` says, in every store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.definitions import FlowDefinition
from domain.flows import Flow, FlowStatus
from ports.capabilities import Capability
from ports.contracts.harness import Backend, contract, examples, raised_by_each
from ports.contracts.queries import criteria, orders
from ports.contracts.repository import distinct
from ports.contracts.strategies import HOSTILE
from ports.contracts.subjects import Subject
from ports.criteria import Criteria, CriteriaLike
from ports.errors import UnsupportedOperationError
from ports.flows import FlowRepository
from ports.paging import Order, Pagination
from ports.stores import TenantScope


async def holding(flows: FlowRepository, notes: Sequence[str | None]) -> None:
    """Store flows with these descriptions."""
    await flows.create_many(
        Flow.draft(name=f"flow {n:03}", description=note) for n, note in enumerate(notes)
    )


async def notes(flows: FlowRepository, wanted: CriteriaLike) -> list[str | None]:
    """The descriptions of what is found, in the order of their names."""
    found = [flow.description async for flow in flows.stream(wanted, "name")]
    assert len(found) == await flows.count(wanted)
    return found


@given(data=st.data())
@examples(0.6)
@contract
async def test_a_store_finds_exactly_what_the_criteria_mean(
    backend: Backend, scope: TenantScope, subject: Subject, data: st.DataObject
) -> None:
    """Any criteria over any entities, in any order: the same as `matches` and `Order.sorted`."""
    repository = subject.of(scope)
    entities = await repository.create_many(data.draw(distinct(subject, scope, 6)))
    regex = Capability.REGEX in backend.capabilities
    asked = criteria(subject.schema, entities, regex=regex)
    for wanted in data.draw(st.lists(asked, min_size=3, max_size=6)):
        order = data.draw(orders(subject.schema))
        matching = [entity for entity in entities if wanted.matches(entity)]
        expected = [e.id for e in Order.of(order, subject.schema).sorted(matching)]
        page = await repository.list(wanted, Pagination(page_size=100), order)
        assert [entity.id for entity in page.items] == expected
        assert await repository.count(wanted) == len(expected)


@contract
async def test_a_comparison_with_null_is_false(scope: TenantScope) -> None:
    """`ne` and `not_in` included: only `is_null` finds what has no value."""
    flows = scope.flows
    await holding(flows, ["a", None, "b"])
    note = flows.where("description")
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
        assert await notes(flows, wanted) == found, wanted


@contract
async def test_a_negated_comparison_finds_nulls(scope: TenantScope) -> None:
    """What is false of null is true when negated: two values, not three."""
    flows = scope.flows
    await holding(flows, ["a", None, "b"])
    note = flows.where("description")
    assert await notes(flows, ~note.eq("a")) == [None, "b"]
    assert await notes(flows, ~note.ne("a")) == ["a", None]
    assert await notes(flows, ~note.in_([])) == ["a", None, "b"]
    assert await notes(flows, ~note.not_in(["a"])) == ["a", None]
    assert await notes(flows, ~note.icontains("A")) == [None, "b"]
    assert await notes(flows, ~(note.gt("a") | note.lt("a"))) == ["a", None]
    assert await notes(flows, ~~note.eq("a")) == ["a"]


@contract
async def test_one_of_nothing_finds_nothing(scope: TenantScope) -> None:
    """An empty list is no missing filter."""
    flows = scope.flows
    await holding(flows, ["a", None])
    empty: list[dict[str, Any]] = [
        {"name": []},
        {"status": []},
        {"or": []},
        {"tags": {"operator": "any_of", "value": []}},
    ]
    for wanted in empty:
        assert await notes(flows, wanted) == []
        assert await flows.delete_where(wanted) == 0
    assert await flows.count({"and": []}) == await flows.count({}) == await flows.count() == 2


@pytest.mark.parametrize("sign", [*"%_\\'\"$.*?[]^|", "\\%", "%%", "--", "\n", "\u202e"], ids=ascii)
@contract
async def test_like_takes_its_text_literally(scope: TenantScope, sign: str) -> None:
    """No character means anything but itself."""
    flows = scope.flows
    await holding(flows, [f"a{sign}b", "axb", "ab", sign, "", "axxb"])
    note = flows.where("description")
    for wanted in (note.like(sign), note.contains(sign), note.ilike(sign)):
        assert await notes(flows, wanted) == [f"a{sign}b", sign]
    for wanted in (note.like(f"a{sign}"), note.ilike(f"A{sign}"), note.startswith(f"a{sign}")):
        assert await notes(flows, wanted) == [f"a{sign}b"]
    assert await notes(flows, note.startswith(sign)) == [sign]


@contract
async def test_hostile_text_is_found_as_it_is(scope: TenantScope) -> None:
    """As an operand of every operator for text, it finds what equals or holds it, and no more."""
    flows = scope.flows
    await holding(flows, HOSTILE)
    note = flows.where("description")
    for sample in HOSTILE:
        assert await notes(flows, note.eq(sample)) == [sample]
        assert await notes(flows, note.in_([sample, "other"])) == [sample]
        assert await notes(flows, note.contains(sample)) == [x for x in HOSTILE if sample in x]
        assert await notes(flows, note.ne(sample)) == [x for x in HOSTILE if sample != x]
        assert await notes(flows, note.gt(sample)) == [x for x in HOSTILE if x > sample]
        assert await notes(flows, {"description": sample, "name": sample}) == []


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
async def test_ilike_folds_all_of_unicode(scope: TenantScope, stored: str, asked: str) -> None:
    """Texts that are alike but for case and form find each other, in part and in searches too."""
    flows = scope.flows
    await holding(flows, [stored, f"before {stored} after", "other"])
    found = [stored, f"before {stored} after"]
    note = flows.where("description")
    assert await notes(flows, note.ilike(asked)) == found
    assert await notes(flows, note.icontains(asked)) == found
    assert await notes(flows, flows.where.search(asked)) == found
    assert await notes(flows, note.like(asked)) == []


@contract
async def test_what_differs_after_folding_is_not_found(scope: TenantScope) -> None:
    """Accents and the dotless i make a difference; case does without folding."""
    flows = scope.flows
    await holding(flows, ["ı", "é", "Wel"])
    note = flows.where("description")
    assert await notes(flows, note.ilike("I")) == []
    assert await notes(flows, note.ilike("e")) == ["Wel"]
    assert await notes(flows, note.like("wel")) == []
    assert await notes(flows, note.startswith("wel")) == []
    assert await notes(flows, note.eq("WEL")) == []
    assert await notes(flows, note.eq("e\u0301")) == []


@contract
async def test_text_compares_by_code_point(scope: TenantScope) -> None:
    """Not by a language's rules, and not by UTF-16 units."""
    flows = scope.flows
    sorted_notes = ["", "\t", " ", "A", "B", "Z", "_", "a", "aa", "b", "é", "\uffff", "😀"]
    await holding(flows, sorted_notes)
    for n, note in enumerate(sorted_notes):
        on = flows.where("description")
        assert await notes(flows, on.lt(note)) == sorted_notes[:n]
        assert await notes(flows, on.gte(note)) == sorted_notes[n:]


@contract
async def test_numbers_times_and_flags_compare_as_values(scope: TenantScope) -> None:
    """Whole or fractional, at the bounds, in any zone, ids and members as text too."""
    flows = scope.flows
    base = await flows.create(Flow.draft(name="n", definition=FlowDefinition.external({})))
    await flows.patch(base.id, success_rate=0.1, avg_completion_time_ms=3)
    await flows.increment_usage(base.id, at=datetime(2024, 1, 1, 12, tzinfo=UTC))
    where = flows.where
    true: list[Criteria] = [
        where("success_rate").eq(0.1),
        where("success_rate").lt(0.1 + 2e-17),
        where("avg_completion_time_ms").eq(3),
        where("avg_completion_time_ms").in_([3.0, 1e300]),
        where("avg_completion_time_ms").gt(-1e308),
        where("usage_count").lte(2**63 - 1),
        where("usage_count").gt(-(2**63)),
        where("last_used_at").eq("2024-01-01T13:00:00+01:00"),
        where("last_used_at").eq(datetime(2024, 1, 1, 12, 0, 0, 999, tzinfo=UTC)),
        where("last_used_at").date_range("2024-01-01T12:00:00Z", None),
        where("id").eq(str(base.id)),
        where("id").gte(base.id),
        where("status").eq("draft"),
        where("status").not_in([FlowStatus.ACTIVE]),
        where("is_default").eq(False),
    ]
    for wanted in true:
        assert wanted.matches(await flows.require(base.id)), wanted
        assert await flows.count(wanted) == 1, wanted
        assert await flows.count(~wanted) == 0, wanted


@contract
async def test_a_date_range_ends_before_its_end(scope: TenantScope) -> None:
    """It begins at its start, and either may be left out."""
    flows = scope.flows
    made = await flows.create(Flow.draft(name="n"))
    await flows.increment_usage(made.id, at=datetime(2024, 1, 2, tzinfo=UTC))
    on, day = flows.where("last_used_at"), datetime(2024, 1, 2, tzinfo=UTC)
    assert await flows.count(on.date_range(day, day.replace(microsecond=1000))) == 1
    assert await flows.count(on.date_range(day, day)) == 0
    assert await flows.count(on.date_range(None, day)) == 0
    assert await flows.count(on.date_range(end=day.replace(microsecond=1000))) == 1
    document = {"last_used_at": {"operator": "date_range", "value": {"start": day.isoformat()}}}
    assert await flows.count(document) == 1


@contract
async def test_lists_are_asked_for_their_items(scope: TenantScope) -> None:
    """Whole items, not parts of them; repeated items count for the size alone."""
    flows = scope.flows
    tags: list[tuple[str, ...]] = [(), ("a",), ("a", "b"), ("ab",), ("a", "a"), ("%", '"', "{}")]
    await flows.create_many(Flow.draft(name=f"flow {n}", tags=t) for n, t in enumerate(tags))
    on = flows.where("tags")
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
        names = [flow.name async for flow in flows.stream(wanted, "name")]
        assert names == [f"flow {n}" for n in found], wanted


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
    scope: TenantScope, pattern: str, found: list[str]
) -> None:
    """Anchors are the text's, not a line's; classes are ASCII; `.` is no line feed."""
    flows = scope.flows
    stored = ["abc", "a.c", "", "x12", "ABC", "é😀", "line\nabc"]
    await holding(flows, [*stored, None])
    assert sorted(map(str, await notes(flows, flows.where("description").regex(pattern)))) == (
        sorted(found)
    )


@contract
async def test_an_undeclared_regex_is_refused(backend: Backend, scope: TenantScope) -> None:
    """A store without regular expressions says so; one with them does not."""
    flows = scope.flows
    wanted = flows.where("name").regex("a")
    declared = Capability.REGEX in backend.capabilities
    for error in await raised_by_each(
        flows.count(wanted), flows.list(wanted), flows.delete_where(wanted)
    ):
        assert error is None if declared else isinstance(error, UnsupportedOperationError)
