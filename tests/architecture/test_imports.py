"""Dependencies point inward."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT, files, imported, within

CORE = {*sys.stdlib_module_names, "attr", "attrs"}
ALLOWED = {
    "domain": {*CORE, "domain"},
    "ports": {*CORE, "domain", "ports"},
    "ports/contracts": {*CORE, "domain", "ports", "pytest", "hypothesis"},
}
"""The roots that each folder may import; the last folder that a file lies in decides."""
LINT = "from importlinter.cli import lint_imports_command as run; run()"


def linted(folder: Path) -> tuple[int, str]:
    """The exit status and the report of import-linter on the packages in a folder."""
    run = subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--config", "pyproject.toml"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def test_every_contract_of_the_import_linter_is_kept() -> None:
    """Layers, independent stores, no driver in the core, contracts out of reach."""
    status, report = linted(ROOT)
    assert status == 0, report
    assert " 0 broken" in report


def test_the_import_linter_finds_each_kind_of_breach(tmp_path: Path) -> None:
    """Its contracts aren't written so that nothing can break them."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    breaches = {
        "domain/text.py": "import ports.errors",
        "ports/time.py": "import asyncpg",
        "adapters/memory/clock.py": "import adapters.postgres.store",
        "adapters/system.py": "import ports.contracts.harness",
    }
    for name, line in breaches.items():
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    status, report = linted(tmp_path)
    assert status == 1, report
    assert "Contracts: 0 kept, 5 broken" in report


@pytest.mark.parametrize("path", files("domain", "ports"), ids=str)
def test_the_core_imports_what_is_allowed_and_nothing_else(path: Path) -> None:
    """The standard library, attrs and itself; the contracts pytest and hypothesis, too."""
    allowed = next(ALLOWED[folder] for folder in reversed(ALLOWED) if within(path, folder))
    assert [name for name in imported(path) if name.split(".")[0] not in allowed] == []


@pytest.mark.parametrize("path", files(*PACKAGES), ids=str)
def test_what_is_shipped_imports_neither_contracts_nor_tests(path: Path) -> None:
    """Pytest must not be needed to run a service; the contracts may import each other."""
    forbidden = {"tests", "benchmarks", "examples"}
    names = [name for name in imported(path) if name.split(".")[0] in forbidden]
    if not within(path, "ports/contracts"):
        names += [name for name in imported(path) if name.startswith("ports.contracts")]
    assert names == []
