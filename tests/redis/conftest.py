"""Real servers and clusters."""

from collections.abc import Iterator

import pytest

from tests.redis.slots import BEGUN
from tests.valkey import Cluster, Node, cluster, real_server


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


@pytest.fixture(scope="session")
def three() -> Iterator[Cluster]:
    """Three primaries that stay up; a test puts back what it moves."""
    with cluster(BEGUN) as nodes:
        yield nodes


@pytest.fixture
def paired() -> Iterator[Cluster]:
    """Three primaries of the test's own, and a replica of each."""
    with cluster(None, replicas=1) as nodes:
        yield nodes
