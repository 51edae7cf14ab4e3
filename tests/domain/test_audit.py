"""Audit entries: their canonical form, their digests and their rules."""

from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from domain.audit import NO_ENTRY, AuditAction, AuditEntry, AuditHead, FieldChange, canonical
from domain.documents import JsonArray, JsonObject
from domain.errors import ValidationError
from domain.frozen import FrozenDict

ENTRY_ID = UUID("01997d5e-8c00-7a3b-9d4e-5f6071829304")
FLOW_ID = UUID("01997d5e-8c00-7b52-8111-222233334444")


def entry(**fields: Any) -> AuditEntry:
    """An entry with these fields."""
    known: dict[str, Any] = {
        "id": ENTRY_ID,
        "tenant_id": "acme",
        "at": datetime(2026, 3, 29, 0, 59, 59, 123_456, tzinfo=UTC),
        "action": "created",
        "entity_type": "flow",
        "entity_id": FLOW_ID,
        "revision": 1,
        "position": 7,
        **fields,
    }
    return AuditEntry(**known)


FIRST = entry(
    actor="ada",
    reason='naïve 😀 \u2028 "quoted"',
    changes={
        "name": FieldChange(None, "Straße"),
        "definition": FieldChange(None, {"b": [1, 1.0, -0.0, 1e16, 1e-7, True, None], "a": {}}),
    },
)
SECOND = entry(
    id=UUID("01997d5e-8c01-7000-8000-000000000000"),
    action="updated",
    revision=2,
    position=9,
    at=datetime(1, 1, 1, tzinfo=UTC),
)
THIRD = entry(action="deleted", revision=2, position=2**62)
FIRST_TEXT = (
    '{"action":"created","actor":"ada","at":"2026-03-29T00:59:59.123Z","changes":{"definition":'
    '[null,{"a":{},"b":[1,1.0,-0.0,1e+16,1e-07,true,null]}],"name":[null,"Stra\\u00dfe"]},'
    '"entity_id":"01997d5e-8c00-7b52-8111-222233334444","entity_type":"flow","form":1,'
    '"id":"01997d5e-8c00-7a3b-9d4e-5f6071829304","position":7,'
    '"previous":"0000000000000000000000000000000000000000000000000000000000000000",'
    '"reason":"na\\u00efve \\ud83d\\ude00 \\u2028 \\"quoted\\"","revision":1,"sequence":1,'
    '"tenant_id":"acme"}'
)
DIGESTS = (
    "5273b6a892e03688c5dd35cef2c2aa63dda0e276b9c0e7df1a2a7a3ec95fa139",
    "f2e1d10217802fc55f50bc6b4300bbc68e93a480024565533c8cfafb8db96150",
    "023b5a2eef779c2fecad48fe34c691114931133c2769d6946d35efe54a85594b",
)
"""Of a chain of these three, in this order: to check another implementation by."""


def test_the_digest_is_taken_of_the_canonical_text() -> None:
    """Which a third party can write by the description."""
    assert FIRST.digest_at(1, NO_ENTRY.digest) == sha256(FIRST_TEXT.encode("ascii")).hexdigest()


def test_a_chain_has_the_published_digests() -> None:
    """What was sealed years ago is still sound."""
    head, digests = NO_ENTRY, []
    for number, each in enumerate((FIRST, SECOND, THIRD), 1):
        made, head = head.followed_by(each)
        digests.append(made.digest)
        assert (made.sequence, head.sequence, head.digest) == (number, number, made.digest)
        assert made.is_sealed
        assert not each.is_sealed
    assert tuple(digests) == DIGESTS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", FLOW_ID),
        ("tenant_id", "acme2"),
        ("at", datetime(2026, 3, 29, tzinfo=UTC)),
        ("actor", None),
        ("reason", ""),
        ("action", "updated"),
        ("entity_type", "Flow"),
        ("entity_id", ENTRY_ID),
        ("revision", 2),
        ("position", 8),
        ("changes", {}),
        ("changes", {**FIRST.changes, "name": FieldChange("Straße", None)}),
        ("changes", {**FIRST.changes, "name": FieldChange(None, ["Straße"])}),
    ],
)
def test_every_field_is_in_the_digest(field: str, value: object) -> None:
    """None can be changed without it, nor can its place or what came before."""
    fields = {
        "actor": "ada",
        "reason": FIRST.reason,
        "changes": FIRST.changes,
        field: value,
    }
    assert entry(**fields).digest_at(1, NO_ENTRY.digest) != FIRST.digest_at(1, NO_ENTRY.digest)


def test_the_place_is_in_the_digest() -> None:
    """The same entry elsewhere has another one."""
    digests = {FIRST.digest_at(n, previous * 64) for n in (1, 2) for previous in ("0", "1")}
    assert len(digests) == 4


def test_the_order_of_keys_says_nothing() -> None:
    """Documents that are equal have one form; 1, 1.0 and true are not equal."""
    assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1}) == '{"a":2,"b":1}'
    assert len({canonical([value]) for value in (1, 1.0, True, "1")}) == 4


def test_an_entry_keeps_nothing_that_could_be_changed() -> None:
    """Its changes are frozen copies, however deep."""
    inner: dict[str, Any] = {"list": [{"x": 1}]}
    made = entry(changes={"config": FieldChange(inner, [inner])})
    inner["list"].append("later")
    assert type(made.changes) is FrozenDict
    change = made.changes["config"]
    assert (type(change.before), type(change.after)) == (JsonObject, JsonArray)
    assert change.before == {"list": [{"x": 1}]}
    assert hash(made) == hash(
        entry(changes={"config": FieldChange({"list": [{"x": 1}]}, [{"list": [{"x": 1}]}])})
    )


def test_a_definition_is_no_change_too_deep_or_large() -> None:
    """An entry holds whatever an entity's field may hold."""
    deep: Any = "end"
    for _ in range(45):
        deep = {"in": deep}
    large = "x" * 3_000_000
    made = entry(changes={"definition": FieldChange(deep, large)})
    assert made.changes["definition"].after == large


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": ("a", "b")}, "changes.name"),
        ({"": FieldChange(1, 2)}, 'changes[""]'),
        ({"name": FieldChange(float("nan"), 2)}, "changes.name.before"),
        ({"name": FieldChange(1, {"a": [FLOW_ID]})}, "changes.name.after.a[0]"),
        ({"name": FieldChange(1, 2**64)}, "changes.name.after"),
        ([], "changes"),
    ],
)
def test_changes_that_are_no_json_are_refused(changes: Any, path: str) -> None:
    """Each fault is named by its path, and nothing of the content is."""
    with pytest.raises(ValidationError) as caught:
        entry(changes=changes)
    assert [fault.path for fault in caught.value.faults] == [path]


def test_rules_of_the_other_fields() -> None:
    """All faults are named at once."""
    with pytest.raises(ValidationError) as caught:
        entry(actor="", position=0, sequence=0, digest="ABC", entity_id="x", action="renamed")
    named = {fault.path for fault in caught.value.faults}
    assert named == {"actor", "position", "sequence", "digest", "entity_id", "action"}
    elsewhere = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    made = entry(at=elsewhere, action="deleted")
    assert made.at == datetime(2026, 1, 1, tzinfo=UTC)
    assert made.action is AuditAction.DELETED


def test_a_head_is_written_and_read() -> None:
    """As text, to be kept elsewhere."""
    head = AuditHead(sequence=12, digest="0a" * 32)
    assert str(head) == "12:" + "0a" * 32
    assert AuditHead.parse(str(head)) == head
    for wrong in (
        "",
        "12",
        ":" + "0a" * 32,
        "12:" + "0A" * 32,
        "-1:" + "0a" * 32,
        "١:" + "0a" * 32,
    ):
        with pytest.raises(ValidationError):
            AuditHead.parse(wrong)
