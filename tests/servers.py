"""Real servers for tests: those that the environment names, or private ones."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from bootstrap import embedded
from bootstrap.embedded import ServerKind

POSTGRES_URL = "DIALOGBASE_TEST_POSTGRES_URL"
MONGO_URL = "DIALOGBASE_TEST_MONGO_URL"
REDIS_URL = "DIALOGBASE_TEST_REDIS_URL"
"""Name databases to be used in place of private servers'."""

REDIS_CLUSTER_URLS = "DIALOGBASE_TEST_REDIS_CLUSTER_URLS"
"""Names all primaries of a cluster, with blanks between them."""

_VARIABLES: Mapping[ServerKind, str] = {
    "postgres": POSTGRES_URL,
    "mongo": MONGO_URL,
    "valkey": REDIS_URL,
}


@contextmanager
def servers(*kinds: ServerKind) -> Iterator[Mapping[ServerKind, str]]:
    """The URL of each, for the block; of PostgreSQL, that of a role which may make databases and
    logins, and as which tests migrate."""
    given = {kind: url for kind in kinds if (url := os.environ.get(_VARIABLES[kind]))}
    wanted = [kind for kind in kinds if kind not in given]
    if not wanted:
        yield given
        return
    with embedded.servers_sync(wanted) as started:
        yield {**given, **started.by_kind, **started.owners}


def sibling(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()


_SERVICE: Final = "dialogbase_test_service"
_MAKE_SERVICE: Final = """
DO $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('{service}'));
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dialogbase_app') THEN
        CREATE ROLE dialogbase_app NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{service}') THEN
        CREATE ROLE {service} LOGIN IN ROLE dialogbase_app;
        -- So that tests may end its sessions.
        GRANT {service} TO CURRENT_USER;
    END IF;
    ALTER ROLE {service} PASSWORD '{password}';
END $$
"""


def as_service(url: str) -> str:
    """The database at that URL, as services connect to it: for them, row-level security holds."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{_SERVICE}:{_password(url)}@{place}").geturl()


def make_service(url: str) -> None:
    """Makes the login of `as_service` on the server at that URL."""

    async def made() -> None:
        import asyncpg

        connection = await asyncpg.connect(url)
        try:
            sql = _MAKE_SERVICE.format(service=_SERVICE, password=_password(url))
            await connection.execute(sql)
        except asyncpg.InsufficientPrivilegeError:
            raise RuntimeError(
                f"the role in {POSTGRES_URL} must have CREATEROLE, and ADMIN OPTION on "
                "dialogbase_app if that is there: the tests connect as a login that they make"
            ) from None
        finally:
            await connection.close()

    asyncio.run(made())


def _password(url: str) -> str:
    # Another for each owner's, and the same by whatever way.
    return sha256(urlsplit(url).netloc.rpartition("@")[0].encode()).hexdigest()
