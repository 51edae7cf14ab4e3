"""Keys for credentials: how they are set, where the embedded ones lie, and who sees them."""

import json
import os
import stat
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest

import bootstrap
from bootstrap import Settings, SettingsError
from bootstrap.cli import call
from bootstrap.keys import KEY_FILE, ring, ring_of_folder
from domain.integrations import Integration
from domain.secrets import Secret
from ports.errors import EncryptionKeyError
from tests.bootstrap.running import answer, run

ONE, OTHER = (urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))
SECRET = Secret({"api_key": "hunter2"})


@pytest.mark.parametrize(
    "given",
    [
        f"one:{ONE},other:{OTHER}",
        f" one:{ONE.rstrip('=')} , other:{OTHER}",
        {"one": ONE, "other": OTHER},
        Secret({"one": ONE, "other": OTHER}),
    ],
    ids=["text", "text without padding", "table", "secret"],
)
def test_keys_are_given_as_text_or_as_a_table(given: Any) -> None:
    """The first is the active one, unless another is named."""
    settings = Settings(profile="memory", encryption_keys=given)
    assert settings.encryption_keys is not None
    assert ring(settings.encryption_keys, None).prefix == "v1.one."
    named = attrs.evolve(settings, encryption_key="other")
    assert named.encryption_keys is not None
    assert ring(named.encryption_keys, named.encryption_key).prefix == "v1.other."


def test_keys_come_from_variables_and_files(tmp_path: Path) -> None:
    """In a file they keep their order."""
    keys = Secret({"one": ONE, "other": OTHER})
    settings = Settings.from_environment(
        {"DIALOGBASE_ENCRYPTION_KEYS": f"one:{ONE},other:{OTHER}"}, profile="memory"
    )
    assert settings.encryption_keys == keys
    file = tmp_path / "settings.toml"
    file.write_text(
        f'profile = "memory"\nencryption_key = "one"\n'
        f'[encryption_keys]\nother = "{OTHER}"\none = "{ONE}"\n'
    )
    settings = Settings.from_environment({}, file=file)
    assert settings.encryption_keys == keys
    assert list(settings.encryption_keys.reveal()) == ["other", "one"]
    assert settings.encryption_key == "one"


@pytest.mark.parametrize(
    "given",
    [
        "",
        ONE,
        f"one:{ONE},one:{OTHER}",
        f"one:{ONE},",
        f"one:{ONE[:-4]}",
        f"o.e:{ONE}",
        f"one:{ONE[:-2]}!=",
        {},
        {"one": 1},
        {"one": "hunter2"},
        ["one"],
        5,
    ],
)
def test_what_are_no_keys_is_refused_without_showing_it(given: Any) -> None:
    """Named where it was set."""
    with pytest.raises(SettingsError) as told:
        Settings(profile="memory", encryption_keys=given)
    assert [fault.path for fault in told.value.faults] == ["encryption_keys"]
    assert ONE[:10] not in str(told.value)
    assert "hunter2" not in str(told.value)


def test_an_active_key_must_be_one_of_them() -> None:
    """Also if there are none."""
    for keys in (None, f"one:{ONE}"):
        with pytest.raises(SettingsError) as told:
            Settings(profile="memory", encryption_keys=keys, encryption_key="other")  # type: ignore[arg-type]  # its rule makes it one
        assert [fault.path for fault in told.value.faults] == ["encryption_key"]


@run
async def test_settings_show_no_key() -> None:
    """Nor does a platform that was opened with them."""
    settings = Settings(profile="memory", encryption_keys=f"one:{ONE}")  # type: ignore[arg-type]  # its rule makes it one
    async with bootstrap.open(settings) as platform:
        for shown in (repr(settings), str(settings), repr(platform), str(vars(settings))):
            assert ONE[:10] not in shown
            assert "Secret(***)" in shown


def test_a_data_folder_has_a_key_of_its_own(tmp_path: Path) -> None:
    """Readable by its owner alone; the same the next time."""
    made = ring_of_folder(tmp_path)
    assert stat.S_IMODE(os.stat(tmp_path / KEY_FILE).st_mode) == 0o600
    assert ring_of_folder(tmp_path).open(made.seal(b"a", b"b"), b"b") == b"a"
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_who_makes_a_folders_key_at_the_same_time_gets_the_same(tmp_path: Path) -> None:
    """The first one wins."""
    with ThreadPoolExecutor(8) as racers:
        rings = list(racers.map(lambda _: ring_of_folder(tmp_path), range(8)))
    assert len({one.seal(b"a", b"b") for one in rings}) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"one": "hunter2"}', "hunter2"])
def test_a_folder_with_another_file_of_that_name_says_so(tmp_path: Path, content: str) -> None:
    """And doesn't make a new key, with which nothing could be read."""
    (tmp_path / KEY_FILE).write_text(content)
    with pytest.raises(ValueError, match=KEY_FILE) as told:
        ring_of_folder(tmp_path)
    assert "hunter2" not in str(told.value)
    assert told.value.__context__ is None
    assert (tmp_path / KEY_FILE).read_text() == content


@run
async def test_with_servers_keys_are_for_who_keeps_credentials(
    on_servers: Settings, tenant: str
) -> None:
    """Without them everything else works; with them, what was stored comes back."""
    draft = Integration.draft(name="crm", type="rest_api", credentials=SECRET)
    async with bootstrap.open(on_servers) as platform:
        integrations = platform.for_tenant(tenant).integrations
        with pytest.raises(EncryptionKeyError, match="encryption_keys"):
            await integrations.create(draft)
        await integrations.create(Integration.draft(name="erp", type="rest_api"))
    former: Any = f"one:{ONE}"
    keyed = attrs.evolve(on_servers, encryption_keys=former)
    async with bootstrap.open(keyed) as platform:
        made = await platform.for_tenant(tenant).integrations.create(draft)
    both: Any = f"other:{OTHER},{former}"
    newer = attrs.evolve(on_servers, encryption_keys=both)
    async with bootstrap.open(newer) as platform:
        integrations = platform.for_tenant(tenant).integrations
        assert (await integrations.require(made.id)).credentials == SECRET
        assert await integrations.rotate_credentials() == 1


def test_a_key_is_generated_for_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """In the form that they take; each time another."""
    assert call(["keys", "generate"]) == 0
    printed = capsys.readouterr().out.strip()
    assert Settings(profile="memory", encryption_keys=printed).encryption_keys is not None  # type: ignore[arg-type]  # its rule makes it one
    code, document = answer(capsys, "keys", "generate", "--name", "mine")
    assert (code, document["id"]) == (0, "mine")
    assert document["key"] not in printed
    assert json.dumps(document)
    assert call(["keys", "generate", "--name", "a.b"]) == 2
    assert "--name" in capsys.readouterr().err


def test_credentials_are_encrypted_anew_for_every_tenant_or_for_one(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    on_servers: Settings,
    by_url: None,
    tenant: str,
) -> None:
    """What can't be opened is told, and keeps nobody from theirs."""
    lost, other = f"{tenant}-a", f"{tenant}-b"

    @run
    async def store(name: str, keys: Any) -> None:
        async with bootstrap.open(attrs.evolve(on_servers, encryption_keys=keys)) as platform:
            draft = Integration.draft(name="crm", type="rest_api", credentials=SECRET)
            await platform.for_tenant(name).integrations.create(draft)

    store(tenant, f"one:{ONE}")
    store(lost, f"gone:{OTHER}")
    store(other, f"one:{ONE}")
    assert call(["keys", "rotate"]) == 1
    assert "there is no encryption key" in capsys.readouterr().err
    monkeypatch.setenv("DIALOGBASE_ENCRYPTION_KEYS", f"new:{OTHER},one:{ONE}")
    rotate = ("keys", "rotate")
    assert answer(capsys, *rotate, "--tenant", tenant) == (0, {"rotated": 1, "failed": []})
    assert answer(capsys, *rotate, "--tenant", tenant) == (0, {"rotated": 0, "failed": []})
    code, told = answer(capsys, *rotate)
    assert (code, told["rotated"] >= 1) == (1, True)
    assert "'gone'" in {one["tenant"]: one["error"] for one in told["failed"]}[lost]
    assert answer(capsys, *rotate, "--tenant", other) == (0, {"rotated": 0, "failed": []})
    assert call([*rotate, "--tenant", lost]) == 1
    printed = capsys.readouterr()
    assert lost in printed.err
    assert "0 encrypted anew" in printed.out
