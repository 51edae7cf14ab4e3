"""A real server, with the machine's own time."""

from collections.abc import Iterator

import pytest

from tests.valkey import Node, real_server


@pytest.fixture(scope="session")
def shared() -> Iterator[Node]:
    """A server that stays up; tests keep apart by their keys and channels."""
    with real_server() as node:
        yield node


@pytest.fixture
def own() -> Iterator[Node]:
    """A server of the test's own, to be paused, killed and started again."""
    with real_server() as node:
        yield node
