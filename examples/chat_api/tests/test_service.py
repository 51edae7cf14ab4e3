"""What the service promises. Nothing here knows on which stores it runs."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from bootstrap.fastapi import limit_key
from domain.definitions import FlowDefinition
from domain.experiments import Experiment, Variant
from domain.messages import Message
from domain.metric_queries import MetricQuery
from examples.chat_api.asking import WRITES
from examples.chat_api.sample import ORDERING
from ports.stores import TenantScope


async def _begun(client: httpx.AsyncClient) -> str:
    answer = await client.post("/conversations", json={})
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


async def _say(client: httpx.AsyncClient, id: str, text: str, key: str) -> httpx.Response:
    return await client.post(
        f"/conversations/{id}/messages", json={"text": text}, headers={"Idempotency-Key": key}
    )


async def _said(client: httpx.AsyncClient, id: str) -> list[Any]:
    answer = await client.get(f"/conversations/{id}/messages", params={"limit": 100})
    items: list[Any] = answer.json()["items"]
    return items


async def test_a_conversation_follows_the_tenant_s_flow_to_its_end(
    client: httpx.AsyncClient, scope: TenantScope
) -> None:
    id = await _begun(client)
    answers = [
        await _say(client, id, text, key)
        for key, text in enumerate_text("I'm hungry", "large", "Main St 1")
    ]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert answers[-1].json()["replies"][0]["text"] == "A large pizza is on its way to Main St 1."
    over = await _say(client, id, "hello?", "late")
    assert (over.status_code, over.json()["type"]) == (409, "urn:dialogbase:problem:closed")
    assert [one["sequence"] for one in await _said(client, id)] == list(range(1, 8))
    assert (await scope.conversations.require(id)).status == "completed"


def enumerate_text(*texts: str) -> list[tuple[str, str]]:
    """Each with a key of its own."""
    return [(f"key-{number}", text) for number, text in enumerate(texts)]


async def test_a_request_that_comes_again_is_answered_alike_and_does_nothing(
    client: httpx.AsyncClient,
) -> None:
    """Also when the flow went on meanwhile, and when the conversation is over."""
    id = await _begun(client)
    texts = enumerate_text("order", "small", "here")
    first = [await _say(client, id, text, key) for key, text in texts]
    again = [await _say(client, id, text, key) for key, text in texts]
    assert [one.content for one in again] == [one.content for one in first]
    assert [one.status_code for one in again] == [201] * 3
    assert len(await _said(client, id)) == 7


async def test_a_key_that_comes_with_another_text_is_refused(client: httpx.AsyncClient) -> None:
    id = await _begun(client)
    await _say(client, id, "order", "k")
    for _ in range(2):
        refused = await _say(client, id, "human", "k")
        assert refused.status_code == 422
        assert refused.json()["type"] == "urn:dialogbase:problem:idempotency-key-reused"
        await _say(client, id, "small", "another")
    assert len(await _said(client, id)) == 5


async def test_one_message_sent_many_times_at_once_is_said_once(client: httpx.AsyncClient) -> None:
    id = await _begun(client)
    answers = await asyncio.gather(*(_say(client, id, "order", "same") for _ in range(8)))
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert len(await _said(client, id)) == 3


async def test_messages_sent_at_once_are_answered_one_after_the_other(
    client: httpx.AsyncClient,
) -> None:
    """Each in the state that the one before it left: of three orders one asks for the size."""
    id = await _begun(client)
    answers = await asyncio.gather(*(_say(client, id, "order", f"k{n}") for n in range(3)))
    assert [answer.status_code for answer in answers] == [201] * 3
    said = [reply["text"] for answer in answers for reply in answer.json()["replies"]]
    assert sorted(said) == sorted(
        ["Which size?", "Where shall we bring it?", "A order pizza is on its way to order."]
    )
    assert [one["sequence"] for one in await _said(client, id)] == list(range(1, 8))


async def test_a_conversation_that_is_begun_again_with_its_key_is_the_same(
    client: httpx.AsyncClient, scope: TenantScope
) -> None:
    """And its answer is what it was, whatever was said since."""
    key = {"Idempotency-Key": "begin"}
    both = await asyncio.gather(
        *(client.post("/conversations", json={}, headers=key) for _ in range(2))
    )
    await _say(client, both[0].json()["id"], "order", "k")
    later = await client.post("/conversations", json={}, headers=key)
    assert {(one.status_code, one.content) for one in (*both, later)} == {(201, later.content)}
    other = await client.post("/conversations", json={"channel": "sms"}, headers=key)
    assert other.status_code == 422
    assert await scope.conversations.count() == 1


async def test_a_state_that_was_lost_is_made_again_of_the_messages(
    client: httpx.AsyncClient, scope: TenantScope
) -> None:
    """It expires, and whoever was to write it may have been killed."""
    id = await _begun(client)
    await _say(client, id, "order", "k1")
    behind = await scope.executions.require(id)
    await scope.executions.delete(id)
    asked = await _say(client, id, "large", "k2")
    assert asked.json()["replies"][0]["text"] == "Where shall we bring it?"
    assert (await scope.executions.require(id)).slots == {"size": "large"}
    await scope.executions.patch(
        id, current_state=behind.current_state, slots=behind.slots, variables=behind.variables
    )
    done = await _say(client, id, "Main St", "k3")
    assert done.json()["replies"][0]["text"] == "A large pizza is on its way to Main St."


async def test_what_others_write_into_a_conversation_is_left_alone(
    client: httpx.AsyncClient, scope: TenantScope
) -> None:
    """An agent says something; the flow goes on after it."""
    id = await _begun(client)
    await scope.messages.append(id, [Message.draft("One moment", direction="outbound")])
    answer = await _say(client, id, "order", "k")
    assert answer.json()["replies"][0]["text"] == "Which size?"
    assert len(await _said(client, id)) == 4


async def test_history_is_read_page_by_page_in_both_directions(client: httpx.AsyncClient) -> None:
    id = await _begun(client)
    for number in range(5):
        await _say(client, id, "what?", f"k{number}")
    whole = [one["sequence"] for one in await _said(client, id)]
    path = f"/conversations/{id}/messages"
    for way, start, name in (("after", 0, "next"), ("before", whole[-1] + 1, "previous")):
        read: list[list[int]] = []
        place: int | None = start
        while place is not None:
            page = (await client.get(path, params={way: place, "limit": 3})).json()
            read.append([one["sequence"] for one in page["items"]])
            place = page[name]
        pages = read if way == "after" else read[::-1]
        assert [number for page in pages for number in page] == whole
    lines = (await client.get(f"{path}/stream", params={"after": 4})).text.splitlines()
    assert len(lines) == len(whole) - 4


async def test_conversations_are_listed_by_pages_and_only_to_their_user(
    client: httpx.AsyncClient,
) -> None:
    mine = {await _begun(client) for _ in range(3)}
    listed, cursor = [], None
    while True:
        params = {"limit": "2"} | ({} if cursor is None else {"cursor": cursor})
        page = (await client.get("/conversations", params=params)).json()
        listed += [one["id"] for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert (set(listed), len(listed)) == (mine, 3)
    altered = await client.get("/conversations", params={"cursor": "altered"})
    assert altered.status_code == 422
    await client.post("/sessions", json={"user_id": "bob"})
    assert (await client.get("/conversations")).json()["items"] == []
    foreign = listed[0]
    answers = [
        await client.get(f"/conversations/{foreign}/messages"),
        await client.get(f"/conversations/{foreign}/messages/stream"),
        await _say(client, foreign, "order", "k"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 3


async def test_users_of_a_running_experiment_get_its_versions_and_keep_them(
    client: httpx.AsyncClient, scope: TenantScope
) -> None:
    """And conversations go on in the version in which they began."""
    flow = await scope.flows.get_default()
    assert flow is not None
    greeting = ORDERING.states["greet"]
    changed = greeting.config | {"text": "Hi!"}
    other = FlowDefinition(
        initial_state="greet",
        states={**ORDERING.states, "greet": _with_config(greeting, changed)},
        metadata=ORDERING.metadata,
    )
    before = await _begun(client)
    made = await scope.flows.create_version(flow.id, definition=other)
    experiment = await scope.experiments.create(
        Experiment.draft(
            name="Greeting",
            flow_id=flow.id,
            variants=[
                Variant(name="long", weight=10_000, flow_version="1.0", is_control=True),
                Variant(name="short", weight=0, flow_version=made.version),
            ],
        )
    )
    await scope.experiments.start(experiment.id)
    begun = (await client.post("/conversations", json={})).json()
    assert (begun["variant"], begun["flow_version"]) == ("long", "1.0")
    await scope.experiments.cancel(experiment.id)
    free = (await client.post("/conversations", json={})).json()
    assert (free["variant"], free["messages"][0]["text"]) == (None, "Hi!")
    told = (await _say(client, before, "hm", "k")).json()
    assert told["replies"][-1]["text"] == "Hello! Would you like to order?"


def _with_config(state: Any, config: Any) -> Any:
    return type(state)(**{**vars(state), "config": config})


async def test_a_tenant_without_a_flow_is_told_so(
    client: httpx.AsyncClient, scope: TenantScope
) -> None:
    flow = await scope.flows.get_default()
    assert flow is not None
    await scope.flows.unset_default()
    await scope.flows.archive(flow.id)
    answer = await client.post("/conversations", json={})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:dialogbase:problem:no-flow")


async def test_what_happens_is_counted_once_however_often_it_is_sent(
    client: httpx.AsyncClient, scope: TenantScope
) -> None:
    id = await _begun(client)
    for key, text in [*enumerate_text("order", "small", "here")] * 2:
        await _say(client, id, text, key)
    now = datetime.now(UTC)
    found = await scope.analytics.query(
        MetricQuery(
            start=now - timedelta(hours=1), end=now + timedelta(hours=1), group_by=("type",)
        )
    )
    counted = {series.group["type"]: series.points[0].value for series in found.series}
    assert counted == {"conversation_started": 1, "turn": 3, "dialogbase.execution": 1}


async def test_who_writes_too_often_is_told_when_to_go_on(
    client: httpx.AsyncClient, scope: TenantScope
) -> None:
    id = await _begun(client)
    await scope.rate_limits.increment(limit_key("write", "ada"), WRITES, by=1_000)
    refused = await _say(client, id, "order", "k")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 60
    assert refused.headers["ratelimit-policy"] == '"write";q=20;w=4'
    assert len(await _said(client, id)) == 1


async def test_without_a_session_nothing_is_answered(client: httpx.AsyncClient) -> None:
    id = await _begun(client)
    assert (await client.delete("/sessions")).status_code == 204
    answers = [
        await client.get("/conversations"),
        await client.get(f"/conversations/{id}/messages"),
        await _say(client, id, "order", "k"),
        await client.delete("/sessions"),
    ]
    assert [answer.status_code for answer in answers] == [401] * 4


async def test_who_is_forgotten_has_no_session_and_can_begin_none(
    client: httpx.AsyncClient, scope: TenantScope
) -> None:
    """What there was goes from every store, meanwhile and afterwards."""
    await _begun(client)
    assert (await client.delete("/users/me")).status_code == 202
    assert (await client.get("/conversations")).status_code == 401
    again = await client.post("/sessions", json={"user_id": "ada"})
    assert (again.status_code, again.json()["type"]) == (410, "urn:dialogbase:problem:erased")
    for _ in range(1_000):
        if (left := await scope.conversations.count({"user_id": "ada"})) == 0:
            break
        await asyncio.sleep(0.01)
    assert left == 0
    other = await client.post("/sessions", json={"user_id": "bob"})
    assert other.status_code == 201
