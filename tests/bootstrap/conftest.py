"""Platforms to test on."""

import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from bootstrap import Settings
from bootstrap.settings import NOT_SETTINGS, PREFIX
from tests.bootstrap.stores import environment_of, fresh_tenant, server_settings


@pytest.fixture(scope="session")
def on_servers() -> Iterator[Settings]:
    """A platform on real servers."""
    with server_settings() as settings:
        yield settings


@pytest.fixture
def by_url(on_servers: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a deployed service."""
    for name, value in environment_of(on_servers).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["memory", "servers"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """Each kind of store."""
    return _settings(request)


@pytest.fixture(params=["motor", "pymongo"])
def mongo_settings(request: pytest.FixtureRequest) -> Settings:
    """Real servers, MongoDB by each driver."""
    return _settings(request)


def _settings(request: pytest.FixtureRequest) -> Settings:
    if request.param == "memory":
        return Settings.memory()
    made: Settings = request.getfixturevalue("on_servers")
    return made if request.param == "servers" else attrs.evolve(made, mongo_driver=request.param)


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
