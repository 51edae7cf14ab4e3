"""A flow's definition: parts, faults, warnings, and definitions of other products."""

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given

from domain.definitions import (
    MAX_STATES,
    Action,
    ActionType,
    FlowDefinition,
    State,
    StateType,
    Transition,
    TransitionCondition,
)
from domain.documents import JsonObject
from domain.errors import ValidationError
from tests.domain.values import DEFINITIONS, JSON_DOCUMENTS, valid_definition


def state(name: str, *targets: str, final: bool = False) -> State:
    """A state that leads to some others."""
    ways = tuple(Transition(target=target) for target in targets)
    return State(name=name, type=StateType.RESPONSE, transitions=ways, is_final=final)


def defined(initial: str | None, *states: State, **more: Any) -> FlowDefinition:
    """A definition of these states."""
    return FlowDefinition(
        initial_state=initial, states={each.name: each for each in states}, **more
    )


def said(faults: tuple[object, ...]) -> list[str]:
    """Faults as text."""
    return [str(fault) for fault in faults]


def paths_of(kind: type, **fields: Any) -> set[str]:
    """The paths that building `kind` from these fields complains of."""
    with pytest.raises(ValidationError) as caught:
        kind(**fields)
    return {fault.path for fault in caught.value.faults}


@pytest.mark.parametrize("name", ["a", "Z", "ask_name-2", "a" * 100])
def test_a_states_name_begins_with_a_letter(name: str) -> None:
    """And goes on with letters, digits, `_` and `-`, a hundred at most."""
    assert state(name).name == name


@pytest.mark.parametrize("name", ["", "1a", "_a", "-a", "a b", "a.b", "é", "a\n", "a" * 101, None])
def test_other_names_of_states_are_refused(name: Any) -> None:
    """In every place where a state is named."""
    assert paths_of(State, name=name, type="end") == {"name"}
    assert paths_of(Transition, target=name) == {"target"}
    if name is not None:
        assert paths_of(FlowDefinition, initial_state=name) == {"initial_state"}


@pytest.mark.parametrize(
    ("kind", "given", "field", "lowest", "highest"),
    [
        (State, {"name": "a", "type": "wait"}, "timeout_seconds", 1, 3600),
        (Transition, {"target": "a"}, "priority", 0, 1000),
        (Action, {"type": "set_slot"}, "priority", 0, 1000),
        (Action, {"type": "set_slot"}, "timeout_ms", 100, 30_000),
    ],
)
def test_figures_keep_within_their_bounds(
    kind: type, given: dict[str, Any], field: str, lowest: int, highest: int
) -> None:
    """Both ends belong to them."""
    for value in (lowest, highest):
        assert getattr(kind(**given, **{field: value}), field) == value
    for refused in (lowest - 1, highest + 1, True):
        assert paths_of(kind, **given, **{field: refused}) == {field}


def test_defaults_are_those_of_the_design() -> None:
    """Whoever leaves them out gets these."""
    action, way = Action(type=ActionType.LOG_EVENT), Transition(target="a")
    assert (action.priority, action.timeout_ms, action.config) == (100, 5000, {})
    assert (way.priority, way.condition, way.actions) == (100, TransitionCondition.ANY_INPUT, ())
    assert FlowDefinition() == FlowDefinition(initial_state=None, states={})


def test_a_part_names_all_its_faulty_fields_at_once() -> None:
    """With the index of an item, and the path in a document."""
    assert paths_of(
        State,
        name="a",
        type="poem",
        config={"a": [object()]},
        transitions=[Transition(target="a"), "b"],
        entry_actions="none",
        is_final=1,
        tags=["", "x" * 51, "fine"],
    ) == {
        "type",
        "config.a[0]",
        "transitions[1]",
        "entry_actions",
        "is_final",
        "tags[0]",
        "tags[1]",
    }


def test_states_are_given_by_name_or_as_a_list() -> None:
    """The list is the shorter form of the same."""
    start, end = state("start", "end"), state("end", final=True)
    listed = FlowDefinition(initial_state="start", states=[start, end])  # type: ignore[arg-type]  # its rule takes a list
    assert listed == defined("start", start, end)
    assert list(listed.states) == ["start", "end"]


@pytest.mark.parametrize(
    ("states", "path"),
    [
        ({"a": state("b")}, "states.a"),
        ({"a": "state"}, "states.a"),
        ({1: state("a")}, "states[?]"),
        ({"no name\ud800": 1}, 'states["no name\\ud800"]'),
        ([state("a"), state("a")], "states[1]"),
        ([state("a"), {"name": "b"}], "states[1]"),
        ("ab", "states"),
        (None, "states"),
        ([None] * (MAX_STATES + 1), "states"),
        ({str(n): None for n in range(MAX_STATES + 1)}, "states"),
    ],
    ids=range(10),
)
def test_states_that_are_none_or_stand_twice_are_refused(states: object, path: str) -> None:
    """By their place."""
    assert paths_of(FlowDefinition, states=states) == {path}


def test_two_thousand_states_are_admitted() -> None:
    """One more isn't."""
    names = [f"s{n}" for n in range(MAX_STATES)]
    many = defined("s0", *map(state, names))
    assert len(many.states) == MAX_STATES
    with pytest.raises(ValidationError, match="at most 2000"):
        many.with_state(state("one-more"))


def test_a_good_definition_has_neither_faults_nor_warnings() -> None:
    """And can be published."""
    good = valid_definition()
    assert (good.faults, good.warnings, good.require_valid()) == ((), (), good)


@pytest.mark.parametrize(
    ("faulty", "fault"),
    [
        (FlowDefinition(initial_state="a"), "states: has no states"),
        (defined(None, state("a", final=True)), "initial_state: is not set"),
        (defined("b", state("a", final=True)), "initial_state: names no state: 'b'"),
        (
            defined("a", state("a", "a", final=True)),
            "states.a.transitions: a final state has none",
        ),
        (
            defined("a", state("a", "a", "b")),
            "states.a.transitions[1].target: names no state: 'b'",
        ),
        (
            defined("a", state("a", "a"), global_handlers=(Transition(target="b"),)),
            "global_handlers[0].target: names no state: 'b'",
        ),
    ],
)
def test_each_fault_is_named(faulty: FlowDefinition, fault: str) -> None:
    """With its place; publishing is refused, drafting isn't."""
    assert fault in said(faulty.faults)
    with pytest.raises(ValidationError, match="FlowDefinition"):
        faulty.require_valid()


def test_all_faults_are_named_at_once() -> None:
    """Whoever repairs a flow wants to do so once."""
    faulty = defined(
        "nowhere",
        state("a", "x", "y", final=True),
        global_handlers=(Transition(target="z"),),
    )
    assert said(faulty.faults) == [
        "initial_state: names no state: 'nowhere'",
        "states.a.transitions: a final state has none",
        "states.a.transitions[0].target: names no state: 'x'",
        "states.a.transitions[1].target: names no state: 'y'",
        "global_handlers[0].target: names no state: 'z'",
    ]
    with pytest.raises(ValidationError) as caught:
        faulty.require_valid()
    assert caught.value.faults == faulty.faults


def test_an_empty_definition_lacks_states_and_an_initial_one() -> None:
    """A draft may be just that."""
    assert said(FlowDefinition().faults) == ["states: has no states", "initial_state: is not set"]


def test_states_out_of_reach_and_dead_ends_are_warnings() -> None:
    """They can be published, and are probably a mistake."""
    odd = defined("a", state("a", "b"), state("b"), state("c", "d"), state("d", final=True))
    assert odd.faults == ()
    assert said(odd.warnings) == [
        "states.b: is a dead end: neither final nor left by a transition",
        "states.c: can't be reached from the initial state",
        "states.d: can't be reached from the initial state",
    ]


def test_a_global_handler_reaches_its_target_and_leaves_every_state() -> None:
    """So its target is in reach, and no state is a dead end."""
    helped = defined("a", state("a"), state("help"), global_handlers=(Transition(target="help"),))
    assert (helped.faults, helped.warnings) == ((), ())


def test_a_long_chain_of_states_is_followed_to_its_end() -> None:
    """Without recursion."""
    chain = [state(f"s{n}", f"s{n + 1}") for n in range(MAX_STATES - 1)]
    long = defined("s0", *chain, state(f"s{MAX_STATES - 1}", final=True))
    assert (long.faults, long.warnings) == ((), ())


@given(DEFINITIONS)
def test_faults_are_exactly_what_an_independent_check_finds(made: FlowDefinition) -> None:
    """Unknown names, final states with ways out, and nothing to begin with."""
    ways = [way for each in made.states.values() for way in each.transitions]
    unknown = sum(way.target not in made.states for way in (*ways, *made.global_handlers))
    finals = sum(each.is_final and bool(each.transitions) for each in made.states.values())
    missing = (made.initial_state not in made.states) + (not made.states)
    assert len(made.faults) == unknown + finals + missing


@given(DEFINITIONS)
def test_a_state_can_be_added_or_replaced(made: FlowDefinition) -> None:
    """The rest stays as it was, and so does the definition that it came from."""
    before = dict(made.states)
    added = made.with_state(state("added"))
    assert added.states == {**before, "added": state("added")}
    assert made.states == before
    assert evolve(added, states=before) == made


@given(JSON_DOCUMENTS, JSON_DOCUMENTS)
def test_another_products_definition_is_kept_whole_and_can_be_published(
    document: dict[str, Any], metadata: dict[str, Any]
) -> None:
    """Exactly as it was given."""
    made = FlowDefinition.external(document, metadata)
    assert (made.external_document, made.metadata) == (document, metadata)
    assert (made.faults, made.warnings) == ((), ())


@pytest.mark.parametrize(
    "own",
    [
        FlowDefinition(),
        valid_definition(),
        defined("external", state("external", final=True)),
        defined("external", State(name="external", type=StateType.INTEGRATION)),
        evolve(FlowDefinition.external({"a": 1}), variables=JsonObject.of({"b": 2})),
        FlowDefinition.external({"a": 1}).with_state(state("more")),
        evolve(FlowDefinition.external({"a": 1}), initial_state=None),
    ],
    ids=["empty", "usual", "response", "not-final", "variables", "two-states", "no-initial"],
)
def test_a_definition_of_our_own_is_never_taken_for_another_products(own: FlowDefinition) -> None:
    """Its document would not say all of it."""
    assert own.external_document is None


def test_an_external_document_obeys_the_limits_of_json() -> None:
    """The fault is named within the document."""
    with pytest.raises(ValidationError, match=r"JSON object: a\[0\]: is not a finite number"):
        FlowDefinition.external({"a": [float("nan")]})
