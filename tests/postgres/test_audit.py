"""The audit trail, and the outbox, as PostgreSQL's statements write and seal them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import attrs
import pytest

from adapters.postgres import audit
from domain.audit import AuditAction, AuditEntry, FieldChange
from domain.flows import Flow, MetricIncrements
from domain.identity import Author, TenantId
from ports.errors import OutcomeUnknownError
from ports.flows import FlowRepository
from tests.postgres.listening import ListeningWire
from tests.postgres.opening import bare, new_tenant, store, waiting_for_a_lock
from tests.wire import Wire

Write = Callable[[FlowRepository, Flow], Awaitable[object]]

_WRITES: dict[str, Write] = {
    "create": lambda flows, flow: flows.create(Flow.draft(name="another")),
    "create_many": lambda flows, flow: flows.create_many(Flow.draft(name=n) for n in "abc"),
    "update": lambda flows, flow: flows.update(flow.edited(description="changed")),
    "patch": lambda flows, flow: flows.patch(flow.id, description="changed"),
    "delete": lambda flows, flow: flows.delete(flow.id),
    "update_where": lambda flows, flow: flows.update_where(None, description="changed"),
    "delete_where": lambda flows, flow: flows.delete_where(None),
}


@pytest.mark.parametrize("write", _WRITES.values(), ids=_WRITES)
def test_a_change_its_entry_and_its_event_are_one_statement(url: str, write: Write) -> None:
    """So no round trip is added, and no transaction around them."""

    async def scenario() -> None:
        async with ListeningWire.to(url) as (wire, listened), store(listened) as opened:
            sent: list[int] = []
            for _ in range(2):
                here = opened.repositories(new_tenant())
                flow = await here.flows.create(Flow.draft(name="one"))
                before = wire.statements
                await write(here.flows, flow)
                sent.append(wire.statements - before)
                assert await here.audit.count() >= 2
            # Before the first one, the driver may ask what a type is.
            assert sent[-1] == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("write", _WRITES.values(), ids=_WRITES)
def test_a_server_process_that_dies_between_leaves_nothing(url: str, write: Write) -> None:
    """It waits to tell of what it has changed already, and is ended there."""

    async def scenario() -> None:
        async with store(url) as opened, bare(url) as rival, bare(url) as beside:
            here = opened.repositories(new_tenant())
            flow = await here.flows.create(Flow.draft(name="one"))
            async with rival.transaction():
                await rival.execute("LOCK TABLE outbox IN SHARE MODE")
                writing = asyncio.create_task(_written(write, here.flows, flow))
                pid = await waiting_for_a_lock(beside)
                await beside.execute("SELECT pg_terminate_backend($1)", pid)
                with pytest.raises(OutcomeUnknownError):
                    await writing
            assert await here.flows.get_by_id(flow.id) == flow
            assert await here.flows.count() == 1
            assert [entry.action for entry in await _all(here.audit)] == [AuditAction.CREATED]

    asyncio.run(scenario())


async def _written(write: Write, flows: FlowRepository, flow: Flow) -> None:
    await write(flows, flow)


async def _all(log: Any) -> list[AuditEntry]:
    return [entry async for entry in log.stream(None, "position")]


def test_what_was_before_is_what_another_left(url: str) -> None:
    """A change that waited for another one tells what it then found, not what it first saw."""

    async def scenario() -> None:
        async with store(url) as opened, bare(url) as beside:
            tenant = new_tenant()
            here = opened.repositories(tenant)
            flow = await here.flows.create(Flow.draft(name="one"))
            async with opened.unit(tenant) as work:
                await work.flows.patch(flow.id, description="theirs")
                waiting = asyncio.create_task(here.flows.patch(flow.id, description="ours"))
                await waiting_for_a_lock(beside)
            await waiting
            last = (await _all(here.audit))[-1]
            assert last.revision == 3
            assert last.changes == {"description": FieldChange("theirs", "ours")}

    asyncio.run(scenario())


def test_a_metric_is_added_while_a_flow_is_edited(url: str) -> None:
    """Reading what was before locks no more than changing it does."""

    async def scenario() -> None:
        async with store(url) as opened:
            tenant = new_tenant()
            here = opened.repositories(tenant)
            flow = await here.flows.create(Flow.draft(name="one"))
            one = MetricIncrements(executions=1)
            async with opened.unit(tenant) as work:
                await work.flows.patch(flow.id, description="changed")
                await here.flows.record_metrics(flow.id, date(2026, 1, 1), one)

    asyncio.run(scenario())


def test_ids_that_the_server_makes_are_those_of_the_time(url: str) -> None:
    """UUIDv7 as RFC 9562 has it, of the millisecond at which the entry says it was."""

    async def scenario() -> list[AuditEntry]:
        async with store(url) as opened:
            here = opened.repositories(new_tenant())
            await here.flows.create_many(Flow.draft(name=f"flow {n}") for n in range(20))
            return await _all(here.audit)

    entries = asyncio.run(scenario())
    assert len({entry.id for entry in entries}) == 20
    for entry in entries:
        assert (entry.id.version, entry.id.variant) == (7, UUID(int=2 << 62).variant)
        assert entry.id.int >> 80 == round(entry.at.timestamp() * 1000)


def test_entries_do_not_depend_on_a_sessions_settings(url: str) -> None:
    """Times are told in UTC and numbers to the last digit, whatever a session shows by itself."""
    settings = "timezone=Asia/Kolkata&datestyle=German&bytea_output=escape&intervalstyle=iso_8601"

    async def scenario() -> Any:
        at = datetime(2026, 3, 4, 5, 6, 7, 8_000, UTC)
        async with store(f"{url}?{settings}") as opened:
            here = opened.repositories(new_tenant())
            made = await here.flows.create(Flow.draft(name="one"))
            await here.flows.delete_where(None)
            await here.flows.create(
                attrs.evolve(made, created_at=at, published_at=at, success_rate=1.0)
            )
            return (await _all(here.audit))[-1].changes

    changes = asyncio.run(scenario())
    assert changes["created_at"] == FieldChange(None, "2026-03-04T05:06:07.008Z")
    assert changes["published_at"] == FieldChange(None, "2026-03-04T05:06:07.008Z")
    assert repr(changes["success_rate"].after) == "1.0"


def test_processes_that_seal_while_another_writes_make_one_chain(url: str) -> None:
    """Every entry has its place, once, and each entity's are in order."""
    tenant = new_tenant()
    sealers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.postgres.audit_sealer", url, tenant],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for sealer in sealers:
        assert sealer.stdout is not None
        assert sealer.stdout.readline() == "ready\n"

    async def scenario() -> None:
        async with store(url) as opened:
            here = opened.repositories(tenant)

            async def write(name: str) -> None:
                made = await here.flows.create(Flow.draft(name=name))
                for turn in range(4):
                    await here.flows.patch(made.id, description=f"turn {turn}")

            await asyncio.gather(*(write(f"flow {n}") for n in range(20)))
            sealed = [int(sealer.communicate("enough\n")[0]) for sealer in sealers]
            assert all(sealed), sealed
            assert (await here.audit.verify()).sound
            last: dict[UUID, int] = {}
            async for entry in here.audit.stream(None, "sequence"):
                assert entry.revision == last.get(entry.entity_id, 0) + 1
                last[entry.entity_id] = entry.revision
            assert list(last.values()) == [5] * 20

    asyncio.run(scenario())
    assert [sealer.returncode for sealer in sealers] == [0, 0]


def test_large_entries_are_sealed_a_few_at_a_time(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little may be in memory together, each batch seals one, and all are sealed."""
    monkeypatch.setattr(audit, "_BYTES", 1)
    monkeypatch.setattr(audit, "_BATCH", 4)

    async def scenario() -> None:
        async with ListeningWire.to(url) as (wire, listened), store(listened) as opened:
            here = opened.repositories(new_tenant())
            await here.flows.create_many(Flow.draft(name=f"flow {n}") for n in range(6))
            before = wire.statements
            assert await here.audit.seal() == 6
            assert wire.statements - before > 6 * 5
            assert (await here.audit.verify()).sound

    asyncio.run(scenario())


def test_writers_do_not_wait_for_a_chain_that_is_being_sealed(url: str) -> None:
    """Whatever a sealer holds, a change of the same tenant's goes through."""

    async def scenario() -> None:
        async with store(url) as opened, bare(url) as sealer:
            tenant = new_tenant()
            here = opened.repositories(tenant, Author("ada", None))
            flow = await here.flows.create(Flow.draft(name="one"))
            async with sealer.transaction():
                await sealer.execute("SELECT set_config('dialogbase.tenant', $1, true)", tenant)
                await sealer.execute(
                    "UPDATE audit_entries SET sequence = 1, digest = 'x' WHERE tenant_id = $1",
                    tenant,
                )
                assert (await here.flows.patch(flow.id, description="changed")).revision == 2

    asyncio.run(scenario())


def test_a_lost_answer_leaves_a_change_and_its_entry(url: str) -> None:
    """Who isn't told whether a change was made finds out from the trail."""

    async def scenario() -> None:
        async with Wire.to(url) as (wire, cut), store(cut, deadline=5.0) as opened:
            tenant = new_tenant()
            flows = opened.repositories(tenant).flows
            flow = await flows.create(Flow.draft(name="one"))
            # From now on the statement is prepared, and sent in one go.
            flow = await flows.update(flow)
            wire.losing = True
            writing = asyncio.create_task(flows.update(flow.edited(description="changed")))
            await wire.lost.wait()
            wire.cut()
            with pytest.raises(OutcomeUnknownError):
                await writing
            async with store(url) as beside:
                here = beside.repositories(tenant)
                assert (await here.flows.require(flow.id)).revision == 3
                assert [entry.revision for entry in await _all(here.audit)] == [1, 2, 3]

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def trail(url: str) -> TenantId:
    """Some thousand entries of two actors, sealed but for the last ones."""
    tenant = new_tenant()

    async def fill() -> None:
        async with store(url) as opened:
            for actor in ("ada", "grace"):
                here = opened.repositories(tenant, Author(actor, None))
                made = await here.flows.create_many(
                    Flow.draft(name=f"{actor} {n}") for n in range(300)
                )
                for _ in range(3):
                    await here.flows.update_where(None, description=actor)
                await here.flows.patch(made[0].id, description="the last")
            while await here.audit.seal() == 1_000:
                pass
            await here.flows.patch(made[0].id, description="the very last")
        async with bare(url) as connection:
            await connection.execute("VACUUM ANALYZE audit_entries")

    asyncio.run(fill())
    return tenant


_PAGES: dict[str, tuple[str, str]] = {
    "ix_audit_entries_entity": (
        "entity_id = '01a202d1-f34c-7473-b459-3a67f756c57a'",
        "position DESC, id DESC",
    ),
    "ix_audit_entries_actor": ("actor = 'ada'", "position DESC, id DESC"),
    "ix_audit_entries_at": (
        "at >= '2026-01-01' AND at < '2999-01-01'",
        "at DESC, position DESC, id DESC",
    ),
    "ix_audit_entries_unsealed": ("sequence IS NULL", "position"),
    "uq_audit_entries_sequence": ("sequence <= 100000", "sequence, id"),
}


@pytest.mark.parametrize("index", _PAGES)
def test_a_page_of_the_trail_is_read_off_an_index(url: str, trail: TenantId, index: str) -> None:
    """Nothing but what stands at the same place is sorted: by its id."""
    condition, order = _PAGES[index]

    async def planned() -> str:
        async with bare(url) as connection:
            # Some pages of a table are read at once sooner than what they hold is looked up.
            await connection.execute("SET enable_seqscan = off")
            found: str = await connection.fetchval(
                "EXPLAIN (FORMAT JSON) SELECT * FROM audit_entries WHERE tenant_id = $1"
                f" AND {condition} ORDER BY {order} LIMIT 51",
                trail,
            )
            return found

    nodes = list(_nodes(json.loads(asyncio.run(planned()))[0]["Plan"]))
    assert index in {node.get("Index Name") for node in nodes}
    assert "Sort" not in {node["Node Type"] for node in nodes}


def _nodes(tree: Any) -> Any:
    yield tree
    for part in tree.get("Plans", ()):
        yield from _nodes(part)
