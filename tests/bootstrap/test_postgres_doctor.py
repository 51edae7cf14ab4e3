"""What `doctor` says of row-level security; on a server on which nobody has migrated yet."""

import asyncio
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import asyncpg
import attrs
import pytest

from adapters.postgres.migrations import migrate, state
from bootstrap import embedded
from bootstrap.embedded import ServerUrls
from tests.bootstrap.running import answer
from tests.servers import sibling


@attrs.frozen
class Private:
    """A server of this module's own."""

    urls: ServerUrls
    admin: str
    """Its superuser's."""

    def run(self, *statements: str) -> None:
        """As who owns the database."""

        async def run() -> None:
            connection = await asyncpg.connect(self.urls.postgres_owner)
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    """In a named folder, where its superuser's password lies."""
    folder = tmp_path_factory.mktemp("doctor") / "data"
    with embedded.servers_sync({"postgres"}, data=folder) as urls:
        password = json.loads((folder / "secrets.json").read_bytes())["postgres_admin"]
        place = urlsplit(urls.postgres)
        netloc = f"postgres:{password}@{place.netloc.rpartition('@')[2]}"
        yield Private(urls, place._replace(netloc=netloc).geturl())


@pytest.fixture(scope="module")
def migrated(server: Private) -> Private:
    """Two databases, migrated side by side on a cluster that had none of the roles."""
    other = sibling(server.urls.postgres_owner, "other")
    server.run("CREATE DATABASE other")

    async def both() -> None:
        await asyncio.gather(*(migrate(url) for url in (server.urls.postgres_owner, other) * 2))
        for url in (server.urls.postgres_owner, other):
            assert (await state(url)).pending == ()

    asyncio.run(both())
    return server


def _seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> dict[str, tuple[bool, str]]:
    for group in ("DIALOGUE", "RUNTIME"):
        monkeypatch.setenv(f"DIALOGBASE_STORES_{group}", "memory")
    monkeypatch.setenv("DIALOGBASE_POSTGRES_URL", url)
    checks = answer(capsys, "doctor")[1]["checks"]
    return {
        one["subject"]: (one["well"], one["found"]) for one in checks if one["store"] == "postgres"
    }


def test_a_service_s_own_login_is_bound(
    migrated: Private, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And may look at all that there is to compare."""
    seen = _seen(monkeypatch, capsys, migrated.urls.postgres)
    assert all(well for well, _ in seen.values())
    assert seen["row security"][1].startswith("binds the role dialogbase_service on 1")
    assert "policies and rights as declared" in seen["schema"][1]


def test_an_owner_is_bound_and_could_turn_it_off(
    migrated: Private, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is one login for everything."""
    seen = _seen(monkeypatch, capsys, migrated.urls.postgres_owner)
    assert seen["row security"][0]
    assert "which it owns" in seen["row security"][1]


def test_for_a_superuser_it_is_inert(
    migrated: Private, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That isn't well, and what to do is said."""
    seen = _seen(monkeypatch, capsys, migrated.admin)
    assert not seen["row security"][0]
    assert "inert: the role postgres is a superuser" in seen["row security"][1]
    assert "IN ROLE dialogbase_app" in seen["row security"][1]


@pytest.mark.parametrize(
    ("done", "undone", "named"),
    [
        (
            ["ALTER TABLE flows DISABLE ROW LEVEL SECURITY"],
            ["ALTER TABLE flows ENABLE ROW LEVEL SECURITY"],
            "row security flows is off, forced, not on, forced",
        ),
        (
            ["ALTER TABLE flows NO FORCE ROW LEVEL SECURITY"],
            ["ALTER TABLE flows FORCE ROW LEVEL SECURITY"],
            "row security flows is on, not on, forced",
        ),
        (
            ["CREATE POLICY mine ON flows USING (true)"],
            ["DROP POLICY mine ON flows"],
            "policy flows.mine is PERMISSIVE FOR * TO {-} USING (true) and not ours",
        ),
        (
            ["GRANT DELETE ON audit_entries TO dialogbase_app"],
            ["REVOKE DELETE ON audit_entries FROM dialogbase_app"],
            "rights audit_entries dialogbase_app is DELETE, INSERT, SELECT",
        ),
    ],
)
def test_what_is_not_as_declared_is_named(
    migrated: Private,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    done: list[str],
    undone: list[str],
    named: str,
) -> None:
    """A table, a policy, a right."""
    migrated.run(*done)
    try:
        well, found = _seen(monkeypatch, capsys, migrated.urls.postgres)["schema"]
    finally:
        migrated.run(*undone)
    assert not well
    assert named in found
