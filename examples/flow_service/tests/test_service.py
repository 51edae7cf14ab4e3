"""What the service promises. Nothing here knows on which store it runs."""

import pytest

from domain.definitions import FlowDefinition, State, StateType, Transition
from domain.errors import ValidationError
from domain.flows import FlowStatus
from examples.flow_service import ConversationStart, FlowService, NoFlowError
from ports.stores import TenantScope

GREETING = FlowDefinition(
    initial_state="greet",
    states={
        "greet": State(
            name="greet", type=StateType.RESPONSE, transitions=(Transition(target="done"),)
        ),
        "done": State(name="done", type=StateType.END, is_final=True),
    },
)
LONGER = GREETING.with_state(State(name="bye", type=StateType.END, is_final=True))
BROKEN = FlowDefinition(initial_state="nowhere")


async def test_a_published_flow_is_active(service: FlowService) -> None:
    flow = await service.publish("Welcome", GREETING, by="ada")
    assert (flow.status, flow.version, flow.published_by) == (FlowStatus.ACTIVE, "1.0", "ada")


async def test_publishing_again_makes_the_next_version_and_keeps_the_first(
    service: FlowService, scope: TenantScope
) -> None:
    await service.publish("Welcome", GREETING, by="ada")
    flow = await service.publish("Welcome", LONGER, by="grace")
    assert (flow.version, flow.definition) == ("1.1", LONGER)
    kept = await scope.flows.get_versions(flow.id)
    assert [(one.version, one.definition) for one in kept] == [("1.0", GREETING), ("1.1", LONGER)]


async def test_a_broken_definition_changes_nothing(
    service: FlowService, scope: TenantScope
) -> None:
    before = await service.publish("Welcome", GREETING, by="ada", as_default=True)
    for name in ("Welcome", "Another"):
        with pytest.raises(ValidationError):
            await service.publish(name, BROKEN, by="bob")
    assert [flow async for flow in scope.flows.stream()] == [before]
    assert len(await scope.flows.get_versions(before.id)) == 0


async def test_a_conversation_gets_the_flow_whose_triggers_fit_best(service: FlowService) -> None:
    await service.publish("Welcome", GREETING, by="ada", as_default=True)
    orders = await service.publish("Orders", GREETING, by="ada", triggers={"intents": ["order"]})
    voice = await service.publish(
        "Orders by voice",
        GREETING,
        by="ada",
        triggers={"intents": ["order"], "channels": ["voice"]},
    )
    by_web = await service.choose(ConversationStart(channel="web", intent="order"))
    by_voice = await service.choose(ConversationStart(channel="voice", intent="order"))
    assert (by_web.id, by_voice.id) == (orders.id, voice.id)


async def test_a_conversation_that_fits_nothing_gets_the_default(
    service: FlowService,
) -> None:
    welcome = await service.publish("Welcome", GREETING, by="ada", as_default=True)
    await service.publish("Orders", GREETING, by="ada", triggers={"intents": ["order"]})
    chosen = await service.choose(ConversationStart(channel="web", intent="complaint"))
    assert chosen.id == welcome.id


async def test_without_a_default_it_is_told(service: FlowService) -> None:
    await service.publish("Orders", GREETING, by="ada", triggers={"intents": ["order"]})
    with pytest.raises(NoFlowError):
        await service.choose(ConversationStart(channel="web"))


async def test_archived_flows_are_not_chosen(service: FlowService, scope: TenantScope) -> None:
    flow = await service.publish("Orders", GREETING, by="ada", triggers={"intents": ["order"]})
    await scope.flows.archive(flow.id)
    with pytest.raises(NoFlowError):
        await service.choose(ConversationStart(channel="web", intent="order"))


async def test_each_choice_counts_as_a_use(service: FlowService, scope: TenantScope) -> None:
    flow = await service.publish("Welcome", GREETING, by="ada", as_default=True)
    for _ in range(3):
        await service.choose(ConversationStart(channel="web"))
    assert (await scope.flows.require(flow.id)).usage_count == 3
