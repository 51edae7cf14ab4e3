"""What an audit entry says of a field, and when the memory adapter works it out."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import attrs
import pytest

from adapters.audit_form import AuditForm, form_of, same, shown
from adapters.memory import MemoryAuthoringStore
from domain.definitions import FlowDefinition
from domain.documents import JsonArray, JsonObject, thaw
from domain.flows import Flow
from domain.identity import tenant_id
from domain.secrets import MASK, Secret
from ports.contracts.exact import exact
from ports.errors import EncryptionKeyError
from ports.flows import FLOW_SCHEMA
from tests.bootstrap.running import run

ID = UUID("01997d5e-8c00-7a3b-9d4e-5f6071829304")


class Colour(StrEnum):
    RED = "red"


@attrs.frozen
class Parts:
    colour: Colour
    secret: Secret
    ids: tuple[UUID, ...]


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (None, None),
        (True, True),
        (1, 1),
        (1.0, 1.0),
        ("text", "text"),
        (Colour.RED, "red"),
        (ID, str(ID)),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (("a", Colour.RED), ["a", "red"]),
        (Secret({"key": "value"}), MASK),
        (
            Parts(Colour.RED, Secret({"key": "value"}), (ID,)),
            {"colour": "red", "secret": MASK, "ids": [str(ID)]},
        ),
        (FlowDefinition(), {}),
    ],
)
def test_a_value_is_shown_as_json(value: object, json: object) -> None:
    """Of the types that JSON has, and none other."""
    assert exact(thaw(shown(value))) == exact(json)


def test_what_is_shown_can_not_be_changed() -> None:
    """However deep, and whatever it was before."""
    definition = FlowDefinition.external({"say": ["hello", {"deep": [1]}]})

    def frozen(value: Any) -> bool:
        if isinstance(value, dict):
            return type(value) is JsonObject and all(map(frozen, value.values()))
        if isinstance(value, list):
            return type(value) is JsonArray and all(map(frozen, value))
        return True

    assert frozen(shown(definition))
    assert frozen(shown(({"a": (ID,)},)))


def test_an_unknown_kind_of_value_is_refused() -> None:
    """Rather than written down in some form that no other store has."""
    with pytest.raises(TypeError, match="bytes"):
        shown(b"secret")


def test_values_are_the_same_if_their_json_is() -> None:
    """To the letter, but for the order of keys."""
    of = JsonObject.of
    assert same(of({"a": 1, "b": 2}), of({"b": 2, "a": 1}))
    assert not same(of({"a": 1}), of({"a": 1.0}))
    assert not same(of({"a": 1}), of({"a": True}))
    assert not same(0.0, -0.0)
    assert not same(None, "")
    assert same(("a",), ("a",))
    assert same(FlowDefinition(), FlowDefinition())


def test_a_secret_changed_if_its_content_did() -> None:
    """Or if that can't be told, since the key isn't at hand: it is shown as changed then."""

    def lost() -> JsonObject:
        raise EncryptionKeyError("k1")

    assert same(Secret({"a": 1}), Secret({"a": 1}))
    assert not same(Secret({"a": 1}), Secret({"a": 2}))
    assert not same(Secret({"a": 1}), Secret.deferred(lost))


def test_fields_that_tell_nothing_are_left_out() -> None:
    """What identifies the entity, what every write changes, and what the store counts."""
    assert form_of(FLOW_SCHEMA) is form_of(FLOW_SCHEMA)
    told = AuditForm(FLOW_SCHEMA).defaults.keys()
    assert told == {field.name for field in attrs.fields(Flow)} - {
        *("id", "tenant_id", "revision", "updated_at"),
        *("usage_count", "last_used_at"),
    }


@run
async def test_changes_are_worked_out_when_they_are_read() -> None:
    """Most never are, and a large definition takes its time; then they are kept."""
    scope = MemoryAuthoringStore().repositories(tenant_id("acme"))
    await scope.flows.create(Flow.draft(name="flow"))
    (entry,) = (await scope.audit.scan()).items
    assert "changes" not in vars(entry)
    assert entry.changes["name"].after == "flow"
    assert vars(entry)["changes"] is entry.changes
