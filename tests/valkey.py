"""Private Valkey servers and clusters for tests, mostly with a clock that a test moves."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import attrs
import redis

from bootstrap.embedded import launch
from bootstrap.embedded.wheels import program
from domain.rules import instant

SERVER = "DIALOGBASE_TEST_REDIS_SERVER"
"""Names the program to be run in place of the wheel's: a `redis-server` of 6.2, say."""

HOST = "127.0.0.1"
SLOTS = 16_384
PRIMARIES = 3
NEVER_MS = 10 * 365 * 24 * 3_600_000
"""So long may the nodes of a cluster hear nothing of each other, as its clock has it."""

FAILOVER_MS = 1_000
"""So long where the clock is real, until a replica takes a primary's place."""

_COUNTED = 0.002
_STARTING = timedelta(minutes=1)
_PORTS_TRIED = 5
_BUS = 10_000
"""So much higher is the port on which the nodes of a cluster talk; only later versions can have it
elsewhere."""

_POLL = 0.02
_POLLS = 1_000


def show(file: Path, now: datetime) -> None:
    """Let the servers that read this file have that time, to the millisecond, standing still.

    (They ask the system for it every millisecond, and count by the processor meanwhile: it is right
    from now on, and shows microseconds of its own.)
    """
    beside = file.with_suffix(".new")
    # Half a microsecond more: the library computes in floats, and rounds down.
    beside.write_text(instant(now).strftime("%Y-%m-%d %H:%M:%S.%f500"))
    beside.replace(file)
    time.sleep(_COUNTED)


@attrs.define
class Node:
    """A server process; with `clock` None it has the machine's time. It ends with this process."""

    folder: Path
    clock: Path | None
    settings: Mapping[str, object]
    port: int = 0
    process: "subprocess.Popen[bytes]" = attrs.field(init=False)

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def client(self) -> "redis.Redis":
        """A connection for what a test does to the server itself."""
        return redis.Redis(host=HOST, port=self.port, socket_timeout=10)

    def start(self) -> None:
        """Start it, or start it again on the same port; returns once it answers."""
        for _ in range(_PORTS_TRIED):
            port = self.port or _free_ports(1)[0]
            self.process = _launched(self.folder, port, self.clock, self.settings)
            if _answers(self.process, port):
                self.port = port
                return
        raise AssertionError("the server ended as it started, on every port tried")

    def kill(self) -> None:
        """End it by SIGKILL, also if it's paused; nothing happens to one that has ended."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Let it go on existing without answering."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it answer again."""
        self.process.send_signal(signal.SIGCONT)


@attrs.frozen
class Cluster:
    """Three primaries, each with a third of the slots, and then their replicas, in that order."""

    nodes: Sequence[Node]
    clock: Path | None

    @property
    def url(self) -> str:
        """Where to begin: the first node."""
        return self.nodes[0].url

    def primary_of(self, slot: int) -> Node:
        """Whose slot it was at first."""
        return self.nodes[slot * PRIMARIES // SLOTS]


@contextmanager
def one_server(now: datetime) -> Iterator[tuple[str, Path]]:
    """A server's URL, and the file that holds its time (see `show`)."""
    with tempfile.TemporaryDirectory(prefix="dialogbase-valkey-") as folder:
        clock = Path(folder, "clock")
        show(clock, now)
        with _running(Node(Path(folder), clock, {})) as node:
            yield node.url, clock


@contextmanager
def real_server(**settings: object) -> Iterator[Node]:
    """A server with the machine's own time, to be paused, killed and started again.

    Settings are the server's, with `_` for `-`.
    """
    with tempfile.TemporaryDirectory(prefix="dialogbase-valkey-") as folder:
        named = {name.replace("_", "-"): value for name, value in settings.items()}
        with _running(Node(Path(folder), None, named)) as node:
            yield node


@contextmanager
def cluster(now: datetime | None, *, replicas: int = 0) -> Iterator[Cluster]:
    """A cluster of three primaries, and so many replicas of each, that serves all slots.

    Its nodes share one clock, which stands still and whose jumps make none of them suspect another;
    without `now` they have the machine's, and a primary that is gone is replaced within seconds.
    """
    with tempfile.TemporaryDirectory(prefix="dialogbase-valkey-") as folder, ExitStack() as stack:
        clock = None if now is None else Path(folder, "clock")
        if clock is not None and now is not None:
            show(clock, now - 2 * _STARTING)
        settings = {
            "cluster-enabled": "yes",
            "cluster-announce-ip": HOST,
            "cluster-node-timeout": FAILOVER_MS if now is None else NEVER_MS,
            "repl-diskless-sync-delay": 0,
        }
        places = [Path(folder, str(number)) for number in range(PRIMARIES * (1 + replicas))]
        ports = _free_ports(len(places), _BUS)
        nodes = [
            Node(place, clock, settings, port) for place, port in zip(places, ports, strict=True)
        ]
        for number, place in enumerate(places):
            place.mkdir()
            Path(place, "nodes.conf").write_text(_known_to(number, nodes))
        for node in nodes:
            stack.enter_context(_running(node))
        for waited in range(_POLLS):
            if clock is not None and now is not None:
                # A primary that has just started waits for two seconds, of its own clock.
                show(clock, now - _STARTING / (1 + waited))
            if all(map(_serves, nodes)):
                break
            time.sleep(_POLL)
        else:
            raise AssertionError("the cluster doesn't serve all slots")
        if clock is not None and now is not None:
            show(clock, now)
        yield Cluster(nodes, clock)


@contextmanager
def _running(node: Node) -> Iterator[Node]:
    node.start()
    try:
        yield node
    finally:
        node.kill()


def _known_to(me: int, nodes: Sequence[Node]) -> str:
    """What a node of a cluster remembers of it, so that none has to be told by gossip."""
    lines = []
    for number, node in enumerate(nodes):
        primary = number % PRIMARIES
        first, last = (-(-SLOTS * n // PRIMARIES) for n in (primary, primary + 1))
        role = "master -" if number < PRIMARIES else f"slave {primary + 1:040x}"
        slots = f" {first}-{last - 1}" if number < PRIMARIES else ""
        lines.append(
            f"{number + 1:040x} {HOST}:{node.port}@{node.port + _BUS} "
            f"{'myself,' if number == me else ''}{role} 0 0 {primary + 1} connected{slots}"
        )
    return "\n".join([*lines, f"vars currentEpoch {PRIMARIES} lastVoteEpoch 0", ""])


def _serves(node: Node) -> bool:
    with node.client() as client:
        state: bytes = client.execute_command("CLUSTER", "INFO")
        link = client.info("replication").get("master_link_status", "up")
    return b"cluster_state:ok" in state and link == "up"


def _free_ports(count: int, *beside: int) -> list[int]:
    """Ports that are free, and so are those that are so much higher."""
    found: list[int] = []
    with ExitStack() as probes:
        while len(found) < count:
            probe = probes.enter_context(socket.socket())
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
            try:
                for more in beside:
                    probes.enter_context(socket.socket()).bind((HOST, port + more))
            except (OSError, OverflowError):  # taken, or there is no such port
                continue
            found.append(port)
    return found


def _launched(
    folder: Path, port: int, clock: Path | None, given: Mapping[str, object]
) -> "subprocess.Popen[bytes]":
    settings = {"port": port, "bind": HOST, "dir": folder, "save": "", "appendonly": "no", **given}
    return subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", launch.__file__),
            *(str(os.getpid()), str(int(signal.SIGKILL)), "-"),
            os.environ.get(SERVER) or str(program("valkey")),
            *(word for name, value in settings.items() for word in (f"--{name}", str(value))),
        ],
        stdout=subprocess.DEVNULL,
        env={**os.environ, **({} if clock is None else _faked(clock))},
    )


def _faked(clock: Path) -> Mapping[str, str]:
    """What makes a program read its time from that file."""
    found = find_spec("libfaketime")
    assert found is not None, "pip install libfaketime"
    assert found.origin is not None
    library = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return {
        "TZ": "UTC",
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Whether it came up; False if it ended, since somebody else had its port, or for good."""
    while process.poll() is None:
        try:
            with socket.create_connection((HOST, port)) as connection:
                connection.sendall(b"PING\r\n")
                # With a password it answers that it wants it.
                if connection.recv(16).startswith((b"+PONG", b"-NOAUTH")):
                    return True
        except ConnectionError:
            pass
        time.sleep(0.01)
    return False
