"""Dispatchers of several processes, some of which are killed or frozen: nothing is lost, and each
entity's events come in their order.
"""

import asyncio
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.postgres.store import PostgresStore
from domain.flows import Flow
from domain.identity import TenantId
from ports.stores import TenantScope
from tests.postgres.dispatch_worker import Scribe
from tests.postgres.opening import new_tenant, store

KILLS = 3
FLOWS, CHANGES = 5, 40


@pytest.fixture
def consumer(url: str) -> Iterator[str]:
    """The name of a consumer of this test's own, subscribed."""
    name = f"test {uuid4()}"

    async def known(known: bool) -> None:
        async with store(url) as opened:
            outbox = opened.maintenance().outbox
            await (outbox.subscribe(name) if known else outbox.unsubscribe(name))

    asyncio.run(known(True))
    yield name
    asyncio.run(known(False))


@contextmanager
def worker(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """One process that dispatches."""
    command = [sys.executable, "-m", "tests.postgres.dispatch_worker", *arguments]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()


def lines(path: Path) -> list[str]:
    """What was written down so far."""
    return path.read_text().splitlines() if path.exists() else []


async def written(path: Path, begins: str, more_than: int = 0) -> None:
    """Wait until so many lines begin with that."""
    async with asyncio.timeout(60):
        # Another process writes them.
        while sum(line.startswith(begins) for line in lines(path)) <= more_than:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def everything_taken(opened: PostgresStore, scribe: Scribe) -> None:
    """Dispatch until nothing is left, not even what a killed process' session still holds."""
    dispatcher = opened.maintenance().dispatcher([scribe])
    outbox = opened.maintenance().outbox

    async with asyncio.timeout(60):
        while True:
            await dispatcher.once()
            backlog = await outbox.backlog()
            ours = [one.waiting for one in backlog.consumers if one.name == scribe.name]
            if ours == [0] and not backlog.undistributed:
                return
            await asyncio.sleep(0.01)


def taken_in_order(path: Path, *flows: Flow) -> dict[str, list[int]]:
    """The revisions that were taken, of each of these; none began before all earlier were taken.

    Of what other tests left in the database, a part may have been distributed before.
    """
    ours = {str(flow.id) for flow in flows}
    taken: dict[str, list[int]] = defaultdict(list)
    for line in lines(path):
        what, entity, *revisions = line.split()
        if entity not in ours:
            continue
        for revision in map(int, revisions):
            if what == "end":
                taken[entity].append(revision)
            else:
                before = set(range(1, int(revisions[0])))
                assert before <= set(taken[entity]), line
                assert revision >= int(revisions[0])
    return taken


def test_killed_dispatchers_lose_nothing(url: str, consumer: str, tmp_path: Path) -> None:
    """While others write, two of them work at a time, and one after the other is killed."""
    path = tmp_path / "taken"

    async def write(opened: PostgresStore, tenant: TenantId) -> list[Flow]:
        flows = TenantScope(tenant, opened).flows
        made = [await flows.create(Flow.draft(name=f"{n}")) for n in range(FLOWS)]
        for change in range(CHANGES):
            for flow in made:
                await flows.patch(flow.id, category=f"{change}")
        return made

    async def scenario() -> list[Flow]:
        async with store(url) as opened:
            writing = asyncio.create_task(write(opened, new_tenant()))
            with ExitStack() as stack:
                workers = [stack.enter_context(worker(url, consumer, str(path))) for _ in range(2)]
                for kill in range(KILLS):
                    # Between two lines of a call, or between two calls: wherever it is.
                    await written(path, "begin" if kill % 2 else "end", len(lines(path)) // 2 + 5)
                    workers.pop(0).kill()
                    workers.append(stack.enter_context(worker(url, consumer, str(path))))
            made = await writing
            await everything_taken(opened, Scribe(consumer, str(path)))
            return made

    made = asyncio.run(scenario())
    taken = taken_in_order(path, *made)
    for flow in made:
        assert set(taken[str(flow.id)]) == set(range(1, CHANGES + 2))


def test_what_a_killed_dispatcher_held_is_delivered_by_another(
    url: str, consumer: str, tmp_path: Path
) -> None:
    """At once; while that one was frozen, only what it held had to wait."""
    path, elsewhere = tmp_path / "held", tmp_path / "taken"

    async def scenario() -> tuple[Flow, Flow]:
        async with store(url) as opened:
            flows = TenantScope(new_tenant(), opened).flows
            held = await flows.create(Flow.draft(name="held"))
            with worker(url, consumer, str(path), "60") as process:
                await written(path, f"begin {held.id}")
                process.send_signal(signal.SIGSTOP)
                free = await flows.create(Flow.draft(name="free"))
                scribe = Scribe(consumer, str(elsewhere))
                async with opened.maintenance().dispatcher([scribe]).running():
                    await written(elsewhere, f"end {free.id}")
                assert not any(str(held.id) in line for line in lines(elsewhere))
                process.kill()
                await everything_taken(opened, scribe)
            return held, free

    held, free = asyncio.run(scenario())
    taken = taken_in_order(elsewhere, held, free)
    assert (taken[str(held.id)], taken[str(free.id)]) == ([1], [1])


def test_who_is_frozen_for_too_long_has_lost_what_it_held(
    url: str, consumer: str, tmp_path: Path
) -> None:
    """The server ends its transaction, and others go on."""
    path, elsewhere = tmp_path / "held", tmp_path / "taken"

    async def scenario() -> Flow:
        async with store(url) as opened:
            held = await TenantScope(new_tenant(), opened).flows.create(Flow.draft(name="held"))
            with worker(url, consumer, str(path), "0.5") as process:
                await written(path, f"begin {held.id}")
                process.send_signal(signal.SIGSTOP)
                scribe = Scribe(consumer, str(elsewhere))
                async with opened.maintenance().dispatcher([scribe]).running():
                    await written(elsewhere, f"end {held.id}")
            return held

    held = asyncio.run(scenario())
    assert taken_in_order(elsewhere, held)[str(held.id)] == [1]
