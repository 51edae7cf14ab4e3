"""Starting and ending server processes, and never another's.

A process is known by its pid and the moment it was created: a pid alone is soon someone else's.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

from bootstrap.embedded.folder import TEMPORARY_PREFIX, DataFolder, replace

_LAUNCH = Path(__file__).with_name("launch.py")
_POLL = 0.02
_FORGOTTEN = 3600.0


@attrs.frozen
class ProcessId:
    """A process, for certain: until the end of time no other equals it."""

    pid: int
    created: str
    """In ticks since the boot, and which boot: a clock that is set changes nothing."""

    @classmethod
    def of(cls, pid: int) -> "ProcessId | None":
        """The process that has the pid; None if none has, or only what is left of one."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name, in brackets, may hold anything. After it: state, the 3rd field of the line;
        # number of threads, the 20th; start time, the 22nd.
        fields = stat.rpartition(")")[2].split()
        if fields[0] in "ZX" and int(fields[17]) <= 1:  # other threads may outlive the first
            return None
        return cls(pid, f"{fields[19]}@{boot}")

    def runs(self) -> bool:
        """Whether it has not ended yet; one that awaits its parent's notice has."""
        return self.of(self.pid) == self

    def end(self, patience: float) -> None:
        """Returns when it has ended: asked to at first, killed after `patience` seconds."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.runs():
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            limit = time.monotonic() + patience
            while self.runs() and time.monotonic() < limit:
                time.sleep(_POLL)


@attrs.define
class Ledger:
    """The folder's servers that run, on disk: the next guardian ends what a killed one left."""

    folder: DataFolder
    _running: dict[str, tuple[ProcessId, int]] = attrs.field(factory=dict)

    @property
    def _path(self) -> Path:
        return self.folder.root / "state.json"

    def add(self, name: str, pid: int, port: int) -> None:
        process = ProcessId.of(pid)
        if process is not None:
            self._running[name] = (process, port)
            self._write()

    def remove(self, name: str) -> None:
        if self._running.pop(name, None) is not None:
            self._write()

    def _write(self) -> None:
        state = {
            name: {"pid": process.pid, "created": process.created, "port": port}
            for name, (process, port) in self._running.items()
        }
        replace(self._path, json.dumps(state).encode())

    def end_leftovers(self, patience: float = 15.0) -> None:
        """Ends what an earlier guardian recorded and could not end itself."""
        try:
            state = json.loads(self._path.read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            return
        for left in state.values():
            ProcessId(left["pid"], left["created"]).end(patience)
        self._path.unlink(missing_ok=True)


def sweep(parent: Path) -> None:
    """Removes temporary folders whose guardian and users were all killed, an hour ago or more."""
    for root in parent.glob(TEMPORARY_PREFIX + "*"):
        with contextlib.suppress(OSError):
            made = (root / "guardian.lock").stat()
            if made.st_uid != os.geteuid() or time.time() - made.st_mtime < _FORGOTTEN:
                continue
            folder = DataFolder(root, temporary=True)
            lock = folder.lock()
            if lock is not None:
                Ledger(folder).end_leftovers()
                shutil.rmtree(root, ignore_errors=True)
                os.close(lock)


def launch(
    command: Sequence[str], *, log: Path, death_signal: signal.Signals, account: str = "-"
) -> "subprocess.Popen[bytes]":
    """Starts a process that gets `death_signal` when the calling *thread* ends.

    So only the guardian's main thread may call it. Output goes to `log`, emptied first; the
    previous run's is kept beside it.
    """
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    environment = {name: value for name, value in os.environ.items() if name[:2] != "PG"}
    with open(log, "wb") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", str(_LAUNCH)),
                *(str(os.getpid()), str(int(death_signal)), account),
                *command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=environment | {"LC_ALL": "C", "TZ": "UTC"},
        )


async def exited(process: "subprocess.Popen[bytes]") -> int:
    """The exit code, once it has ended."""
    while (code := process.poll()) is None:  # noqa: ASYNC110 - a process sets no event
        await asyncio.sleep(_POLL)
    return code


async def end(
    process: "subprocess.Popen[bytes]", number: signal.Signals, patience: float = 40.0
) -> None:
    """Returns when the child has ended: by `number`, or killed after `patience` seconds."""
    for sent in (number, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(sent)
        limit = time.monotonic() + patience
        while process.poll() is None and time.monotonic() < limit:  # noqa: ASYNC110 - as above
            await asyncio.sleep(_POLL)
