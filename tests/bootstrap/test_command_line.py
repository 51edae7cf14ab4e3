"""The command line, as a user or a program meets it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

import bootstrap
from bootstrap import Settings, Stores
from bootstrap.cli import call
from domain.conversations import Conversation
from domain.flows import Flow
from tests.bootstrap.running import answer, run
from tests.bootstrap.stores import environment_of

GOOD = {"id": "a", "name": "Welcome", "definition": {"nodes": []}}
POSTGRES_SUBJECTS = {
    *("primary", "encoding", "row security", "outbox", "encryption keys", "erasures")
}
MONGO_SUBJECTS = {"replica set", "analytics retention", "erasures", "flow metrics"}
REDIS_SUBJECTS = {
    *("answers", "version", "mode", "clock", "eviction", "persistence", "expiry", "erasures")
}
DIALOGBASE = (sys.executable, "-m", "bootstrap.cli")


def written(path: Path, *records: object) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def test_import_counts_and_is_idempotent(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, by_url: None, tenant: str
) -> None:
    """The second run imports nothing and says so."""
    file = written(tmp_path / "flows.jsonl", GOOD, GOOD | {"id": "b"})
    command = ("import", "flows", file, "--tenant", tenant)
    assert answer(capsys, *command) == (0, {"imported": 2, "unchanged": 0, "refused": []})
    assert answer(capsys, *command) == (0, {"imported": 0, "unchanged": 2, "refused": []})
    assert call([*command]) == 0
    assert f"0 imported, 2 unchanged: {file}" in capsys.readouterr().out


def test_a_refused_record_is_reported_and_makes_the_command_fail(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """For a program and for a person."""
    file = written(tmp_path / "flows.jsonl", {"id": "x"}, GOOD)
    command = ("import", "flows", file, "--tenant", "acme", "--profile", "memory")
    refused = [{"line": 1, "reason": "has no name and no definition"}]
    assert answer(capsys, *command) == (1, {"imported": 1, "unchanged": 0, "refused": refused})
    assert call([*command]) == 1
    printed = capsys.readouterr()
    assert "line 1: has no name and no definition" in printed.err
    assert "1 imported, 0 unchanged, 1 refused" in printed.out


def test_export_writes_what_was_imported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, by_url: None, tenant: str
) -> None:
    """To a file, whole or not at all, or to standard output."""
    records: list[dict[str, object]] = [GOOD | {"description": None, "tags": []}]
    assert call(["import", "flows", written(tmp_path / "in", *records), "--tenant", tenant]) == 0
    assert call(["export", "flows", "out", "--tenant", tenant]) == 0
    assert [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()] == records
    capsys.readouterr()
    assert call(["export", "flows", "--tenant", tenant]) == 0
    assert json.loads(capsys.readouterr().out) == records[0]
    assert answer(capsys, "export", "flows", "out", "--tenant", tenant) == (
        0,
        {"exported": 1, "file": "out"},
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


@run
async def test_an_import_killed_in_the_middle_is_completed_by_the_next_one(
    on_servers: Settings, tenant: str, tmp_path: Path
) -> None:
    """With the result of one that nobody killed."""
    total = 600
    file = written(
        tmp_path / "flows.jsonl",
        *(
            GOOD | {"id": str(n), "name": f"n{n % 150}", "definition": {"n": n}}
            for n in range(total)
        ),
    )
    whole = f"{tenant}-whole"
    environment = os.environ | environment_of(on_servers)
    command = (*DIALOGBASE, "import", "flows", file, "--json", "--tenant")
    async with bootstrap.open(on_servers) as platform:
        scope = platform.for_tenant(tenant)
        killed = await asyncio.create_subprocess_exec(*command, tenant, env=environment)
        while not await scope.flows.count():
            assert killed.returncode is None
        killed.kill()
        assert await killed.wait() == -signal.SIGKILL
        results = {}
        for name in (tenant, whole):
            process = await asyncio.create_subprocess_exec(
                *command, name, env=environment, stdout=subprocess.PIPE
            )
            output, _ = await process.communicate()
            results[name] = json.loads(output)
        assert results[whole] == {"imported": total, "unchanged": 0, "refused": []}
        resumed = results[tenant]
        assert resumed["imported"] > 0 < resumed["unchanged"]
        assert resumed["imported"] + resumed["unchanged"] == total
        versions = [
            {flow.id: flow.version async for flow in platform.for_tenant(name).flows.stream()}
            for name in (tenant, whole)
        ]
        assert versions[0] == versions[1]
        assert len(versions[0]) == total


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["import", "flows", "x"], 2, "--tenant"),
        (["import", "flows", "x", "--tenant", "a", "--profile", "disk"], 2, "--profile"),
        (["exprot"], 2, "exprot"),
        (["import", "flows", "missing", "--tenant", "a"], 1, "missing: No such file"),
        (["import", "flows", ".", "--tenant", "a"], 1, "directory"),
        (["import", "dialogues", "missing", "--tenant", "a"], 1, "missing: No such file"),
        (["export", "dialogues", "--tenant", "a b", "--profile", "memory"], 2, "TenantId"),
        (["export", "flows", "--tenant", "a b", "--profile", "memory"], 2, "TenantId"),
        (["export", "flows", "a/b", "--tenant", "a", "--profile", "memory"], 1, "No such file"),
        (["demo", "--profile", "servers"], 2, "DIALOGBASE_POSTGRES_URL: is missing"),
        (["up", "--profile", "memory"], 2, "embedded servers only"),
        (["bench", "--profile", "memory"], 2, "servers to compare with"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, Sequence) and value else str(value),
)
def test_an_expected_failure_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    """And no traceback; with --json a document that says the same."""
    assert call(arguments) == code
    printed = capsys.readouterr()
    assert says in printed.err
    assert "Traceback" not in printed.err
    assert call([*arguments, "--json"]) == code
    assert says in json.loads(capsys.readouterr().out)["error"]


def test_a_server_that_does_not_answer_is_told_without_its_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens on the discard port."""
    monkeypatch.setenv("DIALOGBASE_POSTGRES_URL", "postgresql://ada:s3cr3t@127.0.0.1:9/x")
    monkeypatch.setenv("DIALOGBASE_MONGO_URL", "mongodb://ada:s3cr3t@127.0.0.1:9/x")
    monkeypatch.setenv("DIALOGBASE_REDIS_URL", "redis://ada:s3cr3t@127.0.0.1:9/0")
    monkeypatch.setenv("DIALOGBASE_DEADLINE_SECONDS", "1")
    assert call(["export", "flows", "--tenant", "acme"]) == 1
    printed = capsys.readouterr()
    assert "s3cr3t" not in printed.out + printed.err
    assert "Traceback" not in printed.err
    code, told = answer(capsys, "doctor")
    assert (code, told["well"]) == (1, False)
    assert {(one["store"], one["subject"]) for one in told["checks"] if not one["well"]} == {
        ("postgres", "answers"),
        ("mongo", "answers"),
        ("redis", "answers"),
    }
    assert "s3cr3t" not in json.dumps(told)


def not_well(told: Any) -> list[tuple[str, str]]:
    """What `doctor` finds fault with."""
    return [(one["store"], one["subject"]) for one in told["checks"] if not one["well"]]


def test_databases_that_lack_migrations_are_not_used_before_they_were_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`migrate` makes them, `doctor` tells; each store is named."""
    with bootstrap.embedded.servers_sync({"postgres", "mongo", "valkey"}) as urls:
        settings = Settings(
            profile="servers",
            postgres_url=urls.postgres,
            postgres_owner_url=urls.postgres_owner,
            mongo_url=urls.mongo,
            redis_url=urls.valkey,
        )
        for name, value in environment_of(settings).items():
            monkeypatch.setenv(name, value)
        flows, dialogues = (["export", kind, "--tenant", "acme"] for kind in ("flows", "dialogues"))
        assert call(flows) == 1
        assert "PostgreSQL database lacks" in (said := capsys.readouterr().err)
        assert "run `dialogbase migrate`" in said
        monkeypatch.setenv("DIALOGBASE_STORES_AUTHORING", "memory")
        assert call(dialogues) == 1
        assert "MongoDB database lacks" in capsys.readouterr().err
        monkeypatch.delenv("DIALOGBASE_STORES_AUTHORING")
        code, told = answer(capsys, "doctor")
        assert code == 1
        assert {("postgres", "migrations"), ("mongo", "migrations")} <= {*not_well(told)}

        applied = answer(capsys, "migrate")[1]["applied"]
        assert {server for server, names in applied.items() if names} == {"postgres", "mongo"}
        nothing: dict[str, list[str]] = {"postgres": [], "mongo": [], "redis": []}
        assert answer(capsys, "migrate") == (0, {"applied": nothing})
        code, told = answer(capsys, "doctor")
        assert (code, not_well(told)) == (0, [])
        common = {"answers", "migrations", "schema", "clock"}
        assert {(one["store"], one["subject"]) for one in told["checks"]} == {
            *(("postgres", subject) for subject in common | POSTGRES_SUBJECTS),
            *(("mongo", subject) for subject in common | MONGO_SUBJECTS),
            *(("redis", subject) for subject in REDIS_SUBJECTS),
        }
        assert call(flows) == call(dialogues) == 0


def test_doctor_names_what_is_missing_other_or_not_ours_in_mongo(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Indexes and validators; `migrate` mends what is ours and leaves the rest."""
    with bootstrap.embedded.servers_sync({"mongo"}) as urls:
        settings = Settings(
            profile="servers",
            mongo_url=urls.mongo,
            stores=Stores(authoring="memory", runtime="memory"),
        )
        for name, value in environment_of(settings).items():
            monkeypatch.setenv(name, value)
        assert call(["migrate"]) == 0
        client: MongoClient[dict[str, Any]] = MongoClient(urls.mongo)
        with client:
            database = client.get_default_database()
            messages = database["messages"]
            messages.drop_index("ix_messages_words")
            messages.drop_index("ix_messages_at")
            messages.create_index([("at", 1)], name="ix_messages_at")
            messages.create_index([("sender", 1)], name="ix_somebody_s")
            database.command("collMod", "conversations", validator={})
        capsys.readouterr()
        code, told = answer(capsys, "doctor")
        assert code == 1
        assert not_well(told) == [("mongo", "migrations"), ("mongo", "schema")]
        found = next(one["found"] for one in told["checks"] if one["subject"] == "schema")
        assert "index messages.ix_messages_words is missing" in found
        assert "index messages.ix_messages_at is (at ascending), not (tenant_id" in found
        assert "index messages.ix_somebody_s is (sender ascending) and not ours" in found
        assert "validator conversations" in found
        assert call(["migrate"]) == 0
        capsys.readouterr()
        assert call(["doctor", "--strict"]) == 1
        capsys.readouterr()
        assert call(["doctor"]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert "warning mongo schema index messages.ix_somebody_s is (sender ascending)" in printed
        assert "NOT WELL" not in printed


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_up_serves_until_it_is_told_to_end(tmp_path: Path, told: signal.Signals) -> None:
    """Ready to be used by URL, migrations included."""
    process = subprocess.Popen(
        [*DIALOGBASE, "up", "--data", str(tmp_path / "data"), "--json"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    urls = json.loads(process.stdout.readline())
    assert set(urls) == {"postgres", "postgres_owner", "mongo", "valkey"}

    async def use() -> None:
        settings = Settings(
            profile="servers",
            postgres_url=urls["postgres"],
            mongo_url=urls["mongo"],
            redis_url=urls["valkey"],
        )
        async with bootstrap.open(settings) as platform:
            acme = platform.for_tenant("acme")
            await acme.flows.create(Flow.draft(name="welcome"))
            await acme.conversations.create(Conversation.draft(user_id="ada"))
            await acme.sessions.create("ada")

    asyncio.run(use())
    process.send_signal(told)
    assert process.wait() == 0
    process.stdout.close()


@run
async def test_the_embedded_profile_keeps_its_data(tmp_path: Path) -> None:
    """From one process's platform to the next."""
    settings = Settings(profile="embedded", data=tmp_path / "data")
    async with bootstrap.open(settings) as platform:
        acme = platform.for_tenant("acme")
        flow = await acme.flows.create(Flow.draft(name="welcome"))
        talk = await acme.conversations.create(Conversation.draft(user_id="ada"))
        issued = await acme.sessions.create("ada", conversation_id=talk.id)
        async with acme.locks.hold(talk.id) as first:
            pass
    async with bootstrap.open(settings) as platform:
        acme = platform.for_tenant("acme")
        assert (await acme.sessions.require(issued.token)).conversation_id == talk.id
        async with acme.locks.hold(talk.id) as second:
            assert second.fencing_token > first.fencing_token
        assert await acme.flows.require(flow.id) == flow
        assert await acme.conversations.require(talk.id) == talk


@run
async def test_opening_the_embedded_profile_can_be_cancelled(tmp_path: Path) -> None:
    """And leaves no server behind: the next one can be opened in the same folder, at once."""
    settings = Settings(profile="embedded", data=tmp_path / "data")

    async def use() -> None:
        async with bootstrap.open(settings):
            raise AssertionError

    opening = asyncio.create_task(use())
    while not (tmp_path / "data" / "guardian.sock").exists():
        await asyncio.to_thread(os.sched_yield)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert asyncio.all_tasks() == {asyncio.current_task()}
    async with bootstrap.open(settings) as platform:
        await platform.check()


def test_standard_input_can_be_imported() -> None:
    """From a pipe, say."""
    done = subprocess.run(
        [*DIALOGBASE, "import", "flows", "-", "--tenant", "a", "--profile", "memory", "--json"],
        input=json.dumps(GOOD).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(done.stdout)["imported"] == 1


def test_bench_says_where_it_can_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments go on to the benchmarks, which say what they don't know."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr(sys, "argv", [*sys.argv])
        assert call(["bench", "--only", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
