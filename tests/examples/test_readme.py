"""The README: what it shows runs, and what it says is so."""

import os
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from bootstrap import Settings, Stores
from bootstrap.cli import call

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_a_snippet_runs_on_the_memory_profile(number: int, tmp_path: Path) -> None:
    """As it stands. A test function in it is run by pytest."""
    script = tmp_path / "test_snippet.py"
    script.write_text(SNIPPETS[number], encoding="utf-8")
    tool = ["-m", "pytest", "-p", "no:cacheprovider"] if "def test_" in SNIPPETS[number] else []
    done = subprocess.run(
        [sys.executable, *tool, str(script)],
        env=os.environ | {"DIALOGBASE_PROFILE": "memory"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_snippets() -> None:
    """Or the test above would say nothing."""
    assert len(SNIPPETS) >= 2


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
