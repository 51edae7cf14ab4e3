"""One limit, asked by several processes at once on a real server."""

import json
import subprocess
import sys
from contextlib import ExitStack
from uuid import uuid4

from tests.redis.rate_caller import LIMIT, RULES
from tests.valkey import real_server

PROCESSES = 4


def told_by_processes(url: str, tenant: str) -> list[dict[str, list[int]]]:
    """What several processes were told that ask together."""
    command = [sys.executable, "-m", "tests.redis.rate_caller", url, tenant]
    with ExitStack() as started:
        callers = [
            started.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(PROCESSES)
        ]
        for caller in callers:
            assert caller.stdout is not None
            assert caller.stdout.readline() == "ready\n"
        for caller in callers:
            assert caller.stdin is not None
            caller.stdin.write("go\n")
            caller.stdin.flush()
        answers = []
        for caller in callers:
            answer, _ = caller.communicate()
            assert caller.returncode == 0
            answers.append(json.loads(answer))
    return answers


def test_processes_together_are_admitted_as_often_as_the_limit_says() -> None:
    """Of a hundred calls in four processes ten, by each rule; no two are told the same count."""
    with real_server() as node:
        answers = told_by_processes(node.url, f"t-{uuid4()}")
    for rule in RULES:
        counts = [count for answer in answers for count in answer[rule.kind]]
        assert sorted(counts) == list(range(1, LIMIT + 1)), rule.kind
