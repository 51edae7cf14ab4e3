"""Users of a data folder in processes of their own, and what runs on their behalf."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO

import attrs

from bootstrap.embedded import ServerKind, ServerUrls, launch
from bootstrap.embedded.process import ProcessId

DEADLINE = 60.0

_USER = """
import json, sys, pathlib
from bootstrap.embedded import servers_sync
data = pathlib.Path(sys.argv[1]) if sys.argv[1] else None
with servers_sync(sys.argv[2:], data=data) as urls:
    print(json.dumps([dict(urls.by_kind), dict(urls.owners)]), flush=True)
    sys.stdin.read()
"""


@attrs.frozen
class User:
    """A process that holds servers until it is told to leave, or killed."""

    process: "subprocess.Popen[bytes]"

    def urls(self) -> ServerUrls:
        """Where its servers answer, once they do."""
        line = _pipe(self.process.stdout).readline()
        assert line, f"the user's process ended with code {self.process.wait()}"
        return ServerUrls(*json.loads(line))

    def leave(self) -> None:
        """Returns once it has left in good order."""
        _pipe(self.process.stdin).close()
        assert self.process.wait(DEADLINE) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


@contextlib.contextmanager
def user(
    kinds: Collection[ServerKind], data: Path | None, account: str = "-", temporary: str = ""
) -> Iterator[User]:
    """Starts a process that asks for the servers; it is gone afterwards."""
    command = [sys.executable, "-c", _USER, str(data or ""), *kinds]
    if account != "-":
        # The account may not reach this interpreter, unless it is helped as PostgreSQL is.
        launcher = [sys.executable, "-I", "-S", str(launch.__file__)]
        command = [*launcher, str(os.getpid()), "15", account, *command]
    environment = os.environ | ({"TMPDIR": temporary} if temporary else {})
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        try:
            yield User(process)
        finally:
            process.kill()


def guardian_of(folder: Path) -> set[ProcessId]:
    """The process that holds the folder's servers, if there is one."""
    return _tree(folder)[0]


def servers_of(folder: Path) -> set[ProcessId]:
    """All that descend from the folder's guardian."""
    return _tree(folder)[1]


def _tree(folder: Path) -> tuple[set[ProcessId], set[ProcessId]]:
    guardians: set[int] = set()
    families: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                families.setdefault(parent, []).append(int(entry.name))
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if "dialogbase-guardian" in words and str(folder) in words:
                    guardians.add(int(entry.name))
    servers: list[int] = []
    todo = list(guardians)
    while todo:
        children = families.get(todo.pop(), [])
        servers += children
        todo += children
    return _alive(guardians), _alive(servers)


def _alive(pids: Collection[int]) -> set[ProcessId]:
    return {process for pid in pids if (process := ProcessId.of(pid)) is not None}


def kill(processes: Collection[ProcessId], number: signal.Signals = signal.SIGKILL) -> None:
    """Sends the signal to each; there is one at least."""
    assert processes
    for process in processes:
        os.kill(process.pid, number)


def pid_of(folder: Path, kind: ServerKind) -> int:
    """The pid of the folder's server of that kind."""
    pid: int = json.loads((folder / "state.json").read_bytes())[kind]["pid"]
    return pid


def all_end(processes: Collection[ProcessId]) -> bool:
    """Whether they have all ended, or do before the deadline."""
    limit = time.monotonic() + DEADLINE
    while any(process.runs() for process in processes):
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True
