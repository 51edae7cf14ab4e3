"""What every file has, and none may have."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import FOLDERS, PACKAGES, files, imported, text, tree

LONGEST = 400
"""About 400 lines are the aim; who comes here has something to split."""

UNFINISHED = re.compile(r"\bTO" r"DO\b|\bFIX" r"ME\b|\bX" r"XX\b|NotImplemented" r"Error")
IMPURE = {
    *("asyncio", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets"),
    *("select", "shutil", "signal", "socket", "ssl", "subprocess", "sys", "tempfile", "threading"),
    *("time", "urllib", "zoneinfo"),
}
IMPURE_CALLS = {
    *("now", "utcnow", "today", "uuid1", "uuid4", "getnode"),
    *("open", "print", "input", "eval", "exec"),
}


def test_every_package_and_every_shipped_module_says_what_it_is() -> None:
    """In its docstring."""
    packages = [path for path in files(*FOLDERS) if path.name == "__init__.py"]
    silent = {
        path.as_posix()
        for path in {*packages, *files(*PACKAGES)}
        if not ast.get_docstring(tree(path))
    }
    assert silent == set()


def test_no_file_is_long() -> None:
    """A reader takes one in at a sitting."""
    lengths = {str(path): len(text(path).splitlines()) for path in files(*FOLDERS)}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_nothing_is_left_unfinished() -> None:
    """What isn't done is an issue, not a comment, and no method only says that it is missing."""
    assert [str(path) for path in files(*FOLDERS) if UNFINISHED.search(text(path))] == []


@pytest.mark.parametrize("path", files("domain"), ids=str)
def test_the_domain_reads_no_clock_and_does_no_input_or_output(path: Path) -> None:
    """Times and identities are handed in; nothing is printed, opened or drawn by lot."""
    assert [name for name in imported(path) if name.split(".")[0] in IMPURE] == []
    calls = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    names = {getattr(called, "attr", getattr(called, "id", None)) for called in calls}
    assert names & IMPURE_CALLS == set()


def test_every_test_says_what_it_is_for() -> None:
    """In a docstring; the contracts' tests as well."""
    silent = [
        f"{path}::{node.name}"
        for path in files("tests", "ports/contracts")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
