"""What was changed is told: by the command line, and by a platform in its own process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis

import bootstrap
from adapters.local.callbacks import CallbackConsumer
from adapters.memory import ManualClock
from adapters.redis.keys import key
from bootstrap import Settings
from bootstrap.cli import call
from domain.flows import Flow
from domain.identity import tenant_id
from domain.outbox import ChangeEvent
from ports.errors import UnsupportedOperationError
from tests.bootstrap.running import answer, run
from tests.bootstrap.stores import environment_of, own_database

STREAM = f"test-{uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def alone(on_servers: Settings) -> Iterator[Settings]:
    """With a database of its own: a dispatcher has to do with everybody's changes."""
    with own_database(on_servers) as settings:
        yield settings


@pytest.fixture
def service(alone: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A deployed service, in whose environment nobody is subscribed afterwards."""
    for name, value in environment_of(alone).items():
        monkeypatch.setenv(name, value)
    yield alone
    call(["outbox", "unsubscribe", f"stream {STREAM}"])


def created(settings: Settings, tenant: str, *, ago: timedelta = timedelta()) -> UUID:
    """A flow, by a service that dispatches nothing."""
    clock = ManualClock(datetime.now(UTC) - ago)

    async def create() -> UUID:
        async with bootstrap.open(settings, clock=clock) as platform:
            return (await platform.for_tenant(tenant).flows.create(Flow.draft(name="a"))).id

    return asyncio.run(create())


def published(settings: Settings, tenant: str, *, wait: bool = False) -> list[dict[str, str]]:
    """What a tenant's stream holds, or will hold."""
    assert settings.redis_url is not None
    with redis.Redis.from_url(settings.redis_url, decode_responses=True) as client:
        name = key(tenant_id(tenant), STREAM, "stream")
        found: Any = client.xread({name: "0"}, block=30_000 if wait else None)
    return [fields for _, entries in found for _, fields in entries]


def test_changes_are_published_in_a_stream(
    capsys: pytest.CaptureFixture[str], service: Settings, tenant: str
) -> None:
    """From the first call on, until the consumer is unsubscribed."""
    command = ("dispatch", "--once", "--stream", STREAM)
    assert answer(capsys, *command)[0] == 0
    flow = created(service, tenant)
    _, backlog = answer(capsys, "outbox", "backlog")
    assert f"stream {STREAM}" in [one["name"] for one in backlog["consumers"]]
    assert backlog["undistributed"] >= 1
    code, done = answer(capsys, *command)
    assert (code, done["delivered"] >= 1, done["refused"]) == (0, True, 0)
    (entry,) = published(service, tenant)
    assert (entry["entity_id"], entry["action"]) == (str(flow), "created")
    assert call(["outbox", "backlog"]) == 0
    assert f"stream {STREAM}" in capsys.readouterr().out
    gone = ("outbox", "unsubscribe", f"stream {STREAM}")
    assert answer(capsys, *gone) == (0, {"unsubscribed": True})
    assert answer(capsys, *gone) == (1, {"unsubscribed": False})


def test_doctor_tells_since_when_changes_wait(
    capsys: pytest.CaptureFixture[str], service: Settings, tenant: str
) -> None:
    """Where they wait for long, nobody dispatches."""
    created(service, tenant, ago=timedelta(minutes=10))

    def outbox() -> dict[str, Any]:
        (check,) = (
            one for one in answer(capsys, "doctor")[1]["checks"] if "outbox" in one.values()
        )
        return dict(check)

    found = outbox()
    assert not found["well"]
    assert " for a dispatcher, since 2" in found["found"]
    assert answer(capsys, "dispatch", "--once")[0] == 0
    assert "for a dispatcher" not in outbox()["found"]


def test_dispatch_goes_on_until_it_is_told_to_end(service: Settings, tenant: str) -> None:
    """Then it says what it did."""
    command = [sys.executable, "-m", "bootstrap.cli", "dispatch", "--stream", STREAM, "--json"]
    with subprocess.Popen(
        command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert STREAM in process.stderr.readline()
        flow = created(service, tenant)
        (entry,) = published(service, tenant, wait=True)
        assert entry["entity_id"] == str(flow)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate()
    assert process.returncode == 0
    assert json.loads(out)["delivered"] >= 1


def test_in_memory_there_is_nothing_to_publish_in(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said in one line."""
    code, said = answer(capsys, "dispatch", "--once", "--stream", "x", "--profile", "memory")
    assert (code, "Redis" in said["error"]) == (1, True)


@run
async def test_a_platform_tells_functions_of_its_own(settings: Settings, tenant: str) -> None:
    """Beside what else it does; the audit trail is sealed on the way."""
    heard = asyncio.Event()
    told: list[ChangeEvent] = []

    async def hear(events: Sequence[ChangeEvent]) -> None:
        told.extend(event for event in events if event.tenant_id == tenant)
        if told:
            heard.set()

    name = f"test {uuid4()}"
    async with bootstrap.open(settings) as platform:
        acme = platform.for_tenant(tenant, actor="ada")
        outbox = platform.maintenance.authoring.outbox
        try:
            async with platform.dispatching([CallbackConsumer(name, hear)]):
                flow = await acme.flows.create(Flow.draft(name="a"))
                await asyncio.wait_for(heard.wait(), 30)
                async with asyncio.timeout(30):
                    # It is sealed beside that.
                    while (await acme.audit.head()).sequence < 1:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
        finally:
            await outbox.unsubscribe(name)
    assert [(event.entity_id, event.actor) for event in told] == [(flow.id, "ada")]


@run
async def test_only_redis_has_streams() -> None:
    """Who asks for one elsewhere is told so at once."""
    async with bootstrap.open(Settings.memory()) as platform:
        with pytest.raises(UnsupportedOperationError):
            platform.stream("x")
