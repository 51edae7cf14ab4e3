"""Flows: drafts, edits, statuses, versions."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve, fields_dict
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from domain.definitions import FlowDefinition
from domain.errors import TransitionNotAllowedError, ValidationError
from domain.flows import (
    EDITABLE,
    FLOW_LIFECYCLE,
    ChangeType,
    Flow,
    FlowStatus,
    FlowVersion,
    next_version,
)
from domain.identity import TenantId, UserId
from tests.domain.values import AT, FLOWS, valid_definition

LATER = AT.replace(year=2027)


def flow(status: FlowStatus = FlowStatus.DRAFT, /, **fields: Any) -> Flow:
    """A flow in that status, whose definition is valid."""
    return Flow(
        **{
            "id": uuid4(),
            "tenant_id": TenantId("acme"),
            "name": "welcome",
            "definition": valid_definition(),
            "status": status,
            "created_at": AT,
            "updated_at": AT,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("field", "longest"),
    [("name", 255), ("version", 50), ("description", 10_000), ("category", 100)],
)
def test_texts_keep_within_their_limits(field: str, longest: int) -> None:
    """At the limit admitted, beyond it refused."""
    assert getattr(flow(**{field: "x" * longest}), field) == "x" * longest
    with pytest.raises(ValidationError, match=f"Flow: {field}: must have"):
        flow(**{field: "x" * (longest + 1)})


@pytest.mark.parametrize("field", ["name", "version", "category"])
def test_names_are_not_empty(field: str) -> None:
    """An absent category is None."""
    with pytest.raises(ValidationError, match=f"Flow: {field}: must have 1 to"):
        flow(**{field: ""})


@pytest.mark.parametrize("tags", [["x"] * 51, [""], ["x" * 51], "tag", {"tag"}, None, [None]])
def test_tags_are_at_most_fifty_short_texts(tags: Any) -> None:
    """A text alone is no list of its letters, in a draft neither."""
    assert flow(tags=["x" * 50] * 50).tags == ("x" * 50,) * 50
    with pytest.raises(ValidationError, match="Flow: tags"):
        flow(tags=tags)
    with pytest.raises(ValidationError, match="Flow: tags"):
        Flow.draft(name="a", tags=tags)


def test_a_draft_names_all_its_faulty_fields_at_once() -> None:
    """As a flow does."""
    with pytest.raises(ValidationError) as caught:
        Flow.draft(
            name="",
            version="",
            description="\0",
            trigger_conditions={"a": {1}},
            definition="definition",  # type: ignore[arg-type]  # that is the point
            created_by="",
            id="id",  # type: ignore[arg-type]  # that is the point
        )
    assert {fault.path for fault in caught.value.faults} == {
        "name",
        "version",
        "description",
        "trigger_conditions.a",
        "definition",
        "created_by",
        "updated_by",
        "id",
    }


@pytest.mark.parametrize("status", list(FlowStatus))
def test_only_an_active_flow_can_be_the_default(status: FlowStatus) -> None:
    """However it is asked for."""
    if status is FlowStatus.ACTIVE:
        assert flow(status).as_default().is_default
        assert not flow(status, is_default=True).as_default(False).is_default
        return
    with pytest.raises(ValidationError, match="only an active flow can be the default"):
        flow(status, is_default=True)
    with pytest.raises(ValidationError, match="only an active flow can be the default"):
        flow(status).as_default()


def test_an_active_flow_has_a_valid_definition() -> None:
    """Its faults are named under the definition, all of them."""
    with pytest.raises(ValidationError) as caught:
        flow(FlowStatus.ACTIVE, definition=FlowDefinition())
    assert [fault.path for fault in caught.value.faults] == [
        "definition.states",
        "definition.initial_state",
    ]
    with pytest.raises(ValidationError, match=r"definition\.states"):
        flow(FlowStatus.ACTIVE).edited(definition=FlowDefinition())
    with pytest.raises(ValidationError, match=r"definition\.states"):
        flow(FlowStatus.ACTIVE).at_version("2.0", FlowDefinition())


@pytest.mark.parametrize("status", [each for each in FlowStatus if each is not FlowStatus.ACTIVE])
def test_any_other_flow_may_be_incomplete(status: FlowStatus) -> None:
    """It is being written."""
    assert flow(status, definition=FlowDefinition()).definition == FlowDefinition()


@pytest.mark.parametrize("status", list(FlowStatus))
def test_publishing_makes_active_and_says_who_and_when(status: FlowStatus) -> None:
    """From every status but archived."""
    before = flow(status)
    if status is FlowStatus.ARCHIVED:
        with pytest.raises(TransitionNotAllowedError, match=r"'archived' to 'active'"):
            before.publish(by="ada", at=LATER)
        return
    assert before.publish(by="ada", at=LATER) == evolve(
        before,
        status=FlowStatus.ACTIVE,
        published_at=LATER,
        published_by=UserId("ada"),
        updated_by=UserId("ada"),
    )


def test_publishing_refuses_an_incomplete_definition() -> None:
    """And leaves the flow as it was."""
    with pytest.raises(ValidationError, match=r"definition\.states: has no states"):
        flow(definition=FlowDefinition()).publish(at=LATER)


def test_publishing_anew_keeps_a_default_and_forgets_an_unknown_publisher() -> None:
    """The publisher is the one of this time."""
    again = flow(FlowStatus.ACTIVE, is_default=True, published_by="ada").publish(at=LATER)
    assert (again.is_default, again.published_by, again.published_at) == (True, None, LATER)


@pytest.mark.parametrize("target", list(FlowStatus))
@pytest.mark.parametrize("current", list(FlowStatus))
def test_a_flow_moves_as_the_table_says(current: FlowStatus, target: FlowStatus) -> None:
    """By member or by value; nothing but the status and the editor changes."""
    before = flow(current)
    for named in (target, target.value):
        if FLOW_LIFECYCLE.allows(current, target):
            moved = before.moved_to(named, by="ada")  # type: ignore[arg-type]  # a value will do
            assert moved == evolve(before, status=target, updated_by=UserId("ada"))
        else:
            with pytest.raises(TransitionNotAllowedError):
                before.moved_to(named)  # type: ignore[arg-type]  # a value will do


def test_an_unknown_status_is_bad_input() -> None:
    """With the list of what there is."""
    with pytest.raises(ValidationError, match="Flow: status: must be one of draft"):
        flow().moved_to("nonsense")  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("leave", [Flow.archive, lambda each: each.moved_to(FlowStatus.INACTIVE)])
def test_leaving_active_ends_being_the_default(leave: Callable[[Flow], Flow]) -> None:
    """Since only an active flow can be it."""
    assert not leave(flow(FlowStatus.ACTIVE, is_default=True)).is_default
    stays = flow(FlowStatus.ACTIVE, is_default=True).moved_to(FlowStatus.ACTIVE)
    assert stays.is_default


@pytest.mark.parametrize("status", list(FlowStatus))
def test_only_an_archived_flow_is_restored(status: FlowStatus) -> None:
    """As a draft."""
    archived = flow(status).archive(by="ada")
    assert (archived.status, archived.updated_by) == (FlowStatus.ARCHIVED, "ada")
    assert archived.restore(by="bob").status is FlowStatus.DRAFT
    if status is not FlowStatus.ARCHIVED:
        with pytest.raises(ValidationError, match="only an archived flow is restored"):
            flow(status).restore()


@given(FLOWS, st.sampled_from(sorted(set(fields_dict(Flow)) - EDITABLE)))
def test_what_is_not_editable_cannot_be_edited(before: Flow, field: str) -> None:
    """Status, identity, times and figures have ways of their own."""
    with pytest.raises(ValidationError, match=f"Flow: {field}: can't be edited"):
        before.edited(**{field: getattr(before, field)})


@given(FLOWS, FLOWS)
def test_an_edit_changes_what_it_names_and_nothing_else(before: Flow, other: Flow) -> None:
    """The flow itself stays as it was."""
    names = EDITABLE - {"definition"}
    after = before.edited(by="ada", **{name: getattr(other, name) for name in names})
    for name in fields_dict(Flow):
        if name == "updated_by":
            assert after.updated_by == "ada"
        else:
            assert getattr(after, name) == getattr(other if name in names else before, name)


def test_an_edit_obeys_the_rules() -> None:
    """Every fault at once, the editor's included."""
    with pytest.raises(ValidationError) as caught:
        flow().edited(by="", name="", tags=[1])
    assert {fault.path for fault in caught.value.faults} == {"name", "tags[0]", "updated_by"}


@given(FLOWS)
def test_a_flow_is_frozen(made: Flow) -> None:
    """No field can be set or deleted."""
    for name in fields_dict(Flow):
        with pytest.raises(FrozenInstanceError):
            setattr(made, name, None)
        with pytest.raises(FrozenInstanceError):
            delattr(made, name)


@given(FLOWS)
def test_building_a_flow_from_its_own_fields_changes_nothing(made: Flow) -> None:
    """Every rule admits what it made."""
    again = Flow(**{name: getattr(made, name) for name in fields_dict(Flow)})
    assert again == made
    assert repr(again) == repr(made)
    assert hash(again) == hash(made)


def test_another_version_changes_version_and_definition() -> None:
    """And the editor, if given."""
    before = flow(definition=FlowDefinition(), updated_by="ada")
    after = before.at_version("2.0", valid_definition())
    assert after == evolve(before, version="2.0", definition=valid_definition())


@pytest.mark.parametrize(
    ("version", "major", "minor", "patch"),
    [
        ("1", "2.0", "1.1", "1.0.1"),
        ("1.0", "2.0", "1.1", "1.0.1"),
        ("1.9", "2.0", "1.10", "1.9.1"),
        ("1.2.3", "2.0", "1.3", "1.2.4"),
        ("01.02", "2.0", "1.3", "1.2.1"),
        ("999999999", "1000000000.0", "999999999.1", "999999999.0.1"),
    ],
)
def test_the_next_version_raises_the_part_that_fits(
    version: str, major: str, minor: str, patch: str
) -> None:
    """Whether the change is named by member or by value."""
    expected = {"major": major, "minor": minor, "patch": patch, "hotfix": patch}
    for change in ChangeType:
        assert next_version(version, change) == expected[change.value]
        assert next_version(version, change.value) == expected[change.value]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "version", ["v1", "1.", ".1", "1.2.3.4", "", "1.0-beta", "1,0", "1.0\n", "١.٢", "1" * 10]
)
def test_a_version_of_another_form_has_no_successor(version: str) -> None:
    """Whoever uses one names the next."""
    with pytest.raises(ValidationError, match="Flow: version: has no successor"):
        next_version(version, ChangeType.MINOR)


def test_an_unknown_kind_of_change_is_refused() -> None:
    """Rather than taken for a small one."""
    with pytest.raises(ValidationError, match="change_type: must be one of major"):
        next_version("1.0", "huge")  # type: ignore[arg-type]  # that is the point


def test_a_kept_version_obeys_its_rules() -> None:
    """Every fault at once."""
    with pytest.raises(ValidationError) as caught:
        FlowVersion(
            id=uuid4(),
            tenant_id=TenantId("a b"),
            flow_id=uuid4(),
            version="",
            definition=FlowDefinition(),
            change_description="x" * 2_001,
            change_type="odd",  # type: ignore[arg-type]  # that is the point
            created_at=AT.replace(tzinfo=None),
        )
    assert {fault.path for fault in caught.value.faults} == {
        "tenant_id",
        "version",
        "change_description",
        "change_type",
        "created_at",
    }
