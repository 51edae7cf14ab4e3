"""Whoever erases is killed, at several points; the next one goes on, and the receipts are right."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias
from uuid import uuid4

import attrs

from bootstrap.platform import open as open_platform
from bootstrap.settings import Settings
from domain.identity import UserId
from ports.errors import ErasedError
from ports.stores import TenantScope
from ports.together import together
from tests.bootstrap.running import run
from tests.erasure.people import LEFT, furnish, live
from tests.erasure.process import BATCH, told
from tests.erasure.raw import traces
from tests.erasure.test_traces import counts

Process: TypeAlias = "subprocess.Popen[str]"
TALKS = 4
KILLED_AT = {"batch": 2, "step 7": 1}
"""After which line, and how many such."""

IN_REDIS = {"sessions", "executions", "rate_limits", "cached_values"}


@contextmanager
def process(role: str, settings: Settings, tenant: str, user: str) -> Iterator[Process]:
    """One of `tests.erasure.process`."""
    command = [sys.executable, "-m", "tests.erasure.process", role, told(settings), tenant, user]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def heard(started: Process, line: str, times: int = 1) -> None:
    """Return once it has said so, so many times."""
    assert started.stdout is not None
    for said in started.stdout:
        times -= said == f"{line}\n"
        if times == 0:
            return
    raise AssertionError("it ended before that")


@run
async def test_an_erasure_that_was_killed_is_resumed(on_servers: Settings) -> None:
    """It is told as unfinished; once resumed nothing is left, and what went is in the receipt once.
    What Redis had just given up may be missing there.
    """
    left = Counter({**LEFT, "messages": 2 * TALKS, "contexts": TALKS + 1})
    left |= dict.fromkeys(("conversations", "executions", "integration_calls"), TALKS)
    async with open_platform(on_servers) as platform:
        scope = platform.for_tenant(f"t-{uuid4()}")
        await furnish(scope)
        users = {UserId(f"user{uuid4().hex}"): at for at in KILLED_AT.items()}
        await together([live(scope, user, TALKS) for user in users])

        def killed(user: UserId, line: str, times: int) -> None:
            with process("erase", on_servers, scope.tenant, user) as eraser:
                heard(eraser, line, times)

        await together([asyncio.to_thread(killed, user, *at) for user, at in users.items()])
        erasures = attrs.evolve(platform.maintenance.erasures, sleep=not_at_all)
        unfinished = await erasures.unfinished(scope.tenant)
        assert {each.user_id for each in unfinished} == users.keys()
        assert all(each.finished_at is None for each in unfinished)
        resumed = [each for each in await erasures.resume() if each.tenant_id == scope.tenant]
        assert {each.user_hash for each in resumed} == {each.user_hash for each in unfinished}
        assert await erasures.unfinished(scope.tenant) == []
        for erasure in resumed:
            went = counts(erasure)
            assert erasure.finished_at is not None
            for what, count in left.items():
                missing = BATCH if what in IN_REDIS else 0
                assert count - missing <= went[what] <= count, (what, went)
        for user in users:
            assert await asyncio.to_thread(traces, on_servers, user) == {}


async def not_at_all(seconds: float) -> None:
    """Nobody else writes."""


@run
async def test_who_writes_on_leaves_nothing(on_servers: Settings) -> None:
    """Another process writes during the erasure of a user, and of a tenant, and after it: all of
    that is refused or erased. Once it is lifted, they are admitted again.
    """
    settings = attrs.evolve(on_servers, deadline_seconds=1.5)
    user = UserId(f"user{uuid4().hex}")
    async with open_platform(settings) as platform:
        part, whole = scopes = [platform.for_tenant(f"t-{uuid4()}") for _ in range(2)]
        for scope in scopes:
            await furnish(scope)
            await live(scope, user)
        maintenance, tenants = platform.maintenance, f"{part.tenant} {whole.tenant}"
        with process("write", settings, tenants, user) as writer:
            await asyncio.to_thread(heard, writer, f"{whole.tenant} wrote")
            async with asyncio.TaskGroup() as erasing:
                erasing.create_task(maintenance.erase_user(part.tenant, user))
                erasing.create_task(maintenance.erase_tenant(whole.tenant))
            for scope in scopes:
                await asyncio.to_thread(heard, writer, f"{scope.tenant} refused", 2)
        assert await asyncio.to_thread(traces, settings, user) == {}
        assert await maintenance.lift(part.tenant, user)
        assert await maintenance.lift(whole.tenant)
        async with asyncio.timeout(20):
            for scope in scopes:
                await admitted(scope, user)


async def admitted(scope: TenantScope, user: UserId) -> None:
    """Return once a session of theirs can be begun again."""
    while True:
        with suppress(ErasedError):
            await scope.sessions.create(user)
            return
        await asyncio.sleep(0.05)
