"""Criteria: a filter finds exactly what `matches` says, whatever is asked."""

from collections.abc import Iterator
from typing import Any

import pymongo.errors
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.mongo.collections import ALL, CONTEXTS, CONVERSATIONS, MESSAGES, Collection
from adapters.mongo.criteria import beginning, following, matching
from domain.contexts import ExecutionContext
from domain.identity import TenantId
from domain.messages import MessageAnalysis, MessageContent
from ports.contracts import queries
from ports.contracts.strategies import CLASHING
from ports.criteria import Criteria, Where
from tests.mongo.server import (
    AT,
    Mongo,
    conversation,
    database,
    message,
    new_tenant,
    several,
    stored,
)

collections = pytest.mark.parametrize("collection", ALL, ids=lambda each: each.name)
# Each asks many times, and the contracts about criteria ask the same of each driver.
SOME = settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)


@pytest.fixture(scope="module")
def opened(server: str) -> Iterator[Mongo]:
    """A migrated database."""
    with database(server) as (_, found):
        yield found


def found(opened: Mongo, collection: Collection, tenant: TenantId, asked: Criteria) -> set[str]:
    """The ids that the filter finds among a tenant's."""
    wanted = matching(asked, collection.mapper, tenant)
    cursor = opened[collection.name].find({"tenant_id": tenant, "$and": [wanted]}, {"_id": 1})
    return {document["_id"].partition("!")[2] for document in cursor}


def matched(given: list[Any], asked: Criteria) -> set[str]:
    """The ids of those that match by definition."""
    return {entity.id for entity in given if asked.matches(entity)}


@collections
@SOME
@given(data=st.data())
def test_a_filter_finds_what_matches(
    opened: Mongo, collection: Collection, data: st.DataObject
) -> None:
    """Any criteria, over any entities."""
    tenant = new_tenant()
    given = data.draw(several(collection, tenant))
    stored(opened, collection, given)
    for _ in range(4):
        asked = data.draw(queries.criteria(collection.schema, given))
        assert found(opened, collection, tenant, asked) == matched(given, asked)


@collections
@SOME
@given(data=st.data())
def test_every_operator_on_every_field_finds_what_matches(
    opened: Mongo, collection: Collection, data: st.DataObject
) -> None:
    """And its negation finds the rest."""
    tenant = new_tenant()
    given = data.draw(several(collection, tenant))
    stored(opened, collection, given)
    for field in collection.schema.fields.values():
        asked = data.draw(queries.conditions(collection.schema, field, given, regex=True))
        assert found(opened, collection, tenant, asked) == matched(given, asked)
        assert found(opened, collection, tenant, ~asked) == matched(given, ~asked)


def test_what_is_not_there_is_null(opened: Mongo) -> None:
    """A message that wasn't analysed, one of which nothing was understood, and one that was."""
    tenant, where = new_tenant(), Where(MESSAGES.schema)
    given = [
        message(tenant, "a", place=1),
        message(tenant, "b", place=2, analysis=MessageAnalysis()),
        message(tenant, "c", place=3, analysis=MessageAnalysis(intent="x", confidence=0.5)),
        message(tenant, "d", place=4, content=MessageContent(type="image")),  # type: ignore[arg-type]  # its rule takes the text, too
    ]
    stored(opened, MESSAGES, given)
    for name, value in (("intent", "x"), ("confidence", 0.5), ("text", "hello")):
        on = where(name)
        for asked in (on.is_null(), on.eq(value), on.ne(value), on.not_in([]), on.lte(value)):
            for one in (asked, ~asked):
                assert found(opened, MESSAGES, tenant, one) == matched(given, one)
    assert found(opened, MESSAGES, tenant, where("intent").is_null()) == {"a", "b", "d"}
    assert found(opened, MESSAGES, tenant, where("content_type").eq("text")) == {"a", "b", "c"}


def test_numbers_compare_exactly(opened: Mongo) -> None:
    """An integer that no double holds isn't the double next to it."""
    tenant, where = new_tenant(), Where(CONVERSATIONS.schema)
    counts = [0, 2**53, 2**53 + 1, 2**63 - 1, 2**63 - 2]
    given = [conversation(tenant, str(n), message_count=n) for n in counts]
    stored(opened, CONVERSATIONS, given)
    for number in counts:
        on = where("message_count")
        for asked in (on.eq(number), on.gt(number), on.lt(number), on.in_([number])):
            assert found(opened, CONVERSATIONS, tenant, asked) == matched(given, asked)


@pytest.mark.parametrize("operand", ["$user_id", "$$ROOT", "$", "{$ne: null}", "$literal", "\\Qa"])
def test_no_operand_becomes_an_operator(opened: Mongo, operand: str) -> None:
    """Each is found as the text that it is, and nowhere else."""
    tenant, where = new_tenant(), Where(CONVERSATIONS.schema)
    texts = [operand, f"<{operand}>", "other"]
    given = [conversation(tenant, text, user_id=text, summary=text) for text in texts]
    stored(opened, CONVERSATIONS, given)
    on, noted = where("user_id"), where("summary")
    for asked in (
        *(on.eq(operand), on.ne(operand), on.in_([operand]), on.not_in([operand])),
        *(on.contains(operand), on.startswith(operand), on.gte(operand), noted.icontains(operand)),
        where.search(f"{operand} other"),
    ):
        assert found(opened, CONVERSATIONS, tenant, asked) == matched(given, asked)


def test_another_tenants_words_are_not_found(opened: Mongo) -> None:
    """Not even by the filter alone."""
    mine, other = new_tenant(), new_tenant()
    stored(opened, CONVERSATIONS, [conversation(other, summary="hotel")])
    asked = Where(CONVERSATIONS.schema).search("hot")
    for tenant, count in ((mine, 0), (other, 1)):
        wanted = matching(asked, CONVERSATIONS.mapper, tenant)
        assert opened["conversations"].count_documents(wanted) == count


_EDGES = ["", "a", "\x01", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(_EDGES), max_size=3).map("".join), st.text(CLASHING, max_size=2))
def test_a_range_holds_the_texts_that_begin_so(prefix: str, rest: str) -> None:
    """By code point, which in UTF-8 is by byte; surrogates are no code points of texts."""
    bounds = beginning(prefix)
    within = prefix + rest
    assert bounds["$gte"] <= within
    after = following(prefix)
    if after is None:
        assert set(prefix) <= {"\U0010ffff"}
        return
    assert within < after == bounds["$lt"]
    assert not after.startswith(prefix)
    after.encode()


def test_beginnings_at_the_end_of_the_code_points(opened: Mongo) -> None:
    """Where there is no next one."""
    tenant, where = new_tenant(), Where(CONVERSATIONS.schema)
    given = [conversation(tenant, f"{n}", summary=edge) for n, edge in enumerate(_EDGES)]
    stored(opened, CONVERSATIONS, given)
    for edge in _EDGES:
        asked = where("summary").startswith(edge)
        assert found(opened, CONVERSATIONS, tenant, asked) == matched(given, asked)


@pytest.mark.parametrize(
    "pattern",
    [
        "^a",
        "b$",
        "a.b",
        "é",
        "[^é]$",
        "^.{2}$",
        "\\w+ \\w+",
        "(a|b)*c",
        "[à-ü]{2}",
        "\U0001f600+",
        "\\s",
    ],
)
def test_a_pattern_means_the_same_here(opened: Mongo, pattern: str) -> None:
    """Beyond ASCII, at line ends, and where PCRE is told to be careful."""
    tenant, where = new_tenant(), Where(CONVERSATIONS.schema)
    texts = [
        "a",
        "b\n",
        "a\nb",
        "é",
        "éé",
        "aé b",
        "ab c",
        "\U0001f600\U0001f600",
        "",
        "ü\x85",
        "x\u2028",
    ]
    given = [conversation(tenant, f"{n}", summary=text) for n, text in enumerate(texts)]
    given.append(conversation(tenant, "none"))
    stored(opened, CONVERSATIONS, given)
    asked = where("summary").regex(pattern)
    for one in (asked, ~asked):
        assert found(opened, CONVERSATIONS, tenant, one) == matched(given, one)


@pytest.mark.parametrize(
    "pattern",
    ["[ab]*a[ab]*c", "(a|aa){64}[ab]*c", "a{0,64}a{0,64}a{0,64}a{0,64}a{0,64}a{0,64}c", "(a|b)*c"],
)
def test_a_pattern_that_would_take_for_ever_is_given_up(opened: Mongo, pattern: str) -> None:
    """As an error that says so: not without a word, and not after the server's thread is lost."""
    tenant = new_tenant()
    content = MessageContent(text="a" * 16_384)
    stored(opened, MESSAGES, [message(tenant, content=content)])
    asked = Where(MESSAGES.schema)("text").regex(pattern)
    with pytest.raises(pymongo.errors.OperationFailure) as told:
        found(opened, MESSAGES, tenant, asked)
    assert told.value.code == 51156


def test_large_criteria_are_taken(opened: Mongo) -> None:
    """As large as criteria may be: operands, conditions, levels, and operands of a megabyte."""
    tenant, where = new_tenant(), Where(CONVERSATIONS.schema)
    given = [conversation(tenant, "a", user_id="u9999"), conversation(tenant, "b")]
    stored(opened, CONVERSATIONS, given)
    on, noted = where("user_id"), where("summary")
    many = on.in_([f"u{n}" for n in range(10_000)])
    wide: Criteria = on.in_([])
    for n in range(160):
        wide = wide | (on.eq(f"u{n}") & noted.is_null())
    deep = on.eq("ada")
    for n in range(9):
        deep = ~(deep & on.ne(f"{n}"))
    large = "x" * 1_000_000
    for asked in (
        *(many, ~many, wide, ~wide, deep, on.not_in([f"u{n}" for n in range(10_000)])),
        *(on.eq(large), on.ne(large), on.contains(large), on.startswith(large)),
        *(noted.icontains(large), on.in_([f"{n:02}" + large[2:] for n in range(14)])),
    ):
        assert found(opened, CONVERSATIONS, tenant, asked) == matched(given, asked)


def test_lists_are_asked_item_by_item(opened: Mongo) -> None:
    """`all_of` of nothing is met by every list, `any_of` of nothing by none."""
    tenant, where = new_tenant(), Where(CONVERSATIONS.schema)
    lists = [(), ("a",), ("a", "a"), ("b", "a"), ("$in",)]
    given = [conversation(tenant, str(n), tags=tags) for n, tags in enumerate(lists)]
    stored(opened, CONVERSATIONS, given)
    on = where("tags")
    for asked in (
        *(on.all_of([]), on.any_of([]), on.all_of(["a", "b"]), on.any_of(["b", "$in"])),
        *(on.size(0), on.size(2), on.contains("a"), on.is_null(), on.is_not_null()),
    ):
        for one in (asked, ~asked):
            assert found(opened, CONVERSATIONS, tenant, one) == matched(given, one)


def test_what_a_document_holds_is_never_asked(opened: Mongo) -> None:
    """JSON with keys like those of fields changes nothing."""
    tenant, where = new_tenant(), Where(CONTEXTS.schema)
    slots: dict[str, object] = {"user_id": "x", "$or": [], "reset_at": None}
    draft = ExecutionContext.draft("c", user_id="ada", slots=slots)
    entity = draft.assigned(tenant=tenant, new_id="c", at=AT)
    stored(opened, CONTEXTS, [entity])
    assert found(opened, CONTEXTS, tenant, where("user_id").eq("x")) == set()
