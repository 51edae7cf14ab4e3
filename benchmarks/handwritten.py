"""The mapping of definitions as one would write it by hand for these very classes.

What the generic mapping is measured against. It does the same work: defaults left out, contents
frozen, no rule run on what a store wrote itself.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from domain.definitions import (
    Action,
    ActionType,
    FlowDefinition,
    State,
    StateType,
    Transition,
    TransitionCondition,
)
from domain.documents import EMPTY, freeze
from domain.frozen import FrozenDict
from domain.rules import restored

Document = dict[str, Any]
E = TypeVar("E", bound=Enum)


def _members(kind: type[E]) -> Mapping[str, E]:
    return {str(member.value): member for member in kind}


_ACTION_TYPES = _members(ActionType)
_STATE_TYPES = _members(StateType)
_CONDITIONS = _members(TransitionCondition)


def structure(document: Document) -> FlowDefinition:
    """A definition from its decoded JSON form."""
    get = document.get
    states = get("states")
    return restored(
        FlowDefinition,
        {
            "initial_state": get("initial_state"),
            "states": FrozenDict.holding({name: _state(state) for name, state in states.items()})
            if states
            else FrozenDict(),
            "global_handlers": _transitions(get("global_handlers")),
            "variables": freeze(document["variables"]) if "variables" in document else EMPTY,
            "metadata": freeze(document["metadata"]) if "metadata" in document else EMPTY,
        },
    )


def _state(document: Document) -> State:
    get = document.get
    return restored(
        State,
        {
            "name": document["name"],
            "type": _STATE_TYPES[document["type"]],
            "description": get("description"),
            "config": freeze(document["config"]) if "config" in document else EMPTY,
            "transitions": _transitions(get("transitions")),
            "entry_actions": _actions(get("entry_actions")),
            "exit_actions": _actions(get("exit_actions")),
            "timeout_seconds": get("timeout_seconds"),
            "is_final": get("is_final", False),
            "tags": tuple(get("tags", ())),
        },
    )


def _transitions(documents: Sequence[Document] | None) -> tuple[Transition, ...]:
    return tuple([_transition(document) for document in documents]) if documents else ()


def _transition(document: Document) -> Transition:
    get = document.get
    return restored(
        Transition,
        {
            "target": document["target"],
            "condition": _CONDITIONS[get("condition", "any_input")],
            "condition_value": get("condition_value"),
            "expression": get("expression"),
            "priority": get("priority", 100),
            "actions": _actions(get("actions")),
            "metadata": freeze(document["metadata"]) if "metadata" in document else EMPTY,
        },
    )


def _actions(documents: Sequence[Document] | None) -> tuple[Action, ...]:
    return tuple([_action(document) for document in documents]) if documents else ()


def _action(document: Document) -> Action:
    get = document.get
    return restored(
        Action,
        {
            "type": _ACTION_TYPES[document["type"]],
            "config": freeze(document["config"]) if "config" in document else EMPTY,
            "condition": get("condition"),
            "priority": get("priority", 100),
            "timeout_ms": get("timeout_ms", 5000),
        },
    )


def unstructure(definition: FlowDefinition) -> Document:
    """The JSON form of a definition, ready to be encoded."""
    document: Document = {}
    if definition.initial_state is not None:
        document["initial_state"] = definition.initial_state
    if definition.states:
        document["states"] = {
            name: _state_document(state) for name, state in definition.states.items()
        }
    if definition.global_handlers:
        document["global_handlers"] = [_way_document(way) for way in definition.global_handlers]
    if definition.variables:
        document["variables"] = definition.variables
    if definition.metadata:
        document["metadata"] = definition.metadata
    return document


def _state_document(state: State) -> Document:
    document: Document = {"name": state.name, "type": state.type.value}
    if state.description is not None:
        document["description"] = state.description
    if state.config:
        document["config"] = state.config
    if state.transitions:
        document["transitions"] = [_way_document(way) for way in state.transitions]
    if state.entry_actions:
        document["entry_actions"] = [_action_document(action) for action in state.entry_actions]
    if state.exit_actions:
        document["exit_actions"] = [_action_document(action) for action in state.exit_actions]
    if state.timeout_seconds is not None:
        document["timeout_seconds"] = state.timeout_seconds
    if state.is_final:
        document["is_final"] = True
    if state.tags:
        document["tags"] = list(state.tags)
    return document


def _way_document(way: Transition) -> Document:
    document: Document = {"target": way.target}
    if way.condition is not TransitionCondition.ANY_INPUT:
        document["condition"] = way.condition.value
    if way.condition_value is not None:
        document["condition_value"] = way.condition_value
    if way.expression is not None:
        document["expression"] = way.expression
    if way.priority != 100:
        document["priority"] = way.priority
    if way.actions:
        document["actions"] = [_action_document(action) for action in way.actions]
    if way.metadata:
        document["metadata"] = way.metadata
    return document


def _action_document(action: Action) -> Document:
    document: Document = {"type": action.type.value}
    if action.config:
        document["config"] = action.config
    if action.condition is not None:
        document["condition"] = action.condition
    if action.priority != 100:
        document["priority"] = action.priority
    if action.timeout_ms != 5000:
        document["timeout_ms"] = action.timeout_ms
    return document
