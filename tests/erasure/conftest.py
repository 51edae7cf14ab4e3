"""Real stores, for all of these tests."""

from collections.abc import Iterator

import attrs
import pytest

from bootstrap.settings import Settings
from tests.bootstrap.stores import server_settings


@pytest.fixture(scope="package")
def on_servers() -> Iterator[Settings]:
    """A platform with synchronisation, whose erasures needn't wait for long."""
    with server_settings() as settings:
        yield attrs.evolve(
            settings,
            mongo_driver="pymongo",
            deadline_seconds=5.0,
            erasure_staleness_seconds=0.1,
            synchronise=True,
        )
