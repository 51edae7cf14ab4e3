"""The JSON form of definitions, there and back."""

import copy
import pickle

import orjson
import pytest

from adapters.mapping import (
    deferred_definition,
    definition_document,
    definition_from_document,
    definition_json,
)
from domain.definitions import (
    Action,
    ActionType,
    FlowDefinition,
    State,
    StateType,
    Transition,
    TransitionCondition,
)
from domain.documents import JsonArray, JsonObject
from domain.errors import ValidationError
from domain.frozen import FrozenDict
from ports.errors import CorruptRecordError


def by_name(*states: State) -> dict[str, State]:
    """As a definition keeps them."""
    return {state.name: state for state in states}


WHOLE = FlowDefinition(
    initial_state="ask",
    states=by_name(
        State(
            name="ask",
            type=StateType.RESPONSE,
            config=JsonObject.of({"float": 3.0, "whole": 3, "$a.b": [1, {"": -0.0}], "off": None}),
            transitions=(
                Transition(
                    target="end",
                    condition=TransitionCondition.INTENT_MATCH,
                    condition_value="yes",
                    actions=(
                        Action(type=ActionType.SET_SLOT, config=JsonObject.of({"slot": 1e300})),
                    ),
                ),
            ),
            timeout_seconds=5,
            tags=("a", "b"),
        ),
        State(name="end", type=StateType.END, is_final=True),
    ),
    global_handlers=(Transition(target="end", condition=TransitionCondition.TIMEOUT, priority=0),),
    variables=JsonObject.of({"x": []}),
    metadata=JsonObject.of({"y": {}}),
)


def test_a_deferred_definition_is_the_one_that_was_encoded() -> None:
    """With the same types in every place, and in a copy and a pickle as well."""
    deferred = deferred_definition(definition_json(WHOLE))
    for again in (deferred, copy.deepcopy(deferred), pickle.loads(pickle.dumps(deferred))):
        assert again == WHOLE
        assert repr(again) == repr(WHOLE)
        assert type(again.states) is FrozenDict
        ask = again.states["ask"]
        assert type(ask.type) is StateType
        assert type(ask.config) is JsonObject
        assert type(ask.config["$a.b"]) is JsonArray
        assert type(ask.transitions) is tuple
        assert type(ask.tags) is tuple


def test_what_came_from_a_store_is_not_encoded_again() -> None:
    """The text that it came from is its encoding, decoded or not."""
    text = definition_json(WHOLE)
    deferred = deferred_definition(text)
    assert definition_json(deferred) is text
    assert deferred.states
    assert definition_json(deferred) is text
    assert definition_json(deferred.with_state(State(name="x", type=StateType.END))) != text


def test_a_document_holds_plain_values_and_no_defaults() -> None:
    """What JSON has, and what differs."""
    document = definition_document(WHOLE)
    assert type(document["states"]["ask"]["type"]) is str
    assert document["states"]["end"] == {"name": "end", "type": "end", "is_final": True}
    assert definition_document(FlowDefinition()) == {}
    assert orjson.loads(definition_json(WHOLE)) == document


def test_a_document_from_outside_is_read_back_equal() -> None:
    """After the domain's rules have seen it."""
    read = definition_from_document(orjson.loads(definition_json(WHOLE)))
    assert repr(read) == repr(WHOLE)


def test_every_fault_of_a_document_is_named_by_its_path() -> None:
    """At once, unknown fields included."""
    with pytest.raises(ValidationError) as told:
        definition_from_document(
            {
                "initial_state": "1",
                "extra": True,
                "states": {
                    "a": {
                        "name": "a",
                        "type": "none",
                        "transitions": [{"target": "b", "typo": 1, "actions": [{}, 3]}],
                    },
                    "b": {},
                },
                "global_handlers": 5,
            }
        )
    assert {fault.path for fault in told.value.faults} == {
        "initial_state",
        "extra",
        "states.a.type",
        "states.a.transitions[0].typo",
        "states.a.transitions[0].actions[0].type",
        "states.a.transitions[0].actions[1]",
        "states.b.name",
        "states.b.type",
        "global_handlers",
    }


@pytest.mark.parametrize("document", [None, [], "x", 5, {"states": [1]}, {1: 2}])
def test_what_is_no_definition_at_all_is_refused(document: object) -> None:
    """Whatever it is instead."""
    with pytest.raises(ValidationError):
        definition_from_document(document)


@pytest.mark.parametrize("text", ["{", "[]", "5", '{"states": {"a": {}}}', '{"more": 1}'])
def test_text_that_is_no_definition_is_corrupt_when_it_is_looked_into(text: str) -> None:
    """Each time, naming the entity and not the text."""
    deferred = deferred_definition(text, "flow", 7)
    for _ in range(2):
        with pytest.raises(CorruptRecordError, match="flow 7") as told:
            _ = deferred.states
        assert told.value.__cause__ is None
