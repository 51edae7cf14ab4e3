"""The servers on which the examples run."""

from collections.abc import Iterator

import pytest

from bootstrap import Settings
from tests.bootstrap.stores import server_settings


@pytest.fixture(scope="session")
def on_servers() -> Iterator[Settings]:
    """All of them, migrated, for every test of the process."""
    with server_settings() as settings:
        yield settings
