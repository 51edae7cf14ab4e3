"""A platform whose execution states are synchronised, by its settings."""

from datetime import timedelta

import pytest

from bootstrap import Settings, SettingsError
from bootstrap import open as open_platform
from bootstrap.cli import app, options
from domain.conversations import Conversation
from domain.executions import ExecutionState
from ports.errors import UnsupportedOperationError
from tests.bootstrap.running import run


def test_it_is_switched_on_by_the_environment() -> None:
    """Off unless asked for; nonsense is refused."""
    assert not Settings.memory().synchronise
    settings = Settings.from_environment(
        {"DIALOGBASE_SYNCHRONISE": "true", "DIALOGBASE_SYNCHRONISE_EVERY_SECONDS": "0.25"},
        profile="memory",
    )
    assert settings.synchronise
    assert settings.synchronisation_interval == timedelta(milliseconds=250)
    with pytest.raises(SettingsError) as told:
        Settings.from_environment(
            {"DIALOGBASE_SYNCHRONISE": "perhaps", "DIALOGBASE_SYNCHRONISE_EVERY_SECONDS": "0"},
            profile="memory",
        )
    assert [fault.path for fault in told.value.faults] == [
        "DIALOGBASE_SYNCHRONISE",
        "DIALOGBASE_SYNCHRONISE_EVERY_SECONDS",
    ]


@run
async def test_states_are_written_behind_and_come_back() -> None:
    """What is due at the block's end is written by then; an erased tenant's don't come back."""
    settings = Settings(profile="memory", synchronise=True)
    async with open_platform(settings) as platform:
        acme = platform.for_tenant("acme")
        await acme.conversations.create(Conversation.draft(user_id="ada", id="talk"))
        async with platform.synchronising(interval=timedelta(milliseconds=1)):
            await acme.executions.save(ExecutionState.draft("talk", slots={"a": 1}))
        assert (await acme.contexts.require("talk")).slots == {"a": 1}
        await platform.maintenance.runtime.erase_tenant(acme.tenant)
        assert (await acme.executions.require("talk")).slots == {"a": 1}
        assert (await platform.maintenance.erase_tenant(acme.tenant)).total == 3
        assert await acme.executions.get("talk") is None


@run
async def test_what_is_switched_off_says_so() -> None:
    """And does nothing."""
    async with open_platform(Settings.memory()) as platform:
        with pytest.raises(UnsupportedOperationError):
            platform.synchroniser()
        with pytest.raises(UnsupportedOperationError):
            await platform.for_tenant("acme").executions.sync_to_context("talk")


def test_the_command_writes_all_there_is(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """And says what it did; switched off, it says how to switch it on."""
    assert app.call(["sync", "--once", "--profile", "memory"]) == options.MISUSED
    assert b"DIALOGBASE_SYNCHRONISE" in capsysbinary.readouterr().err
    monkeypatch.setenv("DIALOGBASE_SYNCHRONISE", "true")
    assert app.call(["sync", "--once", "--profile", "memory", "--json"]) == options.OK
    assert capsysbinary.readouterr().out == b'{"written":0,"waiting":0}\n'
