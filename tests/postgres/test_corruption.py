"""Rows that this library can't have written."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from domain.flows import Flow
from ports.errors import CorruptRecordError
from tests.postgres.opening import bare, new_tenant, store


@pytest.mark.parametrize(
    ("field", "stored", "said"),
    [
        ("definition", '{"states": 5}', "definition"),
        ("definition", '{"unknown": 1}', "definition"),
        ("definition", '{"states": {"a": {"name": "a"}}}', "definition"),
        ("definition", "[]", "definition"),
        ("trigger_conditions", "[1]", "trigger_conditions"),
        ("trigger_conditions", "null", "trigger_conditions"),
    ],
)
def test_what_cannot_be_read_is_named_and_never_shown(
    url: str, field: str, stored: str, said: str
) -> None:
    """The error holds type, id and field; a definition raises it when it is first looked into."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url) as opened, bare(url, tenant) as connection:
            flows = opened.repositories(tenant).flows
            flow = await flows.create(Flow.draft(name="a"))
            await connection.execute(
                f"UPDATE flows SET {field} = $2::json WHERE id = $1", flow.id, stored
            )
            with pytest.raises(CorruptRecordError) as told:
                _ = (await flows.require(flow.id)).definition.states
            assert (told.value.entity_type, told.value.fields) == ("flow", (said,))
            assert told.value.entity_id == flow.id
            assert type(told.value.entity_id) is UUID
            assert stored not in str(told.value)

    asyncio.run(scenario())


def test_a_status_that_nobody_knows_is_named(url: str) -> None:
    """Should the check that forbids it have been dropped."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url) as opened, bare(url, tenant) as connection:
            flows = opened.repositories(tenant).flows
            flow = await flows.create(Flow.draft(name="a"))
            await connection.execute("ALTER TABLE flows DROP CONSTRAINT ck_flows_status")
            try:
                await connection.execute("UPDATE flows SET status = 'x' WHERE id = $1", flow.id)
                for asked in (flows.get_by_id(flow.id), flows.list(), flows.summaries()):
                    with pytest.raises(CorruptRecordError) as told:
                        await asked
                    assert told.value.fields == ("status",)
            finally:
                await opened.maintenance().erase_tenant(tenant)
                await connection.execute(
                    "ALTER TABLE flows ADD CONSTRAINT ck_flows_status CHECK (status IN"
                    " ('draft', 'testing', 'active', 'inactive', 'archived'))"
                )

    asyncio.run(scenario())


def test_a_time_beyond_the_calendar_is_corrupt(url: str) -> None:
    """PostgreSQL reaches further than the years 1 to 9999."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url) as opened, bare(url, tenant) as connection:
            flows = opened.repositories(tenant).flows
            flow = await flows.create(Flow.draft(name="a"))
            await connection.execute(
                "UPDATE flows SET created_at = '12000-01-01Z' WHERE id = $1", flow.id
            )
            with pytest.raises(CorruptRecordError):
                await flows.require(flow.id)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "change",
    [
        "status = 'unheard of'",
        "revision = 0",
        "is_default = true",
        "id = '00000000-0000-0000-0000-000000000001', tenant_id = NULL",
    ],
)
def test_the_database_refuses_what_no_flow_can_be(url: str, change: str) -> None:
    """Whoever writes past this library."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with store(url) as opened, bare(url, tenant) as connection:
            flow = await opened.repositories(tenant).flows.create(Flow.draft(name="a"))
            with pytest.raises(
                (asyncpg.IntegrityConstraintViolationError, asyncpg.InsufficientPrivilegeError)
            ):
                await connection.execute(f"UPDATE flows SET {change} WHERE id = $1", flow.id)

    asyncio.run(scenario())
