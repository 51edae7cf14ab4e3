"""Tenants between real servers and memory, by real processes that may be killed."""

import asyncio
import os
import signal
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import attrs
import pytest

import bootstrap
from adapters.encryption import KeyRing, new_key
from bootstrap import Settings
from bootstrap.interchange import import_dialogues, import_flows, opened_file
from bootstrap.interchange.tenant import export_tenant, import_tenant
from bootstrap.keys import keys
from domain.executions import ExecutionState
from ports.contracts.exact import exact
from tests.bootstrap.running import answer, run
from tests.bootstrap.stores import environment_of
from tests.bootstrap.test_real_dialogues import FILE as DIALOGUES
from tests.bootstrap.test_real_dialogues import real_lines
from tests.bootstrap.test_real_flows import FILE as FLOWS
from tests.interchange.tenants import NOW, archived, files_of, filled, shown

BOX = KeyRing({"moving": bytes(range(32))})


@pytest.fixture(scope="session")
def with_key(on_servers: Settings) -> Settings:
    """The servers' settings, with a key for credentials."""
    return attrs.evolve(on_servers, encryption_keys=keys(f"own:{new_key()}"))


@run
async def test_a_tenant_moves_from_servers_to_memory_and_back(
    with_key: Settings, tenant: str, tmp_path: Path
) -> None:
    """Each time entity by entity equal, through the ports, and the same files; the trail verifies,
    and goes on."""
    here, there = tmp_path / "here", tmp_path / "there"
    async with bootstrap.open(with_key) as servers, bootstrap.open(Settings.memory()) as memory:
        scope = await filled(servers, tenant)
        made = await export_tenant(servers, tenant, here, at=NOW, secrets=BOX)
        assert made.without_credentials == ()
        assert not (await import_tenant(memory, here, secrets=BOX)).refused
        moved = memory.for_tenant(tenant)
        assert await shown(moved) == await shown(scope)
        assert exact(await archived(memory, tenant)) == exact(await archived(servers, tenant))
        assert (await moved.audit.verify()).head == (await scope.audit.verify()).head
        await export_tenant(memory, tenant, there, at=NOW, secrets=BOX)
        assert files_of(here) == files_of(there)
        await servers.maintenance.authoring.erase_tenant(scope.tenant)
        await servers.maintenance.dialogue.erase_tenant(scope.tenant)
        await servers.maintenance.analytics.erase_tenant(scope.tenant)
        await servers.maintenance.runtime.erase_tenant(scope.tenant)
        assert not any((await archived(servers, tenant)).values())
        assert not (await import_tenant(servers, there, secrets=BOX)).refused
        assert await shown(scope) == await shown(moved)
        report = await import_tenant(servers, there, secrets=BOX)
        assert sum(kind.unchanged for kind in report.kinds.values()) == made.records
        await export_tenant(servers, tenant, here, at=NOW, secrets=BOX)
        assert files_of(here) == files_of(there)
        flow = (await scope.flows.scan(limit=1)).items[0]
        await scope.flows.patch(flow.id, description="later")
        assert (await scope.audit.verify()).sound


@run
async def test_a_tenant_is_copied_beside_itself(
    with_key: Settings, tenant: str, tmp_path: Path
) -> None:
    """Under another name on the same servers: neither knows of the other."""
    async with bootstrap.open(with_key) as servers:
        scope = await filled(servers, tenant)
        await export_tenant(servers, tenant, tmp_path / "a", at=NOW)
        before = await shown(scope)
        report = await import_tenant(servers, tmp_path / "a", tenant=f"{tenant}.copy")
        assert not report.refused
        copy = servers.for_tenant(f"{tenant}.copy")
        assert (await copy.audit.verify()).sound
        assert await shown(scope) == before
        await servers.maintenance.authoring.erase_tenant(copy.tenant)
        assert await shown(scope) == before


@run
async def test_a_flow_that_a_cache_missed_is_there_after_the_import(
    with_key: Settings, tenant: str, tmp_path: Path
) -> None:
    """The process that imports drops what its caches, and the shared one, know of the tenant."""
    settings = attrs.evolve(with_key, flow_cache=True, flow_cache_staleness_seconds=600)
    async with bootstrap.open(Settings.memory()) as memory, bootstrap.open(settings) as cached:
        scope = await filled(memory, tenant)
        await export_tenant(memory, tenant, tmp_path, at=NOW)
        default = await scope.flows.get_default()
        assert default is not None
        flows = cached.for_tenant(tenant).flows
        assert await flows.get_default() is None
        assert await flows.get_by_id(default.id) is None
        await import_tenant(cached, tmp_path)
        assert await flows.get_default() == default
        assert await flows.get_by_id(default.id) == default


@run
async def test_what_wasnt_synchronised_is_due_where_it_came_to(
    with_key: Settings, tenant: str, tmp_path: Path
) -> None:
    """A state that was ahead of its context is synchronised by whoever synchronises there."""
    moving = Settings(profile="memory", synchronise=True)
    settings = attrs.evolve(with_key, synchronise=True)
    async with bootstrap.open(settings) as servers, bootstrap.open(moving) as memory:
        scope = await filled(servers, tenant)
        talk = (await scope.conversations.scan(limit=1)).items[0]
        await scope.executions.save(ExecutionState.draft(talk.id, slots={"a": 1}))
        await export_tenant(servers, tenant, tmp_path, at=NOW)
        assert not (await import_tenant(memory, tmp_path)).refused
        there = memory.for_tenant(tenant)
        await memory.synchroniser().once()
        assert (await there.contexts.require(talk.id)).slots == {"a": 1}
        state = await there.executions.require(talk.id)
        assert state == await scope.executions.require(talk.id)


@pytest.mark.skipif(not DIALOGUES.exists(), reason="the real data aren't there")
@run
async def test_an_import_of_real_data_that_was_killed_is_completed_by_the_next(
    with_key: Settings, tenant: str, tmp_path: Path
) -> None:
    """Other people's flows and dialogues, into real servers, killed in the middle, and again: all
    of it is there once, and an export of it is the same to the byte."""
    source, part, back = tmp_path / "source", tmp_path / "part.jsonl", tmp_path / "back"
    lines = list(islice(real_lines(), 60))
    part.write_bytes(b"".join(lines))
    async with bootstrap.open(Settings.memory()) as memory:
        scope = memory.for_tenant(tenant)
        with opened_file(FLOWS) as file:
            await import_flows(scope, file, at=NOW)
        with opened_file(part) as file:
            assert not (await import_dialogues(scope, file, at=NOW)).refused
        made = await export_tenant(memory, tenant, source, at=NOW, gzipped=True)
    async with bootstrap.open(with_key) as servers:
        scope = servers.for_tenant(tenant)
        killed = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.interchange.process", str(source), "1000"),
            cwd=Path(__file__).parents[2],
            env=os.environ | environment_of(with_key),
        )
        assert await killed.wait() == -signal.SIGKILL
        report = await import_tenant(servers, source)
        assert report.refused == ()
        imported = sum(kind.imported for kind in report.kinds.values())
        assert 0 < imported < made.records - 1_000
        assert imported + sum(kind.unchanged for kind in report.kinds.values()) == made.records
        assert (await scope.audit.verify()).sound
        await export_tenant(servers, tenant, back, at=NOW, gzipped=True)
    assert files_of(source) == files_of(back)


def test_the_commands_tell_what_they_did(
    on_servers: Settings,
    tenant: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exported, imported under another name, again; and what can't be is one clear line."""
    for name, value in environment_of(on_servers).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DIALOGBASE_ENCRYPTION_KEYS", f"own:{new_key()}")
    text = f"moving:{new_key()}"
    (tmp_path / "key").write_text(f"{text}\n")
    folder, key = str(tmp_path / "out"), ["--credentials-key", str(tmp_path / "key")]

    async def fill() -> None:
        async with bootstrap.open() as platform:
            await filled(platform, tenant)

    asyncio.run(fill())
    code, told = answer(capsys, "export", "tenant", tenant, "--to", folder)
    assert (code, told["tenant"], told["without_credentials"]) == (0, tenant, ["crm"])
    code, told = answer(capsys, "export", "tenant", tenant, "--to", folder, *key)
    assert (code, told["without_credentials"]) == (0, [])
    assert told["records"] == sum(told["kinds"].values()) > 50
    arguments = ["import", "tenant", folder, "--as", f"{tenant}.copy", *key]
    code, first = answer(capsys, *arguments)
    assert (code, first["imported"], first["refused"]) == (0, told["records"], [])
    code, again = answer(capsys, *arguments)
    assert (code, again["unchanged"]) == (0, told["records"])
    assert again["audit_head"] == first["audit_head"]

    async def revealed() -> Any:
        async with bootstrap.open() as platform:
            crm = await platform.for_tenant(f"{tenant}.copy").integrations.get_by_name("crm")
            assert crm is not None
            assert crm.credentials is not None
            return crm.credentials.reveal()

    assert asyncio.run(revealed())["api_key"] == "k-123"
    (tmp_path / "key").write_text("nonsense")
    code, failed = answer(capsys, *arguments)
    assert (code, "nonsense" in str(failed)) == (2, False)
    (tmp_path / "out" / "manifest.json").unlink()
    code, failed = answer(capsys, "import", "tenant", folder)
    assert (code, "isn't complete" in failed["error"]) == (1, True)
