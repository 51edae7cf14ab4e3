"""Platforms to test on."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap import Settings
from bootstrap.settings import NOT_SETTINGS, PREFIX
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


@pytest.fixture(autouse=True)
def clean_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but a test's own, and a working directory of its own."""
    for name in list(os.environ):
        if name.startswith(PREFIX) and not name.startswith(NOT_SETTINGS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
