"""Connections that die, servers that don't answer, locks that aren't given back."""

import asyncio
import socket
import traceback

import pytest

from domain.definitions import FlowDefinition
from domain.flows import Flow
from ports.errors import (
    DuplicateEntityError,
    OutcomeUnknownError,
    StoreTimeoutError,
    StoreUnavailableError,
    TransactionError,
)
from tests.postgres.opening import bare, new_tenant, open_transactions, store, waiting_for_a_lock
from tests.wire import Wire

_KILL = "SELECT pg_terminate_backend($1)"


def test_a_connection_that_died_while_idle_is_replaced(url: str) -> None:
    """Nobody is told of it, neither a reader nor a writer."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url, max_size=1) as opened, bare(url, tenant) as beside:
            flows = opened.repositories(tenant).flows
            flow = await flows.create(Flow.draft(name="a"))
            for again in range(3):
                await beside.fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'dialogbase' AND datname = current_database()"
                )
                assert await flows.get_by_id(flow.id) is not None
                await flows.increment_usage(flow.id)
                assert (await flows.require(flow.id)).usage_count == again + 1

    asyncio.run(scenario())


def test_a_read_whose_backend_is_killed_is_repeated(url: str) -> None:
    """Its caller gets the answer."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url) as opened, bare(url, tenant) as holder, bare(url, tenant) as beside:
            flows = opened.repositories(tenant).flows
            flow = await flows.create(Flow.draft(name="a"))
            async with holder.transaction():
                await holder.execute("LOCK TABLE flows IN ACCESS EXCLUSIVE MODE")
                reading = asyncio.create_task(flows.require(flow.id))
                await beside.execute(_KILL, await waiting_for_a_lock(beside))
            assert await reading == flow

    asyncio.run(scenario())


def test_a_write_whose_backend_is_killed_has_an_unknown_outcome(url: str) -> None:
    """It isn't repeated; the store goes on working."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url) as opened, bare(url, tenant) as holder, bare(url, tenant) as beside:
            flows = opened.repositories(tenant).flows
            flow = await flows.create(Flow.draft(name="a"))
            async with holder.transaction():
                await holder.execute("SELECT 1 FROM flows WHERE id = $1 FOR UPDATE", flow.id)
                writing = asyncio.create_task(flows.increment_usage(flow.id))
                await beside.execute(_KILL, await waiting_for_a_lock(beside))
                with pytest.raises(OutcomeUnknownError):
                    await writing
            assert await flows.increment_usage(flow.id) == 1

    asyncio.run(scenario())


def test_a_write_whose_acknowledgement_is_lost_has_an_unknown_outcome(url: str) -> None:
    """It may have happened, as it did here."""

    async def scenario() -> None:
        async with Wire.to(url) as (wire, far), store(far) as opened, store(url) as beside:
            tenant = new_tenant()
            flows = opened.repositories(tenant).flows
            flow = await flows.create(Flow.draft(name="a"))
            await flows.patch(flow.id, name="prepared")
            wire.losing = True
            writing = asyncio.create_task(flows.patch(flow.id, name="b"))
            await wire.lost.wait()
            wire.cut()
            with pytest.raises(OutcomeUnknownError):
                await writing
            assert (await beside.repositories(tenant).flows.require(flow.id)).name == "b"
            wire.losing = False
            assert (await flows.require(flow.id)).name == "b"

    asyncio.run(scenario())


def test_a_commit_whose_acknowledgement_is_lost_has_an_unknown_outcome(url: str) -> None:
    """All of the unit was kept here, and the caller is told to look."""

    async def scenario() -> None:
        async with Wire.to(url) as (wire, far), store(far) as opened, store(url) as beside:
            tenant = new_tenant()

            async def unit() -> None:
                async with opened.unit(tenant) as work:
                    await work.flows.create(Flow.draft(name="a"))
                    await work.flows.create(Flow.draft(name="b"))
                    wire.losing = True

            running = asyncio.create_task(unit())
            await wire.lost.wait()
            wire.cut()
            with pytest.raises(OutcomeUnknownError):
                await running
            assert await beside.repositories(tenant).flows.count() == 2

    asyncio.run(scenario())


def test_a_unit_whose_backend_is_killed_keeps_nothing(url: str) -> None:
    """Its next operation tells, and its end refuses."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url) as opened, bare(url, tenant) as beside:

            async def unit() -> None:
                async with opened.unit(tenant) as work:
                    await work.flows.create(Flow.draft(name="a"))
                    await beside.fetch(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE state = 'idle in transaction' AND datname = current_database()"
                    )
                    with pytest.raises(StoreUnavailableError):
                        await work.flows.count()

            with pytest.raises(TransactionError):
                await unit()
            assert await opened.repositories(tenant).flows.count() == 0

    asyncio.run(scenario())


def test_a_unit_whose_backend_is_killed_amid_a_bulk_write_is_told_by_the_deadline(url: str) -> None:
    """Also when the driver waits for room to send in, where it doesn't look at its own timer."""

    async def scenario() -> None:
        large = FlowDefinition.external({}, {"notes": "x" * 200_000})

        tenant = new_tenant()
        async with (
            store(url, deadline=0.5) as opened,
            bare(url, tenant) as holder,
            bare(url, tenant) as beside,
        ):

            async def unit() -> None:
                async with opened.unit(tenant) as work:
                    await work.flows.create_many(
                        Flow.draft(name=f"{n}", definition=large) for n in range(80)
                    )

            async with holder.transaction():
                await holder.execute("LOCK TABLE flows IN SHARE MODE")
                running = asyncio.create_task(unit())
                await beside.execute(_KILL, await waiting_for_a_lock(beside))
                with pytest.raises((StoreUnavailableError, StoreTimeoutError)):
                    await running
            assert await opened.repositories(tenant).flows.count() == 0

    asyncio.run(scenario())


def test_a_server_that_refuses_is_unavailable() -> None:
    """Whoever reads, writes, begins a unit or checks is told so, without a URL or a password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"postgresql://ada:hunter2@127.0.0.1:{taken.getsockname()[1]}/x"

        async def scenario() -> None:
            async with store(nowhere) as opened:
                flows = opened.repositories(new_tenant()).flows
                for asked in (flows.count(), flows.create(Flow.draft(name="a")), opened.check()):
                    with pytest.raises(StoreUnavailableError) as told:
                        await asked
                    assert "hunter2" not in "".join(traceback.format_exception(told.value))
                with pytest.raises(StoreUnavailableError):
                    async with opened.unit(new_tenant()) as work:
                        await work.flows.count()

        asyncio.run(scenario())


def test_a_server_that_never_answers_is_unavailable_by_the_deadline(url: str) -> None:
    """Not a hang."""

    async def scenario() -> None:
        async with Wire.to(url) as (wire, far), store(far, deadline=0.2) as opened:
            wire.losing = True
            with pytest.raises((StoreUnavailableError, StoreTimeoutError)):
                await opened.check()
            wire.losing = False

    asyncio.run(scenario())


def test_an_answer_that_never_comes_ends_a_read_by_the_deadline(url: str) -> None:
    """And the connection that owes it is not used again."""

    async def scenario() -> None:
        async with Wire.to(url) as (wire, far), store(far, deadline=0.3, max_size=1) as opened:
            await opened.check()
            wire.losing = True
            with pytest.raises((StoreUnavailableError, StoreTimeoutError)):
                await opened.check()
            wire.losing = False
            wire.cut()
            await opened.check()

    asyncio.run(scenario())


def test_a_caller_for_whom_no_connection_becomes_free_is_told_by_the_deadline(url: str) -> None:
    """And gets one when there is."""

    async def scenario() -> None:
        async with store(url, deadline=0.2, max_size=1) as opened:
            async with opened.unit(new_tenant()) as work:
                await work.flows.count()
                with pytest.raises(StoreTimeoutError):
                    await opened.check()
            await opened.check()

    asyncio.run(scenario())


def test_a_write_that_waits_for_a_lock_too_long_changes_nothing(url: str) -> None:
    """The server ends the wait, so that its outcome is known."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url, deadline=0.3) as opened, bare(url, tenant) as holder:
            flows = opened.repositories(tenant).flows
            flow = await flows.create(Flow.draft(name="a"))
            async with holder.transaction():
                await holder.execute("SELECT 1 FROM flows WHERE id = $1 FOR UPDATE", flow.id)
                with pytest.raises(StoreTimeoutError):
                    await flows.patch(flow.id, name="b")
            assert await flows.require(flow.id) == flow

    asyncio.run(scenario())


def test_a_closed_store_says_so(url: str) -> None:
    """Also to a unit."""

    async def scenario() -> None:
        async with store(url) as opened:
            await opened.check()
        with pytest.raises(StoreUnavailableError, match="closed"):
            await opened.check()

    asyncio.run(scenario())


def test_nothing_of_the_drivers_hangs_on_an_error(url: str) -> None:
    """Neither its exception, which quotes the row, nor the row's content."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url) as opened, bare(url, tenant) as beside:
            flows = opened.repositories(tenant).flows
            await flows.create(Flow.draft(name="a-secret-name"))
            with pytest.raises(DuplicateEntityError) as told:
                await flows.create(Flow.draft(name="a-secret-name"))
            assert told.value.key == ("name", "version")
            error: BaseException | None = told.value
            while error is not None:
                assert not type(error).__module__.startswith(("asyncpg", "sqlalchemy"))
                assert "secret" not in str(error)
                error = error.__cause__ or error.__context__
            assert await open_transactions(beside) == 0

    asyncio.run(scenario())
