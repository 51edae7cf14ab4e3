"""What is stored while measuring: flows as a service has them."""

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from attrs import fields_dict

from adapters.mapping import definition_from_document
from domain.definitions import FlowDefinition
from domain.flows import Flow
from domain.identity import Draft
from domain.rules import restored

SHARED_DATA = "DIALOGBASE_SHARED_DATA"
_TOPICS = ("an order", "a refund", "an invoice", "a delivery", "an account", "a booking")
_CATEGORIES = ("support", "sales", "onboarding")


def definition_document(seed: int = 0) -> dict[str, Any]:
    """A definition of our own form: ten states, as an author would write them. About 4 kB."""
    topic = _TOPICS[seed % len(_TOPICS)]
    return {
        "initial_state": "welcome",
        "states": {state["name"]: state for state in _states(topic, seed)},
        "global_handlers": [
            _way("hand_over", "intent_match", condition_value="talk_to_human", priority=10),
            _way("failed", "integration_error", priority=900),
        ],
        "variables": {"topic": topic, "attempts": 0, "limit": 3, "thresholds": [0.35, 0.7]},
        "metadata": {"editor": {"zoom": 0.8, "x": 12 + seed % 7, "y": 340}, "source": "console"},
    }


def _way(target: str, condition: str, **more: Any) -> dict[str, Any]:
    return {"target": target, "condition": condition, **more}


def _says(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "send_message", "config": {"text": text, "locale": "en", **more}}


def _states(topic: str, seed: int) -> list[dict[str, Any]]:
    return [
        {
            "name": "welcome",
            "type": "response",
            "description": f"Greets, and says what the assistant can do about {topic}.",
            "config": {"typing_delay_ms": 400},
            "transitions": [_way("understand", "any_input")],
            "entry_actions": [
                _says(f"Hello! I can help you with {topic}.", quick_replies=["Status", "Change"])
            ],
            "tags": ["entry"],
        },
        {
            "name": "understand",
            "type": "intent",
            "description": "Sorts what the user wants by intent.",
            "config": {"model": "intents-v4", "min_confidence": 0.55, "candidates": 3},
            "transitions": [
                _way("identify", "intent_match", condition_value="check_status", priority=20),
                _way("identify", "intent_match", condition_value="change", priority=30),
                _way("clarify", "low_confidence", priority=200),
                _way("hand_over", "fallback", priority=1000),
            ],
            "timeout_seconds": 300,
        },
        {
            "name": "clarify",
            "type": "response",
            "transitions": [
                _way("hand_over", "expression", expression="attempts >= limit", priority=5),
                _way("understand", "any_input"),
            ],
            "entry_actions": [
                {
                    "type": "set_variable",
                    "config": {"name": "attempts", "expression": "attempts + 1"},
                },
                _says("I'm not sure that I understood. Could you put it differently?"),
            ],
        },
        {
            "name": "identify",
            "type": "slot_filling",
            "description": "Asks for what is needed to find the record.",
            "config": {
                "slots": [
                    {"name": "number", "pattern": "[A-Z]{2}-[0-9]{6}", "prompt": "Which number?"},
                    {"name": "postcode", "pattern": "[0-9]{5}", "prompt": "And the postcode?"},
                ]
            },
            "transitions": [
                _way("look_up", "all_slots_filled"),
                _way("hand_over", "timeout", priority=500),
            ],
            "exit_actions": [
                {
                    "type": "send_analytics",
                    "config": {"event": "slots_filled", "dimensions": {"flow": f"flow-{seed}"}},
                }
            ],
            "timeout_seconds": 600,
        },
        {
            "name": "look_up",
            "type": "integration",
            "config": {"integration": "backoffice", "operation": "find", "retries": 2},
            "transitions": [
                _way(
                    "decide",
                    "integration_success",
                    actions=[
                        {"type": "set_slot", "config": {"slot": "record", "from": "result.body"}}
                    ],
                ),
                _way("failed", "integration_error", condition_value="5xx", priority=300),
            ],
            "entry_actions": [
                {
                    "type": "call_integration",
                    "config": {"name": "backoffice", "path": "/records/{number}", "verify": True},
                    "timeout_ms": 8000,
                    "priority": 10,
                }
            ],
        },
        {
            "name": "decide",
            "type": "condition",
            "transitions": [
                _way("tell", "expression", expression="record.open and not record.disputed"),
                _way("hand_over", "expression", expression="record.disputed", priority=50),
            ],
        },
        {
            "name": "tell",
            "type": "response",
            "description": "Tells the record's state and what comes next.",
            "transitions": [
                _way("done", "user_choice", condition_value="thanks"),
                _way("understand", "any_input", priority=400),
            ],
            "entry_actions": [
                _says("Record {number} is {record.state}, expected on {record.due}.", card=True)
            ],
            "timeout_seconds": 900,
        },
        {
            "name": "hand_over",
            "type": "human_handoff",
            "config": {"queue": "tier-1", "skills": ["en", "billing"], "wait_message_s": 45},
            "entry_actions": [_says("I'm connecting you with a colleague.")],
            "is_final": True,
        },
        {
            "name": "failed",
            "type": "error",
            "entry_actions": [
                {"type": "log_event", "config": {"level": "error", "message": "lookup failed"}},
                _says("Something went wrong on our side. Please try again in a few minutes."),
            ],
            "is_final": True,
        },
        {"name": "done", "type": "end", "is_final": True, "tags": ["success"]},
    ]


@cache
def definitions() -> tuple[FlowDefinition, ...]:
    """A few definitions, so that no single one is what is measured."""
    return tuple(definition_from_document(definition_document(seed)) for seed in range(12))


@cache
def real_documents() -> tuple[dict[str, Any], ...]:
    """The definitions of the real flows, smallest first; empty where the file isn't there."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    file = Path(os.environ.get(SHARED_DATA) or beside) / "flows.jsonl"
    if not file.is_file():
        return ()
    with file.open(encoding="utf-8") as lines:
        found = [(len(line), index, json.loads(line)) for index, line in enumerate(lines)]
    return tuple(record["definition"] for _, _, record in sorted(found, key=lambda one: one[:2]))


def real_definitions(count: int) -> tuple[FlowDefinition, ...]:
    """So many of the real flows' definitions, evenly over their sizes."""
    documents = real_documents()
    step = max(len(documents) // count, 1)
    return tuple(FlowDefinition.external(document) for document in documents[::step][:count])


def _copy(definition: FlowDefinition) -> FlowDefinition:
    names = fields_dict(FlowDefinition)
    return restored(FlowDefinition, {name: getattr(definition, name) for name in names})


def drafts(
    count: int, kind: str = "flow", made_of: tuple[FlowDefinition, ...] | None = None
) -> Iterator[Draft[Flow]]:
    """Flows to store; `kind` keeps the names of two series apart."""
    # Copies, so that nobody profits from having encoded one of them before.
    chosen = definitions() if made_of is None else made_of
    for number in range(count):
        yield Flow.draft(
            name=f"{kind} {number:07d}: {_TOPICS[number % len(_TOPICS)]}",
            definition=_copy(chosen[number % len(chosen)]),
            description=f"Answers what customers ask about {_TOPICS[number % len(_TOPICS)]}.",
            tags=("self-service", f"team-{number % 9}"),
            category=_CATEGORIES[number % len(_CATEGORIES)],
            created_by="ada@example.org",
        )
