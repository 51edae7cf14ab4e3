"""A flow to begin with: someone orders a pizza.

    python -m examples.chat_api.sample <tenant>

publishes it, by the settings of the environment.
"""

import asyncio
import sys

import bootstrap
from domain.definitions import FlowDefinition, State, StateType, Transition, TransitionCondition
from domain.documents import JsonObject
from domain.flows import Flow
from ports.stores import TenantScope


def _saying(text: str, *replies: str, **more: str) -> JsonObject:
    return JsonObject.of({"text": text, "replies": list(replies), **more})


def _on_intent(intent: str, target: str) -> Transition:
    matched = TransitionCondition.INTENT_MATCH
    return Transition(target=target, condition=matched, condition_value=intent)


def _otherwise(target: str) -> Transition:
    return Transition(target=target, condition=TransitionCondition.FALLBACK)


_STATES = (
    State(
        name="greet",
        type=StateType.INTENT,
        config=_saying("Hello! Would you like to order?", "Order", "A human, please"),
        transitions=(
            _on_intent("order", "size"),
            _on_intent("human", "handoff"),
            _otherwise("unsure"),
        ),
    ),
    State(
        name="unsure",
        type=StateType.CONDITION,
        config=_saying("I didn't get that."),
        transitions=(_otherwise("greet"),),
    ),
    State(
        name="size",
        type=StateType.SLOT_FILLING,
        config=_saying("Which size?", "Small", "Large", slot="size"),
        transitions=(Transition(target="address"),),
    ),
    State(
        name="address",
        type=StateType.SLOT_FILLING,
        config=_saying("Where shall we bring it?", slot="address"),
        transitions=(Transition(target="done"),),
    ),
    State(
        name="done",
        type=StateType.END,
        is_final=True,
        config=_saying("A {size} pizza is on its way to {address}."),
    ),
    State(
        name="handoff",
        type=StateType.HUMAN_HANDOFF,
        is_final=True,
        config=_saying("Somebody will be with you."),
    ),
)

ORDERING = FlowDefinition(
    initial_state="greet",
    states={state.name: state for state in _STATES},
    metadata=JsonObject.of(
        {"intents": {"order": ["order", "pizza", "hungry"], "human": ["human", "agent", "person"]}}
    ),
)


async def publish(
    scope: TenantScope, definition: FlowDefinition = ORDERING, *, name: str = "Ordering"
) -> Flow:
    """Make it the tenant's default."""
    async with scope.authoring() as work:
        flow = await work.flows.create(Flow.draft(name=name, definition=definition))
        await work.flows.publish(flow.id, by="sample")
        return await work.flows.set_default(flow.id, by="sample")


async def _publish(tenant: str) -> None:
    async with bootstrap.open() as platform:
        flow = await publish(platform.for_tenant(tenant))
    print(f"{flow.name} {flow.version} is the default of {tenant}")


if __name__ == "__main__":
    asyncio.run(_publish(sys.argv[1]))
