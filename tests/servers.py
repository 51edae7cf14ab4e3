"""Real servers for tests: those that the environment names, or private ones."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
    """The URL of each, for the block."""
    given = {kind: url for kind in kinds if (url := os.environ.get(_VARIABLES[kind]))}
    wanted = [kind for kind in kinds if kind not in given]
    if not wanted:
        yield given
        return
    with embedded.servers_sync(wanted) as started:
        yield {**given, **started.by_kind}


def sibling(url: str, database: str) -> str:
    """The URL of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{database}").geturl()
