"""`dialogbase audit verify`, as a user or a program meets it."""

import json
from pathlib import Path
from uuid import UUID

import attrs
import pytest

import bootstrap
from bootstrap import Settings
from bootstrap.cli import call
from domain.audit import NO_ENTRY, AuditEntry
from domain.flows import Flow
from domain.identity import TenantId, UserId
from tests.bootstrap.running import answer, run
from tests.contracts.tampering import tamper_postgres


@run
async def _changed(settings: Settings, tenant: str, trail: list[AuditEntry]) -> None:
    async with bootstrap.open(settings) as platform:
        scope = platform.for_tenant(tenant, actor="ada", reason="to be seen")
        flow = await scope.flows.create(Flow.draft(name="flow"))
        await scope.flows.patch(flow.id, description="changed")
        trail += [entry async for entry in scope.audit.stream(None, "position")]


@run
async def _altered(settings: Settings, tenant: str, entry_id: UUID) -> None:
    async with bootstrap.open(settings) as platform:
        entry = await platform.for_tenant(tenant).audit.require(entry_id)
    url = settings.postgres_owner_url
    assert url is not None
    await tamper_postgres(
        url, TenantId(tenant), {entry.id: attrs.evolve(entry, actor=UserId("bob"))}
    )


def test_the_trail_puts_an_import_down_to_whoever_is_named(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    on_servers: Settings,
    by_url: None,
    tenant: str,
) -> None:
    """To nobody, if nobody is; who runs a command isn't guessed."""
    file = tmp_path / "flows.jsonl"
    trail: list[AuditEntry] = []

    @run
    async def read() -> None:
        async with bootstrap.open(on_servers) as platform:
            audit = platform.for_tenant(tenant).audit
            trail.extend([entry async for entry in audit.stream(None, "position")])

    for name, who in (("a", ()), ("b", ("--actor", "ada", "--reason", "moved in"))):
        file.write_text(json.dumps({"id": name, "name": name, "definition": {}}))
        code, told = answer(capsys, "import", "flows", str(file), "--tenant", tenant, *who)
        assert (code, told["imported"]) == (0, 1)
    read()
    assert [(one.actor, one.reason) for one in trail] == [(None, None), ("ada", "moved in")]


def test_a_sound_trail_shows_its_head(
    capsys: pytest.CaptureFixture[str], on_servers: Settings, by_url: None, tenant: str
) -> None:
    """Which is found again the next time, though the chain has grown."""
    _changed(on_servers, tenant, [])
    verify = ("audit", "verify", "--tenant", tenant)
    code, first = answer(capsys, *verify)
    assert (code, first["sound"], first["entries"], first["finding"]) == (0, True, 2, None)
    assert first["head"].startswith("2:")
    assert call([*verify]) == 0
    assert f"sound: 2 entries of tenant {tenant}\nhead {first['head']}\n" in capsys.readouterr().out
    _changed(on_servers, f"{tenant}-other", [])
    code, other = answer(capsys, *verify[:3], f"{tenant}-other", "--expected", first["head"])
    assert (code, other["finding"]["fault"]) == (1, "rewritten")
    assert answer(capsys, *verify, "--expected", first["head"]) == (0, first)


def test_the_first_bad_entry_is_named(
    capsys: pytest.CaptureFixture[str], on_servers: Settings, by_url: None, tenant: str
) -> None:
    """And nothing of what it says; the exit code is 1."""
    trail: list[AuditEntry] = []
    verify = ("audit", "verify", "--tenant", tenant)
    _changed(on_servers, tenant, trail)
    assert call([*verify]) == 0
    capsys.readouterr()
    entry = trail[1]
    _altered(on_servers, tenant, entry.id)
    code, told = answer(capsys, *verify)
    assert (code, told["sound"], told["entries"]) == (1, False, 1)
    assert told["finding"] == {
        "fault": "altered",
        "sequence": 2,
        "entry_id": str(entry.id),
        "says": "entry 2 isn't what was sealed there",
    }
    assert call([*verify]) == 1
    printed = capsys.readouterr().out
    assert f"altered: entry 2 isn't what was sealed there (entry {entry.id})" in printed
    assert "bob" not in printed


def test_a_tenant_without_changes_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    """Its head is that of an empty chain."""
    code, told = answer(capsys, "audit", "verify", "--tenant", "acme", "--profile", "memory")
    assert code == 0
    nothing = str(NO_ENTRY)
    assert told == {
        "sound": True,
        "entries": 0,
        "head": nothing,
        "anchor": nothing,
        "finding": None,
    }


def test_what_is_no_head_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    """Said in one line."""
    command = [
        "audit",
        "verify",
        "--tenant",
        "acme",
        "--profile",
        "memory",
        "--expected",
        "nothing",
    ]
    assert call(command) == 2
    assert "AuditHead" in capsys.readouterr().err
