"""What every kind of server has to say about itself, and the one way to start it."""

import abc
import asyncio
import contextlib
import signal
import socket
import subprocess
from typing import ClassVar

import attrs

from bootstrap.embedded import process
from bootstrap.embedded.errors import EmbeddedServerError
from bootstrap.embedded.folder import DataFolder, read_log, tail
from bootstrap.embedded.urls import ServerKind

HOST = "127.0.0.1"
_PORTS_TRIED = 8
_POLL = 0.03
_TRY_AGAIN = (
    "Address already in use",  # another process took the port after we had found it free
    "pre-existing shared memory block",  # a killed PostgreSQL's children have not all ended yet
)


class Server(abc.ABC):
    """One kind of server in one folder: how it is prepared, started, opened and stopped."""

    kind: ClassVar[ServerKind]
    ready_line: ClassVar[str]
    """What it prints once it listens: so that no password is sent to a stranger on its port."""

    stop_signal: ClassVar[signal.Signals]
    discard_signal: ClassVar[signal.Signals]
    """Ends it for certain, whatever becomes of unsaved data that nobody will read."""

    account: str = "-"

    @property
    def end_signal(self) -> signal.Signals:
        """What ends it when nobody uses it any more."""
        return self.discard_signal if self.folder.temporary else self.stop_signal

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self.passwords = folder.passwords()
        self.data = folder.root / self.kind

    async def prepare(self) -> None:
        """Makes the data folder if there is none yet; a half-made one is made anew."""
        self.data.mkdir(mode=0o700, exist_ok=True)

    @abc.abstractmethod
    def command(self, port: int) -> list[str]:
        """What to execute; no password in it, since every user can list commands."""

    @abc.abstractmethod
    async def open(self, port: int) -> None:
        """Creates what the URL promises unless it is there, and has a real query answered."""

    @abc.abstractmethod
    def url(self, port: int) -> str:
        """Where users connect."""

    def owner_url(self, port: int) -> str | None:
        """Where who owns the data's form connects; None: where users do."""
        return None

    def last_words(self, printed: str) -> str:
        """What of its output explains a failure."""
        return tail(printed)

    def failure(self, problem: str, log: str | None = None) -> EmbeddedServerError:
        """The error that says so, with what it printed and what that calls for."""
        printed = read_log(self.folder.log_of(log or self.kind))
        return EmbeddedServerError(
            self.kind, problem, advice=self._advice(printed), log=self.last_words(printed)
        )

    def _advice(self, printed: str) -> str:
        if "error while loading shared libraries" in printed:
            return (
                "install the system library that it names "
                "(Debian and Ubuntu: apt-get install libcurl4 libssl3 zlib1g)"
            )
        if "No space left on device" in printed:
            return "free some disk space"
        if self.account != "-" and "Permission denied" in printed:
            return (
                f"as root, {self.kind} runs as the account {self.account}: run as an ordinary "
                f"user, or choose a data folder and an environment which that account can reach"
            )
        if self.folder.temporary:
            return "try again; in a named data folder its whole output is kept"
        return (
            f"read {self.folder.log_of(self.kind)}; if the data in {self.data} is beyond repair, "
            "move it away and a new one is made"
        )


@attrs.frozen
class Running:
    """A server that has answered."""

    server: Server
    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def url(self) -> str:
        return self.server.url(self.port)

    @property
    def owner_url(self) -> str | None:
        return self.server.owner_url(self.port)

    async def stop(self) -> None:
        """Returns when it has ended, cleanly unless its data is to be thrown away."""
        await process.end(self.process, self.server.end_signal)


class _TryAgain(Exception):
    """It ended for a reason that another port or another moment will not have."""


async def start(server: Server, ledger: process.Ledger, deadline: float) -> Running:
    """Starts it and returns once it has answered a query.

    However else this ends, cancellation included, the process has ended too.

    :param deadline: seconds.
    :raises EmbeddedServerError: it ended, or has not answered in time.
    """
    try:
        async with asyncio.timeout(deadline):
            await server.prepare()
            for _ in range(_PORTS_TRIED):
                with contextlib.suppress(_TryAgain):
                    return await _start_on(_free_port(), server, ledger)
            raise server.failure(f"found no free port in {_PORTS_TRIED} tries")
    except EmbeddedServerError:
        raise
    except TimeoutError:
        raise server.failure(f"did not answer within {deadline:g} s") from None
    except Exception as error:
        # Any driver's or the file system's: its reader needs the server's side of it.
        raise server.failure(f"can't be used: {error!r}") from error


async def _start_on(port: int, server: Server, ledger: process.Ledger) -> Running:
    child = process.launch(
        server.command(port),
        log=server.folder.log_of(server.kind),
        death_signal=server.end_signal,
        account=server.account,
    )
    running = Running(server, port, child)
    try:
        ledger.add(server.kind, child.pid, port)
        await _listening(running)
        opening = asyncio.create_task(server.open(port))
        dying = asyncio.create_task(process.exited(child))
        try:
            await asyncio.wait({opening, dying}, return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                raise server.failure(f"ended with code {dying.result()} before it answered")
            opening.result()
        finally:
            opening.cancel()
            dying.cancel()
    except BaseException:
        await process.end(child, server.discard_signal)
        ledger.remove(server.kind)
        raise
    return running


async def _listening(running: Running) -> None:
    server = running.server
    log = server.folder.log_of(server.kind)
    while True:
        alive = running.alive
        printed = read_log(log)
        if not alive:
            if any(reason in printed for reason in _TRY_AGAIN):
                await asyncio.sleep(_POLL)
                raise _TryAgain
            raise server.failure(f"ended with code {running.process.returncode} as it started")
        if server.ready_line in printed:
            return
        await asyncio.sleep(_POLL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
