"""What lies where in a data folder: data, logs, secrets, the guardian's lock and socket."""

import contextlib
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import attrs

TEMPORARY_PREFIX = "dialogbase-embedded-"
_SECRETS = ("postgres", "postgres_service", "postgres_admin", "mongo", "mongo_key", "valkey")
_TAIL_LINES = 40
_TAIL_WIDTH = 400


@attrs.frozen
class DataFolder:
    """One set of servers' folder.

    Every file in it is private to its owner, whatever the mode of the folder itself. A temporary
    one's servers trade durability for speed, and it is removed when its last user has left.
    """

    root: Path
    temporary: bool

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def socket_file(self) -> Path:
        return self.root / "guardian.sock"

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def tail_of(self, name: str) -> str:
        """The end of what it printed, in lines short enough for an error's text."""
        return tail(read_log(self.log_of(name)))

    def lock(self) -> int | None:
        """The descriptor that holds the folder's one lock, or None while another holds it.

        The lock lasts until every process that inherited the descriptor has ended: the kernel
        drops it, however they end.
        """
        descriptor = os.open(self.root / "guardian.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def listen(self) -> socket.socket:
        """The socket where users come; only the holder of the lock may ask for it."""
        self.socket_file.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with self._short_address() as address:
            listener.bind(address)
        listener.listen(128)
        return listener

    def connect(self) -> socket.socket | None:
        """A connection to the folder's guardian; None when it has none."""
        user = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with self._short_address() as address:
                user.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            user.close()
            return None
        return user

    @contextlib.contextmanager
    def _short_address(self) -> Iterator[str]:
        # A socket's address holds 107 bytes, and data folders' paths may be longer.
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}/{self.socket_file.name}"
        finally:
            os.close(descriptor)

    def passwords(self) -> dict[str, str]:
        """The folder's passwords, made when first asked for; only under the lock."""
        path = self.root / "secrets.json"
        try:
            known: dict[str, str] = json.loads(path.read_bytes())
        except FileNotFoundError:
            known = {}
        missing = {name: secrets.token_hex(32) for name in _SECRETS if name not in known}
        if missing:
            known |= missing
            replace(path, json.dumps(known).encode())
        return known


def replace(path: Path, content: bytes) -> None:
    """Writes a private file that is there whole or not at all, even after a power cut."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def read_log(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def tail(text: str) -> str:
    lines = [line[:_TAIL_WIDTH] for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-_TAIL_LINES:])
