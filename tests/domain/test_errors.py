"""What the domain says when it refuses."""

import copy
import pickle
from typing import Any
from uuid import UUID

import pytest
from attrs import fields_dict
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Fault, TransitionNotAllowedError, ValidationError
from domain.flows import ChangeType, Flow, MetricIncrements, next_version
from domain.identity import tenant_id
from tests.domain.values import AT

SECRET = "hunter2\0"


def test_every_faulty_field_is_named_at_once() -> None:
    """Whoever corrects a form wants to do so once."""
    names = set(fields_dict(Flow)) - {"definition"}
    with pytest.raises(ValidationError) as caught:
        Flow(definition=SECRET, **dict.fromkeys(names, SECRET))  # type: ignore[arg-type]  # the point
    assert {fault.path for fault in caught.value.faults} == names | {"definition"}


def test_no_message_quotes_what_was_refused() -> None:
    """An error can be logged without leaking what a user wrote."""
    with pytest.raises(ValidationError) as caught:
        Flow(**dict.fromkeys(fields_dict(Flow), SECRET))  # type: ignore[arg-type]  # the point
    assert "hunter2" not in str(caught.value)
    for refused in (
        lambda: tenant_id(SECRET),
        lambda: next_version(SECRET, ChangeType.MINOR),
        lambda: MetricIncrements(custom_metrics={"score": SECRET}),  # type: ignore[dict-item]
        lambda: Flow.draft(name="x", trigger_conditions={"a": [SECRET, {1}]}),
    ):
        with pytest.raises(ValidationError) as other:
            refused()
        assert "hunter2" not in str(other.value)


@pytest.mark.parametrize("by", [pickle.loads, copy.copy, copy.deepcopy])
@pytest.mark.parametrize(
    "error",
    [
        ValidationError("Flow", [Fault("name", "must be text"), Fault("", "is odd")]),
        TransitionNotAllowedError("Flow", "draft", "inactive"),
    ],
)
def test_an_error_survives_a_copy(error: ValidationError, by: object) -> None:
    """It may cross a process boundary."""
    again = pickle.loads(pickle.dumps(error)) if by is pickle.loads else by(error)  # type: ignore[operator]
    assert type(again) is type(error)
    assert (str(again), again.subject, again.faults) == (str(error), error.subject, error.faults)
    assert vars(again) == vars(error)


def test_a_refused_transition_names_both_statuses() -> None:
    """And is a fault of the status."""
    error = TransitionNotAllowedError("Flow", "draft", "inactive")
    assert str(error) == "Flow: status: cannot go from 'draft' to 'inactive'"
    assert (error.current, error.target, error.faults[0].path) == ("draft", "inactive", "status")


def test_a_validation_error_is_a_value_error() -> None:
    """As the standard library's own refusals are."""
    assert issubclass(ValidationError, ValueError)


def test_a_long_list_of_faults_is_kept_whole_and_shown_in_part() -> None:
    """A log line has its limits; whoever asks gets all of it."""
    error = ValidationError("Flow", [Fault(f"[{i}]", "is odd") for i in range(100_000)])
    assert len(error.faults) == 100_000
    assert len(str(error)) < 2_000
    assert str(error).endswith("and 99950 more")


@given(st.text(), st.text(min_size=1))
def test_a_fault_seen_from_outside_has_the_longer_path(path: str, prefix: str) -> None:
    """Nested faults read like a way through the document."""
    moved = Fault(path, "is odd").under(prefix)
    assert moved.path.startswith(prefix)
    assert moved.path.endswith(path)
    assert moved.message == "is odd"


def test_paths_join_as_a_reader_expects() -> None:
    """A dot before a name, none before an index."""
    assert Fault("name", "m").under("states").path == "states.name"
    assert Fault("[0].name", "m").under("states").path == "states[0].name"
    assert Fault("", "m").under("states").path == "states"
    assert str(Fault("", "m")) == "m"
    assert str(Fault("a", "m")) == "a: m"


def test_a_field_that_may_not_be_edited_is_named_so_that_it_can_be_printed() -> None:
    """Whatever it is called."""
    flow = Flow.draft(name="a").assigned(tenant=tenant_id("t"), new_id=UUID(int=1), at=AT)
    changes: dict[str, Any] = {"status": "active", "\ud800": 1, "x" * 10_000: 2}
    with pytest.raises(ValidationError) as caught:
        flow.edited(**changes)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000
    assert [fault.path for fault in caught.value.faults][:2] == ["status", '["\\ud800"]']
