"""Behind a pooler that gives each transaction another connection."""

import asyncio
from collections.abc import Sequence
from datetime import date

import pytest

import bootstrap
from adapters.local.callbacks import CallbackConsumer
from adapters.postgres.migrations import migrate
from adapters.postgres.store import PostgresStore
from bootstrap import Settings, Stores
from bootstrap.health import checks
from domain.definitions import FlowDefinition, State, StateType
from domain.experiments import Experiment, Variant
from domain.flows import Flow, MetricIncrements
from domain.outbox import ChangeEvent
from ports.errors import StoreUnavailableError
from ports.stores import TenantScope
from tests.postgres.opening import new_tenant, opened
from tests.postgres.pooler import Pooler
from tests.servers import as_service

_HELLO = FlowDefinition(
    initial_state="hello",
    states={"hello": State(name="hello", type=StateType.END, is_final=True)},
)
_GREETING = Experiment.draft(
    name="greeting",
    variants=[
        Variant(name="long", weight=5_000, is_control=True),
        Variant(name="short", weight=5_000),
    ],
)


async def _forget(events: Sequence[ChangeEvent]) -> None:
    return


_CONSUMER = CallbackConsumer("behind a pooler", _forget)


async def _a_day_s_work(scope: TenantScope, number: int) -> None:
    flows = scope.flows
    flow = await flows.create(Flow.draft(name=f"welcome {number}", definition=_HELLO))
    await flows.create_many([Flow.draft(name=f"{number}-{n}") for n in range(20)])
    async with scope.authoring() as work:
        await work.flows.publish(flow.id)
        await work.flows.set_default(flow.id)
    await flows.increment_usage(flow.id)
    await flows.record_metrics(flow.id, date(2026, 1, 1), MetricIncrements(executions=1))
    assert [found.id for found in (await flows.search(f"welcome {number}")).items] == [flow.id]
    assert len([each async for each in flows.stream(order="name")]) == 21
    experiment = await scope.experiments.create(_GREETING)
    await scope.experiments.start(experiment.id)
    assert await scope.experiments.assign(experiment.id, "mia") is not None
    assert (await scope.audit.verify()).sound


async def _told(pooled: PostgresStore) -> int:
    """How many events a consumer is given, of one that subscribes before they happen."""
    return (await pooled.maintenance().dispatcher([_CONSUMER]).once()).delivered


def test_everything_works_without_prepared_statements(empty: str) -> None:
    """Of many tenants at once, on fewer connections than they have to the pooler."""

    async def scenario() -> None:
        await migrate(empty)  # one of its own: a consumer is told of everybody's changes
        async with (
            Pooler.to(as_service(empty), 3) as (pooler, address),
            opened(address, max_size=8, statement_cache_size=0) as pooled,
        ):
            await _told(pooled)
            scopes = [TenantScope(new_tenant(), pooled) for _ in range(8)]
            async with asyncio.timeout(60):
                await asyncio.gather(*(_a_day_s_work(each, n) for n, each in enumerate(scopes)))
                assert [await each.flows.count() for each in scopes] == [21] * 8
                assert await _told(pooled) >= 8 * 23
                await pooled.maintenance().outbox.unsubscribe(_CONSUMER.name)
            assert min(pooler.given) > 10

    asyncio.run(scenario())


def test_a_platform_is_told_by_a_setting(url: str) -> None:
    """And so are the commands and doctor."""

    async def scenario() -> None:
        async with Pooler.to(as_service(url), 2) as (_, address):
            settings = Settings(
                profile="servers",
                postgres_url=address,
                postgres_prepared_statements=False,
                stores=Stores(dialogue="memory", runtime="memory"),
            )
            async with bootstrap.open(settings) as platform:
                scope = platform.for_tenant(new_tenant())
                await _a_day_s_work(scope, 0)
                assert (await platform.ready()).ready
            assert any(check.subject == "row security" for check in (await checks(settings)).checks)

    asyncio.run(scenario())


def test_start_up_parameters_are_sent_with_prepared_statements_alone(url: str) -> None:
    """What a pooler has to ignore is what the documentation says."""

    async def scenario() -> None:
        async with Pooler.to(as_service(url), 1) as (pooler, address):
            async with opened(address) as pooled:
                with pytest.raises(StoreUnavailableError):
                    await pooled.check()
            assert pooler.refused == {"jit", "lock_timeout"}

    asyncio.run(scenario())
