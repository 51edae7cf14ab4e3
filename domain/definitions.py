"""A flow's definition: a state machine of a conversation, as data."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from typing import Self

from attrs import evolve, field, frozen

from domain.deferred import Deferrable
from domain.documents import EMPTY, JsonObject
from domain.errors import Fault, ValidationError, key_step
from domain.frozen import FrozenDict
from domain.rules import (
    Value,
    flag,
    instance,
    json_object,
    matching,
    one_of,
    optional,
    rule,
    sequence,
    text,
    whole,
)

MAX_STATES = 2_000


class StateType(StrEnum):
    """What the engine does in a state."""

    RESPONSE = "response"
    INTENT = "intent"
    SLOT_FILLING = "slot_filling"
    INTEGRATION = "integration"
    CONDITION = "condition"
    WAIT = "wait"
    END = "end"
    ERROR = "error"
    HUMAN_HANDOFF = "human_handoff"


class TransitionCondition(StrEnum):
    """When a transition is taken."""

    ANY_INPUT = "any_input"
    INTENT_MATCH = "intent_match"
    INTENT_CONFIDENCE = "intent_confidence"
    SLOT_FILLED = "slot_filled"
    ALL_SLOTS_FILLED = "all_slots_filled"
    INTEGRATION_SUCCESS = "integration_success"
    INTEGRATION_ERROR = "integration_error"
    EXPRESSION = "expression"
    TIMEOUT = "timeout"
    LOW_CONFIDENCE = "low_confidence"
    USER_CHOICE = "user_choice"
    FALLBACK = "fallback"


class ActionType(StrEnum):
    """What an action does."""

    SEND_MESSAGE = "send_message"
    SET_VARIABLE = "set_variable"
    CLEAR_VARIABLE = "clear_variable"
    SET_SLOT = "set_slot"
    CLEAR_SLOT = "clear_slot"
    CALL_INTEGRATION = "call_integration"
    LOG_EVENT = "log_event"
    TRIGGER_FLOW = "trigger_flow"
    SET_CONTEXT = "set_context"
    SEND_ANALYTICS = "send_analytics"


STATE_NAME = matching(
    r"[A-Za-z][A-Za-z0-9_-]{0,99}",
    "must begin with a letter and have 1 to 100 letters, digits, _ or -",
)
_EXPRESSION = text(4_000)


@frozen(kw_only=True, slots=False)
class Action(Value):
    """Something done on a transition, on entering or on leaving a state."""

    type: ActionType = field(metadata=rule(one_of(ActionType)))
    config: JsonObject = field(default=EMPTY, metadata=rule(json_object))
    condition: str | None = field(default=None, metadata=rule(optional(_EXPRESSION)))
    priority: int = field(default=100, metadata=rule(whole(0, 1000)))
    timeout_ms: int = field(default=5000, metadata=rule(whole(100, 30_000)))


_ACTIONS = sequence(instance(Action), 100)


@frozen(kw_only=True, slots=False)
class Transition(Value):
    """A way out of a state. Lower priorities are tried first."""

    target: str = field(metadata=rule(STATE_NAME))
    condition: TransitionCondition = field(
        default=TransitionCondition.ANY_INPUT, metadata=rule(one_of(TransitionCondition))
    )
    condition_value: str | None = field(default=None, metadata=rule(optional(text(1_000))))
    expression: str | None = field(default=None, metadata=rule(optional(_EXPRESSION)))
    priority: int = field(default=100, metadata=rule(whole(0, 1000)))
    actions: tuple[Action, ...] = field(default=(), metadata=rule(_ACTIONS))
    metadata: JsonObject = field(default=EMPTY, metadata=rule(json_object))


@frozen(kw_only=True, slots=False)
class State(Value):
    """A step of the conversation."""

    name: str = field(metadata=rule(STATE_NAME))
    type: StateType = field(metadata=rule(one_of(StateType)))
    description: str | None = field(default=None, metadata=rule(optional(text(2_000))))
    config: JsonObject = field(default=EMPTY, metadata=rule(json_object))
    transitions: tuple[Transition, ...] = field(
        default=(), metadata=rule(sequence(instance(Transition), 200))
    )
    entry_actions: tuple[Action, ...] = field(default=(), metadata=rule(_ACTIONS))
    exit_actions: tuple[Action, ...] = field(default=(), metadata=rule(_ACTIONS))
    timeout_seconds: int | None = field(default=None, metadata=rule(optional(whole(1, 3600))))
    is_final: bool = field(default=False, metadata=rule(flag))
    tags: tuple[str, ...] = field(default=(), metadata=rule(sequence(text(50, min_length=1), 50)))


def _states(candidate: object) -> FrozenDict[str, State]:
    if not isinstance(candidate, Mapping | list | tuple):
        raise ValueError("must be states by name, or a list of states")
    if len(candidate) > MAX_STATES:
        raise ValueError(f"must be at most {MAX_STATES}")
    entries: Iterable[tuple[str, object, object]]
    if isinstance(candidate, Mapping):
        entries = [(key_step(name), name, state) for name, state in candidate.items()]
    else:
        entries = [
            (f"[{i}]", getattr(each, "name", None), each) for i, each in enumerate(candidate)
        ]
    kept: dict[str, State] = {}
    faults: list[Fault] = []
    for place, name, state in entries:
        if not isinstance(state, State):
            faults.append(Fault(place, "must be a State"))
        elif name != state.name:
            faults.append(Fault(place, f"holds a state named {state.name!r}"))
        elif state.name in kept:
            faults.append(Fault(place, f"is a second state named {state.name!r}"))
        else:
            kept[state.name] = state
    if faults:
        raise ValidationError("states", faults)
    return FrozenDict.holding(kept)


@frozen(kw_only=True, slots=False)
class FlowDefinition(Deferrable, Value):
    """The states of a flow and how they follow each other.

    Any definition whose parts are valid can be built, so that a draft may be incomplete; `faults`
    says what keeps it from being published, all of it at once, and `warnings` what is odd.
    """

    initial_state: str | None = field(default=None, metadata=rule(optional(STATE_NAME)))
    states: Mapping[str, State] = field(factory=FrozenDict, metadata=rule(_states))
    global_handlers: tuple[Transition, ...] = field(
        default=(), metadata=rule(sequence(instance(Transition), 200))
    )
    variables: JsonObject = field(default=EMPTY, metadata=rule(json_object))
    metadata: JsonObject = field(default=EMPTY, metadata=rule(json_object))

    @classmethod
    def external(
        cls, document: Mapping[str, object], metadata: Mapping[str, object] = EMPTY
    ) -> Self:
        """A definition written for another product, kept whole.

        It is one final state, `external`, of type `integration`, whose config is the document: the
        engine that understands it runs it, and to Dialogbase it is complete and can be published.
        """
        whole_document = State(
            name=EXTERNAL_STATE,
            type=StateType.INTEGRATION,
            config=json_object(document),
            is_final=True,
        )
        return cls(
            initial_state=EXTERNAL_STATE,
            states={EXTERNAL_STATE: whole_document},
            metadata=json_object(metadata),
        )

    @property
    def external_document(self) -> JsonObject | None:
        """The document that `external` was given, or None if this definition is our own kind."""
        state = self.states.get(EXTERNAL_STATE)
        if state is None or self != type(self).external(state.config, self.metadata):
            return None
        return state.config

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """Everything that keeps this definition from being published."""
        return tuple(_graph_faults(self))

    @cached_property
    def warnings(self) -> tuple[Fault, ...]:
        """What can be published but is probably a mistake: unreachable states, dead ends."""
        return tuple(_graph_warnings(self))

    def require_valid(self) -> Self:
        """This definition, if it can be published.

        Raises:
            ValidationError: with all of `faults`.
        """
        if self.faults:
            raise ValidationError("FlowDefinition", self.faults)
        return self

    def with_state(self, state: State) -> Self:
        """A definition in which `state` is added, or replaces the one of its name."""
        return evolve(self, states={**self.states, state.name: state})


EXTERNAL_STATE = "external"


def _graph_faults(definition: FlowDefinition) -> Iterable[Fault]:
    states = definition.states
    if not states:
        yield Fault("states", "has no states")
    if definition.initial_state is None:
        yield Fault("initial_state", "is not set")
    elif definition.initial_state not in states:
        yield Fault("initial_state", f"names no state: {definition.initial_state!r}")
    for name, state in states.items():
        if state.is_final and state.transitions:
            yield Fault(f"states.{name}.transitions", "a final state has none")
        for index, transition in enumerate(state.transitions):
            if transition.target not in states:
                yield Fault(
                    f"states.{name}.transitions[{index}].target",
                    f"names no state: {transition.target!r}",
                )
    for index, handler in enumerate(definition.global_handlers):
        if handler.target not in states:
            yield Fault(f"global_handlers[{index}].target", f"names no state: {handler.target!r}")


def _graph_warnings(definition: FlowDefinition) -> Iterable[Fault]:
    reachable = _reachable(definition)
    for name, state in definition.states.items():
        if name not in reachable:
            yield Fault(f"states.{name}", "can't be reached from the initial state")
        if not (state.is_final or state.transitions or definition.global_handlers):
            yield Fault(f"states.{name}", "is a dead end: neither final nor left by a transition")


def _reachable(definition: FlowDefinition) -> frozenset[str]:
    pending = [handler.target for handler in definition.global_handlers]
    if definition.initial_state is not None:
        pending.append(definition.initial_state)
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in definition.states and name not in seen:
            seen.add(name)
            pending.extend(way.target for way in definition.states[name].transitions)
    return frozenset(seen)
