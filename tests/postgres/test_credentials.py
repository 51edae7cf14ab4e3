"""Credentials in PostgreSQL: what stands in its tables, and what doesn't open any more."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.encryption import KeyRing
from adapters.postgres.database import METADATA
from adapters.postgres.store import PostgresStore
from adapters.system import SystemClock, Uuid7Generator
from domain.integrations import CallReport, Integration
from domain.secrets import Secret
from ports.errors import CorruptRecordError, DuplicateEntityError, EncryptionKeyError
from ports.secrets import SecretBox
from tests.postgres.opening import bare, new_tenant, see
from tests.servers import as_service

ONE, OTHER = bytes(range(32)), bytes(range(32, 64))
RING = KeyRing({"one": ONE})
HIDDEN = "hunter2-which-stands-nowhere"
SECRET = Secret({"password": HIDDEN})
_CLOCK = SystemClock()


@asynccontextmanager
async def sealing(url: str, secrets: SecretBox | None = RING) -> AsyncIterator[PostgresStore]:
    """A store with these keys."""
    ids = Uuid7Generator(_CLOCK)
    opened = await PostgresStore.open(as_service(url), clock=_CLOCK, ids=ids, secrets=secrets)
    try:
        yield opened
    finally:
        await opened.close()


def draft(name: str = "crm") -> Any:
    """One with credentials."""
    return Integration.draft(name=name, type="rest_api", credentials=SECRET)


def test_what_is_stored_is_a_token_that_names_its_key(url: str) -> None:
    """And the same one, as long as the content is the same."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with sealing(url) as opened, bare(url, tenant) as connection:
            integrations = opened.repositories(tenant).integrations
            made = await integrations.create(draft())

            async def stored() -> str:
                token: str = await connection.fetchval(
                    "SELECT credentials FROM integrations WHERE id = $1", made.id
                )
                return token

            token = await stored()
            assert token.startswith("v1.one.")
            await integrations.update(made.edited(name="new", credentials=Secret(SECRET.reveal())))
            assert await stored() == token
            await integrations.set_credentials(made.id, Secret({"password": "another"}))
            assert await stored() != token

    asyncio.run(scenario())


@pytest.mark.parametrize("moved_to", ["another integration", "another tenant"])
def test_a_token_that_was_moved_does_not_open(url: str, moved_to: str) -> None:
    """The integration can be read and listed; what is named is the record, and nothing of it."""

    async def scenario() -> None:
        mine, theirs = new_tenant(), new_tenant()
        async with sealing(url) as opened, bare(url, mine) as connection:
            integrations = opened.repositories(mine).integrations
            made = await integrations.create(draft())
            if moved_to == "another tenant":
                integrations = opened.repositories(theirs).integrations
            other = await integrations.create(
                Integration.draft(name="other", type="rest_api", credentials=Secret({"a": 1}))
            )
            token = await connection.fetchval(
                "SELECT credentials FROM integrations WHERE id = $1", made.id
            )
            await see(connection, other.tenant_id)
            await connection.execute(
                "UPDATE integrations SET credentials = $2 WHERE id = $1", other.id, token
            )
            (read,) = [one for one in (await integrations.list()).items if one.id == other.id]
            assert read.credentials is not None
            with pytest.raises(CorruptRecordError) as told:
                read.credentials.reveal()
            assert (told.value.entity_type, told.value.entity_id) == ("integration", other.id)
            assert told.value.fields == ("credentials",)
            assert HIDDEN not in str(told.value)
            assert told.value.__context__ is None
            with pytest.raises(CorruptRecordError):
                _ = read == other

    asyncio.run(scenario())


@pytest.mark.parametrize("token", ["", "hunter2", "v1.one.", "v1.one.YWJj", "v1.one.\u00e9"])
def test_what_is_no_token_does_not_open(url: str, token: str) -> None:
    """Not as it is either: a secret that somebody wrote there by hand isn't shown."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with sealing(url) as opened, bare(url, tenant) as connection:
            integrations = opened.repositories(tenant).integrations
            made = await integrations.create(draft())
            await connection.execute(
                "UPDATE integrations SET credentials = $2 WHERE id = $1", made.id, token
            )
            read = await integrations.require(made.id)
            assert read.credentials is not None
            with pytest.raises(CorruptRecordError) as told:
                read.credentials.reveal()
            assert "hunter2" not in str(told.value)
            report = CallReport(success=False, latency_ms=1, error=f"no {HIDDEN}")
            assert (await integrations.record_call(made.id, report)).call.error == "***"

    asyncio.run(scenario())


def test_without_keys_everything_works_but_credentials(url: str) -> None:
    """Neither are they taken nor shown, and what is there stays as it is."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with sealing(url) as opened, sealing(url, None) as keyless:
            integrations = keyless.repositories(tenant).integrations
            for refused in (
                integrations.create(draft()),
                integrations.create_many([draft("a"), draft("b")]),
            ):
                with pytest.raises(EncryptionKeyError) as told:
                    await refused
                assert told.value.key_id is None
            assert await integrations.count() == 0
            made = await opened.repositories(tenant).integrations.create(draft())
            read = await integrations.require(made.id)
            assert read.credentials is not None
            with pytest.raises(EncryptionKeyError):
                read.credentials.reveal()
            with pytest.raises(EncryptionKeyError):
                await integrations.rotate_credentials()
            await integrations.update(read.edited(name="new"))
            report = CallReport(success=False, latency_ms=1, error=HIDDEN)
            assert (await integrations.record_call(made.id, report)).call.error == "***"
            stored = await opened.repositories(tenant).integrations.require(made.id)
            assert (stored.name, stored.credentials) == ("new", SECRET)

    asyncio.run(scenario())


def test_a_unit_of_work_lives_on_without_keys(url: str) -> None:
    """What can't be sealed was never asked of the store."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with sealing(url, None) as keyless:
            async with keyless.unit(tenant) as work:
                with pytest.raises(EncryptionKeyError):
                    await work.integrations.create(draft())
                await work.integrations.create(Integration.draft(name="a", type="webhook"))
            assert await keyless.repositories(tenant).integrations.count() == 1

    asyncio.run(scenario())


def test_real_keys_are_changed(url: str) -> None:
    """A deployment puts a new key first, rotates, and drops the old one."""

    async def scenario() -> None:
        tenant = new_tenant()
        async with sealing(url) as former:
            made = await former.repositories(tenant).integrations.create(draft())
        async with sealing(url, KeyRing({"other": OTHER, "one": ONE})) as both:
            integrations = both.repositories(tenant).integrations
            assert (await integrations.require(made.id)).credentials == SECRET
            assert await integrations.rotate_credentials() == 1
            assert await integrations.rotate_credentials() == 0
        async with sealing(url, KeyRing({"other": OTHER})) as later:
            read = await later.repositories(tenant).integrations.require(made.id)
            assert (read.credentials, read.revision) == (SECRET, 1)

    asyncio.run(scenario())


def test_no_table_and_no_log_has_a_secret(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """In no column of any table, whatever was done; and in no line of any logger at DEBUG."""
    caplog.set_level(logging.DEBUG)
    for name in ("asyncpg", "sqlalchemy", "asyncio", "dialogbase"):
        logging.getLogger(name).setLevel(logging.DEBUG)

    async def scenario() -> list[str]:
        tenant = new_tenant()
        asyncio.get_running_loop().set_debug(True)
        async with sealing(url) as opened, bare(url, tenant) as connection:
            integrations = opened.repositories(tenant).integrations
            made = await integrations.create(draft())
            with pytest.raises(DuplicateEntityError):
                await integrations.create(draft())
            async with opened.unit(tenant) as work:
                await work.integrations.create_many([draft("a"), draft("b")])
                await work.integrations.set_credentials(made.id, SECRET)
            report = CallReport(
                success=False, latency_ms=1, error=HIDDEN, metadata={"sent": [HIDDEN]}
            )
            await integrations.record_call(made.id, report)
            await integrations.mark_health(made.id, "unhealthy", f"no: {HIDDEN}")
            await integrations.update((await integrations.require(made.id)).edited(timeout_ms=1))
            await integrations.delete_where({"name": "a"})
            rows = [
                str(tuple(row.values()))
                for table in METADATA.sorted_tables
                if "tenant_id" in table.c
                for row in await connection.fetch(
                    f"SELECT * FROM {table.name} WHERE tenant_id = $1", tenant
                )
            ]
        assert len(rows) > 10
        return rows

    shown = [*asyncio.run(scenario()), *(record.getMessage() for record in caplog.records)]
    assert caplog.records
    assert not [text for text in shown if HIDDEN in text]
