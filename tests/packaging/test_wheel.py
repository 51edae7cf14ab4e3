"""The wheel: what is in it, and that it works away from the repository."""

import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.contracts.test_third_party import ADAPTER

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "ports", "adapters", "bootstrap")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release would be, but with the backend that is installed: without a network."""
    folder = tmp_path_factory.mktemp("dist")
    _run(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
        *("--outdir", str(folder), str(ROOT)),
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("site")
    _run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"),
        *("--disable-pip-version-check", "--target", str(folder), str(wheel)),
    )
    return folder


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _python(code: str, *path: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs code that finds packages in `path`, and then among what is installed here.

    -S keeps out the editable installation of this repository, which is a .pth file.
    """
    places = [*map(str, path), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    script = f"import sys; sys.path[:0] = {places!r}\n{code}"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def test_it_holds_the_four_packages_and_nothing_else(wheel: Path) -> None:
    """Every further top-level name could clash with someone's."""
    with zipfile.ZipFile(wheel) as archive:
        top = {name.partition("/")[0] for name in archive.namelist()}
    assert top == {*PACKAGES, f"dialogbase-{VERSION}.dist-info"}


def test_it_is_typed_and_brings_its_data_and_no_tests(wheel: Path) -> None:
    """Migrations and samples are read at run time."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert "bootstrap/samples/flows.jsonl" in names
    assert any(name.startswith("adapters/postgres/") and "migrations/" in name for name in names)
    assert any(name.startswith("ports/contracts/") for name in names)
    assert not any("test_" in name or "conftest" in name for name in names)


def test_every_python_file_of_the_packages_is_in_it(wheel: Path) -> None:
    """An ignore rule that matches too much would leave some out."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.endswith(".py")}
    there = {
        file.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for file in (ROOT / name).rglob("*.py")
    }
    assert packed == there


def test_it_works_when_installed_away_from_the_repository(installed: Path, tmp_path: Path) -> None:
    """With the repository nowhere on the path."""
    done = _python(
        """
import asyncio, bootstrap, domain
from domain.flows import Flow
async def main():
    async with bootstrap.open(bootstrap.Settings.memory()) as platform:
        flow = await platform.for_tenant("acme").flows.create(Flow.draft(name="welcome"))
        print(flow.name, domain.__file__)
asyncio.run(main())
""",
        installed,
        cwd=tmp_path,
    )
    assert done.stdout.split() == ["welcome", str(installed / "domain" / "__init__.py")], (
        done.stderr
    )


def test_its_command_tells_the_demo_from_the_samples_inside(
    installed: Path, tmp_path: Path
) -> None:
    """What a user does first."""
    done = _python(
        "from bootstrap.cli import call; raise SystemExit(call(['demo', '--profile', 'memory']))",
        installed,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "Another tenant" in done.stdout


def test_a_third_party_s_adapter_is_tested_by_the_contracts_inside(
    installed: Path, tmp_path: Path
) -> None:
    """By the documented command, and with the repository nowhere on the path."""
    (tmp_path / "my_adapter.py").write_text(ADAPTER)
    command = ["-p", "ports.contracts.plugin", "--pyargs", "ports.contracts"]
    command += ["-k", "a_deleted_entity_is_gone and flow"]
    for adapter, code, told in (("Toy", 0, "1 passed"), ("Forgetful", 1, "1 failed")):
        arguments = [*command, "--backend", f"my_adapter:{adapter}"]
        done = _python(
            f"import pytest; raise SystemExit(pytest.main({arguments!r}))",
            tmp_path,
            installed,
            cwd=tmp_path,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert told in done.stdout


@pytest.mark.parametrize("name", ["domain", "ports", "adapters"])
def test_a_stranger_s_package_of_our_name_is_an_import_error_that_says_so(
    installed: Path, tmp_path: Path, name: str
) -> None:
    """Rather than an attribute missing somewhere deep."""
    stranger = tmp_path / name
    stranger.mkdir()
    (stranger / "__init__.py").touch()
    done = _python("import bootstrap", tmp_path, installed, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: Dialogbase's package '{name}'")
    assert str(stranger) in last
    assert str(installed / name) in last
