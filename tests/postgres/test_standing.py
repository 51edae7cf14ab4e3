"""Whom row-level security binds, and what `doctor` makes of who connects."""

import asyncio
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from adapters.postgres.inspection import inspect
from adapters.postgres.migrations import migrate, state
from domain.flows import Flow
from ports.errors import StoreUnavailableError
from tests.postgres.opening import bare, new_tenant, store
from tests.servers import as_service, sibling


@pytest.mark.parametrize(
    ("member_of", "bypasses"),
    [("dialogbase_app", False), ("dialogbase_app, dialogbase_definer", True)],
)
def test_what_a_role_sees_is_what_is_told_of_it(url: str, member_of: str, bypasses: bool) -> None:
    """Whose rights it has, it sees with: who reads past policies isn't bound."""
    login = f"dialogbase_{uuid4().hex}"
    place = urlsplit(url).netloc.rpartition("@")[2]
    connecting = urlsplit(url)._replace(netloc=f"{login}:x@{place}").geturl()

    async def scenario() -> None:
        async with store(url) as opened:
            await opened.repositories(new_tenant()).flows.create(Flow.draft(name="seen"))
        async with bare(url) as owner:
            await owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'x' IN ROLE {member_of}")
            try:
                async with bare(connecting) as connection:
                    seen = await connection.fetchval("SELECT EXISTS (SELECT FROM flows)")
                standing = (await inspect(connecting, datetime.now(UTC))).standing
            finally:
                await owner.execute(f"DROP ROLE {login}")
        assert (seen, standing.bypasses, standing.defines) == (bypasses,) * 3

    asyncio.run(scenario())


def test_a_schema_may_be_called_anything(empty: str) -> None:
    """Even what must be quoted; everything works in it, and nothing is found to be otherwise."""
    schema = 'My "s'
    path = "?search_path=%22My%20%22%22s%22"

    async def scenario() -> None:
        async with bare(empty) as owner:
            await owner.execute('CREATE SCHEMA "{}"'.format(schema.replace('"', '""')))
        await migrate(empty + path)
        found = await inspect(as_service(empty) + path, datetime.now(UTC))
        assert found.differences == ()
        assert found.sound
        async with store(empty + path) as opened:
            tenant = new_tenant()
            flows = opened.repositories(tenant).flows
            await flows.create(Flow.draft(name="to be found"))
            assert len((await flows.search("found")).items) == 1
            assert [one async for one in opened.maintenance().tenants()] == [tenant]

    asyncio.run(scenario())


def test_one_process_migrates_several_databases_at_once(server: str) -> None:
    """Each has everything: none of it is done to another."""
    names = [f"dialogbase_{uuid4().hex}" for _ in range(3)]

    async def scenario() -> None:
        async with bare(server) as owner:
            for name in names:
                await owner.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            try:
                urls = [sibling(server, name) for name in names]
                before = await asyncio.gather(*map(migrate, urls))
                assert {state.current for state in before} == {None}
                for url in urls:
                    assert (await inspect(as_service(url), datetime.now(UTC))).sound
            finally:
                for name in names:
                    await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")

    asyncio.run(scenario())


def test_a_server_that_refuses_a_connection_is_told_from_one_that_cannot_be_reached(
    url: str,
) -> None:
    """By its code, as there is no such database or user; the same wherever it is asked."""
    unknown = sibling(url, "nothing_of_the_kind")
    for asked in (state(unknown), inspect(unknown, datetime.now(UTC))):
        with pytest.raises(StoreUnavailableError, match=r"refused a connection \(SQLSTATE 3D000\)"):
            asyncio.run(asked)
