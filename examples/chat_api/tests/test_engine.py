"""How flows go on. Nothing but values: these tests need no store and no loop."""

import pytest

from domain.definitions import FlowDefinition, State, StateType, Transition, TransitionCondition
from domain.documents import JsonObject
from examples.chat_api.engine import MAX_SLOT, MOST_STEPS, advance, begin, recognised
from examples.chat_api.sample import ORDERING


def test_a_flow_begins_with_what_its_first_state_says() -> None:
    step = begin(ORDERING)
    assert (step.state, step.ended) == ("greet", False)
    assert step.replies[0].choices == ("Order", "A human, please")


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("I'd like a PIZZA", "size"),
        ("may I speak to a human?", "handoff"),
        ("pizzas", "greet"),
        ("", "greet"),
    ],
)
def test_an_intent_leads_where_it_belongs_and_anything_else_is_asked_again(
    text: str, state: str
) -> None:
    assert advance(ORDERING, "greet", {}, text).state == state


def test_what_is_passed_through_is_said_too() -> None:
    said = [reply.text for reply in advance(ORDERING, "greet", {}, "hm").replies]
    assert said == ["I didn't get that.", "Hello! Would you like to order?"]


def test_slots_are_filled_and_said() -> None:
    sized = advance(ORDERING, "size", {}, " large ")
    done = advance(ORDERING, sized.state, sized.slots, "Main St")
    assert done.ended
    assert done.replies[0].text == "A large pizza is on its way to Main St."


def test_what_a_user_writes_is_never_a_place_for_something_else() -> None:
    done = advance(ORDERING, "address", {"size": "{address}"}, "{size} {0.__class__}")
    assert done.replies[0].text == "A {address} pizza is on its way to {size} {0.__class__}."


def test_a_slot_keeps_a_bounded_part_of_what_was_written() -> None:
    assert len(advance(ORDERING, "size", {}, "x" * 16_384).slots["size"]) == MAX_SLOT


def _circle(condition: TransitionCondition) -> FlowDefinition:
    ways = (Transition(target="b", condition=condition, condition_value="x"),)
    back = (Transition(target="a", condition=condition, condition_value="x"),)
    said = JsonObject.of({"text": "."})
    return FlowDefinition(
        initial_state="a",
        states={
            "a": State(name="a", type=StateType.CONDITION, transitions=ways, config=said),
            "b": State(name="b", type=StateType.CONDITION, transitions=back, config=said),
        },
    )


def test_a_circle_of_conditions_ends() -> None:
    step = advance(_circle(TransitionCondition.SLOT_FILLED), "a", {"x": "1"}, "go")
    assert len(step.replies) == MOST_STEPS


def test_a_condition_that_nothing_meets_waits() -> None:
    assert begin(_circle(TransitionCondition.ALL_SLOTS_FILLED)).state == "a"


def test_a_state_that_is_there_no_more_begins_the_flow_again() -> None:
    assert advance(ORDERING, "gone", {}, "order") == begin(ORDERING)


def test_a_choice_is_taken_as_it_is_written() -> None:
    chosen = Transition(
        target="b", condition=TransitionCondition.USER_CHOICE, condition_value="Yes, please"
    )
    flow = FlowDefinition(
        initial_state="a",
        states={
            "a": State(name="a", type=StateType.RESPONSE, transitions=(chosen,)),
            "b": State(name="b", type=StateType.END, is_final=True),
        },
    )
    assert advance(flow, "a", {}, " yes, PLEASE ").ended
    assert advance(flow, "a", {}, "no").state == "a"


def test_a_flow_without_intents_recognises_none() -> None:
    assert recognised(FlowDefinition(), "order") is None
