"""Everything that is looked at, on servers that stand still, were killed or lack something."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import attrs
import psutil
import pytest
import redis

import bootstrap
from adapters.memory import MemoryAuthoringStore
from adapters.memory.tracking import MemoryUnsynchronised, Queue
from adapters.mongo.migrations import migrate as migrate_mongo
from adapters.postgres.migrations import migrate as migrate_postgres
from adapters.system import SystemClock
from bootstrap import Settings, Stores, embedded
from bootstrap.embedded import ServerKind
from bootstrap.health import Check, Extent, Health, checks
from bootstrap.health.lags import erasures, synchronisation
from domain.erasure import Tombstone
from domain.identity import TenantId
from ports.contracts.harness import ContractClock
from tests.bootstrap.running import answer, run
from tests.embedded.processes import pid_of


@attrs.frozen
class Servers:
    """Private ones, to be stopped and killed."""

    folder: Path
    settings: Settings

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """All of them hear nothing for the block."""
        kinds: tuple[ServerKind, ...] = ("postgres", "mongo", "valkey")
        stopped: list[psutil.Process] = []
        try:
            for server in [psutil.Process(pid_of(self.folder, kind)) for kind in kinds]:
                server.suspend()  # first, so that it has no more children then
                stopped += [server, *server.children()]
                for child in server.children():
                    with suppress(psutil.NoSuchProcess):  # it was about to end
                        child.suspend()
            yield
        finally:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.resume()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Migrated."""
    folder = tmp_path_factory.mktemp("health") / "data"
    with embedded.servers_sync({"postgres", "mongo", "valkey"}, data=folder) as urls:
        asyncio.run(migrate_postgres(urls.postgres_owner))
        asyncio.run(migrate_mongo(urls.mongo))
        yield Servers(
            folder,
            Settings(
                profile="servers",
                postgres_url=urls.postgres,
                mongo_url=urls.mongo,
                redis_url=urls.valkey,
                synchronise=True,
                deadline_seconds=30,
            ),
        )


def subjects(health: Health) -> set[tuple[str, str]]:
    """What was looked at."""
    return {(check.store, check.subject) for check in health.checks}


def test_what_decides_whether_requests_can_be_answered_is_looked_at_alone(
    servers: Servers,
) -> None:
    """The rest takes longer, or is for people."""
    health = asyncio.run(checks(servers.settings, only="readiness"))
    assert health.well
    assert subjects(health) == {
        *(("postgres", subject) for subject in ("answers", "migrations", "primary", "encoding")),
        *(("mongo", subject) for subject in ("answers", "migrations", "replica set")),
        *(("redis", subject) for subject in ("answers", "version", "mode")),
    }
    everything = asyncio.run(checks(servers.settings))
    assert everything.well
    assert subjects(everything) > subjects(health)
    assert ("redis", "synchronisation") in subjects(everything)


@pytest.mark.parametrize("only", [None, "readiness"])
def test_servers_that_stand_still_are_told_within_the_time_that_was_given(
    servers: Servers, only: str | None
) -> None:
    """All that was opened is closed, though they don't take part in it."""
    with servers.stopped():
        health = asyncio.run(
            checks(servers.settings, only="readiness" if only else None, within=0.5)
        )
    assert not health.ready
    assert [check for check in health.checks if check.well] == []
    assert {(check.store, check.subject) for check in health.checks} == {
        ("postgres", "answers"),
        ("mongo", "answers"),
        ("redis", "answers"),
    }
    assert asyncio.run(checks(servers.settings)).well


def test_a_platform_is_ready_again_once_its_servers_go_on(servers: Servers) -> None:
    """By the connections that it has; it needn't be opened anew."""

    @run
    async def asked() -> None:
        async with bootstrap.open(servers.settings) as platform:
            assert (await platform.ready(within=30)).ready
            with servers.stopped():
                health = await platform.ready(within=0.1)
                assert {(check.store, check.well) for check in health.checks} == {
                    ("postgres", False),
                    ("mongo", False),
                    ("redis", False),
                }
            assert (await platform.ready(within=30)).ready

    asked()


def test_servers_that_take_no_writes_are_not_ready(servers: Servers) -> None:
    """Though they answer: who looks says so, and so does a platform that was open before."""
    url = f"{servers.settings.postgres_url}?default_transaction_read_only=on"
    settings = attrs.evolve(servers.settings, postgres_url=url)

    @run
    async def asked() -> None:
        async with bootstrap.open(settings) as platform:
            with redis.from_url(str(settings.redis_url)) as valkey:
                valkey.replicaof("127.0.0.1", 1)
                health = await platform.ready(within=30)
                assert {(check.store, check.well) for check in health.checks} == {
                    ("postgres", False),
                    ("mongo", True),
                    ("redis", False),
                }
                extents: tuple[Extent | None, ...] = (None, "readiness")
                for only in extents:
                    looked = await checks(settings, only=only)
                    assert [
                        (check.store, check.subject) for check in looked.checks if not check.well
                    ] == [("postgres", "primary"), ("redis", "mode")]
                    assert not looked.ready
                valkey.replicaof("NO", "ONE")
            ready = (await platform.ready(within=30)).checks
            assert [check.store for check in ready if not check.well] == ["postgres"]

    asked()


def test_what_is_half_erased_or_waits_for_long_is_told_of_real_stores(servers: Servers) -> None:
    """Of every store, of all tenants, as the role that services have; requests are answered."""

    @run
    async def left() -> None:
        async with bootstrap.open(servers.settings) as platform:
            maintenance = platform.maintenance
            parts = (maintenance.authoring, maintenance.runtime, maintenance.analytics)
            now = SystemClock().now()
            gone = Tombstone(
                tenant_id=TenantId("gone"),
                user_id=None,
                at=now - timedelta(hours=2),
                until=now + timedelta(hours=1),
            )
            for part in parts:
                await part.tombstones.bury(gone)
            health = await checks(servers.settings)
            for part in parts:
                await part.tombstones.lift(TenantId("gone"))
        assert health.ready
        assert [(check.store, check.subject) for check in health.checks if not check.well] == [
            ("postgres", "erasures"),
            ("mongo", "erasures"),
            ("redis", "erasures"),
        ]
        assert (await checks(servers.settings)).well

    left()


def test_the_command_tells_readiness_by_its_exit_code(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a probe asks; a warning makes a difference to who is strict alone."""
    settings = servers.settings
    for name, value in {
        "POSTGRES_URL": settings.postgres_url,
        "MONGO_URL": settings.mongo_url,
        "REDIS_URL": settings.redis_url,
    }.items():
        monkeypatch.setenv(f"DIALOGBASE_{name}", str(value))
    probe = ("doctor", "--only", "readiness")
    code, told = answer(capsys, *probe)
    assert (code, told["ready"], told["well"]) == (0, True, True)
    with servers.stopped():
        code, told = answer(capsys, *probe, "--timeout", "0.3")
    assert (code, told["ready"]) == (1, False)
    assert "no answer within 0.3 s" in [check["found"] for check in told["checks"]]
    monkeypatch.setattr("bootstrap.health.schemas.MAX_CLOCK_SKEW_SECONDS", -1)
    code, told = answer(capsys, "doctor")
    assert (code, told["ready"], told["well"]) == (0, True, False)
    clocks = [check for check in told["checks"] if check["subject"] == "clock"]
    assert {(check["well"], check["severity"]) for check in clocks} == {(False, "warning")}
    assert answer(capsys, "doctor", "--strict")[0] == 1


def test_a_database_that_lacks_migrations_is_not_ready() -> None:
    """Nor is a server that isn't there, of which the others know nothing."""
    with embedded.servers_sync({"mongo"}) as urls:
        settings = Settings(
            profile="servers",
            mongo_url=urls.mongo,
            redis_url="redis://127.0.0.1:9/0",
            stores=Stores(authoring="memory"),
        )
        health = asyncio.run(checks(settings, only="readiness"))
    assert not health.ready
    assert [(check.store, check.subject) for check in health.checks if not check.well] == [
        ("mongo", "migrations"),
        ("redis", "answers"),
    ]


@run
async def test_execution_states_that_nobody_writes_are_told_as_late() -> None:
    """By the store's own clock."""
    clock = ContractClock()
    queue = MemoryUnsynchronised(Queue(), {}, clock)
    assert await synchronisation("redis", queue) == Check(
        "redis", "synchronisation", True, "nothing waits", "warning"
    )
    await queue.put([(TenantId("acme"), "talk")])
    clock.advance(minutes=5)
    assert (await synchronisation("redis", queue)).well
    clock.advance(minutes=1)
    check = await synchronisation("redis", queue)
    assert not check.well
    assert check.found.startswith("1 wait, due since 2026-03-29")
    assert check.found.endswith("who synchronises?")


@run
async def test_an_erasure_that_was_given_up_is_told() -> None:
    """After an hour; nothing is told of whose it is."""
    maintenance = MemoryAuthoringStore().maintenance()
    now = SystemClock().now()
    grave = Tombstone(
        tenant_id=TenantId("acme-corp"), user_id=None, at=now, until=now + timedelta(days=1)
    )
    await maintenance.tombstones.bury(grave)
    assert (await erasures("memory", now + timedelta(minutes=59), maintenance)).well
    check = await erasures("memory", now + timedelta(minutes=61), maintenance)
    assert not check.well
    assert check.severity == "warning"
    assert "1 unfinished" in check.found
    assert "acme-corp" not in check.found
    await maintenance.tombstones.note(TenantId("acme-corp"), None, {}, finished_at=now)
    assert (await erasures("memory", now + timedelta(days=1), maintenance)).well
