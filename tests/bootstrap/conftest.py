"""Platforms to test on."""

from collections.abc import Iterator

import pytest

from bootstrap import Settings
from tests.bootstrap.stores import fresh_tenant, postgres_settings


@pytest.fixture(scope="session")
def on_postgres() -> Iterator[Settings]:
    """A platform on a real PostgreSQL."""
    with postgres_settings() as settings:
        yield settings


@pytest.fixture(params=["memory", "postgres"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """Each kind of store."""
    if request.param == "memory":
        return Settings.memory()
    made: Settings = request.getfixturevalue("on_postgres")
    return made


@pytest.fixture
def tenant() -> str:
    """One that nobody used before."""
    return fresh_tenant()
