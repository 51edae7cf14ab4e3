"""Retention by the settings, on a platform and by the command."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import attrs
import pytest

from adapters.system import SystemClock
from bootstrap import Platform, Settings, SettingsError
from bootstrap import open as open_platform
from bootstrap.cli import app, options
from bootstrap.settings import PREFIX
from domain.contexts import ExecutionContext
from domain.conversations import Conversation
from domain.flows import Flow
from domain.integrations import CallReport, Integration
from domain.messages import Message
from domain.retention import FOR_EVER, Retention, Swept
from ports.errors import RepositoryError
from ports.stores import TenantScope
from ports.time import Clock
from tests.bootstrap.running import answer, run

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
KEPT: dict[str, Any] = {
    "conversation_retention_days": 300,
    "conversation_idle_hours": 24,
    "integration_call_retention_days": 300,
    "audit_retention_days": 300,
}


class MovedClock(Clock):
    """Long ago for a while, and then the present."""

    def __init__(self) -> None:
        self.past: datetime | None = None

    def now(self) -> datetime:
        return self.past or SystemClock().now()

    @contextmanager
    def back_then(self) -> Iterator[None]:
        """For the block it is long ago."""
        self.past = LONG_AGO
        yield
        self.past = None


@pytest.fixture
def limited(settings: Settings) -> Settings:
    """What is old goes, in each kind of store."""
    return attrs.evolve(settings, **KEPT)


def test_what_is_kept_for_how_long_is_set_by_the_environment() -> None:
    """For ever unless asked for; nonsense is refused."""
    assert Settings.memory().retention == FOR_EVER
    variables = {f"{PREFIX}{name.upper()}": str(number) for name, number in KEPT.items()}
    settings = Settings.from_environment(
        {**variables, "DIALOGBASE_ANALYTICS_RETENTION_DAYS": "7"}, profile="memory"
    )
    year = timedelta(days=300)
    assert settings.retention == Retention(
        conversations=year,
        idle=timedelta(days=1),
        integration_calls=year,
        audit=year,
        analytics=timedelta(days=7),
    )
    for name in variables:
        for wrong in ("0", "-1", "1.5", "1000000", "for ever"):
            with pytest.raises(SettingsError, match=name):
                Settings.from_environment({name: wrong}, profile="memory")


async def filled(scope: TenantScope) -> None:
    """Something of each kind."""
    for id in ("ended", "idle", "held"):
        await scope.conversations.create(
            Conversation.draft(user_id="ada", id=id, retain_until=None)
        )
        await scope.messages.append(id, [Message.draft("hello")])
        await scope.contexts.save(ExecutionContext.draft(id, user_id="ada"))
    await scope.conversations.transition("ended", "completed")
    await scope.conversations.patch("held", retain_until=datetime(2999, 1, 1, tzinfo=UTC))
    await scope.conversations.transition("held", "completed")
    made = await scope.integrations.create(Integration.draft(name="crm", type="webhook"))
    for _ in range(3):
        await scope.integrations.record_call(made.id, CallReport(success=True, latency_ms=1))
    flow = await scope.flows.create(Flow.draft(name="flow"))
    await scope.flows.patch(flow.id, description="changed")


@run
async def test_what_is_old_goes_from_every_store(limited: Settings, tenant: str) -> None:
    """And what is young, held, or not there for being old, stays."""
    clock = MovedClock()
    async with open_platform(limited, clock=clock) as platform:
        scope = platform.for_tenant(tenant)
        with clock.back_then():
            await filled(scope)
        young = platform.for_tenant(f"{tenant}-young")
        await filled(young)
        report = await platform.maintenance.sweep()
        assert report.failures == {}
        expected = {
            Swept.IDLE_CONVERSATIONS: 1,
            Swept.ENDED_CONVERSATIONS: 1,
            Swept.INTEGRATION_CALLS: 3,
            Swept.AUDIT_ENTRIES: 3,
        }
        for kind, count in expected.items():
            assert report.counts[kind] >= count, kind  # others' may have been there
        left = [talk.id async for talk in scope.conversations.stream()]
        assert sorted(left) == ["held", "idle"]
        assert (await scope.conversations.require("idle")).status == "timeout"
        assert await scope.messages.count() == await scope.contexts.count() == 2
        assert await scope.audit.count() == 0
        verified = await scope.audit.verify()
        assert (verified.sound, verified.anchor.sequence) == (True, 3)
        assert await young.conversations.count() == await young.audit.count() == 3


@run
async def test_a_service_sweeps_beside_its_work() -> None:
    """At once, and for the block."""
    clock = MovedClock()
    settings = Settings(profile="memory", **KEPT)
    async with open_platform(settings, clock=clock) as platform:
        scope = platform.for_tenant("acme")
        with clock.back_then():
            await filled(scope)
        async with platform.sweeping(every=timedelta(days=1)), asyncio.timeout(10):
            while await scope.audit.count():  # noqa: ASYNC110  # it is another task's doing
                await asyncio.sleep(0.001)
        assert await scope.conversations.count() == 2


def set_by(environment: pytest.MonkeyPatch) -> None:
    """What is old goes."""
    for name, number in KEPT.items():
        environment.setenv(f"{PREFIX}{name.upper()}", str(number))


@pytest.mark.usefixtures("by_url")
def test_the_command_sweeps_every_store(
    on_servers: Settings,
    tenant: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A dry run counts what then goes; the trail can be verified afterwards."""
    set_by(monkeypatch)

    async def fill() -> None:
        clock = MovedClock()
        async with open_platform(on_servers, clock=clock) as platform:
            with clock.back_then():
                await filled(platform.for_tenant(tenant))

    asyncio.run(fill())
    code, dry = answer(capsys, "sweep", "--dry-run")
    assert (code, dry["dry_run"], dry["failed"], dry["limited"]) == (options.OK, True, {}, [])
    code, swept = answer(capsys, "sweep")
    assert (code, swept["dry_run"]) == (options.OK, False)
    for kind in ("idle_conversations", "ended_conversations", "audit_entries"):
        assert swept["swept"][kind] == dry["swept"][kind] > 0
    code, again = answer(capsys, "sweep")
    assert (code, sum(again["swept"].values())) == (options.OK, 0)
    code, verified = answer(capsys, "audit", "verify", "--tenant", tenant)
    assert (code, verified["sound"], verified["entries"]) == (options.OK, True, 0)
    assert verified["anchor"] == verified["head"]
    assert verified["head"].startswith("3:")


def test_the_command_tells_people_what_it_did(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each kind that goes by the settings; what is misused is said."""
    set_by(monkeypatch)
    assert app.call(["sweep", "--profile", "memory"]) == options.OK
    told = capsys.readouterr().out
    assert "0 entries of the audit trail" in told
    assert "analytics" not in told
    assert app.call(["sweep", "--dry-run", "--profile", "memory"]) == options.OK
    assert "nothing was changed" in capsys.readouterr().out
    for wrong in (("--every", "0"), ("--every", "nan"), ("--limit", "0"), ("--limit", "x")):
        assert app.call(["sweep", "--profile", "memory", *wrong]) == options.MISUSED
        assert "dialogbase:" in capsys.readouterr().err


def test_the_command_says_which_store_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the class of its error; and what is limited is named."""
    from adapters.memory.maintenance import MemoryDialogueMaintenance

    async def away(*_: object, **__: object) -> int:
        raise RepositoryError("secret")

    monkeypatch.setattr(MemoryDialogueMaintenance, "purge_expired", away)
    code, told = answer(capsys, "sweep", "--profile", "memory", "--limit", "1")
    assert code == options.NOT_WELL
    assert told["failed"] == {"expired_conversations": "RepositoryError"}
    assert app.call(["sweep", "--profile", "memory"]) == options.NOT_WELL
    printed = capsys.readouterr()
    assert "failed conversations past their retain_until: RepositoryError" in printed.out
    assert "secret" not in printed.out + printed.err


def test_the_command_goes_on_until_it_is_told_to_end() -> None:
    """With a line of JSON for each sweep."""
    command = [sys.executable, "-m", "bootstrap.cli", "sweep", "--every", "0.01", "--json"]
    with subprocess.Popen(
        [*command, "--profile", "memory"], stdout=subprocess.PIPE, text=True
    ) as sweeping:
        assert sweeping.stdout is not None
        lines = [json.loads(sweeping.stdout.readline()) for _ in range(2)]
        sweeping.send_signal(signal.SIGTERM)
        sweeping.communicate(timeout=30)
        assert sweeping.returncode == options.OK
    assert [line["failed"] for line in lines] == [{}, {}]


SWEEP = """
import asyncio, os, sys
from bootstrap import Settings, open as open_platform

async def sweep() -> None:
    async with open_platform(Settings.from_environment()) as platform:
        print("ready", flush=True)
        sys.stdin.readline()
        await platform.maintenance.sweep()

asyncio.run(sweep())
"""


@pytest.mark.usefixtures("by_url")
def test_a_sweep_that_is_killed_leaves_nothing_half_done(
    on_servers: Settings, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conversations are whole or gone, the chain is sound, and the next sweep takes the rest."""
    set_by(monkeypatch)
    clock = MovedClock()

    async def fill() -> None:
        async with open_platform(on_servers, clock=clock) as platform:
            scope = platform.for_tenant(tenant)
            with clock.back_then():
                await scope.flows.create_many(Flow.draft(name=f"{n}") for n in range(1_000))
                for n in range(30):
                    await scope.conversations.create(Conversation.draft(user_id="a", id=f"{n}"))
                    await scope.messages.append(f"{n}", [Message.draft("hello")])
                    await scope.conversations.transition(f"{n}", "completed")

    async def checked(platform: Platform) -> tuple[int, int]:
        scope = platform.for_tenant(tenant)
        talks = {talk.id async for talk in scope.conversations.stream()}
        messages = {message.conversation_id async for message in scope.messages.stream()}
        assert messages == talks
        verified = await scope.audit.verify()
        assert verified.sound
        return len(talks), await scope.audit.count()

    async def check(sweep: bool) -> tuple[int, int]:
        async with open_platform(attrs.evolve(on_servers, **KEPT)) as platform:
            if sweep:
                assert (await platform.maintenance.sweep()).complete
            return await checked(platform)

    asyncio.run(fill())
    with subprocess.Popen(
        [sys.executable, "-c", SWEEP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sweeping:
        assert sweeping.stdout is not None
        assert sweeping.stdin is not None
        sweeping.stdout.readline()
        sweeping.stdin.write("go\n")
        sweeping.stdin.flush()
        try:
            sweeping.wait(Random(tenant).uniform(0.005, 0.15))
        except subprocess.TimeoutExpired:
            sweeping.kill()
    asyncio.run(check(sweep=False))
    assert asyncio.run(check(sweep=True)) == (0, 0)
