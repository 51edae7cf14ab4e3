"""One lock, wanted by several processes at once; one of them is killed while it holds it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import pytest

from adapters.redis.keys import key
from domain.identity import tenant_id
from tests.redis.lock_worker import ROUNDS, TASKS
from tests.valkey import Node

PROCESSES = 4


@contextmanager
def worker(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """One process, ready to go."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.redis.lock_worker", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: "subprocess.Popen[str]") -> None:
    """Let it go."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def said(process: "subprocess.Popen[str]") -> str:
    """The next line that it says."""
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("killed", [False, True], ids=["all live", "one is killed"])
def test_processes_hold_a_lock_one_after_the_other(shared: Node, killed: bool) -> None:
    """No increment of forty-eight tasks is lost; and a holder that is killed holds them up only
    until its lease ends.
    """
    tenant = tenant_id(f"t-{uuid4()}")
    with ExitStack() as started:
        processes = [started.enter_context(worker(shared.url, tenant)) for _ in range(PROCESSES)]
        victim = started.enter_context(worker(shared.url, tenant, "die"))
        for process in (*processes, victim):
            assert said(process) == "ready\n"
        if killed:
            tell(victim)
            assert said(victim) == "holding\n"
        for process in processes:
            tell(process)
        victim.kill()
        answers = [json.loads(process.communicate()[0]) for process in processes]
    count = PROCESSES * TASKS * ROUNDS
    tokens = [token for answer in answers for token in answer]
    assert all(answer == sorted(answer) for answer in answers)
    assert len(set(tokens)) == len(tokens) == count
    with shared.client() as client:
        assert client.get(key(tenant, "number", "test")) == str(count).encode()
        client.delete(key(tenant, "number", "test"))
