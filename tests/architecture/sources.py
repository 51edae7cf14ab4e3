"""The source files, parsed."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("domain", "ports", "adapters", "bootstrap")
FOLDERS = (*PACKAGES, "tests", "benchmarks", "examples")


def files(*folders: str) -> list[Path]:
    """Every Python file of some folders, relative to the root."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found)


@cache
def text(path: Path) -> str:
    """What stands in a file."""
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def tree(path: Path) -> ast.Module:
    """A file, parsed."""
    return ast.parse(text(path), str(path))


def imported(path: Path) -> Iterator[str]:
    """The full name of every module, or member of one, that a file imports anywhere in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = [*path.with_suffix("").parts][: -node.level] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def within(path: Path, folder: str) -> bool:
    """Whether a file lies in a folder."""
    return path.is_relative_to(folder)
