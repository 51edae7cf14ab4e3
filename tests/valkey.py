"""Private Valkey servers for tests, with a clock that stands still until a test moves it."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from bootstrap.embedded import launch
from bootstrap.embedded.wheels import program
from domain.rules import instant

HOST = "127.0.0.1"
_COUNTED = 0.002


def show(file: Path, now: datetime) -> None:
    """Let the servers that read this file have that time, to the millisecond, standing still.

    (They ask the system for it every millisecond, and count by the processor meanwhile: it is right
    from now on, and shows microseconds of its own.)
    """
    beside = file.with_suffix(".new")
    beside.write_text(instant(now).strftime("%Y-%m-%d %H:%M:%S.%f"))
    beside.replace(file)
    time.sleep(_COUNTED)


@contextmanager
def one_server(now: datetime) -> Iterator[tuple[str, Path]]:
    """A server's URL, and the file that holds its time (see `show`)."""
    with tempfile.TemporaryDirectory(prefix="dialogbase-valkey-") as folder:
        clock = Path(folder, "clock")
        show(clock, now)
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        process = _launched(Path(folder), port, clock)
        try:
            _answering(process, port)
            yield f"redis://{HOST}:{port}/0", clock
        finally:
            process.kill()
            process.wait()


def _launched(folder: Path, port: int, clock: Path) -> "subprocess.Popen[bytes]":
    found = find_spec("libfaketime")
    assert found is not None, "pip install libfaketime"
    assert found.origin is not None
    library = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    settings = {"port": port, "bind": HOST, "dir": folder, "save": "", "appendonly": "no"}
    return subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", launch.__file__),
            *(str(os.getpid()), str(int(signal.SIGKILL)), "-"),
            str(program("valkey")),
            *(word for name, value in settings.items() for word in (f"--{name}", str(value))),
        ],
        stdout=subprocess.DEVNULL,
        env={
            **os.environ,
            "TZ": "UTC",
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        },
    )


def _answering(process: "subprocess.Popen[bytes]", port: int) -> None:
    while True:
        assert process.poll() is None, "the server ended as it started"
        try:
            with socket.create_connection((HOST, port)) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16) == b"+PONG\r\n":
                    return
        except ConnectionError:
            time.sleep(0.01)
