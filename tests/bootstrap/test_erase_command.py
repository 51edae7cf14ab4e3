"""`dialogbase erase`: what it asks, does and tells."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from rich.prompt import Confirm

import bootstrap
from bootstrap.cli import call
from bootstrap.settings import PREFIX, Settings
from domain.conversations import Conversation
from domain.erasure import Tombstone, user_hash
from domain.identity import TenantId, UserId
from tests.bootstrap.running import answer

ADA = UserId("ada lovelace")


@pytest.fixture
def impatient(by_url: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers on which nothing that is under way takes long."""
    monkeypatch.setenv(f"{PREFIX}DEADLINE_SECONDS", "1")
    monkeypatch.setenv(f"{PREFIX}ERASURE_STALENESS_SECONDS", "0.05")


async def talking(settings: Settings, tenant: str, *users: str) -> None:
    """Each has a conversation."""
    async with bootstrap.open(settings) as platform:
        for user in users:
            draft = Conversation.draft(user_id=user)
            await platform.for_tenant(tenant).conversations.create(draft)


async def left(settings: Settings, tenant: str) -> list[str]:
    """Who has one."""
    async with bootstrap.open(settings) as platform:
        talks = platform.for_tenant(tenant).conversations
        return [each.user_id async for each in talks.stream()]


async def begun(settings: Settings, tenant: str, user: UserId) -> None:
    """An erasure that ended as soon as it had begun."""
    async with bootstrap.open(settings) as platform:
        maintenance = platform.maintenance
        now = maintenance.clock.now()
        until = now + maintenance.buried_for
        stone = Tombstone(tenant_id=TenantId(tenant), user_id=user, at=now, until=until)
        await maintenance.dialogue.tombstones.bury(stone)


@pytest.mark.usefixtures("impatient")
def test_a_user_is_erased_resumed_listed_and_lifted(
    on_servers: Settings, tenant: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command tells what it found, in JSON; the receipt names nobody, but their hash."""
    asyncio.run(talking(on_servers, tenant, ADA, "mary"))
    asyncio.run(begun(on_servers, tenant, ADA))
    _, told = answer(capsys, "erase", "list", "--tenant", tenant)
    (listed,) = told["erasures"]
    assert (listed["user"], listed["finished_at"]) == (ADA, None)
    code, told = answer(capsys, "erase", "resume")
    (receipt,) = [each for each in told["finished"] if each["tenant"] == tenant]
    stores = {each["store"]: each["erased"] for each in receipt["stores"]}
    assert stores["dialogue"] == {"conversations": 1}
    assert (code, receipt["total"], receipt["finished_at"] is None) == (0, 1, False)
    file = tmp_path / "receipt.json"
    arguments = ("erase", "user", tenant, ADA, "--yes", "--receipt", str(file))
    assert answer(capsys, *arguments) == (0, receipt)
    assert json.loads(file.read_text()) == receipt
    assert receipt["user_hash"] == user_hash(TenantId(tenant), ADA)
    assert ADA not in file.read_text()
    assert answer(capsys, "erase", "list", "--tenant", tenant) == (0, {"erasures": []})
    _, told = answer(capsys, "erase", "list", "--all", "--tenant", tenant)
    assert [(each["user"], each["user_hash"]) for each in told["erasures"]] == [
        (None, receipt["user_hash"])
    ]
    assert asyncio.run(left(on_servers, tenant)) == ["mary"]
    assert answer(capsys, "erase", "lift", tenant, ADA) == (0, {"lifted": True})
    assert answer(capsys, "erase", "lift", tenant, ADA) == (1, {"lifted": False})


@pytest.mark.usefixtures("impatient")
def test_a_tenant_is_erased_and_shown(
    on_servers: Settings, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of what went from where; again, it is the same."""
    asyncio.run(talking(on_servers, tenant, ADA, "mary"))
    assert call(["erase", "tenant", tenant, "--yes"]) == 0
    shown = capsys.readouterr().out
    assert "conversations" in shown
    assert f"2 erased: all of tenant {tenant}" in shown
    assert asyncio.run(left(on_servers, tenant)) == []
    assert call(["erase", "tenant", tenant, "--yes"]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(("said", "code"), [(True, 0), (False, 1)])
def test_people_are_asked_first(
    said: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal; who says no has erased nothing."""
    asked: list[Any] = []

    def ask(question: str, **_: object) -> bool:
        asked.append(question)
        return said

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(Confirm, "ask", ask)
    assert call(["erase", "user", "acme", "[ada]", "--profile", "memory"]) == code
    (question,) = asked
    assert "\\[ada]" in question
    assert ("nothing was erased" in capsys.readouterr().out) is not said


@pytest.mark.parametrize(
    "arguments",
    [
        ("tenant", "acme"),
        ("user", "acme", "ada"),
        ("user", "a c", "ada", "--yes"),
        ("user", "acme", "\x00", "--yes"),
        ("tenant", "", "--yes"),
        ("lift", "a/b"),
        ("list", "--tenant", "*"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where nobody can be asked and nobody said yes."""
    code, told = answer(capsys, "erase", *arguments, "--profile", "memory")
    assert code == 2
    assert told["error"]
