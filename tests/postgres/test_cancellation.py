"""A call that is cancelled, at any moment, costs its caller nothing but the call."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from adapters.postgres.store import PostgresStore
from domain.flows import Flow
from domain.identity import TenantId
from tests.postgres.opening import bare, new_tenant, open_transactions, store

Call = Callable[[PostgresStore, TenantId], Awaitable[object]]
_MOMENTS = (*range(12), 16, 24, 40, 80, 160, 400, 1_000)
"""Turns of the event loop before the cancellation."""


async def _read(opened: PostgresStore, tenant: TenantId) -> object:
    return await opened.repositories(tenant).flows.list()


async def _create(opened: PostgresStore, tenant: TenantId) -> object:
    return await opened.repositories(tenant).flows.create(Flow.draft(name="one"))


async def _create_many(opened: PostgresStore, tenant: TenantId) -> object:
    drafts = [Flow.draft(name=f"{n}") for n in range(50)]
    return await opened.repositories(tenant).flows.create_many(drafts)


async def _unit(opened: PostgresStore, tenant: TenantId) -> object:
    async with opened.unit(tenant) as work:
        await work.flows.create(Flow.draft(name="one"))
        await work.flows.create(Flow.draft(name="two"))
    return None


@pytest.mark.parametrize(
    ("call", "kept"),
    [(_read, {0}), (_create, {0, 1}), (_create_many, {0, 50}), (_unit, {0, 2})],
    ids=["read", "create", "create_many", "unit"],
)
def test_whenever_a_call_is_cancelled_the_only_connection_stays_good(
    url: str, call: Call, kept: set[int]
) -> None:
    """What it did it did whole, and no transaction is left open."""

    async def scenario() -> None:
        async with store(url, max_size=1) as opened, bare(url) as beside:
            for moment in _MOMENTS:
                tenant = new_tenant()
                task = asyncio.ensure_future(call(opened, tenant))
                for _ in range(moment):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                assert await opened.repositories(tenant).flows.count() in kept
                assert await open_transactions(beside) == 0

    asyncio.run(scenario())


def test_waiting_callers_are_served_though_others_give_up(url: str) -> None:
    """A cancelled one passes its turn on."""

    async def scenario() -> None:
        async with store(url, max_size=2) as opened:
            flows = opened.repositories(new_tenant()).flows
            calls = [asyncio.ensure_future(flows.count()) for _ in range(60)]
            await asyncio.sleep(0)
            for call in calls[::3]:
                call.cancel()
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert [answer for answer in answers if not isinstance(answer, BaseException)] == [
                0
            ] * 40

    asyncio.run(scenario())


def test_closing_waits_for_what_runs_and_leaves_no_session(url: str) -> None:
    """Cancelled calls included."""

    async def scenario() -> None:
        async with bare(url) as beside:
            async with store(url) as opened:
                running = asyncio.ensure_future(opened.repositories(new_tenant()).flows.count())
                dropped = asyncio.ensure_future(opened.repositories(new_tenant()).flows.count())
                await asyncio.sleep(0)
                dropped.cancel()
            assert await running == 0
            while await beside.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'dialogbase'"
            ):
                pass

    asyncio.run(scenario())
