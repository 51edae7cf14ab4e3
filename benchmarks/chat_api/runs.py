"""Measures the service at several loads, and once looks inside."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import attrs
import psutil

import bootstrap
from benchmarks.chat_api.load import Connection, Level, Talking, drive
from benchmarks.chat_api.stages import IDLE
from benchmarks.figures import Figure, duration
from benchmarks.measuring import Spread
from benchmarks.scale import Scale
from bootstrap import Settings
from bootstrap.embedded import KINDS, servers
from domain.definitions import FlowDefinition, State, StateType, Transition
from domain.documents import JsonObject
from examples.chat_api import sample

WORKERS: Final = (1, 2)
CONNECTIONS: Final = (1, 16, 64)
PROFILED: Final = 16
SECONDS: Final = 3.0
FULL_ROUNDS: Final = 3
_ROOT = Path(__file__).resolve().parents[2]
_NAMES = frozenset({"postgres", "mongod", "valkey-server"})

TALKING = FlowDefinition(
    initial_state="talk",
    states={
        "talk": State(
            name="talk",
            type=StateType.RESPONSE,
            config=JsonObject.of({"text": "We have pizza. Small, or large?", "replies": ["Small"]}),
            transitions=(Transition(target="talk"),),
        )
    },
    metadata=sample.ORDERING.metadata,
)
"""One answer to each message, and no end."""


async def rows(scale: Scale) -> list[Figure]:
    """Throughput and latency by workers and connections, then the shares of the time."""
    part = min(scale.rounds / Scale().rounds, 1.0)
    seconds, rounds = max(SECONDS * part, 0.1), max(round(FULL_ROUNDS * part), 1)
    async with _stores() as (settings, tenant):
        figures: list[Figure] = []
        for workers in WORKERS:
            with _workers(settings, workers) as (url, _):
                for connections in CONNECTIONS:
                    figures.append(await _level(url, tenant, workers, connections, seconds, rounds))
        return figures + await _inside(settings, tenant, seconds * rounds)


@asynccontextmanager
async def _stores() -> AsyncIterator[tuple[Settings, str]]:
    with tempfile.TemporaryDirectory(prefix="dialogbase-bench-") as folder:
        settings = Settings(profile="embedded", data=Path(folder))
        tenant = f"bench-{secrets.token_hex(4)}"
        async with servers(KINDS, data=settings.data):
            async with bootstrap.open(settings) as platform:
                await sample.publish(platform.for_tenant(tenant), TALKING)
            yield settings, tenant


@contextmanager
def _workers(
    settings: Settings, number: int, *arguments: str
) -> Iterator[tuple[str, "list[subprocess.Popen[bytes]]"]]:
    """So many processes on one socket; its URL, and they."""
    command = [sys.executable, "-m", "benchmarks.chat_api.service"]
    variables = {"DIALOGBASE_PROFILE": "embedded", "DIALOGBASE_DATA": str(settings.data)}
    kept = {name: value for name, value in os.environ.items() if "DIALOGBASE" not in name}
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        started = []
        for _ in range(number):
            worker = subprocess.Popen(
                [*command, str(listening.fileno()), *arguments],
                pass_fds=[listening.fileno()],
                cwd=_ROOT,
                env=kept | variables,
            )
            stack.callback(worker.wait)
            stack.callback(worker.terminate)
            started.append(worker)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", started


async def _level(
    url: str, tenant: str, workers: int, connections: int, seconds: float, rounds: int
) -> Figure:
    clients = await _clients(url, tenant, connections)
    ours: list[Level] = []
    floor: list[Level] = []
    await drive(clients, _posting, seconds / 4, "warm")
    for number in range(rounds):
        ours.append(await drive(clients, _posting, seconds, f"{number}"))
        floor.append(await drive(clients, _floor, seconds, f"{number}"))
    _close(clients)
    ratios = [bare.rate / one.rate for one, bare in zip(ours, floor, strict=True)]
    spread = Spread.of(ratios)
    told = f"{connections} connections" if connections > 1 else "1 connection"
    return Figure(
        name=f"chat-api: post a message, {workers} worker{'s'[: workers - 1]}, {told}",
        against="the same endpoint without data",
        ratio=spread.median,
        spread=spread,
        rounds=rounds,
        ours=_merged(ours).told,
        theirs=_merged(floor).told,
    )


def _posting(conversation: str) -> str:
    return f"/conversations/{conversation}/messages"


def _floor(conversation: str) -> str:
    return f"/floor/{conversation}/messages"


def _merged(levels: Sequence[Level]) -> Level:
    rate = sum(level.rate for level in levels) / len(levels)
    return Level(rate, [one for level in levels for one in level.taken])


async def _clients(url: str, tenant: str, number: int) -> list[Talking]:
    run = secrets.token_hex(4)

    async def one(place: int) -> Talking:
        connection = await Connection.to(url, tenant)
        return Talking(connection, await connection.log_in(f"{run}-{place}"), f"{run}-{place}")

    return [await one(place) for place in range(number)]


def _close(clients: Sequence[Talking]) -> None:
    for client in clients:
        client.connection.close()


@attrs.frozen
class _Processor:
    """Processor time of processes, in seconds, by what they are."""

    workers: Sequence["subprocess.Popen[bytes]"]
    folder: str

    def now(self) -> dict[str, float]:
        used: dict[str, float] = {"worker": 0.0}
        for worker in self.workers:
            used["worker"] += _used(psutil.Process(worker.pid))
        for process in psutil.process_iter(["name"]):
            if process.info["name"] not in _NAMES:
                continue
            try:
                family = [process, *process.parents()]
                if any(self.folder in " ".join(one.cmdline()) for one in family):
                    name = process.info["name"]
                    used[name] = used.get(name, 0.0) + _used(process)
            except psutil.NoSuchProcess:
                continue
        return used


def _used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _inside(settings: Settings, tenant: str, seconds: float) -> list[Figure]:
    """By step: how long a single client waits for each, and what a worker computes for each."""
    with _workers(settings, 1, "profiled") as (url, workers):
        alone = await _clients(url, tenant, 1)
        waited, answered, _ = await _profiled(url, tenant, alone, seconds)
        _close(alone)
        many = await _clients(url, tenant, PROFILED)
        processor = _Processor(workers, str(settings.data))
        before = processor.now()
        level = await drive(many, _posting, seconds, "plain")  # sampling costs more than is sampled
        used = {name: after - before.get(name, 0.0) for name, after in processor.now().items()}
        _, _, computed = await _profiled(url, tenant, many, seconds)
        _close(many)
    whole = sum(answered.taken)
    figures = [
        _share(
            f"chat-api: waiting for {name}",
            "the request of a single client",
            part,
            whole,
            len(answered.taken),
        )
        for name, part in sorted(waited.items(), key=lambda it: -it[1])
    ]
    busy = sum(part for name, part in computed.items() if name != IDLE)
    computing = used["worker"] / busy  # as much as it computes when nobody looks
    figures += [
        _share(
            f"chat-api: computing {name}",
            "what a worker computes",
            part * computing,
            busy * computing,
            len(level.taken),
        )
        for name, part in sorted(computed.items(), key=lambda it: -it[1])
        if name != IDLE
    ]
    together = sum(used.values())
    figures += [
        _share(
            f"chat-api: processor of {name}",
            "all processes but the client",
            part,
            together,
            len(level.taken),
        )
        for name, part in sorted(used.items(), key=lambda it: -it[1])
    ]
    return [figure for figure in figures if figure.ratio > 0]


async def _profiled(
    url: str, tenant: str, clients: Sequence[Talking], seconds: float
) -> tuple[Mapping[str, float], Level, Mapping[str, float]]:
    await drive(clients, _posting, seconds / 4, "warm")
    control = await Connection.to(url, tenant)
    await control.post("/profile/begin")
    level = await drive(clients, _posting, seconds, "profiled")
    found = json.loads(await control.post("/profile/end"))
    control.close()
    return found["steps"], level, found["computing"]


def _share(name: str, against: str, part: float, whole: float, requests: int) -> Figure:
    return Figure(
        name=name,
        against=against,
        ratio=part / whole,
        unit="time a request",
        ours=duration(part / requests),
        theirs=duration(whole / requests),
    )
