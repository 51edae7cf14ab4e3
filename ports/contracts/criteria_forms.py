"""How criteria are written: as JSON, in bounds, and within the subset of regular expressions."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import attrs
import pytest

from ports.contracts.harness import contract, raised_by, raised_by_each
from ports.contracts.subjects import Subject
from ports.criteria import And, Criteria, parse
from ports.errors import InvalidQueryError
from ports.schema import Kind
from ports.stores import TenantScope

_KINDS = {kind.name: kind for kind in Kind}


def written(given: Any, subject: Subject) -> Any:
    """What a caller writes, with the subject's own names in place of those in capitals.

    Such as NOTE, or UUID for its first field of that kind, and MEMBER for a value of its first
    ENUM; a test says nothing about a subject that has none.
    """
    if isinstance(given, Mapping):
        return {_name(key, subject): written(value, subject) for key, value in given.items()}
    if isinstance(given, list):
        return [written(item, subject) for item in given]
    if given == "MEMBER":
        return next(iter(subject.field(Kind.ENUM).members or ())).value
    return given


def _ordered(given: Any, subject: Subject) -> Any:
    if isinstance(given, list):
        return [_ordered(name, subject) for name in given]
    if not isinstance(given, str):
        return given
    sign = "-" if given.startswith("-") else ""
    return sign + _name(given.removeprefix("-"), subject)


def _name(name: Any, subject: Subject) -> Any:
    if not isinstance(name, str):
        return name
    if name in _KINDS:
        return subject.field(_KINDS[name]).name
    fields = subject.schema.fields.values()
    plain = next(field.name for field in fields if field.kind is Kind.TEXT and not field.folded)
    own = {
        "NOTE": subject.note,
        "REMARK": subject.remark,
        "DOCUMENT": subject.document,
        "UNFOLDED": plain,
    }
    return own.get(name, name)


def _condition(operator: str, value: object) -> dict[str, object]:
    return {"operator": operator, "value": value}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({}, ["bye", "hi", "welcome"]),
        ({"NOTE": "hi"}, ["hi"]),
        ({"NOTE": ["hi", "bye", "?"]}, ["bye", "hi"]),
        ({"REMARK": None}, ["hi"]),
        ({"REMARK": "greeting", "NOTE": _condition("startswith", "w")}, ["welcome"]),
        ({"NOTE": _condition("ilike", "WEL")}, ["welcome"]),
        ({"NOTE": _condition("icontains", "E")}, ["bye", "welcome"]),
        ({"NOTE": _condition("like", "e")}, ["bye", "welcome"]),
        ({"NOTE": _condition("contains", "elc")}, ["welcome"]),
        ({"NOTE": _condition("eq", "hi")}, ["hi"]),
        ({"NOTE": _condition("ne", "hi")}, ["bye", "welcome"]),
        ({"NOTE": _condition("gt", "hi")}, ["welcome"]),
        ({"NOTE": _condition("gte", "hi")}, ["hi", "welcome"]),
        ({"NOTE": _condition("lt", "hi")}, ["bye"]),
        ({"NOTE": _condition("lte", "hi")}, ["bye", "hi"]),
        ({"NOTE": _condition("in", ["hi"])}, ["hi"]),
        ({"NOTE": _condition("not_in", ["hi"])}, ["bye", "welcome"]),
        ({"REMARK": {"operator": "is_null"}}, ["hi"]),
        ({"REMARK": {"operator": "is_not_null"}}, ["bye", "welcome"]),
        ({"REMARK": {"operator": "exists"}}, ["bye", "welcome"]),
        ({"REMARK": _condition("exists", False)}, ["hi"]),
        ({"TEXTS": _condition("size", 2)}, ["welcome"]),
        ({"TEXTS": _condition("any_of", ["a", "b"])}, ["hi", "welcome"]),
        ({"TEXTS": _condition("all_of", ["a", "b"])}, ["welcome"]),
        ({"TEXTS": _condition("contains", "b")}, ["welcome"]),
        ({"or": [{"NOTE": "hi"}, {"NOTE": "bye"}]}, ["bye", "hi"]),
        ({"not": {"NOTE": "hi"}}, ["bye", "welcome"]),
        ({"not": {"REMARK": "greeting"}}, ["bye", "hi"]),
        ({"and": [{"NOTE": ["hi", "bye"]}, {"not": {"NOTE": "hi"}}]}, ["bye"]),
        ({"NOTE": ["hi", "bye"], "or": [{"TEXTS": _condition("size", 1)}]}, ["hi"]),
        ({"not": {"or": []}}, ["bye", "hi", "welcome"]),
        ({"not": {"and": []}}, []),
    ],
    ids=lambda value: ascii(value)[:50] if isinstance(value, dict) else "",
)
@contract
async def test_json_is_read_as_criteria(
    scope: TenantScope, subject: Subject, document: dict[str, Any], found: list[str]
) -> None:
    """A value means `eq`, a list `in`, a null `is_null`; operators stand in objects."""
    repository = subject.of(scope)
    texts = subject.field(Kind.TEXTS).name
    told: list[tuple[str, str | None, tuple[str, ...]]] = [
        ("welcome", "greeting", ("a", "b")),
        ("hi", None, ("a",)),
        ("bye", "farewell", ()),
    ]
    for n, (note, remark, items) in enumerate(told):
        fields = {**subject.note_to(note), **subject.remark_to(remark), texts: items}
        await repository.create(subject.entity(scope.tenant, n, **fields))
    own = written(document, subject)
    for wanted in (own, parse(own, subject.schema)):
        notes = [subject.note_of(entity) async for entity in repository.stream(wanted)]
        assert sorted(map(str, notes)) == found
    assert await repository.count(own) == len(found)


MALFORMED: tuple[Any, ...] = (
    {"no_such_field": 1},
    {"NOTE ": "typing error"},
    {"tenant_id": "other"},
    {"DOCUMENT": {"operator": "eq", "value": {}}},
    {"$where": "1"},
    {"name.x": "a"},
    {"name; --": "a"},
    {7: "a"},
    {"NOTE": {"operator": "$ne", "value": "a"}},
    {"NOTE": {"$ne": "a"}},
    {"NOTE": {"operator": "eq"}},
    {"NOTE": {"operator": "eq", "value": None}},
    {"NOTE": {"operator": "eq", "value": "a", "extra": 1}},
    {"NOTE": {"operator": ["eq"], "value": "a"}},
    {"NOTE": {"operator": "size", "value": 1}},
    {"NOTE": {"operator": "any_of", "value": ["a"]}},
    {"NOTE": {"operator": "date_range", "value": {"start": "2024-01-01"}}},
    {"NOTE": 7},
    {"NOTE": True},
    {"NOTE": "a\x00"},
    {"NOTE": "\ud800"},
    {"NOTE": ["a", 7]},
    {"NOTE": {"operator": "in", "value": "abc"}},
    {"NOTE": {"operator": "in", "value": {"a": 1}}},
    {"NOTE": {"operator": "is_null", "value": "yes"}},
    {"UNFOLDED": {"operator": "ilike", "value": "1"}},
    {"ENUM": "no such status"},
    {"ENUM": {"operator": "gt", "value": "MEMBER"}},
    {"BOOLEAN": 1},
    {"BOOLEAN": "true"},
    {"INTEGER": 1.5},
    {"INTEGER": 2**63},
    {"INTEGER": True},
    {"INTEGER": "1"},
    {"NUMBER": float("nan")},
    {"NUMBER": "0.5"},
    {"UUID": "not a uuid"},
    {"id": 7},
    {"INSTANT": "yesterday"},
    {"INSTANT": "2024-01-01T00:00:00"},
    {"INSTANT": date(2024, 1, 1)},
    {"INSTANT": {"operator": "date_range", "value": {}}},
    {"INSTANT": {"operator": "date_range", "value": {"from": "2024-01-01T00:00:00Z"}}},
    {"TEXTS": "a"},
    {"TEXTS": ["a"]},
    {"TEXTS": {"operator": "size", "value": -1}},
    {"TEXTS": {"operator": "size", "value": "1"}},
    {"TEXTS": {"operator": "any_of", "value": "a"}},
    {"and": {"NOTE": "a"}},
    {"or": "name"},
    {"or": [None]},
    {"not": [{"NOTE": "a"}]},
    "name = 'a'",
    ["name"],
    7,
)


@pytest.mark.parametrize("document", MALFORMED, ids=lambda document: ascii(document)[:60])
@contract
async def test_criteria_without_meaning_are_refused(
    scope: TenantScope, subject: Subject, document: Any
) -> None:
    """Unknown fields, operators and operands are errors: never ignored, and nothing is changed."""
    repository, wrong = subject.of(scope), written(document, subject)
    made = await repository.create(subject.draft())
    calls = [
        repository.count(wrong),
        repository.list(wrong),
        repository.scan(wrong),
        anext(repository.stream(wrong)),
        repository.update_where(wrong, **subject.note_to("x")),
        repository.delete_where(wrong),
    ]
    for error in await raised_by_each(*calls):
        assert isinstance(error, InvalidQueryError)
    assert await repository.require(made.id) == made


@pytest.mark.parametrize(
    "pattern",
    [
        "(a)\\1",
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        "(?i)a",
        "(?P<n>a)",
        "(a+)+",
        "(a*)*",
        "((a|b?)c)*",
        "a**",
        "a*?",
        "a++",
        "*a",
        "a{65}",
        "a{2,1}",
        "a{",
        "a*b*c*",
        "[",
        "[]",
        "[z-a]",
        "(",
        ")",
        "a|",
        "",
        "\\b",
        "\\p{L}",
        "\\",
        "[[:alpha:]]",
        "^*",
        "a" * 257,
        "a\x00",
        "\ud800",
        7,
        None,
    ],
    ids=lambda pattern: ascii(pattern)[:20],
)
@contract
async def test_a_regex_outside_the_subset_is_refused(
    scope: TenantScope, subject: Subject, pattern: Any
) -> None:
    """Nothing that engines read differently, or can't bound, reaches one."""
    repository = subject.of(scope)
    with pytest.raises(InvalidQueryError):
        repository.where(subject.note).regex(pattern)
    with pytest.raises(InvalidQueryError):
        await repository.count({subject.note: {"operator": "regex", "value": pattern}})


@contract
async def test_ten_thousand_operands_are_taken_and_no_more(
    scope: TenantScope, subject: Subject
) -> None:
    """The bound is an error, not a cut."""
    repository = subject.of(scope)
    await repository.create(subject.entity(scope.tenant, 1, **subject.note_to("9999")))
    many = [str(n) for n in range(10_000)]
    assert await repository.count({subject.note: many}) == 1
    assert await repository.count(repository.where(subject.note).not_in(many)) == 0
    assert await repository.count({"id": [str(subject.ids.nth(n)) for n in range(10_000)]}) == 1
    for field in subject.schema.fields.values():
        if field.kind is Kind.TEXTS:
            assert await repository.count(repository.where(field.name).any_of(many)) == 0
    error = await raised_by(repository.count({subject.note: [*many, "x"]}))
    assert isinstance(error, InvalidQueryError)


@contract
async def test_criteria_are_bounded(scope: TenantScope, subject: Subject) -> None:
    """The largest that may be built can be asked; a larger or deeper one can't be built."""
    repository, schema = subject.of(scope), subject.schema
    await repository.create(subject.entity(scope.tenant, 1, **subject.note_to("n1")))
    on = repository.where(subject.note)
    one = [on.eq(f"n{n}") | on.eq("x") for n in range(166)]
    assert await repository.count(And.of(schema, *one)) == 0
    ways: Criteria = on.eq("n1")
    for n in range(300):
        ways |= on.eq(f"x{n}")
    assert await repository.count(ways) == 1
    with pytest.raises(InvalidQueryError):
        And.of(schema, *one, *one[:100])
    deep: dict[str, Any] = {subject.note: "n1"}
    for _ in range(18):
        deep = {"not": deep}
    assert await repository.count(deep) == 1
    for _ in range(3_000):
        deep = {"not": deep}
    assert isinstance(await raised_by(repository.count(deep)), InvalidQueryError)


@contract
async def test_criteria_of_another_entity_are_refused(scope: TenantScope, subject: Subject) -> None:
    """Neither asked nor mixed."""
    repository, schema = subject.of(scope), subject.schema
    other = attrs.evolve(schema, name="other", fields=schema.fields.values())
    foreign = parse({subject.note: "x"}, other)
    assert isinstance(await raised_by(repository.count(foreign)), InvalidQueryError)
    with pytest.raises(InvalidQueryError):
        repository.where(subject.note).eq("x") & foreign


ORDERS: tuple[Any, ...] = (
    *("no_such_field", "-tenant_id", "--id", "", "DOCUMENT", "TEXTS", "-TEXTS", ["id", "-id"]),
    *(["REMARK", "REMARK"], ["REMARK", "-REMARK"], [7], 7),
)


@pytest.mark.parametrize("order", ORDERS, ids=repr)
@contract
async def test_an_order_without_meaning_is_refused(
    scope: TenantScope, subject: Subject, order: Any
) -> None:
    """Unknown, unsortable and repeated fields are errors, never ignored."""
    repository, wrong = subject.of(scope), _ordered(order, subject)
    for error in await raised_by_each(
        repository.list(None, None, wrong),
        repository.scan(None, wrong),
        anext(repository.stream(None, wrong)),
    ):
        assert isinstance(error, InvalidQueryError)


@contract
async def test_a_search_is_bounded(scope: TenantScope, subject: Subject) -> None:
    """Twenty terms and a thousand characters; NUL and lone surrogates are refused."""
    repository = subject.of(scope)
    # Of letters that are in no other field.
    await repository.create(subject.entity(scope.tenant, 1, **subject.note_to("ж щ")))
    found = int(subject.note in subject.schema.searchable)
    for text in (" ".join("ж" * 20), "ж " * 500, "щ ж"):
        assert await repository.count(repository.where.search(text)) == found
    wrong: list[Any] = [" ".join(map(str, range(21))), "a" * 1001, "\x00", "\ud800", None, 7]
    for text in wrong:
        with pytest.raises(InvalidQueryError):
            repository.where.search(text)
