"""How a flow goes on: from one state to the next, by what the user wrote. Pure.

A small engine, for flows that use this part of the definition:

- A state says its `config["text"]` when it is entered, in which `{name}` stands for a slot, and
  offers `config["replies"]`. Then it waits for input, unless it is final or a `condition`.
- A `slot_filling` state keeps the input in the slot that `config["slot"]` names.
- Transitions are tried by priority: `any_input`, `intent_match`, `user_choice`, `slot_filled`,
  `all_slots_filled`, and `fallback`, which is taken if no other is. `global_handlers` come last.
- `metadata["intents"]` has words by intent. Your service asks a model here instead.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from domain.definitions import FlowDefinition, State, StateType, Transition, TransitionCondition

MOST_STEPS: Final = 50
"""States passed through at one input: a circle of conditions ends here."""

MAX_SLOT: Final = 500
"""Characters of an input that a slot keeps."""

_Condition = TransitionCondition
_PLACE = re.compile(r"\{([A-Za-z0-9_-]{1,100})\}")
_WORD = re.compile(r"\w+")


@attrs.frozen(kw_only=True)
class Reply:
    """Something that the bot says."""

    text: str
    choices: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Step:
    """Where a flow is after an input."""

    state: str
    slots: Mapping[str, str]
    replies: tuple[Reply, ...]
    intent: str | None = None
    ended: bool = False


def begin(definition: FlowDefinition) -> Step:
    """How a flow begins, before anybody wrote anything."""
    initial = definition.initial_state
    if initial is None:
        raise ValueError("the flow has no initial state: only published flows are run")
    return _entered(definition, initial, {}, None)


def advance(definition: FlowDefinition, state: str, slots: Mapping[str, str], text: str) -> Step:
    """How it goes on from a state when the user writes a text.

    Where no transition fits, the state stays as it is, and says what it said before.
    """
    here = definition.states.get(state)
    if here is None:  # a state that is in this version of the flow no more
        return begin(definition)
    known = dict(slots)
    if here.type is StateType.SLOT_FILLING:
        known[str(here.config.get("slot", here.name))] = text.strip()[:MAX_SLOT]
    intent = recognised(definition, text)
    way = _way(_ways(definition, here), known, text, intent)
    return _entered(definition, here.name if way is None else way.target, known, intent)


def recognised(definition: FlowDefinition, text: str) -> str | None:
    """The first intent of which a word is in the text."""
    intents = definition.metadata.get("intents")
    if not isinstance(intents, Mapping):
        return None
    written = set(_WORD.findall(text.casefold()))
    for intent, words in intents.items():
        if isinstance(words, list) and written & {str(word).casefold() for word in words}:
            return intent
    return None


def _entered(
    definition: FlowDefinition, name: str, slots: Mapping[str, str], intent: str | None
) -> Step:
    """Enters a state, and those after it that wait for no input."""
    replies: list[Reply] = []
    for _ in range(MOST_STEPS):
        state = definition.states[name]
        replies += _said(state, slots)
        if state.is_final or state.type is not StateType.CONDITION:
            break
        way = _way(_ways(definition, state), slots, None, None)
        if way is None:
            break
        name = way.target
    return Step(
        state=name,
        slots=slots,
        replies=tuple(replies),
        intent=intent,
        ended=definition.states[name].is_final,
    )


def _said(state: State, slots: Mapping[str, str]) -> Iterable[Reply]:
    text = state.config.get("text")
    if isinstance(text, str):
        offered = state.config.get("replies")
        choices = [str(one)[:256] for one in offered if one] if isinstance(offered, list) else []
        said = _PLACE.sub(lambda found: slots.get(found[1], ""), text)
        yield Reply(text=said[:16_000], choices=tuple(choices[:10]))


def _ways(definition: FlowDefinition, state: State) -> Sequence[Transition]:
    own = sorted(state.transitions, key=lambda way: way.priority)
    return [*own, *sorted(definition.global_handlers, key=lambda way: way.priority)]


def _way(
    ways: Sequence[Transition], slots: Mapping[str, str], text: str | None, intent: str | None
) -> Transition | None:
    for way in ways:
        if _fits(way, slots, text, intent):
            return way
    return next((way for way in ways if way.condition is _Condition.FALLBACK), None)


def _fits(way: Transition, slots: Mapping[str, str], text: str | None, intent: str | None) -> bool:
    value = way.condition_value or ""
    if way.condition is _Condition.SLOT_FILLED:
        return bool(slots.get(value))
    if way.condition is _Condition.ALL_SLOTS_FILLED:
        return all(slots.get(name) for name in value.replace(",", " ").split())
    if text is None:
        return False
    if way.condition is _Condition.INTENT_MATCH:
        return intent is not None and intent == value
    if way.condition is _Condition.USER_CHOICE:
        return text.strip().casefold() == value.casefold()
    return way.condition is _Condition.ANY_INPUT
