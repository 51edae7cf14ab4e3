"""The snippets of a page, run in their order as a reader would.

- Python runs on the memory profile, in one namespace a page. A snippet may `await`: then it runs on
  the page's loop. `platform` is open, and `acme` is a tenant's scope. A snippet whose first line is
  a comment with a file's name, such as `# test_shop.py`, is that file: pytest runs those together.
- Shell lines are parsed by the command line, and run where they say `--profile memory`.
- TOML is read as a settings file.

What can't run stands behind `<!-- skip: next "the reason" -->`; of Python, it must compile.
"""

import ast
import asyncio
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from unittest import SkipTest

import attrs
from cyclopts import CycloptsError
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, SkipParser

import bootstrap
from bootstrap import Settings, Stores
from bootstrap.cli import call
from bootstrap.cli.app import _app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LANGUAGES = ("python", "sh", "toml", "json", "sql", "text")
NOT_CODE = ("mermaid", "{figures} figures.json", "{eval-rst}", "{toctree}")

_FILE = re.compile(r"# (\w+\.py)\n")
_VARIABLE = re.compile(r"DIALOGBASE_(\w+)=")
_EXTRAS = re.compile(r"pip install .*\[([\w,]+)\]")
_NAMES = {name.upper() for name in attrs.fields_dict(Settings) if name != "stores"} | {
    f"STORES_{name.upper()}" for name in attrs.fields_dict(Stores)
}


def name_of(page: Path) -> str:
    """As in a test's id."""
    return str(page.relative_to(ROOT))


def run(page: Path, folder: Path) -> int:
    """Run a page's snippets; how many there are. `folder` is empty and the working directory."""
    running = _Running(folder)
    document = running.parsed(page)
    count = 0
    with asyncio.Runner() as loop:
        opening = bootstrap.open(Settings.memory())
        platform = loop.run(opening.__aenter__())
        running.loop = loop
        document.namespace |= {
            "platform": platform,
            "acme": platform.for_tenant("acme", actor="ada"),
        }
        try:
            for example in document.examples():
                count += 1
                running.evaluate(example)
        finally:
            loop.run(opening.__aexit__(None, None, None))
    running.pytest()
    return count


class _Running:
    def __init__(self, folder: Path) -> None:
        self.loop: asyncio.Runner | None = None
        self._folder = folder
        self._tests = False

    def parsed(self, page: Path) -> Document:
        evaluators: dict[str, Callable[[Example], None]] = {
            "python": self._python,
            "sh": self._shell,
            "toml": self._toml,
            "json": self._json,
            "sql": self._unable,
            "text": self._nothing,
        }
        parsers = [CodeBlockParser(language, each) for language, each in evaluators.items()]
        return Sybil(parsers=[*parsers, SkipParser()]).parse(page)

    def pytest(self) -> None:
        """The page's files, if there are tests among them."""
        if not self._tests:
            return
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "."],
            cwd=self._folder,
            env={name: each for name, each in os.environ.items() if not name.startswith("PYTEST")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def evaluate(self, example: Example) -> None:
        try:
            example.evaluate()
        except SkipTest as skipped:
            if not str(skipped).strip():
                raise ValueError(f"{example.path}:{example.line}: skipped, and no reason") from None
            if example.region.evaluator == self._python:
                _compiled(example)

    def _python(self, example: Example) -> None:
        if named := _FILE.match(example.parsed):
            _compiled(example)  # nobody may import it
            (self._folder / named[1]).write_text(example.parsed, encoding="utf-8")
            self._tests |= named[1].startswith("test_")
            return
        ran = eval(_compiled(example), example.namespace)
        if inspect.iscoroutine(ran):
            assert self.loop is not None
            self.loop.run(ran)
        for name, value in list(example.namespace.items()):
            if name.startswith("test_") and callable(value):
                value()
                del example.namespace[name]

    def _shell(self, example: Example) -> None:
        for line in _commands(example.parsed):
            for variable in _VARIABLE.findall(line):
                assert variable in _NAMES, f"DIALOGBASE_{variable} is no setting"
            words = [word for word in shlex.split(line, comments=True) if "=" not in word[:40]]
            match words:
                case [] | ["export", *_]:
                    pass
                case ["dialogbase", *tokens]:
                    _dialogbase(tokens)
                case ["make", target, *_]:
                    assert re.search(rf"^{target}:", _read("Makefile"), re.MULTILINE), target
                case ["pip", "install", *_] if extras := _EXTRAS.search(line):
                    known = tomllib.loads(_read("pyproject.toml"))["project"]
                    assert set(extras[1].split(",")) <= set(known["optional-dependencies"]), line
                case _:
                    raise AssertionError(f"nobody checks this: {line}")

    def _toml(self, example: Example) -> None:
        file = self._folder / "settings.toml"
        file.write_text(example.parsed, encoding="utf-8")
        Settings.from_environment({}, file=file)

    def _json(self, example: Example) -> None:
        json.loads(example.parsed)

    def _unable(self, example: Example) -> None:
        raise AssertionError("can't be run here: say why, in a comment before it")

    def _nothing(self, example: Example) -> None:
        """Text is what is read: an output, a folder."""


def _compiled(example: Example) -> CodeType:
    """With the page's own line numbers, so that a traceback leads there."""
    lines = "\n" * (example.line + example.parsed.line_offset)
    module = ast.parse(lines + textwrap.dedent(example.parsed), example.path, type_comments=False)
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code: CodeType = compile(module, example.path, "exec", flags)
    return code


def _commands(text: str) -> Iterator[str]:
    yield from text.replace("\\\n", " ").splitlines()


def _dialogbase(tokens: list[str]) -> None:
    told = " ".join(tokens)
    if "memory" in tokens:
        assert call(tokens) == 0, told
        return
    try:
        _app().parse_args(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        raise AssertionError(f"dialogbase {told}: {error}") from None


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
