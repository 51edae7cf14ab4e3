"""A user's side: finds or starts the folder's guardian, and holds the servers by a connection.

The connection is the lease. The kernel closes it when the process ends in any way, SIGKILL
included; a process forked meanwhile shares it, and holds the servers too until it ends.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection
from pathlib import Path

from bootstrap.embedded.errors import EmbeddedServerError
from bootstrap.embedded.folder import TEMPORARY_PREFIX, DataFolder
from bootstrap.embedded.urls import KINDS, ServerKind, ServerUrls
from bootstrap.embedded.wheels import program, require_linux

# -P: a `bootstrap` folder in the current directory is none of ours.
_GUARDIAN = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from bootstrap.embedded.guardian import main; main(*sys.argv[3:])"
)
_PACKAGES = str(Path(__file__).resolve().parents[2])
_GUARDIANS_TRIED = 5
_GRACE = 15.0
"""Seconds that the guardian has beyond the deadline which it enforces itself."""


class Lease:
    """The servers, from `open` to `leave`. `leave` and `wait` may be called from another thread."""

    def __init__(self, kinds: Collection[ServerKind], data: Path | None, deadline: float) -> None:
        self._kinds = [kind for kind in KINDS if kind in kinds]
        unknown = set(kinds) - set(KINDS)
        if unknown or not kinds:
            raise ValueError(f"ask for some of {', '.join(KINDS)}, not for {sorted(kinds)}")
        self._data = data
        self._deadline = deadline
        self._folder: DataFolder | None = None
        self._connection: socket.socket | None = None
        self._left = False
        self._state = threading.Lock()
        self._opening = threading.Lock()

    def open(self) -> ServerUrls:
        """Returns once every server has answered. Blocks; `leave` makes it give up.

        :raises EmbeddedServerError: one could not be had.
        """
        with self._opening:
            require_linux()
            for kind in self._kinds:
                program(kind)
            self._folder = folder = self._make_folder()
            limit = time.monotonic() + self._deadline
            for _ in range(_GUARDIANS_TRIED):
                answer = self._ask(folder, limit)
                if answer:
                    return _urls(answer)
                # It was about to end, its last user gone: the next one will not be.
            raise _guardian_error(folder, "ended without an answer")

    def leave(self) -> None:
        """Gives the servers back: at once, without blocking, and any number of times."""
        with self._state:
            self._left = True
            if self._connection is not None:
                # The other direction stays open: its end tells when all is over.
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_WR)

    def wait(self) -> None:
        """Returns once the servers have ended, or others use them. Blocks; after `leave`."""
        with self._opening:
            if self._connection is not None:
                with self._connection as connection, contextlib.suppress(OSError):
                    connection.settimeout(_GRACE * 4)
                    while connection.recv(4096):
                        pass
            folder = self._folder
            if folder is not None and folder.temporary and folder.root.exists():
                self._reclaim(folder)

    def _reclaim(self, folder: DataFolder) -> None:
        """Does for a temporary folder what its guardian, if it was killed, can't do any more."""
        from bootstrap.embedded.process import Ledger

        Ledger(folder).end_leftovers()
        shutil.rmtree(folder.root, ignore_errors=True)

    def _make_folder(self) -> DataFolder:
        try:
            if self._data is None:
                root = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX)).resolve()
            else:
                root = self._data.resolve()
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = DataFolder(root, temporary=self._data is None)
            folder.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise EmbeddedServerError(
                "guardian",
                f"can't make the data folder: {error}",
                advice="choose a data folder in which this user may write",
            ) from error
        return folder

    def _ask(self, folder: DataFolder, limit: float) -> bytes:
        """The guardian's answer; empty if it ended without one."""
        try:
            connection = folder.connect()
            if connection is None:
                _start_guardian(folder, limit)
                connection = folder.connect()
        except OSError as error:
            raise _guardian_error(folder, f"can't be reached: {error}") from error
        if connection is None:
            return b""
        with self._state:
            if self._left:
                connection.close()
                raise _guardian_error(folder, "was left before it answered")
            self._connection = connection
        connection.settimeout(self._deadline + _GRACE)
        request = {"servers": self._kinds, "deadline": self._deadline}
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = lines.readline()
        except TimeoutError:
            raise _guardian_error(folder, f"did not answer within {self._deadline:g} s") from None
        except OSError:
            answer = b""
        if self._left:
            raise _guardian_error(folder, "was left before it answered")
        if not answer:
            connection.close()
            self._connection = None
        return answer


def _start_guardian(folder: DataFolder, limit: float) -> None:
    """Returns once a guardian listens: this one, or one that was faster."""
    patience = max(limit - time.monotonic(), 1.0)
    with open(folder.log_of("guardian"), "ab") as log:
        code = subprocess.run(
            [
                *(sys.executable, "-P", "-c", _GUARDIAN, _PACKAGES, "dialogbase-guardian"),
                *(str(folder.root), "temporary" if folder.temporary else "durable"),
                f"{patience:.3f}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C in the user's terminal is not for it
            check=False,
        ).returncode
    if code != 0:
        raise _guardian_error(folder, f"ended with code {code} as it started")


def _urls(answer: bytes) -> ServerUrls:
    message = json.loads(answer)
    if "error" in message:
        raise EmbeddedServerError(**message["error"])
    return ServerUrls(message["urls"], message.get("owners", {}))


def _guardian_error(folder: DataFolder, problem: str) -> EmbeddedServerError:
    return EmbeddedServerError(
        "guardian",
        problem,
        advice="the data folder must be this user's own, on a local file system with room, locks "
        f"and sockets ({folder.root}); then try again",
        log=folder.tail_of("guardian"),
    )
