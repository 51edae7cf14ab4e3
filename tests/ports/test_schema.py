"""Schemas: what is declared about an entity is true of it."""

from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ValidationError
from domain.flows import Flow
from domain.identity import TenantId
from domain.rules import checked, rules_of
from domain.text import fold
from ports.contracts.subjects import SUBJECTS, Subject
from ports.errors import TenantMismatchError
from ports.flows import FLOW_SCHEMA, FlowSummary
from ports.schema import EntitySchema, FieldSchema, Kind, Unique, search_text
from tests.domain.values import FLOWS

SCHEMAS = [subject.schema for subject in SUBJECTS]
FIELDS = [
    pytest.param(schema, field, id=f"{schema.name}-{field.name}")
    for schema in SCHEMAS
    for field in schema.fields.values()
]


def admits(entity: type, name: str, value: object) -> bool:
    """Whether the entity's own rule takes the value."""
    try:
        checked(entity, name, value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(("schema", "field"), FIELDS)
def test_a_field_may_be_null_exactly_where_the_entity_admits_it(
    schema: EntitySchema[Any], field: FieldSchema
) -> None:
    """Stores order and compare by what is declared."""
    entity: type = schema.entity
    assert field.name in rules_of(entity)
    assert field.nullable is admits(entity, field.name, None)


@given(data=st.data())
def test_every_value_of_an_entity_is_an_operand_of_its_field(
    subject: Subject, data: st.DataObject
) -> None:
    """So an entity can be found by any of its values, and stands in a cursor."""
    entity = data.draw(subject.entities(TenantId("acme")))
    for field in subject.schema.fields.values():
        value = getattr(entity, field.name)
        if field.kind is Kind.TEXTS:
            assert [field.operand(item) for item in value] == list(value)
        elif value is not None:
            assert field.operand(value) == value


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.name)
def test_what_is_declared_names_fields_that_the_entity_has(schema: EntitySchema[Any]) -> None:
    """Patchable, maintained, searchable and unique ones alike; what moves by a table isn't set."""
    known = set(attrs.fields_dict(schema.entity))
    named = {name for unique in schema.unique for name in (*unique.fields, unique.where)}
    flags = {unique.where for unique in schema.unique}
    assert named - {None} <= set(schema.fields)
    assert schema.patchable | schema.maintained <= known
    assert set(schema.searchable) <= set(schema.fields)
    assert not schema.patchable & (schema.maintained | {"status"} | flags)


def test_a_summary_has_the_fields_of_a_flow_that_a_list_shows() -> None:
    """Without the documents, and without what only the engine needs."""
    left_out = {"definition", "trigger_conditions"}
    assert set(attrs.fields_dict(FlowSummary)) == set(attrs.fields_dict(Flow)) - left_out


@given(FLOWS)
def test_an_entity_belongs_to_its_tenant(flow: Flow) -> None:
    """Another tenant's is told from what is no entity at all."""
    assert FLOW_SCHEMA.own(flow, flow.tenant_id) is flow
    with pytest.raises(TenantMismatchError):
        FLOW_SCHEMA.own(flow, TenantId(flow.tenant_id + "x"))
    strangers: list[Any] = [None, {"tenant_id": flow.tenant_id}, "flow", flow.definition]
    for stranger in strangers:
        with pytest.raises(ValidationError, match="must be a Flow or a draft of one"):
            FLOW_SCHEMA.own(stranger, flow.tenant_id)


def test_a_patch_is_kept_as_the_entity_would_keep_it() -> None:
    """None included."""
    kept = FLOW_SCHEMA.check_patch({"tags": ["a"], "category": None, "success_rate": 1})
    assert kept == {"tags": ("a",), "category": None, "success_rate": 1.0}
    assert type(kept["success_rate"]) is float


def test_a_patch_names_all_its_faults_at_once() -> None:
    """What may not be patched, and what isn't admitted, in a form that can be printed."""
    with pytest.raises(ValidationError) as caught:
        FLOW_SCHEMA.check_patch(
            {"status": "active", "name": "", "tags": [1], "no\nsuch": 1, "category": "a"}
        )
    paths = [fault.path for fault in caught.value.faults]
    assert paths == ["status", "name", "tags[0]", '["no\\nsuch"]']
    with pytest.raises(ValidationError, match="must change something"):
        FLOW_SCHEMA.check_patch({})


@pytest.mark.parametrize("id", [None, "", str(UUID(int=1)), 1, b"id"])
def test_an_id_is_checked_as_the_entity_would(id: object) -> None:
    """A flow's is a UUID, not its text."""
    with pytest.raises(ValidationError, match="Flow: id: must be a UUID"):
        FLOW_SCHEMA.check_id(id)


@given(FLOWS)
def test_the_searched_text_holds_every_searchable_field_folded(flow: Flow) -> None:
    """A line each, so that no term crosses from one to the next."""
    texts = [flow.name, flow.description, flow.category, *flow.tags]
    present = [fold(text) for text in texts if text is not None]
    assert FLOW_SCHEMA.search_text(flow) == "\n".join(present)
    assert search_text([None, "A", ("B", "ﬁ"), ()]) == "a\nb\nfi"


def test_a_unique_key_is_named_by_its_fields() -> None:
    """And by the flag that narrows it."""
    assert [unique.key for unique in FLOW_SCHEMA.unique] == [("name", "version"), ("is_default",)]
    assert Unique(("a",), where="b").key == ("a", "b")
