"""The README: what it says is so. (What it shows is run with the pages of docs/.)"""

import re
from pathlib import Path

import attrs
import pytest

from bootstrap import Settings, Stores
from bootstrap.cli import call

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_stands_in_its_table_and_nothing_else_does() -> None:
    """By its variable."""
    names = {name.upper() for name in attrs.fields_dict(Settings) if name != "stores"}
    names |= {f"STORES_{name.upper()}" for name in attrs.fields_dict(Stores)}
    documented = set(re.findall(r"^\| `DIALOGBASE_(\w+)` \|", README, re.MULTILINE))
    assert documented == names | {"SETTINGS"}


def test_every_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """That `dialogbase --help` lists."""
    assert call(["--help"]) == 0
    listed = set(re.findall(r"^│ ([a-z]+) ", capsys.readouterr().out, re.MULTILINE))
    assert listed >= {"demo", "up", "migrate", "doctor", "import", "export", "bench"}
    assert all(f"dialogbase {command}" in README for command in listed)


def test_every_make_target_that_it_names_exists() -> None:
    """And the two commands come first."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^    |`)make (\w+)", README, re.MULTILINE)
    assert named[:2] == ["demo", "test"]
    assert set(named) <= targets


def test_every_file_that_it_links_to_is_there() -> None:
    """Relative links only."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
