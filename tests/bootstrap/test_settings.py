"""Settings: where they come from, and how they are refused."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bootstrap import Settings, SettingsError, Stores

MONGO = "mongodb://ada:s3cr3t@docs.example/dialogbase?password=s3cr3t"
REDIS = "redis://ada:s3cr3t@cache.example/0?password=s3cr3t"
URL = "postgresql://ada:s3cr3t@db.example/dialogbase?password=s3cr3t"


def test_memory_settings_need_no_environment() -> None:
    """The one line that unit tests write."""
    assert Settings.memory().stores == Stores(
        authoring="memory", dialogue="memory", runtime="memory", analytics="memory"
    )
    assert Settings.memory().servers_needed == frozenset()


def test_without_anything_the_profile_is_embedded_and_durable() -> None:
    """Nobody loses data for not having set something."""
    settings = Settings.from_environment({})
    assert settings.profile == "embedded"
    assert settings.data == Path(".dialogbase")
    assert settings.stores == Stores(
        authoring="postgres", dialogue="mongo", runtime="redis", analytics="mongo"
    )
    assert settings.servers_needed == {"postgres", "mongo", "redis"}


def test_urls_alone_mean_servers() -> None:
    """A deployment sets its URLs and is done."""
    settings = Settings.from_environment(
        {
            "DIALOGBASE_POSTGRES_URL": URL,
            "DIALOGBASE_MONGO_URL": MONGO,
            "DIALOGBASE_REDIS_URL": REDIS,
        }
    )
    assert settings.profile == "servers"
    assert (settings.postgres_url, settings.mongo_url, settings.redis_url) == (URL, MONGO, REDIS)


def test_a_server_whose_group_is_in_memory_needs_no_url() -> None:
    """Who has flows only runs PostgreSQL only, and so on for each."""
    only_flows = Stores(dialogue="memory", runtime="memory")
    only_talks = Stores(authoring="memory", runtime="memory")
    only_sessions = Stores(authoring="memory", dialogue="memory")
    flows = Settings(profile="servers", postgres_url=URL, stores=only_flows)
    talks = Settings(profile="servers", mongo_url=MONGO, stores=only_talks)
    sessions = Settings(profile="servers", redis_url=REDIS, stores=only_sessions)
    assert flows.servers_needed == {"postgres"}
    assert talks.servers_needed == {"mongo"}
    assert sessions.servers_needed == {"redis"}


def test_events_are_kept_where_the_conversations_are_unless_told_otherwise() -> None:
    """Either alone asks for MongoDB."""
    for dialogue, analytics, expected in (
        ("memory", None, "memory"),
        ("mongo", None, "mongo"),
        ("memory", "mongo", "mongo"),
        ("mongo", "memory", "memory"),
    ):
        chosen: Any = {"authoring": "memory", "runtime": "memory", "dialogue": dialogue}
        settings = Settings(profile="embedded", stores=chosen | {"analytics": analytics})
        assert settings.stores.analytics == expected
        on_mongo = "mongo" in (dialogue, expected)
        assert settings.servers_needed == ({"mongo"} if on_mongo else set())


def test_events_are_kept_for_ever_or_for_so_many_days() -> None:
    """Whole days, at least one."""
    assert Settings.from_environment({}).analytics_retention is None
    for days in (1, 90, 24_000):
        variables = {"DIALOGBASE_ANALYTICS_RETENTION_DAYS": str(days)}
        assert Settings.from_environment(variables).analytics_retention == timedelta(days=days)
    for wrong in ("0", "-1", "1.5", "24001", "for ever"):
        with pytest.raises(SettingsError, match="DIALOGBASE_ANALYTICS_RETENTION_DAYS"):
            Settings.from_environment({"DIALOGBASE_ANALYTICS_RETENTION_DAYS": wrong})


def test_the_driver_is_motor_unless_another_is_set() -> None:
    """One variable away."""
    assert Settings.from_environment({}).mongo_driver == "motor"
    other = Settings.from_environment({"DIALOGBASE_MONGO_DRIVER": "pymongo"})
    assert other.mongo_driver == "pymongo"
    with pytest.raises(SettingsError, match="DIALOGBASE_MONGO_DRIVER: must be one of"):
        Settings.from_environment({"DIALOGBASE_MONGO_DRIVER": "mongoengine"})


def test_arguments_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    """And what one source leaves open the next one fills."""
    file = tmp_path / "dialogbase.toml"
    file.write_text('profile = "memory"\npool_size = 3\ndeadline_seconds = 1.5\ndata = "a"\n')
    settings = Settings.from_environment(
        {"DIALOGBASE_SETTINGS": str(file), "DIALOGBASE_POOL_SIZE": "4", "DIALOGBASE_DATA": "b"},
        data=Path("c"),
        profile=None,
    )
    assert (settings.profile, settings.pool_size, settings.deadline_seconds, settings.data) == (
        "memory",
        4,
        1.5,
        Path("c"),
    )


def test_a_store_is_chosen_by_variable_table_or_argument(tmp_path: Path) -> None:
    """One name in three places."""
    file = tmp_path / "dialogbase.toml"
    file.write_text('profile = "embedded"\n[stores]\nauthoring = "memory"\n')
    chosen = [
        Settings.from_environment({}, file=file),
        Settings.from_environment({"DIALOGBASE_STORES_AUTHORING": "memory"}),
        Settings(profile="embedded", stores=Stores(authoring="memory")),
    ]
    assert [settings.stores.authoring for settings in chosen] == ["memory"] * 3
    assert [settings.servers_needed for settings in chosen] == [{"mongo", "redis"}] * 3


def test_every_fault_is_reported_at_once_and_named_where_it_was_set(tmp_path: Path) -> None:
    """Mending one at a time is nobody's wish."""
    file = tmp_path / "dialogbase.toml"
    file.write_text('pool = 3\ndeadline_seconds = "soon"\n[stores]\nauthorign = "memory"\n')
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {
                "DIALOGBASE_PROFILE": "memroy",
                "DIALOGBASE_POOL_SIZE": "many",
                "DIALOGBASE_POSTGRES_URI": URL,
                "DIALOGBASE_MONGO_URL": "http://db.example",
            },
            file=file,
        )
    assert sorted(fault.path for fault in caught.value.faults) == sorted(
        [
            f"{file}: pool",
            f"{file}: deadline_seconds",
            f"{file}: stores.authorign",
            "DIALOGBASE_PROFILE",
            "DIALOGBASE_POOL_SIZE",
            "DIALOGBASE_POSTGRES_URI",
            "DIALOGBASE_MONGO_URL",
        ]
    )


def test_variables_of_the_tests_and_of_others_are_left_alone() -> None:
    """They name servers for tests, not for a platform."""
    environment = {"DIALOGBASE_TEST_MONGO_URL": MONGO, "DIALOGBASE_SHARED_DATA": "x", "PATH": "y"}
    assert Settings.from_environment(environment).mongo_url is None


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"profile =", "is not TOML"), (b"\xff", "is not TOML"), (None, "can't be read")],
    ids=["half a line", "not UTF-8", "not there"],
)
def test_a_file_that_is_no_settings_file_is_named(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    """With what is wrong with it."""
    file = tmp_path / "dialogbase.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"{re.escape(str(file))}.*{says}"):
        Settings.from_environment({}, file=file)


def test_servers_without_the_url_they_need_are_refused_by_the_variable_s_name() -> None:
    """Before anything is opened."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"DIALOGBASE_PROFILE": "servers"})
    missing = {fault.path for fault in caught.value.faults}
    assert missing == {
        "DIALOGBASE_POSTGRES_URL",
        "DIALOGBASE_MONGO_URL",
        "DIALOGBASE_REDIS_URL",
    }


def test_memory_has_no_server_to_choose() -> None:
    """A store is only chosen where its server is."""
    everywhere = Stores(authoring="postgres", dialogue="mongo", runtime="redis", analytics="mongo")
    with pytest.raises(
        SettingsError,
        match=r"stores\.dialogue.*stores\.analytics.*stores\.authoring.*stores\.runtime",
    ):
        Settings(profile="memory", stores=everywhere)


@pytest.mark.parametrize(
    "wrong", ["postgresql://", "//host", "mysql://host/db", "postgresql://[::1"]
)
def test_what_is_no_url_of_the_server_is_refused_without_being_repeated(wrong: str) -> None:
    """It might hold a password all the same."""
    with pytest.raises(SettingsError) as caught:
        Settings(profile="servers", postgres_url=wrong)
    assert wrong not in str(caught.value)


def test_no_password_shows_in_the_repr() -> None:
    """Settings are printed and logged."""
    shown = repr(Settings(profile="servers", postgres_url=URL, mongo_url=MONGO, redis_url=REDIS))
    assert "s3cr3t" not in shown
    assert "postgresql://ada:***@db.example/dialogbase?…" in shown
    assert "mongodb://ada:***@docs.example/dialogbase?…" in shown
    assert "redis://ada:***@cache.example/0?…" in shown
