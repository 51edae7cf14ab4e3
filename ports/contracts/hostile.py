"""Hostile values: refused as values, or stored and read back equal; nothing in between."""

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from domain.errors import ValidationError
from domain.rules import checked
from ports.contracts.exact import exact
from ports.contracts.harness import contract, raised_by, raised_by_each
from ports.contracts.ids import HOSTILE_IDS
from ports.contracts.strategies import HOSTILE
from ports.contracts.subjects import Subject
from ports.errors import InvalidQueryError
from ports.schema import Kind
from ports.stores import TenantScope

DOCUMENT, NOTE, REMARK, TEXTS, UUID = range(5)
"""Stand for the fields that a subject has of these."""


def _changes(given: Mapping[int, Any], subject: Subject) -> dict[str, Any]:
    if TEXTS in given or UUID in given:
        kind = Kind.TEXTS if TEXTS in given else Kind.UUID
        (value,) = given.values()
        return {subject.field(kind, patchable=True).name: value}
    names = {DOCUMENT: subject.document, NOTE: subject.note, REMARK: subject.remark}
    return {names[field]: value for field, value in given.items()}


def _deep(levels: int, inner: object = 1) -> object:
    for _ in range(levels):
        inner = [inner]
    return inner


def _document(value: object) -> dict[int, Any]:
    return {DOCUMENT: {"value": value}}


REFUSED: dict[str, dict[int, Any]] = {
    "NaN": _document(float("nan")),
    "infinity": _document([float("-inf")]),
    "2^63": _document(2**63),
    "-2^63-1": _document(-(2**63) - 1),
    "a huge integer": _document(10**400),
    "NUL in a value": _document("a\x00b"),
    "NUL in a key": {DOCUMENT: {"a\x00": 1}},
    "a lone surrogate": _document("\udc00"),
    "a lone surrogate in a key": {DOCUMENT: {"\ud83d": 1}},
    "32 levels in one": _document(_deep(32)),
    "thousands of levels": _document(_deep(5_000)),
    "more than 1 MiB": _document("x" * 2**20),
    "10 MB": _document("😀" * 2_500_000),
    "10 MB of keys": {DOCUMENT: {f"{n:0100}": n for n in range(100_000)}},
    "a key that isn't text": {DOCUMENT: {1: 1}},
    "bytes": _document(b"x"),
    "a set": _document({1}),
    "an object": _document(object()),
    "10 MB of text": {NOTE: "x" * 10_000_000},
    "NUL": {NOTE: "\x00"},
    "half an emoji": {NOTE: "\ud83d"},
    "a number for text": {NOTE: 7},
    "51 tags": {TEXTS: ["x"] * 51},
    "a tag of 51 characters": {TEXTS: ["x" * 51]},
    "tags that are text": {TEXTS: "abc"},
    "text for an id": {UUID: "00000000-0000-0000-0000-000000000000"},
}

ADMITTED: dict[str, dict[int, Any]] = {
    "2^63-1": _document(2**63 - 1),
    "-2^63": _document(-(2**63)),
    "3.0": _document(3.0),
    "-0.0": _document(-0.0),
    "the smallest and largest": _document([5e-324, 1.7976931348623157e308, -1e308]),
    "31 levels in one": _document(_deep(31)),
    "nearly 1 MiB": _document("é" * (2**19 - 30)),
    "many keys": {DOCUMENT: {f"k{n}": n for n in range(10_000)}},
    "empty keys and dollars": {DOCUMENT: {"": {"$where": {"a.b": {"": []}}}}},
    "100 characters beyond the BMP": {NOTE: "\U0010ffff" * 100},
    "no text at all": {NOTE: ""},
    "50 characters beyond the BMP": {REMARK: "😀" * 50},
    "50 tags alike": {TEXTS: ["😀" * 50] * 50},
    "hostile tags": {TEXTS: [sample for sample in HOSTILE if sample]},
    **{f"text {n}": {NOTE: sample} for n, sample in enumerate(HOSTILE)},
    **{f"JSON {n}": _document({sample: sample}) for n, sample in enumerate(HOSTILE)},
}


@pytest.mark.parametrize("case", REFUSED)
@contract
async def test_what_is_not_admitted_changes_nothing(
    scope: TenantScope, subject: Subject, case: str
) -> None:
    """The error names the field and keeps the value to itself."""
    repository, changes = subject.of(scope), _changes(REFUSED[case], subject)
    made = await repository.create(subject.draft())
    for error in await raised_by_each(
        repository.patch(made.id, **changes),
        repository.update_where(None, **changes),
        repository.modify(made.id, lambda entity: attrs.evolve(entity, **changes)),
    ):
        assert isinstance(error, ValidationError)
        assert len(str(error)) < 1_000
    assert exact(await repository.require(made.id)) == exact(made)


@pytest.mark.parametrize("case", ADMITTED)
@contract
async def test_what_is_admitted_comes_back_equal(
    scope: TenantScope, subject: Subject, case: str
) -> None:
    """By a patch, and in an entity created with it."""
    repository, changes = subject.of(scope), _changes(ADMITTED[case], subject)
    made = await repository.create(subject.draft())
    await repository.patch(made.id, **changes)
    patched = await repository.require(made.id)
    await repository.delete(made.id)  # what was patched may have to be unique
    created = await repository.create(subject.entity(scope.tenant, 1, **changes))
    for stored in (patched, await repository.require(created.id)):
        for name, value in changes.items():
            kept = checked(subject.schema.entity, name, value)
            assert exact(getattr(stored, name)) == exact(kept)


@contract
async def test_what_is_no_collection_and_no_page_is_refused(
    scope: TenantScope, subject: Subject
) -> None:
    """By an error of ours, as anything else that has no meaning here."""
    repository: Any = subject.of(scope)
    for wrong in (None, 7, object()):
        for error in await raised_by_each(
            repository.get_many(wrong), repository.list(None, wrong or "1")
        ):
            assert isinstance(error, InvalidQueryError)
        assert isinstance(await raised_by(repository.create_many(wrong)), ValidationError)
    assert isinstance(await raised_by(repository.get_many("ids")), InvalidQueryError)
    assert await repository.count() == 0


@contract
async def test_whatever_may_be_an_id_names_its_entity(scope: TenantScope, subject: Subject) -> None:
    """No two are taken for one; each is found, ordered, changed and deleted by exactly itself."""
    if subject.schema.fields["id"].kind is not Kind.TEXT:
        pytest.skip(f"the id of a {subject.name} is no text")
    repository, ids = subject.of(scope), list(HOSTILE_IDS)
    await repository.create_many(subject.draft(f"label {n}", id=id) for n, id in enumerate(ids))
    assert [entity.id async for entity in repository.stream()] == sorted(ids)
    backwards = await repository.scan(None, "-id", None, 1)
    assert backwards.next is not None
    rest = await repository.scan(None, "-id", backwards.next, len(ids))
    found = [entity.id for entity in (*backwards.items, *rest.items)]
    assert found == sorted(ids, reverse=True)
    assert [entity.id for entity in await repository.get_many(ids)] == ids
    for place, id in enumerate(ids):
        on = repository.where("id")
        assert (await repository.require(id)).id == id
        assert await repository.count(on.eq(id)) == await repository.count({"id": [id]}) == 1
        assert await repository.count(on.gt(id)) == sum(other > id for other in ids)
        assert await repository.count(on.startswith(id)) == sum(o.startswith(id) for o in ids)
        assert await repository.update_where({"id": id}, **subject.note_to(f"{place}")) == 1
    noted = {entity.id: subject.note_of(entity) async for entity in repository.stream()}
    assert noted == {id: f"{place}" for place, id in enumerate(ids)}
    for id in ids:
        assert await repository.delete(id) is True
        assert await repository.exists(id) is False
    assert await repository.count() == 0
