"""Projectors are killed in the middle of whatever they do, again and again."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pymongo import MongoClient

from domain.flow_executions import FlowExecution, Outcome
from domain.flows import Flow
from ports.stores import TenantScope
from tests.projection.process import OPTIONS, opened
from tests.servers import as_service, make_service, servers, sibling

KILLED = 3
PROJECTORS = 2
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = 3
BATCH = 50


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    """Of PostgreSQL, and of a database in MongoDB in which nobody else's executions are."""
    # Drivers are for those who ask for them.
    from adapters.mongo.migrations import migrate as migrate_mongo
    from adapters.postgres.migrations import migrate

    with servers("postgres", "mongo") as found:
        make_service(found["postgres"])
        asyncio.run(migrate(found["postgres"]))
        mongo = sibling(found["mongo"], f"dialogbase_{uuid4().hex}")
        asyncio.run(migrate_mongo(mongo))
        yield as_service(found["postgres"]), mongo
        with MongoClient[dict[str, object]](mongo) as client:
            client.drop_database(client.get_default_database().name)


def started(urls: tuple[str, str]) -> "subprocess.Popen[str]":
    """A projector."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.projection.process", *urls],
        stdout=subprocess.PIPE,
        text=True,
    )


def one(flow: UUID, number: int) -> FlowExecution:
    """An execution that ended on one of some days."""
    ended = NOON + number % DAYS * timedelta(days=1)
    return FlowExecution(
        id=str(uuid4()),
        flow_id=flow,
        started_at=ended - timedelta(seconds=1),
        ended_at=ended,
        outcome=Outcome.COMPLETED,
    )


async def counted(scope: TenantScope, flows: list[UUID]) -> list[int]:
    """How many are in each flow's figures."""
    last = NOON.date() + timedelta(days=DAYS)
    return [
        sum(day.totals.executions for day in await scope.flows.get_metrics(flow, date.min, last))
        for flow in flows
    ]


def test_each_is_counted_once_whoever_is_killed(urls: tuple[str, str]) -> None:
    """While two count, and more is recorded all the time."""
    running = [started(urls) for _ in range(PROJECTORS)]
    doomed = list(running)

    async def body() -> None:
        async with opened(*urls) as platform:
            scope = platform.for_tenant(f"t-{uuid4()}")
            flows = [
                (await scope.flows.create(Flow.draft(name=f"f{n}"))).id for n in range(PROJECTORS)
            ]
            recorded = 0
            for turn in range(KILLED):
                victim = running.pop(0)
                assert victim.stdout is not None
                assert await asyncio.to_thread(victim.stdout.readline) == "ready\n"
                if turn < KILLED - PROJECTORS:
                    running.append(started(urls))
                    doomed.append(running[-1])
                before = sum(await counted(scope, flows))
                # Until it is at work; then it is in the middle of the next ones.
                while sum(await counted(scope, flows)) == before:
                    batch = [one(flow, number) for number in range(BATCH) for flow in flows]
                    recorded += (await scope.analytics.record_executions(batch)).added
                victim.kill()
            projector = platform.projector(options=OPTIONS)
            async with asyncio.timeout(30):
                while (await platform.maintenance.analytics.uncounted()).number:
                    await projector.once()
                    await asyncio.sleep(0.02)
            assert await counted(scope, flows) == [recorded // PROJECTORS] * PROJECTORS
            summary = await scope.flow_summary(flows[0], NOON.date(), NOON.date())
            assert (summary.totals.executions, summary.uncounted) == (summary.recorded, 0)

    try:
        asyncio.run(body())
    finally:
        for process in doomed:
            process.kill()
            process.communicate()
