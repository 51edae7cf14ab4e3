"""Who works in the background doesn't wait for a store that is away once for each thing to do."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import attrs

from adapters.memory import MemoryAnalyticsStore, MemoryAuthoringStore, MemoryRuntimeStore
from domain.executions import ExecutionState
from domain.flow_executions import FlowExecution, Outcome
from domain.flows import Flow
from domain.identity import tenant_id
from ports.errors import RepositoryError, StoreTimeoutError, TransactionError
from ports.flow_projection import FlowProjector, Projected, ProjectionOptions
from ports.write_behind import SynchronisationOptions, Synchronised, Synchroniser

ACME = tenant_id("acme")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NUMBER = 30


@attrs.define
class Faulty:
    """A store that answers nothing but an error."""

    error: type[RepositoryError]
    asked: int = 0

    async def record_many_metrics(self, *_: object) -> None:
        """Nothing is added."""
        self.asked += 1
        raise self.error("it can't")

    async def synchronise(self, _: str) -> bool:
        """Nothing is written."""
        self.asked += 1
        raise self.error("it can't")


async def _projected(error: type[RepositoryError]) -> int:
    analytics, authoring = MemoryAnalyticsStore(), MemoryAuthoringStore()
    flows = authoring.repositories(ACME).flows
    flow = (await flows.create(Flow.draft(name="welcome"))).id
    await analytics.repositories(ACME).record_executions(
        FlowExecution(
            id=str(uuid4()),
            flow_id=flow,
            started_at=NOON - day * timedelta(days=1),
            ended_at=NOON - day * timedelta(days=1),
            outcome=Outcome.COMPLETED,
        )
        for day in range(NUMBER)
    )
    faulty: Any = Faulty(error)
    queue, clock = analytics.maintenance().executions, analytics._clock
    options = ProjectionOptions(at_once=4)
    with suppress(error):
        await FlowProjector(queue, lambda _: faulty, clock, options=options).once()
    done = await FlowProjector(queue, lambda _: flows, clock).once()
    assert done == Projected(counted=NUMBER)
    return int(faulty.asked)


def test_figures_of_a_store_that_is_away_are_asked_for_no_further() -> None:
    """All are counted once it is back."""
    assert asyncio.run(_projected(StoreTimeoutError)) <= 4


def test_a_day_that_can_not_be_added_to_hinders_no_other() -> None:
    """What is wrong with it is its own."""
    assert asyncio.run(_projected(TransactionError)) == NUMBER


async def _synchronised(error: type[RepositoryError]) -> int:
    runtime = MemoryRuntimeStore()
    hot = runtime.repositories(ACME).tracked_executions
    for number in range(NUMBER):
        await hot.save(ExecutionState.draft(f"talk {number}"))
    faulty: Any = Faulty(error)
    options = SynchronisationOptions(at_once=4, interval=timedelta(minutes=1))
    worker = Synchroniser(runtime.maintenance().unsynchronised, lambda _: faulty, options=options)
    assert await worker.once() == Synchronised(waiting=NUMBER)
    assert (await runtime.maintenance().unsynchronised.backlog()).waiting == NUMBER
    return int(faulty.asked)


def test_contexts_of_a_store_that_is_away_are_asked_for_no_further() -> None:
    """All wait, and are looked at again."""
    assert asyncio.run(_synchronised(StoreTimeoutError)) <= 4


def test_a_context_that_can_not_be_written_hinders_no_other() -> None:
    """What is wrong with it is its own."""
    assert asyncio.run(_synchronised(TransactionError)) == NUMBER
