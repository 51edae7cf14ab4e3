"""Processes of the service over the same stores: nothing is lost, and nothing is done twice."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from signal import SIGKILL

import httpx
import pytest

import bootstrap
from bootstrap import Settings
from domain.metric_queries import MetricQuery
from tests.examples.chat_api.serving import PATIENCE, Process, serving

Pair = tuple[Process, Process]


def test_a_conversation_goes_on_in_whatever_process(pair: Pair, tenant: str) -> None:
    """With the session that was begun in the other one, until it ends in either."""
    here, there = pair
    client = here.client(tenant, "ada")
    id = client.begin()
    answers = [
        (client if number % 2 else client.at(there)).say(id, text, f"k{number}")
        for number, text in enumerate(["order", "large", "Main St 1"])
    ]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert answers[-1].json()["replies"][0]["text"] == "A large pizza is on its way to Main St 1."
    assert client.said(id) == client.at(there).said(id)
    stream = client.at(there).call("GET", f"/conversations/{id}/messages/stream")
    assert len(stream.text.splitlines()) == 7
    assert client.call("DELETE", "/sessions").status_code == 204
    assert client.at(there).call("GET", "/conversations").status_code == 401


def test_a_message_that_is_sent_many_times_at_once_is_said_once(pair: Pair, tenant: str) -> None:
    """By clients of both processes, which are all answered alike."""
    client = pair[0].client(tenant, "ada")
    id = client.begin()
    with ThreadPoolExecutor(8) as threads:
        sent = [
            threads.submit(client.at(pair[number % 2]).say, id, "order", "same")
            for number in range(8)
        ]
        answers = {(one.result().status_code, one.result().content) for one in sent}
    assert len(answers) == 1
    assert next(iter(answers))[0] == 201
    assert [one["sequence"] for one in client.said(id)] == [1, 2, 3]


def test_messages_at_once_to_both_processes_are_answered_one_after_the_other(
    pair: Pair, tenant: str
) -> None:
    """Each in the state that the one before it left, without a gap in their numbers."""
    client = pair[0].client(tenant, "ada")
    id = client.begin()
    with ThreadPoolExecutor(8) as threads:
        sent = [
            threads.submit(client.at(pair[number % 2]).say, id, "what?", f"k{number}")
            for number in range(8)
        ]
        assert {one.result().status_code for one in sent} == {201}
    said = client.said(id)
    assert [one["sequence"] for one in said] == list(range(1, 1 + 1 + 8 * 3))
    assert [one["direction"] for one in said[1:]] == ["inbound", "outbound", "outbound"] * 8


def test_a_limit_is_one_for_both_processes_to_the_last_permit(pair: Pair, tenant: str) -> None:
    """However many ask at once."""
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(pair[number % 2].client(tenant).call, "GET", "/ten")
            for number in range(32)
        ]
        answers = [one.result() for one in asked]
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (10, 22)
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["ratelimit"].startswith('"ten";r=0;t=')
    assert int(refused.headers["retry-after"]) > 0


def test_a_process_killed_amid_a_message_leaves_it_said_once_when_it_comes_again(
    pair: Pair, tenant: str, on_servers: Settings
) -> None:
    """Whether its messages were appended or not; it is answered, counted and gone on from."""
    client = pair[0].client(tenant, "ada")
    moments = {"before": 1, "after": 3}
    with ExitStack() as stack:
        dying = {moment: stack.enter_context(serving(on_servers, moment)) for moment in moments}
        for moment, left in moments.items():
            id = client.begin()
            with pytest.raises(httpx.RemoteProtocolError):
                client.at(dying[moment]).say(id, "order", "k1")
            assert dying[moment].process.wait() == -SIGKILL
            assert len(client.said(id)) == left
            again = [client.at(one).say(id, "order", "k1") for one in pair]
            assert [answer.status_code for answer in again] == [201, 201]
            assert again[0].content == again[1].content
            answer = client.say(id, "large", "k2").json()
            assert answer["replies"][0]["text"] == "Where shall we bring it?"
            assert [one["sequence"] for one in client.said(id)] == [1, 2, 3, 4, 5]
    assert asyncio.run(_turns(on_servers, tenant)) == 4


async def _turns(settings: Settings, tenant: str) -> float | None:
    now, hour = datetime.now(UTC), timedelta(hours=1)
    asked = MetricQuery.over(now - hour, now + hour, where={"type": "turn"})
    async with bootstrap.open(settings) as platform:
        found = await platform.for_tenant(tenant).analytics.query(asked)
    return found.series[0].points[0].value


HOSTILE: tuple[tuple[str, dict[bytes, bytes]], ...] = (
    ("/conversations", {b"X-Tenant-Id": "tenänt".encode()}),
    ("/conversations", {b"X-Tenant-Id": b"acme\xff\xfe"}),
    ("/conversations", {b"X-Tenant-Id": b"a" * 30_000}),
    ("/conversations", {b"Cookie": b"__Host-session=\xf0\x9f\x8d\x95; ; =;;"}),
    ("/conversations", {b"Cookie": b"__Host-session=" + b"a" * 20_000}),
    ("/conversations?cursor=%00%ff&limit=1e9", {}),
    ("/conversations/%00/messages", {}),
    ("/conversations/%2e%2e%2f%ff/messages?after=-1", {}),
    ("/conversations/" + "a" * 5_000 + "/messages", {}),
    ("/conversations", {b"Accept": b"\xff"}),
)


def test_hostile_headers_and_paths_are_refused_as_what_they_are(pair: Pair, tenant: str) -> None:
    """As the client's fault, never the server's."""
    usual = {b"X-Tenant-Id": tenant.encode()}
    for path, headers in HOSTILE:
        answer = httpx.get(pair[0].url + path, headers=usual | headers, timeout=PATIENCE)
        assert 400 <= answer.status_code < 500, (path, headers)


def test_a_hostile_idempotency_key_is_a_key_or_refused(pair: Pair, tenant: str) -> None:
    """What can be one is told from every other."""
    client = pair[0].client(tenant, "ada")
    id = client.begin()
    keys = [b"\xff\xfe", '"é"'.encode("latin-1"), b"{$gt: ''}", b"a" * 255, b"a" * 300, b'""']
    statuses = []
    for key in keys:
        headers = {
            b"X-Tenant-Id": tenant.encode(),
            b"Cookie": client.cookie.encode(),
            b"Idempotency-Key": key,
        }
        url = f"{client.url}/conversations/{id}/messages"
        answer = httpx.post(url, json={"text": "what?"}, headers=headers, timeout=PATIENCE)
        statuses.append(answer.status_code)
    assert statuses == [201, 201, 201, 201, 422, 201]
