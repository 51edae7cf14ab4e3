"""What a server that was asked for is like."""

import asyncio
import json
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import attrs
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from redis import AuthenticationError, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bootstrap import embedded
from bootstrap.embedded import KINDS, ServerKind, ServerUrls

from .processes import pid_of, servers_of
from .queries import remember, remembered, setting


@attrs.frozen
class Opened:
    urls: ServerUrls
    folder: Path


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """All three, in a named folder."""
    folder = tmp_path_factory.mktemp("embedded") / "data"
    with embedded.servers_sync(KINDS, data=folder) as urls:
        yield Opened(urls, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_answers_once_the_block_is_entered(opened: Opened, kind: ServerKind) -> None:
    """What is written is read; MongoDB does it in a transaction, which needs its replica set."""
    remember(opened.urls, kind, "well")

    assert remembered(opened.urls, kind) == "well"


def test_the_event_loop_runs_while_servers_start() -> None:
    """Other tasks go on, and the block has what it asked for."""

    async def main() -> int:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.001)
                turns += 1

        turning = asyncio.create_task(turn())
        async with embedded.servers({"valkey"}) as urls:
            seen = turns
            assert urls.valkey.startswith("redis://")
        turning.cancel()
        return seen

    assert asyncio.run(main()) > 10


def test_only_what_was_asked_for_is_started(tmp_path: Path) -> None:
    """One server runs, and asking for another's address says what to do."""
    with embedded.servers_sync({"valkey"}, data=tmp_path) as urls:
        assert set(json.loads((tmp_path / "state.json").read_bytes())) == {"valkey"}
        assert len(servers_of(tmp_path)) == 1
        with pytest.raises(LookupError, match=r"no postgres server was asked for"):
            _ = urls.postgres


def test_an_unknown_server_is_refused_before_anything_starts(tmp_path: Path) -> None:
    """A name that is none of ours names those that are."""
    unknown: list[ServerKind] = ["redis"]  # type: ignore[list-item]  # the mistake under test

    with (
        pytest.raises(ValueError, match="postgres, mongo, valkey"),
        embedded.servers_sync(unknown, data=tmp_path / "data"),
    ):
        pass
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_listens_on_one_address_of_this_machine(opened: Opened, kind: ServerKind) -> None:
    """Another loopback address, which stands for any other, is refused."""
    port = urlsplit(opened.urls.by_kind[kind]).port
    assert port is not None

    with socket.create_connection(("127.0.0.1", port)):
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port))


def test_postgres_wants_the_password(opened: Opened) -> None:
    """A local user without it is refused, also as the superuser."""

    async def intrude(user: str) -> None:
        port = urlsplit(opened.urls.postgres).port
        await asyncpg.connect(
            host="127.0.0.1", port=port, user=user, password="guess", database="dialogbase"
        )

    for user in ("dialogbase", "postgres"):
        with pytest.raises(asyncpg.InvalidPasswordError):
            asyncio.run(intrude(user))


def test_mongo_wants_the_password(opened: Opened) -> None:
    """A local user without it may neither read nor make users."""
    port = urlsplit(opened.urls.mongo).port
    with MongoClient[dict[str, str]]("127.0.0.1", port, directConnection=True) as client:
        with pytest.raises(OperationFailure, match="requires authentication"):
            client["dialogbase"].memory.find_one()
        with pytest.raises(OperationFailure, match="requires authentication"):
            client["admin"].command("createUser", "intruder", pwd="x", roles=["root"])


def test_valkey_wants_the_password(opened: Opened) -> None:
    """A local user without it is refused."""
    port = urlsplit(opened.urls.valkey).port
    assert port is not None
    with (
        Redis("127.0.0.1", port, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(AuthenticationError),
    ):
        client.get("memory")


@pytest.mark.parametrize("kind", KINDS)
def test_no_password_is_on_a_command_line(opened: Opened, kind: ServerKind) -> None:
    """Every user of the machine can list command lines."""
    secrets: dict[str, str] = json.loads((opened.folder / "secrets.json").read_bytes())
    line = Path(f"/proc/{pid_of(opened.folder, kind)}/cmdline").read_text()

    assert line
    assert not [name for name, secret in secrets.items() if secret in line]


def test_what_lies_in_the_folder_is_its_owners_alone(opened: Opened) -> None:
    """No file or folder of the first level can be read or passed by others."""
    open_to_others = [
        path.name
        for path in (opened.folder, *opened.folder.iterdir())
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]

    assert open_to_others == []


def test_the_urls_can_be_logged(opened: Opened) -> None:
    """Their repr names hosts and ports and no password."""
    urls = [*opened.urls.by_kind.values(), opened.urls.postgres_owner]
    secrets = {urlsplit(url).password or "?" for url in urls}

    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret in repr(opened.urls)]
    assert repr(opened.urls).count(":***@127.0.0.1:") == 4


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("SHOW server_encoding", "UTF8"),
        ("SELECT datcollate FROM pg_database WHERE datname = 'dialogbase'", "C"),
        ("SHOW timezone", "UTC"),
        ("SHOW max_connections", "200"),
        ("SHOW fsync", "on"),
        ("SHOW synchronous_commit", "on"),
        ("SHOW full_page_writes", "on"),
        ("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user", "False"),
    ],
)
def test_postgres_in_a_named_folder_is_set_up_to_keep_data(
    opened: Opened, query: str, answer: str
) -> None:
    """Durable, in one locale and time zone, and row-level security holds for its user."""
    assert setting(opened.urls, query) == answer


def test_postgres_in_a_temporary_folder_is_set_up_to_be_fast() -> None:
    """Nothing waits for the disk where nothing is kept."""
    with embedded.servers_sync({"postgres"}) as urls:
        assert setting(urls, "SHOW fsync") == "off"
        assert setting(urls, "SHOW synchronous_commit") == "off"


def test_a_users_process_imports_no_driver() -> None:
    """What the process pays for is the standard library and attrs."""
    script = (
        "import sys; from bootstrap import embedded\n"
        "with embedded.servers_sync({'valkey'}): pass\n"
        "print([name for name in ('asyncpg', 'pymongo', 'motor', 'redis') if name in sys.modules])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout

    assert printed == "[]\n"
