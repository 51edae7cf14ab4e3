"""Who holds the servers, and that they end with the last one, however it ends."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bootstrap import embedded
from bootstrap.embedded import KINDS
from bootstrap.embedded.folder import DataFolder
from bootstrap.embedded.process import Ledger, ProcessId, sweep

from .processes import DEADLINE, all_end, guardian_of, kill, pid_of, servers_of, user
from .queries import remember, remembered


def test_a_second_start_finds_the_data(tmp_path: Path) -> None:
    """All three keep what they were given; MongoDB though its address is another."""
    with embedded.servers_sync(KINDS, data=tmp_path / "data") as urls:
        for kind in KINDS:
            remember(urls, kind, f"kept in {kind}")

    with embedded.servers_sync(KINDS, data=tmp_path / "data") as again:
        found = {kind: remembered(again, kind) for kind in KINDS}

    assert found == {kind: f"kept in {kind}" for kind in KINDS}


def test_a_temporary_folder_is_removed(tmp_path: Path) -> None:
    """When the block is left, servers and folder are gone."""
    with user(KINDS, None, temporary=str(tmp_path)) as one:
        one.urls()
        (folder,) = tmp_path.iterdir()
        started = servers_of(folder)
        one.leave()

        assert len(started) > 4
        assert not any(process.runs() for process in started)
        assert list(tmp_path.iterdir()) == []


def test_users_share_servers_until_the_last_has_left(tmp_path: Path) -> None:
    """The first to leave takes nothing away; the last one's end waits for the servers'."""
    with user({"valkey"}, tmp_path) as first, user({"valkey"}, tmp_path) as second:
        urls = first.urls()
        assert second.urls() == urls
        started = servers_of(tmp_path)

        first.leave()
        assert servers_of(tmp_path) == started
        remember(urls, "valkey", "still here")

        second.leave()
        assert started
        assert not any(process.runs() for process in started)


def test_a_further_server_joins_those_that_run(tmp_path: Path) -> None:
    """Who asks for more shares what runs, and has the rest started in the same folder."""
    with (
        embedded.servers_sync({"valkey"}, data=tmp_path) as fewer,
        embedded.servers_sync({"valkey", "postgres"}, data=tmp_path) as more,
    ):
        assert more.valkey == fewer.valkey
        remember(more, "postgres", "joined")


def test_simultaneous_openers_of_a_fresh_folder_get_one_set_of_servers(tmp_path: Path) -> None:
    """They agree on every address, and one guardian runs."""
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(user({"valkey", "postgres"}, tmp_path)) for _ in range(4)]
        addresses = {json.dumps(sorted(one.urls().by_kind.items())) for one in users}

        assert len(addresses) == 1
        assert len(guardian_of(tmp_path)) == 1


def test_openers_that_come_and_go_are_all_served(tmp_path: Path) -> None:
    """A guardian that is about to end turns nobody away."""
    for _ in range(3):
        with user({"valkey"}, tmp_path) as leaving, user({"valkey"}, tmp_path) as coming:
            leaving.urls()
            leaving.leave()
            remember(coming.urls(), "valkey", "served")


def test_a_killed_owner_leaves_nothing(tmp_path: Path) -> None:
    """SIGKILL ends its servers, and its temporary folder goes too."""
    with user(KINDS, None, temporary=str(tmp_path)) as owner:
        owner.urls()
        (folder,) = tmp_path.iterdir()
        started, guardian = servers_of(folder), guardian_of(folder)

        owner.kill()

        assert all_end(started | guardian)
        assert not folder.exists()


def test_a_killed_guardian_takes_the_servers_with_it(tmp_path: Path) -> None:
    """They end with it, and the next start finds what they had been given."""
    with user(KINDS, tmp_path) as owner:
        urls = owner.urls()
        for kind in KINDS:
            remember(urls, kind, "survives")
        started = servers_of(tmp_path)

        kill(guardian_of(tmp_path))

        assert all_end(started)
    with embedded.servers_sync(KINDS, data=tmp_path) as again:
        assert {remembered(again, kind) for kind in KINDS} == {"survives"}


def test_owner_and_guardian_killed_together_leave_no_server(tmp_path: Path) -> None:
    """With nobody left to clean up, the kernel has ended the servers."""
    with user(KINDS, tmp_path) as owner:
        owner.urls()
        started = servers_of(tmp_path)

        kill(guardian_of(tmp_path))
        owner.kill()

        assert all_end(started)


def test_an_owner_outlives_the_guardian_and_removes_its_temporary_folder(tmp_path: Path) -> None:
    """What the guardian can't do any more, its user does."""
    with user({"postgres"}, None, temporary=str(tmp_path)) as owner:
        owner.urls()
        (folder,) = tmp_path.iterdir()
        kill(guardian_of(folder))

        owner.leave()

        assert list(tmp_path.iterdir()) == []


def test_a_guardian_that_is_told_to_stop_stops_the_servers(tmp_path: Path) -> None:
    """SIGTERM, as at a machine's shutdown, ends them in good order."""
    with user({"postgres"}, tmp_path) as owner:
        owner.urls()
        started = servers_of(tmp_path)

        kill(guardian_of(tmp_path), signal.SIGTERM)

        assert all_end(started)
        log = (tmp_path / "logs" / "postgres.log").read_text()
        assert "database system is shut down" in log


def test_an_exception_in_the_block_ends_the_servers(tmp_path: Path) -> None:
    """It comes out of the block, and nothing stays behind."""
    started: set[ProcessId] = set()

    async def main() -> None:
        async with embedded.servers({"valkey"}, data=tmp_path):
            started.update(servers_of(tmp_path))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(main())
    assert started
    assert not any(process.runs() for process in started)


def test_cancellation_in_the_block_ends_the_servers(tmp_path: Path) -> None:
    """The task ends as cancelled once they have ended."""

    async def main() -> set[ProcessId]:
        entered = asyncio.Event()

        async def hold() -> None:
            async with embedded.servers({"valkey"}, data=tmp_path):
                entered.set()
                await asyncio.Event().wait()

        holding = asyncio.create_task(hold())
        await entered.wait()
        started = servers_of(tmp_path)
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding
        return started

    started = asyncio.run(main())
    assert started
    assert not any(process.runs() for process in started)


def _initdb_is_at_work(folder: Path) -> bool:
    return any(folder.glob("postgres.new-*/base"))


def test_cancellation_while_servers_start_leaves_nothing(tmp_path: Path) -> None:
    """In the middle of initdb too; a later start is not disturbed by what was half made."""

    async def main() -> set[ProcessId]:
        async def hold() -> None:
            async with embedded.servers({"postgres"}, data=tmp_path):
                pytest.fail("it should not have got this far")

        holding = asyncio.create_task(hold())
        while not await asyncio.to_thread(_initdb_is_at_work, tmp_path):
            pass
        started = servers_of(tmp_path)
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding
        return started

    started = asyncio.run(main())
    assert started
    assert not any(process.runs() for process in started)
    with embedded.servers_sync({"postgres"}, data=tmp_path) as urls:
        remember(urls, "postgres", "undisturbed")


def test_a_server_that_died_is_started_anew_for_the_next_user(tmp_path: Path) -> None:
    """One that was killed from outside is back for whoever asks next."""
    with user({"valkey"}, tmp_path) as first:
        first.urls()
        died = ProcessId.of(pid_of(tmp_path, "valkey"))
        assert died is not None
        os.kill(died.pid, signal.SIGKILL)
        assert all_end({died})

        with embedded.servers_sync({"valkey"}, data=tmp_path) as urls:
            remember(urls, "valkey", "back")


def test_only_the_recorded_process_is_ended_not_one_that_got_its_pid(tmp_path: Path) -> None:
    """A leftover is known by its pid and its creation; the same pid alone is another's."""
    state = tmp_path / "state.json"
    with subprocess.Popen(["/bin/sleep", str(DEADLINE)]) as stranger:
        process = ProcessId.of(stranger.pid)
        assert process is not None
        recorded = {"pid": process.pid, "created": "0@another boot", "port": 1}
        state.write_text(json.dumps({"valkey": recorded}))
        Ledger(DataFolder(tmp_path, temporary=False)).end_leftovers()
        assert process.runs()

        state.write_text(json.dumps({"valkey": recorded | {"created": process.created}}))
        Ledger(DataFolder(tmp_path, temporary=False)).end_leftovers()
        assert not process.runs()


def test_forgotten_temporary_folders_are_removed_later(tmp_path: Path) -> None:
    """Those of killed processes, an hour on; not fresh ones, nor one that a guardian holds."""
    folders = {
        name: tmp_path / f"dialogbase-embedded-{name}" for name in ("forgotten", "fresh", "held")
    }
    for folder in folders.values():
        folder.mkdir()
        (folder / "guardian.lock").touch()
    for name in ("forgotten", "held"):
        os.utime(folders[name] / "guardian.lock", (0, time.time() - 7200))
    held = DataFolder(folders["held"], temporary=True).lock()
    assert held is not None

    sweep(tmp_path)

    assert {name for name, folder in folders.items() if folder.exists()} == {"fresh", "held"}
    os.close(held)
