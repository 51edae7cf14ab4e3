"""One conversation, written by several processes at once."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from domain.conversations import Conversation
from domain.identity import TenantId
from ports.contracts.harness import Backend
from tests.contracts.mongo_backends import MongoBackend, PymongoBackend
from tests.mongo.appender import ROUNDS, SHARED_KEY, TASKS

PROCESSES = 4


@pytest.fixture(params=[MongoBackend, PymongoBackend], ids=lambda kind: kind.name)
def opened(request: pytest.FixtureRequest) -> Iterator[MongoBackend]:
    """Each driver."""
    kind: type[MongoBackend] = request.param
    with kind() as backend:
        yield backend


def told_by_processes(opened: MongoBackend, tenant: TenantId, talk: str) -> list[dict[str, Any]]:
    """What several processes were told that append together."""
    with ExitStack() as started:
        appenders = [
            started.enter_context(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "tests.mongo.appender",
                        opened.url,
                        opened.driver,
                        tenant,
                        talk,
                        f"process {number}",
                    ],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(PROCESSES)
        ]
        for appender in appenders:
            assert appender.stdout is not None
            assert appender.stdout.readline() == "ready\n"
        answers = []
        for appender in appenders:
            assert appender.stdin is not None
            appender.stdin.write("go\n")
            appender.stdin.flush()
        for appender in appenders:
            answer, _ = appender.communicate()
            assert appender.returncode == 0
            answers.append(json.loads(answer))
    return answers


def test_processes_append_without_a_gap(opened: MongoBackend) -> None:
    """Every append of forty tasks in four processes succeeds, in places of its own; a batch under
    one key is there once, and all are told the same of it.
    """
    backend: Backend = opened
    scope = backend.fresh()
    talk = backend.run(scope.conversations.create(Conversation.draft(user_id="ada")))
    answers = told_by_processes(opened, scope.tenant, talk.id)
    (shared,) = {tuple(answer["shared"]) for answer in answers}
    own = [tuple(numbers) for answer in answers for numbers in answer["own"]]
    assert len(own) == PROCESSES * TASKS * ROUNDS
    given = sorted([*own, shared])
    count = 2 * len(given)
    assert given == [(number, number + 1) for number in range(1, count, 2)]

    async def stored() -> list[Any]:
        return [message async for message in scope.messages.stream_history(talk.id)]

    messages = backend.run(stored())
    assert [message.sequence for message in messages] == list(range(1, count + 1))
    assert [m.text for m in messages if m.idempotency_key == SHARED_KEY] == ["once", "for all"]
    head = backend.run(scope.conversations.require(talk.id))
    assert (head.last_sequence, head.message_count) == (count, count)
